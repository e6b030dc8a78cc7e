"""What the page of a finished build shows: the build as it lies there, the records that are listed, its sections."""
