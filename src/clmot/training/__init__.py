"""Training: loop, optimiser, checkpoints and log."""
