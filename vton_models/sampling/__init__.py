"""Sampling: tasks from records or photos, the loop over them, the files that it leaves."""
