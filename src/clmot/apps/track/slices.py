"""Sliced inference: small objects are found in parts of the image, which the detector sees larger.

Source: Akyon, Altinuc, Temizel, "Slicing aided hyper inference and fine-tuning for small object detection", 2022.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from clmot import boxes as box
from clmot.apps.track.detection import Finder
from clmot.errors import require
from clmot.row_data import joined, moved
from clmot.structures import BoolArray, Detections, Image

OVERLAP = 0.25
"""Share of its side by which a slice overlaps the next, at least: what one cuts, the other shows whole."""

SAME_IOU = 0.5
"""Boxes of one class that overlap by more show one object."""

SURE = 0.3
"""Least score of what only a slice shows, and of a box of the whole image that has parts."""

PART = 0.7
"""What a slice shows within a box of the whole image, by more than this share, is a part of that object."""

_CUT = 2.0
"""Boxes that come this near (pixels) to a side inside the image are cut by it."""


def sliced(find: Finder, side: int) -> Finder:
    """A finder that looks at the whole image and at slices of it.

    Args:
        find: what finds objects in an image.
        side: of the square slices in pixels, such as the width that the detector learned from.

    Raises:
        UserError: the side is too small.
    """
    require(side >= 64, f"--slices must be 64 pixels or more, got {side}")

    def found(batch: Sequence[tuple[int, Image]]) -> list[Detections]:
        return [_in_image(find, number, image, side) for number, image in batch]

    return found


def corners(length: int, side: int) -> list[int]:
    """Where slices begin along a side of an image: evenly spread, with at least `OVERLAP` between two."""
    if length <= side:
        return [0]
    count = math.ceil((length - side) / (side * (1 - OVERLAP))) + 1
    return [round(each) for each in np.linspace(0, length - side, count).tolist()]


def _in_image(find: Finder, number: int, image: Image, side: int) -> Detections:
    height, width = image.shape[:2]
    places = [(x, y) for y in corners(height, side) for x in corners(width, side)]
    (whole,) = find([(number, image)])
    if len(places) == 1:
        return whole
    slices = [np.ascontiguousarray(image[y : y + side, x : x + side]) for x, y in places]
    parts = [whole]
    for (x, y), each in zip(places, find([(number, each) for each in slices]), strict=True):
        kept = each.take(~_is_cut(each, (x, y), (width, height), side) & (each.score >= SURE))
        xyxy = kept.xyxy + np.tile(np.array([x, y], np.float32), 2)
        moved_there = replace(kept, xyxy=xyxy, data=moved(kept.data, x, y))
        parts.append(moved_there.take(~_is_part(moved_there, whole)))
    return _merged([part for part in parts if len(part)] or [whole])


def _is_cut(found: Detections, corner: tuple[int, int], size: tuple[int, int], side: int) -> BoolArray:
    """Which boxes of a slice reach a side of it that is none of the image's."""
    cut = np.zeros(len(found), np.bool_)
    for axis in (0, 1):
        if corner[axis] > 0:
            cut |= found.xyxy[:, axis] < _CUT
        if corner[axis] + side < size[axis]:
            cut |= found.xyxy[:, axis + 2] > side - _CUT
    return cut


def _is_part(found: Detections, whole: Detections) -> BoolArray:
    """Which boxes of a slice lie in a larger box of the whole image, of their class: legs of a person, say."""
    sure = whole.take(whole.score >= SURE)
    inside = (box.covered_share(found.xyxy, sure.xyxy) > PART) & (box.iou(found.xyxy, sure.xyxy) <= SAME_IOU)
    return np.asarray((inside & (found.class_id[:, None] == sure.class_id)).any(axis=1))


def _merged(parts: Sequence[Detections]) -> Detections:
    """The boxes of all parts, of those that show one object the one with the highest score."""
    together = Detections.join(parts, data=joined([part.data for part in parts]))
    ltwh = together.xyxy.astype(np.float64).copy()
    ltwh[:, 2:] -= ltwh[:, :2]
    chosen = cv2.dnn.NMSBoxesBatched(ltwh.tolist(), together.score.tolist(), together.class_id.tolist(), 0.0, SAME_IOU)
    return together.take(np.asarray(chosen, np.int64).ravel())
