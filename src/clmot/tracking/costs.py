"""What a match between a track and a detection costs, as matrices [tracks, detections]."""

import numpy as np
from jaxtyping import Float, Int

from clmot.boxes import iou
from clmot.tracking.kalman import GATE


def cosine_distance(first: Float[np.ndarray, "n d"], second: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "n m"]:
    """One minus the cosine of every pair of unit vectors, in [0, 2]."""
    return np.asarray(np.maximum(1 - first @ second.T, 0))


def iou_distance(first: Float[np.ndarray, "n 4"], second: Float[np.ndarray, "m 4"]) -> Float[np.ndarray, "n m"]:
    """One minus the intersection over union of every pair of xyxy boxes, in [0, 1]."""
    return np.asarray(1 - iou(first, second))


def fuse_motion(
    appearance: Float[np.ndarray, "n m"], mahalanobis: Float[np.ndarray, "n m"], weight: float
) -> Float[np.ndarray, "n m"]:
    """``weight x appearance + (1 - weight) x mahalanobis``, infinite beyond the motion gate.

    Args:
        appearance: cosine distances.
        mahalanobis: squared Mahalanobis distances with four degrees of freedom.
        weight: share of the appearance.

    Source: Zhang et al., "FairMOT: on the fairness of detection and re-identification in multiple object tracking".
    """
    fused = weight * appearance + (1 - weight) * mahalanobis
    return np.where(mahalanobis > GATE, np.inf, fused)


def forbid_class_change(
    cost: Float[np.ndarray, "n m"], first: Int[np.ndarray, " n"], second: Int[np.ndarray, " m"]
) -> Float[np.ndarray, "n m"]:
    """The cost, infinite where the classes differ."""
    return np.where(first[:, None] == second[None, :], cost, np.inf)
