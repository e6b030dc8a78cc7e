"""Pure array code (NumPy, OpenCV, Pillow): no models, files or global seeds."""
