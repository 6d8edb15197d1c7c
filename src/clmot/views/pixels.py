"""Moving pixels without seams: soft windows, blending and cutting out, on plain arrays.

Regions are whole pixels, ``(left, top, right, bottom)`` with the right and bottom side outside.
"""

from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8


class Region(NamedTuple):
    """A rectangle of whole pixels."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """Columns; zero or less where the region is empty."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """Rows; zero or less where the region is empty."""
        return self.bottom - self.top

    def clip(self, size: tuple[int, int]) -> "Region":
        """The part inside an image of that width and height (empty regions stay empty)."""
        width, height = size
        left, top = min(max(self.left, 0), width), min(max(self.top, 0), height)
        return Region(left, top, max(min(self.right, width), left), max(min(self.bottom, height), top))

    def of(self, image: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "rows columns 3"]:
        """These pixels of an image, as a part of it: writing there writes to the image."""
        return image[self.top : self.bottom, self.left : self.right]


def region_in(box: Float[np.ndarray, " 4"], size: tuple[int, int]) -> Region:
    """The pixels of an image whose centres lie in a box."""
    left, top, right, bottom = (int(side) for side in np.floor(box + 0.5))
    return Region(left, top, right, bottom).clip(size)


def window(position: Float[np.ndarray, " n"], low: float, high: float, margin: float) -> Float32[np.ndarray, " n"]:
    """One from `low` to `high`, falling smoothly to zero at a distance of `margin` outside."""
    outside = np.maximum(low - position, position - high) / max(margin, 1e-6)
    inside = np.clip(1 - outside, 0, 1)
    return np.asarray(inside * inside * (3 - 2 * inside), np.float32)


def soft_box(region: Region, box: Float[np.ndarray, " 4"], margin: float) -> Float32[np.ndarray, "rows columns"]:
    """Weights on the pixels of a region: one inside a box, falling smoothly to zero at `margin` pixels outside."""
    columns = window(np.arange(region.left, region.right) + 0.5, box[0], box[2], margin)
    rows = window(np.arange(region.top, region.bottom) + 0.5, box[1], box[3], margin)
    return np.outer(rows, columns)


def blend_into(
    canvas: UInt8[np.ndarray, "h w 3"],
    region: Region,
    patch: UInt8[np.ndarray, "rows columns 3"],
    weight: Float32[np.ndarray, "rows columns"],
) -> None:
    """Lay a patch over a region of the canvas (which it writes to) as far as its weights say."""
    under = region.of(canvas)
    under[:] = cv2.blendLinear(patch, under, weight, 1 - weight)


def resize(image: UInt8[np.ndarray, "h w 3"], size: tuple[int, int]) -> UInt8[np.ndarray, "rows columns 3"]:
    """An image stretched to a width and height: bilinear, averaged to less than twice the size first."""
    width, height = size
    factor = min(image.shape[1] // width, image.shape[0] // height)
    if factor > 1:
        # a shrink by a whole number is the average that OpenCV has a fast path for
        near = (width * factor, height * factor)
        image = np.asarray(cv2.resize(image, near)) if near != image.shape[1::-1] else image
        return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
    return np.asarray(cv2.resize(image, size))
