"""Data: readers, views, batches and synthetic scenes."""
