"""Checks of boxes one by one and within their frame: doubled, outside of the image, too many, none."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from clmot import boxes as box
from clmot.apps.check_data.columns import Columns, repeats
from clmot.apps.check_data.findings import Finding, found
from clmot.errors import plural
from clmot.structures import BoolArray

_SAME = 0.02
"""Two boxes whose sides lie on the same lines of a grid of this many pixels are one."""


def check_boxes(columns: Columns, max_detections: int) -> Iterator[Finding]:
    """The findings about boxes; those that are ignored are passed over.

    Args:
        columns: the boxes.
        max_detections: how many boxes of a frame decoding keeps.
    """
    count = np.bincount(columns.sample[columns.counted], minlength=len(columns.samples))
    empty = np.flatnonzero(count == 0)
    check = "no boxes" if len(empty) == len(count) else "frames without boxes"
    yield from found(check, len(empty), columns.images(empty), total=len(count))
    yield from columns.found("duplicate boxes", np.flatnonzero(duplicates(columns)), "annotated twice")
    lost = np.flatnonzero(outside(columns) & columns.counted)
    yield from columns.found("boxes outside the image", lost, "nothing of it is in the image")
    yield from _across_the_border(columns)
    crowded = np.flatnonzero(count > max_detections)
    if len(crowded):
        worst = crowded[np.argsort(-count[crowded], kind="stable")]
        rows = np.flatnonzero(columns.counted & (columns.sample == worst[0]))
        examples = columns.examples(rows, plural(int(count.max()), "box", "boxes"))
        values = {"limit": max_detections, "most": count.max()}
        yield from found("more boxes than decoding keeps", len(crowded), columns.images(worst), examples, **values)


def duplicates(columns: Columns) -> BoolArray:
    """True where a box is in its frame already, with the same class: bool [n].

    Of equal boxes the first is kept; one with an identity comes before one without.
    """
    found = np.zeros(len(columns), np.bool_)
    counted = np.flatnonzero(columns.counted)
    counted = counted[np.argsort(columns.identities[counted] < 0, kind="stable")]
    grid = np.rint(columns.boxes[counted].astype(np.float64) / _SAME)
    found[counted] = repeats(*grid.T, columns.classes[counted], columns.sample[counted])
    return found


def outside(columns: Columns) -> BoolArray:
    """True where no part of a box is inside its image: bool [n]."""
    beyond = (columns.boxes[:, 2:] <= 0) | (columns.boxes[:, :2] >= columns.size)
    return np.asarray(beyond.any(axis=1), np.bool_)


def _across_the_border(columns: Columns) -> Iterator[Finding]:
    low, high = columns.boxes[:, :2] < 0, columns.boxes[:, 2:] > columns.size
    index = np.flatnonzero(columns.counted & (low | high).any(axis=1) & ~outside(columns))
    inside = box.visible_share(columns.boxes[index] / np.tile(columns.size[index], 2), 1, 1)
    index = index[np.argsort(inside, kind="stable")]
    share = len(index) / max(int(columns.counted.sum()), 1)
    return columns.found("boxes across the image's border", index, "reaches farthest beyond the image", share=share)
