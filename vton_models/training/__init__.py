"""Training: the loop, what it is told, and the folder that a run leaves."""
