"""Matrix products of a frame, in the thread that asks for them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

_ALONE = 1 << 18
"""Multiplications up to which OpenBLAS wakes no other thread."""
_ROWS = 4


def product(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """``first @ second`` without other threads, for products of some milliseconds at most.

    Threads of BLAS wait for the next product at full speed, on the processors that network and decoding need: where
    they are busy, half a millisecond becomes a hundred.

    Args:
        first: [m, k].
        second: [k, n].

    Returns:
        [m, n].
    """
    (m, k), n = first.shape, second.shape[1]
    step = max(1, _ALONE // max(1, min(m, _ROWS) * n))
    total = np.zeros((m, n), np.result_type(first, second))
    for top in range(0, m, _ROWS):
        for left in range(0, k, step):
            total[top : top + _ROWS] += first[top : top + _ROWS, left : left + step] @ second[left : left + step]
    return total
