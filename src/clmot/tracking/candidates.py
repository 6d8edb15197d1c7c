"""Which tracks and detections are near enough to be compared at all.

Of n tracks and m detections few pairs are near each other. Finding them first keeps the work proportional to their
number, where matrices would take n x m for every part of a cost. (``take`` is the faster way to index by arrays.)
"""

import numpy as np
from jaxtyping import Bool, Float, Int64

_FEW = 5000
"""Up to so many pairs, looking at every one is faster than searching for the near ones."""

_FEWEST = 100
"""Up to so many pairs, working out the overlap of every one is faster than to look for the near ones."""

Pairs = tuple[Int64[np.ndarray, " k"], Int64[np.ndarray, " k"]]
"""Positions on the one side, ascending, and on the other."""


def all_pairs(n: int, m: int) -> Pairs:
    """Every one of n with every one of m."""
    flat = np.arange(n * m)
    rows = flat // max(m, 1)
    return rows, flat - rows * m


def within(low: Float[np.ndarray, " n"], high: Float[np.ndarray, " n"], value: Float[np.ndarray, " m"]) -> Pairs:
    """The pairs with ``low[i] <= value[j] <= high[i]``."""
    if 0 < len(low) * len(value) <= _FEW:
        return _places((low[:, None] <= value) & (value <= high[:, None]))
    order = value.argsort(kind="stable")
    sorted_value = value.take(order)
    start = sorted_value.searchsorted(low)
    count = np.maximum(sorted_value.searchsorted(high, side="right") - start, 0)
    rows = np.arange(len(low)).repeat(count)
    # the k-th pair of row i is the start[i] + k-th of the sorted values
    first = count.cumsum() - count
    return rows, order.take(np.arange(len(rows)) + (start - first).take(rows))


def overlapping(
    first: Float[np.ndarray, "n 4"], second: Float[np.ndarray, "m 4"], heights: bool = False
) -> tuple[Int64[np.ndarray, " k"], Int64[np.ndarray, " k"], Float[np.ndarray, " k"]]:
    """The pairs of well-formed xyxy boxes that have area in common, and their overlap, as `paired_overlap` has it."""
    if not len(first) or not len(second):
        return (*all_pairs(0, 0), np.empty(0, first.dtype))
    if len(first) * len(second) <= _FEWEST:
        rows, columns = all_pairs(len(first), len(second))
    else:
        rows, columns = within(first[:, 0] - (second[:, 2] - second[:, 0]).max(), first[:, 2], second[:, 0])
    overlap = paired_overlap(first, second, rows, columns, heights)
    touching = overlap.nonzero()[0]
    return rows.take(touching), columns.take(touching), overlap.take(touching)


def paired_overlap(
    first: Float[np.ndarray, "n 4"],
    second: Float[np.ndarray, "m 4"],
    rows: Int64[np.ndarray, " k"],
    columns: Int64[np.ndarray, " k"],
    heights: bool = False,
) -> Float[np.ndarray, " k"]:
    """Intersection over union of well-formed xyxy boxes ``first[rows]`` and ``second[columns]``.

    With `heights`, times the same of their extents from top to bottom: people behind each other differ in those.

    Source: Yang et al., "Hybrid-SORT: weak cues matter for online multi-object tracking", 2024.
    """
    # numbers of one kind side by side: rows of four are the slowest to work on
    a, b = first.T.take(rows, axis=1), second.T.take(columns, axis=1)
    sides = np.minimum(a[2:], b[2:])
    sides -= np.maximum(a[:2], b[:2])
    np.maximum(sides, 0, out=sides)
    common = sides[0] * sides[1]
    a[2:] -= a[:2]
    b[2:] -= b[:2]
    union = a[2] * a[3]
    union += b[2] * b[3]
    union -= common
    np.divide(common, union, out=common)
    if heights:
        common *= sides[1] / (a[3] + b[3] - sides[1])
    return np.asarray(common)


def _places(mask: Bool[np.ndarray, "n m"]) -> Pairs:
    """Where a matrix is true; several times faster than its ``nonzero``."""
    flat = mask.ravel().nonzero()[0]
    rows = flat // mask.shape[1]
    return rows, flat - rows * mask.shape[1]
