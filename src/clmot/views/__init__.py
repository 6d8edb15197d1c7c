"""Two views of a frame: transforms, pairs of objects, and batches of them."""
