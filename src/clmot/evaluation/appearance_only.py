"""Appearance-only association: what an embedding is worth where neither motion nor a detector can help or hurt.

Every annotated box of a frame goes to the track whose appearance is nearest, wherever either is, by the assignment of
least total cosine distance, or starts a track of its own. A track's appearance is the moving average of its boxes;
no track ends.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from clmot.evaluation.embedding import EmbeddedSequence
from clmot.structures import Float32Array, Int64Array

THRESHOLDS = tuple(np.linspace(0.05, 1.0, 20).round(3).tolist())
"""Largest cosine distances of a match that are tried: embeddings spread differently, and each gets what suits it."""

MOMENTUM = 0.9
"""Of the moving average, as in the tracker."""


def best_association(sequence: EmbeddedSequence, thresholds: Sequence[float] = THRESHOLDS) -> tuple[float, float]:
    """The best IDF1 over thresholds, in percent, and the threshold; an upper bound, equally kind to all embeddings."""
    scores = [(identity_f1(sequence.identities, associate(sequence, each)), each) for each in thresholds]
    return max(scores, key=lambda pair: (pair[0], -pair[1]))


def associate(sequence: EmbeddedSequence, threshold: float) -> Int64Array:
    """The track of each box, int64 [n] from 0.

    Args:
        sequence: embedded boxes; those seen at one time are in one frame.
        threshold: largest cosine distance of a match.
    """
    tracks = np.full(len(sequence.seconds), -1, np.int64)
    appearance: Float32Array = np.empty((0, sequence.embeddings.shape[1]), np.float32)
    for moment in np.unique(sequence.seconds):
        rows = np.flatnonzero(sequence.seconds == moment)
        seen = sequence.embeddings[rows]
        cost = np.minimum(1 - seen @ appearance.T, threshold + 1e-6)
        row, track = linear_sum_assignment(cost)
        matched = cost[row, track] <= threshold
        row, track = row[matched], track[matched]
        tracks[rows[row]] = track
        updated = MOMENTUM * appearance[track] + (1 - MOMENTUM) * seen[row]
        appearance[track] = updated / np.maximum(np.linalg.norm(updated, axis=1, keepdims=True), 1e-12)
        new = np.setdiff1d(np.arange(len(rows)), row)
        tracks[rows[new]] = len(appearance) + np.arange(len(new))
        appearance = np.concatenate([appearance, seen[new]])
    return tracks


def identity_f1(identities: Int64Array, tracks: Int64Array) -> float:
    """IDF1 in percent (Ristani et al. 2016) where every box is found; NaN without boxes.

    It is then the share of boxes that lie in both halves of the best one-to-one pairing of tracks and identities.

    Args:
        identities: int64 [n], of each box.
        tracks: int64 [n], the track it was given to.
    """
    if not len(identities):
        return float("nan")
    _, identity = np.unique(identities, return_inverse=True)
    _, track = np.unique(tracks, return_inverse=True)
    together = np.zeros((identity.max() + 1, track.max() + 1), np.int64)
    np.add.at(together, (identity, track), 1)
    return 100 * float(together[linear_sum_assignment(together, maximize=True)].sum()) / len(identities)
