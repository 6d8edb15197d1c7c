"""Boxes in other coordinates than their format says: shares, corners for sizes, another resolution, off by one.

One such box is a slip; when most of a sequence's boxes show the same sign, the export was wrong. Each rule below states
the sign it looks for. They are made to stay silent on real data, where boxes lie anywhere and reach beyond the image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clmot.apps.check_data.columns import Columns
from clmot.apps.check_data.findings import Finding, Severity
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


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One way for coordinates to be wrong.

    Attributes:
        check: its name, as `Finding.check`.
        severity: how bad it is.
        sign: what is seen, the end of a sentence that begins with the boxes.
        advice: what to do.
        rule: whether boxes show it.
        move: how to put it right, where that is certain.
    """

    check: str
    severity: Severity
    sign: str
    advice: str
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
    found: dict[str, tuple[Fault, list[Int64Array]]] = {}
    for fault, index in diagnose(columns):
        found.setdefault(fault.check, (fault, []))[1].append(index[columns.counted[index]])
    for fault, groups in found.values():
        index = np.sort(np.concatenate(groups))
        names = dict.fromkeys(columns.samples[i].sequence for i in columns.sample[index].tolist())
        yield Finding(
            check=fault.check,
            severity=fault.severity,
            what=f"{plural(len(index), 'box', 'boxes')} in {plural(len(names), 'sequence')} {fault.sign}",
            count=len(index),
            places=columns.places(index),
            advice=fault.advice,
            examples=columns.examples(index, fault.check),
        )


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
    Fault(
        check="normalised boxes",
        severity="error",
        sign="are no larger than two pixels: shares of the image (0 to 1) taken for pixels",
        advice="multiply by the image's width and height (--fix does)",
        rule=_normalised,
        move=_to_pixels,
    ),
    Fault(
        check="corners for sizes",
        severity="error",
        sign="are wider than their left and higher than their top: right and bottom written for width and height",
        advice="write left, top, right - left, bottom - top (--fix does)",
        rule=_corners_for_sizes,
        move=_sizes_to_corners,
    ),
    Fault(
        check="boxes of a larger image",
        severity="error",
        sign="lie outside of their image by a fifth: annotated at another resolution, or in another form of box",
        advice="scale the boxes as the images were scaled",
        rule=_larger_image,
    ),
    Fault(
        check="centre for corner",
        severity="warning",
        sign="stay half a box away from the left and upper border and reach half beyond the others: centres written "
        "for left and top",
        advice="subtract half of width and height",
        rule=_centre_for_corner,
    ),
    Fault(
        check="corner for centre",
        severity="warning",
        sign="stay half a box away from the right and lower border and reach half beyond the others: left and top "
        "written for centres",
        advice="add half of width and height",
        rule=_corner_for_centre,
    ),
    Fault(
        check="boxes of a smaller image",
        severity="warning",
        sign="stay in the upper left two thirds of their images: annotated at another resolution?",
        advice="look at the pictures; scale the boxes as the images were scaled",
        rule=_smaller_image,
    ),
    Fault(
        check="coordinates from 0",
        severity="warning",
        sign="are cut off one pixel outside of the image: written from 0 in a format that counts pixels from 1",
        advice="add 1 to left and top in the file; the error is a pixel",
        rule=_from_zero,
    ),
    Fault(
        check="coordinates from 1",
        severity="warning",
        sign="are cut off at the second pixel, or one pixel beyond the image: written from 1 in a format that counts "
        "from 0",
        advice="subtract 1 from left and top in the file; the error is a pixel",
        rule=_from_one,
    ),
)
"""All faults, the most certain first."""
