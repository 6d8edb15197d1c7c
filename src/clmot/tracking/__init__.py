"""Association of detections over time, in NumPy; imports no torch."""
