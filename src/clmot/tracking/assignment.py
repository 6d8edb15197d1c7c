"""Optimal one-to-one assignment with a limit on the cost of a pair."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int64
from scipy.optimize import linear_sum_assignment


class Assignment(NamedTuple):
    """Pairs and the rest.

    Attributes:
        rows: int64 [k], ascending.
        columns: int64 [k]; ``(rows[i], columns[i])`` are a pair.
        unmatched_rows: int64 [n - k], ascending.
        unmatched_columns: int64 [m - k], ascending.
    """

    rows: Int64[np.ndarray, " k"]
    columns: Int64[np.ndarray, " k"]
    unmatched_rows: Int64[np.ndarray, " u"]
    unmatched_columns: Int64[np.ndarray, " v"]


def assign(cost: Float[np.ndarray, "n m"], limit: float) -> Assignment:
    """The pairing that minimises the sum over pairs of cost plus `limit` for each pair left out.

    A pair is worth making if and only if it costs less than `limit`; that equals `cost_limit` of the ``lap`` package.

    Args:
        cost: cost of every pair, infinite where forbidden; not NaN.
        limit: pairs of this cost or more are never made.
    """
    clipped = np.minimum(cost, limit)
    rows, columns = linear_sum_assignment(clipped)
    made = clipped[rows, columns] < limit
    rows, columns = rows[made].astype(np.int64), columns[made].astype(np.int64)
    return Assignment(rows, columns, _others(rows, cost.shape[0]), _others(columns, cost.shape[1]))


def _others(index: Int64[np.ndarray, " k"], n: int) -> Int64[np.ndarray, " u"]:
    """The numbers below n that are not in the index."""
    free = np.ones(n, np.bool_)
    free[index] = False
    return np.flatnonzero(free)
