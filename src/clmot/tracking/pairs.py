"""Which tracks and detections are near enough to be compared at all.

Of n tracks and m detections few pairs are near each other. Finding them first keeps the work proportional to their
number, where matrices would take n x m for every part of a cost.
"""

import numpy as np
from jaxtyping import Float, Int64

from clmot import boxes as box

Pairs = tuple[Int64[np.ndarray, " k"], Int64[np.ndarray, " k"]]
"""Positions on the one side, ascending, and on the other."""


def all_pairs(n: int, m: int) -> Pairs:
    """Every one of n with every one of m."""
    return np.repeat(np.arange(n), m), np.tile(np.arange(m), n)


def within(low: Float[np.ndarray, " n"], high: Float[np.ndarray, " n"], value: Float[np.ndarray, " m"]) -> Pairs:
    """The pairs with ``low[i] <= value[j] <= high[i]``."""
    order = value.argsort(kind="stable")
    sorted_value = value[order]
    start = sorted_value.searchsorted(low)
    count = np.maximum(sorted_value.searchsorted(high, side="right") - start, 0)
    rows = np.repeat(np.arange(len(low)), count)
    # the k-th pair of row i is the start[i] + k-th of the sorted values
    first = count.cumsum() - count
    return rows, order[np.arange(len(rows)) + (start - first)[rows]]


def overlapping(
    first: Float[np.ndarray, "n 4"], second: Float[np.ndarray, "m 4"]
) -> tuple[Int64[np.ndarray, " k"], Int64[np.ndarray, " k"], Float[np.ndarray, " k"]]:
    """The pairs of xyxy boxes that have area in common, and their intersection over union."""
    if not len(first) or not len(second):
        return (*all_pairs(0, 0), np.empty(0, first.dtype))
    widest = (second[:, 2] - second[:, 0]).max()
    rows, columns = within(first[:, 0] - widest, first[:, 2], second[:, 0])
    overlap = box.paired_iou(first[rows], second[columns])
    touching = overlap > 0
    return rows[touching], columns[touching], overlap[touching]
