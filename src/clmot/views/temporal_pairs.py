"""A neighbouring frame of the sequence as the second view: the same people a moment later, and no identities.

Boxes are matched by overlap, or by the tracklets that they belong to, where a tracker found some. What cannot be told
is left out of the contrast.
"""

import dataclasses

import numpy as np
from jaxtyping import Float, Int64

from clmot import boxes as box
from clmot.structures import Picture, Sample

MIN_IOU = 0.5
"""Boxes that overlap less are not matched."""

CLEAR_MARGIN = 0.2
"""A match is ambiguous if either box has another candidate whose IoU is less than this much smaller."""

MIN_MATCHED = 0.5
"""A frame is a neighbour only if this share of its or the other's objects is matched: a cut, or unrelated stills filed
as one sequence, are not."""


def match_boxes(
    first: Float[np.ndarray, "n 4"],
    second: Float[np.ndarray, "m 4"],
    first_classes: Int64[np.ndarray, " n"],
    second_classes: Int64[np.ndarray, " m"],
) -> Int64[np.ndarray, "k 2"]:
    """Pairs of boxes of one class that are each other's best overlap, with no second candidate near.

    Returns:
        Rows of the first and of the second set, ordered by the first.
    """
    if not len(first) or not len(second):
        return np.empty((0, 2), np.int64)
    overlap = box.iou(first, second) * (first_classes[:, None] == second_classes)
    # the second best of each row and column; one more row and column of zeros, for there may be no second
    padded = np.pad(overlap, ((0, 1), (0, 1)))
    row_rival = np.partition(padded[:-1], -2, axis=1)[:, -2]
    column_rival = np.partition(padded[:, :-1], -2, axis=0)[-2]
    clear = overlap - np.maximum(row_rival[:, None], column_rival) >= CLEAR_MARGIN
    return np.argwhere(clear & (overlap >= MIN_IOU))


def match_samples(first: Sample, second: Sample) -> Int64[np.ndarray, "k 2"] | None:
    """Which objects of two frames are the same; None where too few are to call the frames neighbours.

    Ignored boxes are not matched but count as candidates: the object may be behind one of them.
    """
    pairs = match_boxes(first.boxes, second.boxes, first.classes, second.classes)
    pairs = pairs[~first.ignore[pairs[:, 0]] & ~second.ignore[pairs[:, 1]]]
    objects = min(np.count_nonzero(~first.ignore), np.count_nonzero(~second.ignore))
    return pairs if len(pairs) and len(pairs) >= MIN_MATCHED * objects else None


def match_tracklets(first: Sample, second: Sample) -> Int64[np.ndarray, "k 2"] | None:
    """The boxes of two frames that belong to one tracklet, ordered by the first; None where there are none."""
    same = first.identities[:, None] == second.identities
    known = ((first.identities >= 0) & ~first.ignore)[:, None] & ~second.ignore
    pairs = np.argwhere(same & known)
    return pairs if len(pairs) else None


def as_neighbour(neighbour: Picture, first: Picture, pairs: Int64[np.ndarray, "k 2"]) -> Picture:
    """The neighbour's boxes named after those they were matched with.

    An unmatched box may show any unmatched object of the first frame, or a new one: it takes index -1 and is
    contrasted with nothing. Those of the first frame keep their index, for no box of the neighbour that takes part is
    one of them.

    Args:
        neighbour: the picture of the second view.
        first: the picture of the first view.
        pairs: rows of the first and of the neighbour (see `match_samples` and `match_tracklets`).
    """
    object_index = np.full(len(neighbour.boxes), -1, np.int64)
    frame_index = neighbour.frame_index.copy()
    object_index[pairs[:, 1]] = first.object_index[pairs[:, 0]]
    frame_index[pairs[:, 1]] = first.frame_index[pairs[:, 0]]
    return dataclasses.replace(neighbour, object_index=object_index, frame_index=frame_index)
