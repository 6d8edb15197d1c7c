import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from clmot.tracking.assignment import assign


def brute_force(cost, limit):
    """Least sum of (cost - limit) over all one-to-one pairings of any size."""
    n, m = cost.shape
    best = 0.0
    for k in range(1, min(n, m) + 1):
        for rows in itertools.combinations(range(n), k):
            for columns in itertools.permutations(range(m), k):
                best = min(best, sum(cost[r, c] - limit for r, c in zip(rows, columns, strict=True)))
    return best


def assign_all(cost, limit):
    """`assign` on every pair of a matrix: rows and columns that are made."""
    rows, columns = np.divmod(np.arange(cost.size), max(cost.shape[1], 1))
    chosen = assign(rows, columns, cost.ravel(), limit)
    return rows[chosen], columns[chosen]


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(0, 4),
    m=st.integers(0, 5),
    limit=st.floats(0.1, 1.2),
    there=st.floats(0.1, 1),
)
def test_is_optimal(seed, n, m, limit, there):
    rng = np.random.default_rng(seed)
    cost = rng.uniform(0, 1, (n, m))
    cost[rng.random((n, m)) > there] = np.inf
    rows, columns = cost.nonzero() if n * m else (np.empty(0, np.int64), np.empty(0, np.int64))
    order = rng.permutation(len(rows))
    rows, columns = rows[order], columns[order]
    known = np.isfinite(cost[rows, columns]) | (rng.random(len(rows)) < 0.5)  # left out is as good as infinite
    rows, columns = rows[known], columns[known]
    chosen = assign(rows, columns, cost[rows, columns], limit)
    made = cost[rows[chosen], columns[chosen]]
    assert (made < limit).all()
    assert np.sum(made - limit) == pytest.approx(brute_force(cost, limit), abs=1e-12)
    assert list(chosen) == sorted(set(chosen))
    assert len(set(rows[chosen])) == len(set(columns[chosen])) == len(chosen)


@pytest.mark.parametrize("limit", [0.3, 0.9])
def test_equals_scipy_on_a_large_table(limit):
    cost = np.random.default_rng(0).uniform(0, 1, (60, 80))
    clipped = np.minimum(cost, limit)
    expected = clipped[linear_sum_assignment(clipped)]
    rows, columns = assign_all(cost, limit)
    assert np.sum(cost[rows, columns] - limit) == pytest.approx(np.sum(expected - limit))


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
def test_nothing_to_pair(shape):
    rows, columns = assign_all(np.empty(shape), 0.5)
    assert len(rows) == len(columns) == 0


def test_all_forbidden():
    rows, columns = assign_all(np.full((3, 2), np.inf), 0.5)
    assert len(rows) == len(columns) == 0


def test_a_pair_at_the_limit_is_not_made():
    assert len(assign_all(np.array([[0.5]]), 0.5)[0]) == 0
    assert len(assign_all(np.array([[0.499]]), 0.5)[0]) == 1


def test_a_forbidden_pair_does_not_spoil_the_others():
    # without the limit in the assignment itself, row 0 would take column 1 to spare row 1 the infinite pair
    cost = np.array([[0.1, 0.45], [0.3, np.inf]])
    assert list(zip(*assign_all(cost, 0.5), strict=True)) == [(0, 0)]
