"""Products in one thread are the products."""

import numpy as np
import pytest

from clmot.products import product


@pytest.mark.parametrize(("m", "k", "n"), [(0, 5, 3), (1, 2208, 512), (8, 2208, 512), (21, 700, 37), (9, 3, 70_000)])
def test_a_product_of_any_size_is_the_product(m, k, n):
    rng = np.random.default_rng(0)
    first, second = (rng.standard_normal(shape, np.float32) for shape in ((m, k), (k, n)))
    found = product(first, second)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, first.astype(np.float64) @ second, atol=1e-6 * max(k, 1))
