"""Checks of boxes one by one and within their frame: doubled, outside of the image, too many, none."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from clmot import boxes as box
from clmot.apps.check_data.columns import Columns
from clmot.apps.check_data.findings import Finding
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
    yield from _no_boxes(columns)
    yield from _duplicates(columns)
    yield from _outside(columns)
    yield from _too_many(columns, max_detections)


def duplicates(columns: Columns) -> BoolArray:
    """True where a box is in its frame already, with the same class: bool [n].

    Of equal boxes the first is kept; one with an identity comes before one without.
    """
    found = np.zeros(len(columns), np.bool_)
    counted = np.flatnonzero(columns.counted)
    grid = np.rint(columns.boxes[counted].astype(np.float64) / _SAME)
    keys = (columns.identities[counted] < 0, *grid.T, columns.classes[counted], columns.sample[counted])
    order = np.lexsort(keys)
    same = np.ones(max(len(order) - 1, 0), np.bool_)
    for key in keys[1:]:
        same &= key[order[1:]] == key[order[:-1]]
    found[counted[order[1:][same]]] = True
    return found


def outside(columns: Columns) -> BoolArray:
    """True where no part of a box is inside its image: bool [n]."""
    beyond = (columns.boxes[:, 2:] <= 0) | (columns.boxes[:, :2] >= columns.size)
    return np.asarray(beyond.any(axis=1), np.bool_)


def _no_boxes(columns: Columns) -> Iterator[Finding]:
    count = np.bincount(columns.sample[columns.counted], minlength=len(columns.samples))
    empty = np.flatnonzero(count == 0)
    if not len(columns.samples):
        return
    if len(empty) == len(count):
        yield Finding(
            check="no boxes",
            severity="error",
            what="no image has a box to train on",
            count=len(empty),
            places=columns.images(empty),
            advice="see what was left out and why; name the format with data.format=NAME if it was taken for another",
        )
    elif len(empty):
        yield Finding(
            check="frames without boxes",
            severity="information",
            what=f"{plural(len(empty), 'frame')} of {len(count):,} without a box",
            count=len(empty),
            places=columns.images(empty),
            advice="fine where nothing is to be seen; frames that nobody annotated teach that people are background",
        )


def _duplicates(columns: Columns) -> Iterator[Finding]:
    index = np.flatnonzero(duplicates(columns))
    if len(index):
        yield Finding(
            check="duplicate boxes",
            severity="warning",
            what=f"{plural(len(index), 'box', 'boxes')} equal to another of the same frame",
            count=len(index),
            places=columns.places(index),
            advice="keep one of each: contrastive training takes the other for a different object (--fix does)",
            examples=columns.examples(index, "annotated twice"),
        )


def _outside(columns: Columns) -> Iterator[Finding]:
    counted = columns.counted
    lost = np.flatnonzero(outside(columns) & counted)
    if len(lost):
        yield Finding(
            check="boxes outside the image",
            severity="warning",
            what=f"{plural(len(lost), 'box', 'boxes')} of which no part is inside the image",
            count=len(lost),
            places=columns.places(lost),
            advice="remove them (--fix does); many of them point to wrong coordinates",
            examples=columns.examples(lost, "nothing of it is in the image"),
        )
    low, high = columns.boxes[:, :2] < 0, columns.boxes[:, 2:] > columns.size
    across = counted & (low | high).any(axis=1) & ~outside(columns)
    if across.any():
        index = np.flatnonzero(across)
        inside = box.visible_share(columns.boxes[index] / np.tile(columns.size[index], 2), 1, 1)
        index = index[np.argsort(inside, kind="stable")]
        share = len(index) / max(int(counted.sum()), 1)
        yield Finding(
            check="boxes across the image's border",
            severity="information",
            what=f"{plural(len(index), 'box', 'boxes')} ({share:.1%}) reaching beyond the image",
            count=len(index),
            places=columns.places(np.sort(index)),
            advice="right where boxes hold whole objects, as in MOTChallenge: nothing is clipped",
            examples=columns.examples(index, "reaches farthest beyond the image"),
        )


def _too_many(columns: Columns, max_detections: int) -> Iterator[Finding]:
    count = np.bincount(columns.sample[columns.counted], minlength=len(columns.samples))
    crowded = np.flatnonzero(count > max_detections)
    if len(crowded):
        worst = crowded[np.argsort(-count[crowded], kind="stable")]
        rows = np.flatnonzero(columns.counted & (columns.sample == worst[0]))
        yield Finding(
            check="more boxes than decoding keeps",
            severity="warning",
            what=f"{plural(len(crowded), 'frame')} with more than {max_detections} boxes, up to {count.max()}",
            count=len(crowded),
            places=columns.images(worst),
            advice=f"training takes them all, but at most {max_detections} are found: set detect.max_detections higher",
            examples=columns.examples(rows, plural(int(count.max()), "box", "boxes")),
        )
