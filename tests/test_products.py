"""Products in one thread are the products."""

import os
import subprocess
import sys

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


def test_no_other_thread_works_on_it():
    code = (
        "import time, numpy as np\n"
        "from clmot.products import product\n"
        "first, second = np.ones((8, 2208), np.float32), np.ones((2208, 512), np.float32)\n"
        "product(first, second)\n"
        "shares = []\n"
        "for _ in range(20):\n"  # some other thread of a library may have something to do at times
        "    everyone, mine = time.process_time(), time.thread_time()\n"
        "    for _ in range(50): product(first, second)\n"
        "    mine = time.thread_time() - mine\n"
        "    shares.append((time.process_time() - everyone) / mine)\n"
        "assert min(shares) < 1.3, shares"
    )
    variables = {**os.environ, "OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "2"}
    subprocess.run([sys.executable, "-c", code], check=True, env=variables)
