"""The camera's motion as a matrix: what a camera can do, and how far it moves the picture."""

import numpy as np
from jaxtyping import Float

Affine = Float[np.ndarray, "2 3"]
_LARGEST_ZOOM = 1.4
_LARGEST_TURN = np.deg2rad(30)
_LARGEST_SHIFT = 0.5


def plausible(matrix: Affine, shape: tuple[int, ...]) -> bool:
    """False for what no camera does between two frames of a video."""
    if not np.isfinite(matrix).all():
        return False
    (a, b, x), (c, d, y) = matrix.tolist()
    # a linear map is a zoomed turn plus a zoomed mirror image; the two zooms' sum is its largest zoom, their difference
    # its least, below zero where it mirrors
    turning, mirroring = np.hypot(a + d, c - b) / 2, np.hypot(a - d, c + b) / 2
    middle_x, middle_y = shape[1] / 2, shape[0] / 2
    return bool(
        turning + mirroring <= _LARGEST_ZOOM
        and turning - mirroring >= 1 / _LARGEST_ZOOM
        and abs(np.arctan2(c - b, a + d)) <= _LARGEST_TURN
        and abs(a * middle_x + b * middle_y + x - middle_x) <= _LARGEST_SHIFT * shape[1]
        and abs(c * middle_x + d * middle_y + y - middle_y) <= _LARGEST_SHIFT * shape[0]
    )


def largest_step(matrix: Affine, shape: tuple[int, ...]) -> float:
    """How far the frame's corners move, at most."""
    corners = np.array([[0, 0], [shape[1], 0], [0, shape[0]], [shape[1], shape[0]]], np.float64)
    return float(np.hypot(*(corners @ matrix[:, :2].T + matrix[:, 2] - corners).T).max())


def enlarged(matrix: Affine, factor: int) -> Affine:
    """The matrix for the whole frame, from that for pixel indices of the shrunk one.

    OpenCV counts from the middle of the first pixel, boxes from its corner.
    """
    linear, half = matrix[:, :2], np.full(2, 0.5)
    shift = factor * (matrix[:, 2] + half - linear @ half)
    return np.concatenate([linear, shift[:, None]], axis=1)
