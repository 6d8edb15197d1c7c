"""A picture with its boxes and where each of them came from: what views are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from clmot.structures import BoolArray, Float32Array, Image, Int64Array, Sample

PER_BOX = ("boxes", "classes", "ignore", "object_index", "frame_index", "sequence_index", "identities", "scores")
"""What a picture holds for each box."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Picture:
    """One frame with n boxes.

    Attributes:
        image: uint8 [height, width, 3], RGB.
        boxes: float32 [n, 4], xyxy pixels, may extend beyond the image.
        classes: int64 [n].
        ignore: bool [n].
        object_index: int64 [n], row of the sample the box came from; -1: not contrasted with anything.
        frame_index: int64 [n], that sample.
        sequence_index: int64 [n], the number of its sequence.
        identities: int64 [n], unique in the data set, -1 where unknown.
        scores: float32 [n], how much each box counts, in (0, 1].
    """

    image: Image
    boxes: Float32Array
    classes: Int64Array
    ignore: BoolArray
    object_index: Int64Array
    frame_index: Int64Array
    sequence_index: Int64Array
    identities: Int64Array
    scores: Float32Array

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        height, width = self.image.shape[:2]
        return width, height


Donor = Callable[[np.random.Generator], Picture | None]
"""Gives another picture to take pixels or objects from: of another sequence where there is one, else of another frame,
None where there is neither. Images are read when it is called, not before."""


def no_donor(rng: np.random.Generator) -> Picture | None:
    """The donor of a picture that stands alone."""
    return None


def picture_of(image: Image, sample: Sample, frame_index: int, sequence_index: int) -> Picture:
    """A sample's image and boxes; those of score 0 are ignored from here on.

    Args:
        image: the sample's image.
        sample: its annotation; its identities are unique in the data set.
        frame_index: which sample of the data set.
        sequence_index: number of its sequence.
    """
    n = len(sample.boxes)
    return Picture(
        image=image,
        boxes=sample.boxes,
        classes=sample.classes,
        ignore=sample.ignore | (sample.scores <= 0),
        object_index=np.arange(n),
        frame_index=np.full(n, frame_index, np.int64),
        sequence_index=np.full(n, sequence_index, np.int64),
        identities=sample.identities,
        scores=sample.scores,
    )
