"""Optimal one-to-one assignment among the pairs that may be made, with a limit on the cost of a pair."""

import numpy as np
from jaxtyping import Float, Int64
from scipy.optimize import linear_sum_assignment


def assign(
    rows: Int64[np.ndarray, " k"], columns: Int64[np.ndarray, " k"], cost: Float[np.ndarray, " k"], limit: float
) -> Int64[np.ndarray, " chosen"]:
    """The pairing that minimises the sum over its pairs of cost minus `limit`.

    A pair is worth making if and only if it costs less than `limit`; that equals `cost_limit` of the ``lap`` package.
    Pairs that compete with no other are made at once, so that only crowds take time.

    Args:
        rows: what each pair takes on the one side, >= 0.
        columns: what it takes on the other side, >= 0. No pair is there twice.
        cost: of each pair, not NaN; pairs that are not there are forbidden.
        limit: pairs of this cost or more are never made.

    Returns:
        Which of the k pairs are made, ascending.
    """
    worth = (cost < limit).nonzero()[0]
    if not len(worth):
        return worth
    rows, columns = rows.take(worth), columns.take(worth)
    alone = np.bincount(rows).take(rows) + np.bincount(columns).take(columns) == 2
    if np.count_nonzero(alone) == len(worth):
        return worth
    contested = (~alone).nonzero()[0]
    row, column = rows.take(contested), columns.take(contested)
    row, column = _compact(row), _compact(column)
    shape = row.max() + 1, column.max() + 1
    table = np.full(shape, limit)
    table[row, column] = cost.take(worth.take(contested))
    pair = np.full(shape, -1)
    pair[row, column] = contested
    made = pair[linear_sum_assignment(table)]
    alone[made[made >= 0]] = True
    return np.asarray(worth[alone])


def _compact(numbers: Int64[np.ndarray, " k"]) -> Int64[np.ndarray, " k"]:
    """The numbers' ranks among those that occur."""
    used = np.bincount(numbers) > 0
    return np.asarray((used.cumsum() - 1).take(numbers), np.int64)
