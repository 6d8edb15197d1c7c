import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clmot.boxes import iou
from clmot.tracking import candidates as pairs
from clmot.tracking.candidates import all_pairs, overlapping, paired_overlap, within


@pytest.fixture(params=["all", "every pair", "search"], autouse=True, scope="module")
def _each_way(request):
    """Of very few pairs all are worked out, of few the near ones are picked, of many they are searched."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "search":
            patch.setattr(pairs, "_FEW", 0)
        if request.param != "all":
            patch.setattr(pairs, "_FEWEST", 0)
        yield


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(0, 6), m=st.integers(0, 7))
def test_within_equals_a_loop(seed, n, m):
    rng = np.random.default_rng(seed)
    low = rng.integers(-3, 4, n).astype(np.float64)  # whole numbers: ends coincide often
    high, value = low + rng.integers(-1, 4, n), rng.integers(-3, 6, m).astype(np.float64)
    rows, columns = within(low, high, value)
    expected = [(i, j) for i in range(n) for j in range(m) if low[i] <= value[j] <= high[i]]
    assert sorted(zip(rows.tolist(), columns.tolist(), strict=True)) == expected
    assert (np.diff(rows) >= 0).all()


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(0, 8), m=st.integers(0, 8))
def test_overlapping_equals_the_iou_matrix(seed, n, m):
    rng = np.random.default_rng(seed)

    def some(k):
        corner = rng.uniform(0, 60, (k, 2))
        return np.concatenate([corner, corner + rng.uniform(1, 50, (k, 2))], axis=1).astype(np.float32)

    first, second = some(n), some(m)
    table = np.zeros((n, m))
    rows, columns, overlap = overlapping(first, second)
    table[rows, columns] = overlap
    np.testing.assert_allclose(table, iou(first, second), atol=1e-6)
    assert (overlap > 0).all()
    row, column = all_pairs(n, m)
    np.testing.assert_allclose(paired_overlap(first, second, row, column), iou(first, second).ravel(), atol=1e-6)


@pytest.mark.parametrize(("n", "m"), [(2, 3), (0, 3), (3, 0)])
def test_all_pairs(n, m):
    rows, columns = all_pairs(n, m)
    assert list(zip(rows, columns, strict=True)) == [(i, j) for i in range(n) for j in range(m)]
