"""One file that shows what became of a video: tracks, their events worst first, why, and what it looked like."""
