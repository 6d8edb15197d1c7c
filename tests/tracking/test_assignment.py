import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(0, 4), m=st.integers(0, 5), limit=st.floats(0.1, 1.2))
def test_is_optimal(seed, n, m, limit):
    rng = np.random.default_rng(seed)
    cost = rng.uniform(0, 1, (n, m))
    cost[rng.random((n, m)) < 0.2] = np.inf
    rows, columns, unmatched_rows, unmatched_columns = assign(cost, limit)
    assert (cost[rows, columns] < limit).all()
    assert np.sum(cost[rows, columns] - limit) == pytest.approx(brute_force(cost, limit), abs=1e-12)
    assert sorted([*rows, *unmatched_rows]) == list(range(n))
    assert sorted([*columns, *unmatched_columns]) == list(range(m))


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
def test_nothing_to_pair(shape):
    pairs = assign(np.empty(shape), 0.5)
    assert len(pairs.rows) == len(pairs.columns) == 0
    assert len(pairs.unmatched_rows) == shape[0]
    assert len(pairs.unmatched_columns) == shape[1]


def test_all_forbidden():
    pairs = assign(np.full((3, 2), np.inf), 0.5)
    assert len(pairs.rows) == 0
    np.testing.assert_array_equal(pairs.unmatched_rows, [0, 1, 2])


def test_a_pair_at_the_limit_is_not_made():
    assert len(assign(np.array([[0.5]]), 0.5).rows) == 0
    assert len(assign(np.array([[0.499]]), 0.5).rows) == 1


def test_a_forbidden_pair_does_not_spoil_the_others():
    # without the limit in the assignment itself, row 0 would take column 1 to spare row 1 the infinite pair
    cost = np.array([[0.1, 0.45], [0.3, np.inf]])
    pairs = assign(cost, 0.5)
    assert list(zip(pairs.rows, pairs.columns, strict=True)) == [(0, 0)]
