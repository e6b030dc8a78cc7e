"""What is left of a photo when its plain background is found: fitted, flooded in from the frame, edges in between."""
