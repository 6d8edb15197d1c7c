"""Boxes in other coordinates than their format says: shares, corners for sizes, another resolution, off by one.

One such box is a slip; when most of a sequence's boxes show the same sign, the export was wrong. Each rule below states
the sign it looks for. They are made to stay silent on real data, where boxes lie anywhere and reach beyond the image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from clmot.apps.check_data.columns import Columns
from clmot.apps.check_data.findings import Finding
from clmot.errors import plural
from clmot.structures import Float32Array, Int64Array

Rule = Callable[[Float32Array, Float32Array], bool]
"""From boxes, float32 [n, 4], xyxy pixels, and the sizes of their images, [n, 2], whether they show a sign."""
Move = Callable[[Float32Array, Float32Array], Float32Array]
"""From the same to the boxes where they belong."""

_OWN_GROUP = 100
"""A sequence of at least so many boxes is judged alone, smaller ones together."""
_NEARLY_ALL = 0.99
_HALF = 0.45
"""Half a box, and a little room for rounding."""
_CLUSTER = 5
"""So many boxes on the same line of pixels are no chance."""


class Fault(NamedTuple):
    """One way for coordinates to be wrong.

    Attributes:
        check: its name, as `Finding.check`.
        rule: whether boxes show it.
        move: how to put it right, where that is certain.
    """

    check: str
    rule: Rule
    move: Move | None = None


def diagnose(columns: Columns) -> Iterator[tuple[Fault, Int64Array]]:
    """The fault of each group of boxes that has one, and the positions of the group's boxes, those ignored included.

    Groups are the sequences with many boxes, and all others together. A group has one fault at most: the first of
    `FAULTS` whose rule holds for its boxes that are not ignored.
    """
    sequence = columns.sequence[columns.sample]
    count = np.bincount(sequence[columns.counted], minlength=1)
    group = np.where(count[sequence] >= _OWN_GROUP, sequence, -1)
    order = np.argsort(group, kind="stable")
    for index in np.split(order, np.flatnonzero(np.diff(group[order])) + 1):
        judged = index[columns.counted[index]]
        if not len(judged):
            continue
        for fault in FAULTS:
            if fault.rule(columns.boxes[judged], columns.size[judged]):
                yield fault, index
                break


def check_coordinates(columns: Columns) -> Iterator[Finding]:
    """The findings about coordinates, one for each kind of fault."""
    by_check: dict[str, list[Int64Array]] = {}
    for fault, index in diagnose(columns):
        by_check.setdefault(fault.check, []).append(index[columns.counted[index]])
    for check, groups in by_check.items():
        index = np.sort(np.concatenate(groups))
        names = dict.fromkeys(columns.samples[i].sequence for i in columns.sample[index].tolist())
        yield from columns.found(check, index, check, sequences=plural(len(names), "sequence"))


def _normalised(boxes: Float32Array, size: Float32Array) -> bool:
    """Nothing is as large as two pixels, in images of more than 16."""
    tiny = (np.abs(boxes).max(axis=1) <= 2) & (size.min(axis=1) > 16)
    return bool(tiny.mean() >= 0.95)


def _to_pixels(boxes: Float32Array, size: Float32Array) -> Float32Array:
    # a format that counts pixels from 1 has moved them by one pixel: that of a share is the whole image
    shift = 1.0 if (boxes[:, :2] < 0).mean() > 0.5 else 0.0
    return np.asarray((boxes + np.float32(shift)) * np.tile(size, 2))


def _corners_for_sizes(boxes: Float32Array, size: Float32Array) -> bool:
    """Widths that exceed left, heights that exceed top, as right and bottom do; and boxes beyond the image for it."""
    extent = boxes[:, 2:] - boxes[:, :2]
    longer = (extent >= boxes[:, :2]).all(axis=1)
    beyond = (boxes[:, 2:] > size * 1.05).any(axis=1)
    return len(boxes) >= 20 and bool(longer.mean() >= _NEARLY_ALL and beyond.mean() >= 0.2)


def _sizes_to_corners(boxes: Float32Array, size: Float32Array) -> Float32Array:
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)


def _larger_image(boxes: Float32Array, size: Float32Array) -> bool:
    """A fifth of the boxes has its centre outside."""
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    return len(boxes) >= 10 and bool(((centre < 0) | (centre > size)).any(axis=1).mean() >= 0.2)


def _smaller_image(boxes: Float32Array, size: Float32Array) -> bool:
    """Of many boxes none reaches beyond two thirds of the width, nor of the height."""
    return len(boxes) >= 100 and bool((boxes[:, 2:] < size * (2 / 3)).all())


def _centre_for_corner(boxes: Float32Array, size: Float32Array) -> bool:
    """Nothing within half a box of the left and upper border, and overlap of up to half a box on the other sides."""
    extent = boxes[:, 2:] - boxes[:, :2]
    return _half_out(room=boxes[:, :2] / extent, over=(boxes[:, 2:] - size) / extent)


def _corner_for_centre(boxes: Float32Array, size: Float32Array) -> bool:
    """The same, mirrored."""
    extent = boxes[:, 2:] - boxes[:, :2]
    return _half_out(room=(size - boxes[:, 2:]) / extent, over=-boxes[:, :2] / extent)


def _half_out(room: npt.NDArray[np.floating], over: npt.NDArray[np.floating]) -> bool:
    """Room on one side and overlap on the other, both [n, 2], in box sizes; some boxes use the room up."""
    inside = (room >= _HALF).all(axis=1).mean() >= _NEARLY_ALL and (room < 0.8).mean(axis=0).min() >= 0.01
    out = (over > 0.1).any(axis=1).mean() >= 0.05
    by_half = (over <= 1 - _HALF).all(axis=1).mean() >= _NEARLY_ALL
    return len(room) >= 50 and bool(inside and out and by_half)


def _from_zero(boxes: Float32Array, size: Float32Array) -> bool:
    """Boxes that are cut off at -1: at 0, in a file whose format counts from 1."""
    return any(_cut_off_at(low, -1) for low in boxes[:, :2].T)


def _from_one(boxes: Float32Array, size: Float32Array) -> bool:
    """Boxes that are cut off at 1, or at one pixel beyond the image."""
    low = any(_cut_off_at(each, 1) for each in boxes[:, :2].T)
    high = any(_cut_off_at(-each, -1) for each in (boxes[:, 2:] - size).T)
    return low or high


def _cut_off_at(side: Float32Array, line: int) -> bool:
    """Whether many sides lie exactly on a line, none before it, and far fewer on the next."""
    on, next_to = int((side == line).sum()), int(((side > line) & (side <= line + 1)).sum())
    return on >= _CLUSTER and on >= 5 * next_to and not (side < line).any()


FAULTS = (
    Fault("normalised boxes", _normalised, _to_pixels),
    Fault("corners for sizes", _corners_for_sizes, _sizes_to_corners),
    Fault("boxes of a larger image", _larger_image),
    Fault("centre for corner", _centre_for_corner),
    Fault("corner for centre", _corner_for_centre),
    Fault("boxes of a smaller image", _smaller_image),
    Fault("coordinates from 0", _from_zero),
    Fault("coordinates from 1", _from_one),
)
"""All faults, the most certain first."""
