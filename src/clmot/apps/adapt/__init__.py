"""A second stage of training, on video that nobody has labelled: what tracking is sure of teaches the embedding."""
