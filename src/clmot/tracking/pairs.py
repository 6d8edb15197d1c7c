"""Which tracks and detections are near enough to be compared at all.

Of n tracks and m detections few pairs are near each other. Finding them first keeps the work proportional to their
number, where matrices would take n x m for every part of a cost. (``take`` is the faster way to index by arrays.)
"""

import numpy as np
from jaxtyping import Float, Int64

from clmot import boxes as box

_FEW = 5000
"""Up to so many pairs of boxes, looking at every one is faster than searching for the near ones."""

Pairs = tuple[Int64[np.ndarray, " k"], Int64[np.ndarray, " k"]]
"""Positions on the one side, ascending, and on the other."""


def all_pairs(n: int, m: int) -> Pairs:
    """Every one of n with every one of m."""
    return np.repeat(np.arange(n), m), np.tile(np.arange(m), n)


def within(low: Float[np.ndarray, " n"], high: Float[np.ndarray, " n"], value: Float[np.ndarray, " m"]) -> Pairs:
    """The pairs with ``low[i] <= value[j] <= high[i]``."""
    order = value.argsort(kind="stable")
    sorted_value = value.take(order)
    start = sorted_value.searchsorted(low)
    count = np.maximum(sorted_value.searchsorted(high, side="right") - start, 0)
    rows = np.arange(len(low)).repeat(count)
    # the k-th pair of row i is the start[i] + k-th of the sorted values
    first = count.cumsum() - count
    return rows, order.take(np.arange(len(rows)) + (start - first).take(rows))


def overlapping(
    first: Float[np.ndarray, "n 4"], second: Float[np.ndarray, "m 4"]
) -> tuple[Int64[np.ndarray, " k"], Int64[np.ndarray, " k"], Float[np.ndarray, " k"]]:
    """The pairs of xyxy boxes that have area in common, and their intersection over union."""
    if not len(first) or not len(second):
        return (*all_pairs(0, 0), np.empty(0, first.dtype))
    (x0, y0, x1, y1), (u0, v0, u1, v1) = first.T, second.T
    if len(first) * len(second) <= _FEW:
        width = np.minimum(x1[:, None], u1)
        width -= np.maximum(x0[:, None], u0)
        height = np.minimum(y1[:, None], v1)
        height -= np.maximum(y0[:, None], v0)
        rows, columns = ((width > 0) & (height > 0)).nonzero()
        width, height = width[rows, columns], height[rows, columns]
    else:
        rows, columns = within(x0 - (u1 - u0).max(), x1, u0)
        width = np.minimum(x1.take(rows), u1.take(columns)) - np.maximum(x0.take(rows), u0.take(columns))
        height = np.minimum(y1.take(rows), v1.take(columns)) - np.maximum(y0.take(rows), v0.take(columns))
        touching = ((width > 0) & (height > 0)).nonzero()[0]
        rows, columns = rows.take(touching), columns.take(touching)
        width, height = width.take(touching), height.take(touching)
    common = width * height
    return rows, columns, common / (box.area(first).take(rows) + box.area(second).take(columns) - common)
