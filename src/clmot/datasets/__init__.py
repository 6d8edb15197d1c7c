"""Data sets on disk: readers, writers, mixes and splits."""
