"""Tracking of videos: source, detector, tracker, outputs."""
