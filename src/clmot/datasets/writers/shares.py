"""Boxes as centre and size in shares of the image, for YOLO labels."""

from __future__ import annotations

import numpy as np

from clmot.datasets.writers.decimals import fewest_decimals
from clmot.structures import Float32Array, Float64Array


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
