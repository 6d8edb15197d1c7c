"""Counting of tracks: who crosses which line in which direction, who is in which zone and for how long."""
