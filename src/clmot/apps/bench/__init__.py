"""Ways to teach an embedding, side by side: the same frames, steps, start, seeds and tracker, one report."""
