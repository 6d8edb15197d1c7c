"""Outlines and how they are painted: convex polygons in continuous coordinates, drawn with sub-pixel precision."""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
UInt8Array = npt.NDArray[np.uint8]
Colour = tuple[int, int, int]

_SHIFT = 4
"""Fractional bits of OpenCV's fixed-point coordinates: a sixteenth of a pixel."""

_HALF_TURN = np.linspace(0, np.pi, 6)
_TURN = np.linspace(0, 2 * np.pi, 16, endpoint=False)
_CIRCLE = np.stack([np.cos(_TURN), np.sin(_TURN)], axis=1)


def fixed_point(points: FloatArray) -> npt.NDArray[np.int32]:
    """Continuous coordinates to OpenCV's fixed-point ones, whose whole numbers are pixel centres."""
    return np.rint((points - 0.5) * (1 << _SHIFT)).astype(np.int32)


def fill(image: UInt8Array, points: npt.NDArray[np.int32], colour: Sequence[float], *, smooth: bool = True) -> None:
    """Fill a convex polygon given in `fixed_point` coordinates, with smooth edges or (for masks) without."""
    cv2.fillConvexPoly(image, points, colour, cv2.LINE_AA if smooth else cv2.LINE_8, _SHIFT)


def extent(points: FloatArray) -> FloatArray:
    """Box [4] (xyxy) of what `fill` paints for these outlines: OpenCV's edge is half a pixel outside the outline."""
    return np.concatenate([points.min(axis=0) - 0.5, points.max(axis=0) + 0.5])


def rectangle(left: float, top: float, right: float, bottom: float) -> FloatArray:
    """Outline [4, 2] of an upright rectangle."""
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], float)


def ellipse(centre: FloatArray, radii: tuple[float, float]) -> FloatArray:
    """Outline [16, 2] of an upright ellipse."""
    return centre + _CIRCLE * radii


def capsules(start: FloatArray, end: FloatArray, start_radius: FloatArray, end_radius: FloatArray) -> FloatArray:
    """Outlines [n, 12, 2] of n tapered limbs with round ends, from `start` [n, 2] to `end` [n, 2], radii [n]."""
    along = end - start
    along = along / np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)[:, None]
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    cosine, sine = np.cos(_HALF_TURN)[:, None], np.sin(_HALF_TURN)[:, None]
    cap = across[:, None] * cosine + along[:, None] * sine
    far = end[:, None] + end_radius[:, None, None] * cap
    near = start[:, None] - start_radius[:, None, None] * cap
    return np.concatenate([far, near], axis=1)


def shade(colour: Sequence[float], factor: float) -> Colour:
    """A colour made darker (factor below 1) or lighter."""
    red, green, blue = colour
    return min(255, round(red * factor)), min(255, round(green * factor)), min(255, round(blue * factor))
