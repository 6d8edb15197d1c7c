"""Detectors of other libraries as `clmot.protocols.Detector`, one library a file."""
