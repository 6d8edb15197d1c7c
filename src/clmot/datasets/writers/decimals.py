"""Numbers as text: the fewest decimals that read back as the same single-precision boxes, in pixels or shares."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from clmot.structures import Float32Array, Float64Array


def fewest_decimals(
    values: Float64Array, boxes: Float32Array, read: Callable[[Float64Array], Float64Array]
) -> Float64Array:
    """Each row of numbers rounded to the fewest decimals from which a reader gets the same box again.

    Args:
        values: float64 [n, 4], the boxes as a format wants them, unrounded.
        boxes: float32 [n, 4], xyxy pixels: what must come back to the last bit.
        read: what a reader makes of rows, float64 [m, 4]: xyxy.

    Returns:
        float64 [n, 4]; a row that no rounding brings back stays as it is, which is off by float64's own error.
    """
    result = values.copy()
    remaining = np.arange(len(values))
    for decimals in range(17):
        if not len(remaining):
            break
        rounded = np.round(values[remaining], decimals)
        same = (read(rounded).astype(np.float32) == boxes[remaining]).all(axis=1)
        result[remaining[same]] = rounded[same]
        remaining = remaining[~same]
    return result


def to_shares(boxes: Float32Array, width: int, height: int) -> Float64Array:
    """Centre x, centre y, width and height as shares, with the fewest decimals that bring the pixels back.

    Args:
        boxes: float32 [n, 4], xyxy pixels.
        width: image width in pixels.
        height: image height in pixels.

    Returns:
        float64 [n, 4].
    """
    size = np.array([width, height], np.float64)
    corners = boxes.astype(np.float64)
    low, high = corners[:, :2], corners[:, 2:]
    shares = np.concatenate([(low + high) / 2 / size, (high - low) / size], axis=1)

    def read(rows: Float64Array) -> Float64Array:
        # corners first and pixels then: what comes back this way does so the other way round too, but not the reverse
        centre, half = rows[:, :2], rows[:, 2:] / 2
        return np.asarray(np.concatenate([centre - half, centre + half], axis=1) * [*size, *size])

    return fewest_decimals(shares, boxes, read)


def to_text(number: float) -> str:
    """The shortest text that reads back as the same float64."""
    return repr(number).removesuffix(".0")
