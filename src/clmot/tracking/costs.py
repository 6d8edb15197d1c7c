"""What a match between a track and a detection costs, for pairs of them: element i is about the i-th pair."""

import numpy as np
from jaxtyping import Bool, Float, Int64

from clmot.products import product

_TINY = np.finfo(np.float64).tiny
"""Makes the angle to nothing a right one, and changes no other."""
_DENSE = 8
"""Embeddings of all pairs are compared in one matrix product where more than one in so many is wanted."""


def cosine_distance(
    first: Float[np.ndarray, "n d"],
    second: Float[np.ndarray, "m d"],
    rows: Int64[np.ndarray, " k"],
    columns: Int64[np.ndarray, " k"],
) -> Float[np.ndarray, " k"]:
    """One minus the cosine of unit vectors ``first[rows]`` and ``second[columns]``, in [0, 2]."""
    if _DENSE * len(rows) > len(first) * len(second):
        cosine = product(first, second.T)[rows, columns]
    else:
        cosine = np.vecdot(first.take(rows, axis=0), second.take(columns, axis=0))
    return np.asarray(np.maximum(1 - cosine, 0))


def fuse_motion(
    appearance: Float[np.ndarray, " k"], mahalanobis: Float[np.ndarray, " k"], weight: float
) -> Float[np.ndarray, " k"]:
    """``weight x appearance + (1 - weight) x mahalanobis``.

    Args:
        appearance: cosine distances.
        mahalanobis: squared Mahalanobis distances with four degrees of freedom.
        weight: share of the appearance.

    Source: Zhang et al., "FairMOT: on the fairness of detection and re-identification in multiple object tracking".
    """
    return np.asarray(weight * appearance + (1 - weight) * mahalanobis)


def gate(appearance: Float[np.ndarray, " k"], near: Bool[np.ndarray, " k"], limit: float) -> Float[np.ndarray, " k"]:
    """The appearance's distance, or 1 (no help) where boxes are not near each other or it exceeds the limit.

    Source: Aharon et al., "BoT-SORT", 2022.
    """
    return np.where(near & (appearance <= limit), appearance, np.ones((), appearance.dtype))


def direction_agreement(
    origin: Float[np.ndarray, "k 2"], last: Float[np.ndarray, "k 2"], target: Float[np.ndarray, "k 2"]
) -> Float[np.ndarray, " k"]:
    """How well a detection lies where a track was heading, from 0.5 (straight on) to -0.5 (straight back).

    Args:
        origin: where the track was some frames ago.
        last: where it was last seen; the agreement is 0 for a track that has not moved.
        target: centre of the detection.

    Source: Cao et al., "Observation-centric SORT", 2023: half minus the angle, as a share of half a turn, between the
    line from origin to last and the line from origin to the detection.
    """
    # as complex numbers: the product has the cosine and the sine of the angle between, times the lengths
    turn = (last - origin).view(np.complex128)[:, 0].conj() * (target - origin).view(np.complex128)[:, 0]
    angle = np.arctan2(np.abs(turn.imag) + _TINY, turn.real)
    return np.asarray(0.5 - angle / np.pi)
