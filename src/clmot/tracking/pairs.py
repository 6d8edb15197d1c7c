"""Which tracks and detections are near enough to be compared at all.

Of n tracks and m detections few pairs are near each other. Finding them first keeps the work proportional to their
number, where matrices would take n x m for every part of a cost. (``take`` is the faster way to index by arrays.)
"""

import numpy as np
from jaxtyping import Bool, Float, Int64

_FEW = 5000
"""Up to so many pairs, looking at every one is faster than searching for the near ones."""

Pairs = tuple[Int64[np.ndarray, " k"], Int64[np.ndarray, " k"]]
"""Positions on the one side, ascending, and on the other."""


def all_pairs(n: int, m: int) -> Pairs:
    """Every one of n with every one of m."""
    return np.repeat(np.arange(n), m), np.tile(np.arange(m), n)


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
    first: Float[np.ndarray, "n 4"], second: Float[np.ndarray, "m 4"]
) -> tuple[Int64[np.ndarray, " k"], Int64[np.ndarray, " k"], Float[np.ndarray, " k"]]:
    """The pairs of well-formed xyxy boxes that have area in common, and their intersection over union."""
    if not len(first) or not len(second):
        return (*all_pairs(0, 0), np.empty(0, first.dtype))
    rows, columns = within(first[:, 0] - (second[:, 2] - second[:, 0]).max(), first[:, 2], second[:, 0])
    a, b = first.take(rows, axis=0), second.take(columns, axis=0)
    width = np.minimum(a[:, 2], b[:, 2])
    width -= np.maximum(a[:, 0], b[:, 0])
    height = np.minimum(a[:, 3], b[:, 3])
    height -= np.maximum(a[:, 1], b[:, 1])
    touching = ((width > 0) & (height > 0)).nonzero()[0]
    rows, columns = rows.take(touching), columns.take(touching)
    common = (width * height).take(touching)
    union = _area(first).take(rows)
    union += _area(second).take(columns)
    union -= common
    return rows, columns, common / union


def _places(mask: Bool[np.ndarray, "n m"]) -> Pairs:
    """Where a matrix is true; several times faster than its ``nonzero``."""
    flat = mask.ravel().nonzero()[0]
    rows = flat // mask.shape[1]
    return rows, flat - rows * mask.shape[1]


def _area(boxes: Float[np.ndarray, "n 4"]) -> Float[np.ndarray, " n"]:
    return np.asarray((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))
