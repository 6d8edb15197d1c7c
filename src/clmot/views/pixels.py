"""Regions of whole pixels: ``(left, top, right, bottom)`` with the right and bottom side outside."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8


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
