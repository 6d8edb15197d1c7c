"""`clmot.tracking.assignment` compiled: pairs alone at once, SciPy's assignment for the rest."""

from __future__ import annotations

from typing import Any

import numpy as np

from clmot.tracking.compiled.settings import part


@part
def assigned(cost: Any) -> Any:
    """For each row of a table with no more rows than columns, its column: `scipy.optimize.linear_sum_assignment`.

    Shortest augmenting paths (Crouse, "On implementing 2D rectangular assignment algorithms", 2016), looking at the
    columns in SciPy's order, so that ties are resolved as there.
    """
    n, m = cost.shape
    u, v, shortest = np.zeros(n), np.zeros(m), np.empty(m)
    path, column_of, row_of = np.empty(m, np.int64), np.empty(n, np.int64), np.empty(m, np.int64)
    in_rows, in_columns, remaining = np.empty(n, np.bool_), np.empty(m, np.bool_), np.empty(m, np.int64)
    for j in range(m):
        row_of[j] = -1
    for current in range(n):
        least, left, sink, i = 0.0, m, -1, current
        for j in range(m):
            remaining[j], shortest[j], in_columns[j] = m - j - 1, np.inf, False
        for j in range(n):
            in_rows[j] = False
        while sink < 0:
            in_rows[i] = True
            index, lowest = -1, np.inf
            for k in range(left):
                j = remaining[k]
                reduced = least + cost[i, j] - u[i] - v[j]
                if reduced < shortest[j]:
                    path[j], shortest[j] = i, reduced
                if shortest[j] < lowest or (shortest[j] == lowest and row_of[j] < 0):
                    lowest, index = shortest[j], k
            least = lowest
            j = remaining[index]
            if row_of[j] < 0:
                sink = j
            else:
                i = row_of[j]
            in_columns[j] = True
            left -= 1
            remaining[index] = remaining[left]
        u[current] += least
        for i in range(n):
            if in_rows[i] and i != current:
                u[i] += least - shortest[column_of[i]]
        for j in range(m):
            if in_columns[j]:
                v[j] -= least - shortest[j]
        j, i = sink, -1
        while i != current:
            i = path[j]
            row_of[j] = i
            following = column_of[i]
            column_of[i] = j
            j = following
    return column_of


@part
def _ranks(used: Any) -> int:
    """Put in place of each flag how many are set before it; returns how many are."""
    rank = 0
    for i in range(len(used)):
        if used[i]:
            used[i] = rank
            rank += 1
    return rank


@part
def assign(row: Any, column: Any, cost: Any, k: int, limit: float, single: bool, match: Any, free: Any) -> None:
    """`clmot.tracking.assignment.assign` of the first k pairs; `single`: costs are of single precision."""
    bound = np.float64(np.float32(limit)) if single else limit
    of_row, of_column = np.zeros(len(match), np.int64), np.zeros(len(free), np.int64)
    contested = 0
    for p in range(k):
        if cost[p] < bound:
            of_row[row[p]] += 1
            of_column[column[p]] += 1
    for p in range(k):
        if cost[p] < bound:
            if of_row[row[p]] + of_column[column[p]] == 2:
                match[row[p]] = column[p]
                free[column[p]] = False
            else:
                row[contested], column[contested], cost[contested] = row[p], column[p], cost[p]
                contested += 1
    if not contested:
        return
    # which row and column of the table each has
    row_at, column_at = np.zeros(len(match), np.int64), np.zeros(len(free), np.int64)
    for p in range(contested):
        row_at[row[p]], column_at[column[p]] = 1, 1
    rows, columns = _ranks(row_at), _ranks(column_at)
    turned = columns < rows
    table = np.empty((min(rows, columns), max(rows, columns)))
    pair = np.empty(table.shape, np.int64)
    for i in range(table.shape[0]):
        for j in range(table.shape[1]):
            table[i, j], pair[i, j] = limit, -1
    for p in range(contested):
        i, j = row_at[row[p]], column_at[column[p]]
        if turned:
            i, j = j, i
        table[i, j], pair[i, j] = cost[p], p
    column_of = assigned(table)
    for i in range(table.shape[0]):
        p = pair[i, column_of[i]]
        if p >= 0:
            match[row[p]] = column[p]
            free[column[p]] = False
