"""A second stage of training, on video without labels: unambiguous tracklets teach the embedding."""
