"""Box conversions, overlap and warps on NumPy arrays.

Boxes are float ``xyxy`` pixels in continuous coordinates; functions that convert name both ends.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from jaxtyping import Bool, Float

from clmot.errors import reason_of

LARGEST = 2.0**24
"""Pixels beyond which float32 does not tell one from the next: no image has such a corner."""


def as_numbers(values: Any, kind: type[np.generic] | None = np.float64) -> npt.NDArray[Any]:
    """An array of numbers, from NumPy, lists, or tensors of any device and precision.

    Args:
        values: whatever somebody has them in.
        kind: dtype of the result; None keeps whole numbers whole.

    Raises:
        ValueError: there is something else in it.
    """
    if hasattr(values, "detach"):
        values = values.detach().cpu().double().numpy()
    try:
        array = np.asarray(values)
        if array.dtype.kind in "cmM" or (array.dtype.kind == "O" and not array.ndim):
            raise ValueError("None" if values is None else array.dtype)
        with np.errstate(over="ignore"):
            return array if kind is None and array.dtype.kind in "iufb" else array.astype(kind or np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"no array of numbers ({reason_of(error)})") from error


def ltwh_to_xyxy(boxes: Float[np.ndarray, "n 4"]) -> Float[np.ndarray, "n 4"]:
    """Left, top, width, height to left, top, right, bottom."""
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)


def xyxy_to_ltwh(boxes: Float[np.ndarray, "n 4"]) -> Float[np.ndarray, "n 4"]:
    """Left, top, right, bottom to left, top, width, height."""
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)


def xyxy_to_cxcyah(boxes: Float[np.ndarray, "n 4"]) -> Float[np.ndarray, "n 4"]:
    """Corners to centre x, centre y, aspect (width / height), height: the Kalman filter's measurement."""
    corners = boxes.T.copy()  # numbers of one kind side by side: rows of four are the slowest to work on
    centre, size = corners[:2] + corners[2:], corners[2:] - corners[:2]
    centre /= 2
    size[0] /= size[1]
    return np.asarray(np.concatenate([centre, size]).T.copy())


def cxcyah_to_xyxy(boxes: Float[np.ndarray, "n 4"]) -> Float[np.ndarray, "n 4"]:
    """Centre x, centre y, aspect (width / height), height to corners."""
    places = boxes.T.copy()
    centre, half = places[:2], places[2:]
    half[0] *= half[1]
    half /= 2
    return np.asarray(np.concatenate([centre - half, centre + half]).T.copy())


def area(boxes: Float[np.ndarray, "n 4"]) -> Float[np.ndarray, " n"]:
    """Width times height, zero for inverted boxes."""
    size = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    return np.asarray(size[:, 0] * size[:, 1])


def iou(first: Float[np.ndarray, "n 4"], second: Float[np.ndarray, "m 4"]) -> Float[np.ndarray, "n m"]:
    """Intersection over union of every pair; zero where both boxes are empty or one is not a number (NaN)."""
    # one side at a time: a third axis of length two would be far slower
    intersection = _common(first[:, 0], first[:, 2], second[:, 0], second[:, 2])
    intersection *= _common(first[:, 1], first[:, 3], second[:, 1], second[:, 3])
    union = area(first)[:, None] + area(second)
    union -= intersection
    return np.asarray(np.divide(intersection, union, out=intersection, where=union > 0))


def covered_share(first: Float[np.ndarray, "n 4"], second: Float[np.ndarray, "m 4"]) -> Float[np.ndarray, "n m"]:
    """Which share of each first box each second one covers; zero where the first is empty or one is NaN."""
    common = _common(first[:, 0], first[:, 2], second[:, 0], second[:, 2])
    common *= _common(first[:, 1], first[:, 3], second[:, 1], second[:, 3])
    whole = area(first)[:, None]
    return np.asarray(np.divide(common, whole, out=common, where=whole > 0))


def clip(boxes: Float[np.ndarray, "n 4"], width: int | float, height: int | float) -> Float[np.ndarray, "n 4"]:
    """The part of each box inside an image of that size."""
    return np.asarray(np.clip(boxes, 0, np.array([width, height, width, height], boxes.dtype)))


def visible_share(boxes: Float[np.ndarray, "n 4"], width: int | float, height: int | float) -> Float[np.ndarray, " n"]:
    """Share of each box's area inside an image of that size, in [0, 1]; zero for empty boxes."""
    whole = area(boxes)
    inside = area(clip(boxes, width, height))
    return np.asarray(np.divide(inside, whole, out=np.zeros_like(inside), where=whole > 0))


def well_formed(boxes: Float[np.ndarray, "n 4"]) -> Bool[np.ndarray, " n"]:
    """True where a box is finite and has positive width and height."""
    with np.errstate(invalid="ignore"):
        return np.asarray(finite(boxes) & (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1]))


def finite(boxes: Float[np.ndarray, "n 4"]) -> Bool[np.ndarray, " n"]:
    """True where all corners of a box are numbers, and no more than `LARGEST`."""
    return np.asarray((np.abs(boxes) <= LARGEST).all(axis=1))


def warp(boxes: Float[np.ndarray, "n 4"], matrix: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "n 4"]:
    """Boxes under an affine map of the image.

    The centre moves with the matrix; width and height scale by the lengths that the matrix gives to the unit x and y
    steps. For maps without rotation that is exact. Under rotation it stays close to the upright object's own extent,
    where the hull of the four turned corners would grow a standing person's box by a fifth at 5 degrees, and it keeps
    the law that a similarity followed by its inverse returns the boxes.
    """
    linear = matrix[:2, :2]
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2 @ linear.T + matrix[:2, 2]
    half = (boxes[:, 2:] - boxes[:, :2]) / 2 * np.linalg.norm(linear, axis=0)
    return np.concatenate([centre - half, centre + half], axis=1).astype(boxes.dtype)


def _common(
    low: Float[np.ndarray, " n"],
    high: Float[np.ndarray, " n"],
    other_low: Float[np.ndarray, " m"],
    other_high: Float[np.ndarray, " m"],
) -> Float[np.ndarray, "n m"]:
    """Length that every pair of intervals has in common; zero where one is not a number (NaN)."""
    length = np.minimum(high[:, None], other_high)
    length -= np.maximum(low[:, None], other_low)
    return np.asarray(np.fmax(length, 0, out=length))
