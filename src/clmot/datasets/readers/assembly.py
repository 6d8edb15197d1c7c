"""From annotation rows to samples, the same way for every reader that keeps its annotation in columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from clmot import boxes as box
from clmot.structures import Boxes, Dataset, Float32Array, Int64Array, Sample
from clmot.table import Schema

ANY_CLASS = -1
"""Class of a region to ignore whatever may be in it."""


class Frame(NamedTuple):
    """An annotated image.

    Attributes:
        image: path of the image file.
        width: image width in pixels.
        height: image height in pixels.
        sequence: name of its sequence.
        number: frame number in the sequence, 1-based.
    """

    image: Path
    width: int
    height: int
    sequence: str
    number: int


@dataclass(frozen=True, kw_only=True, eq=False)
class BoxRows(Boxes):
    """The boxes of several images, which need not be finite, with scores on whatever scale.

    Attributes:
        place: int64 [n], position of the box's image among the frames, -1 where there is no such image.
        classes: int64 [n], position among the class names, or `ANY_CLASS`.
    """

    COLUMNS: ClassVar[Schema] = {**Boxes.COLUMNS, "place": (np.int64,)}

    place: Int64Array


def assemble(
    frames: Sequence[Frame], rows: BoxRows, names: Sequence[str], skipped: Counter[str], ignored_too: bool = False
) -> Dataset:
    """The data set of some frames and their boxes.

    Boxes that are not finite or have no area, and boxes without image, are left out and counted. Classes are those of
    the `names` that have a box that counts. Neither the order of the rows nor identities (except between equal boxes)
    have an effect on anything but `Sample.identities`.

    Args:
        frames: the images, also those without boxes.
        rows: the boxes.
        names: class names.
        skipped: rows left out before, by reason.
        ignored_too: a class of ignored boxes alone is one of the classes.
    """
    well_formed = box.well_formed(rows.boxes)
    keep = well_formed & (rows.place >= 0)
    skipped = skipped + Counter(
        {"degenerate box": int((~well_formed).sum()), "frame without image": int((well_formed & ~keep).sum())}
    )
    counted = set(rows.classes[keep & (~rows.ignore | ignored_too)].tolist())
    used = [i for i in range(len(names)) if i in counted] or list(range(len(names)))
    # a region to ignore masks every class alike, so any class will do for those that have none here
    class_map = np.zeros(len(names) + 1, np.int64)
    class_map[used] = np.arange(len(used))
    rows = replace(rows, classes=class_map[rows.classes], identities=np.maximum(rows.identities, -1)).take(keep)
    keys = (rows.identities, rows.scores, rows.ignore, rows.classes, *rows.boxes.T[::-1], rows.place)
    rows = rows.take(np.lexsort(keys))
    ends = np.searchsorted(rows.place, np.arange(len(frames) + 1))
    samples = [
        Sample(
            image=frame.image,
            width=frame.width,
            height=frame.height,
            sequence=frame.sequence,
            frame=frame.number,
            **Boxes.columns_of(rows.take(slice(ends[i], ends[i + 1]))),
        )
        for i, frame in enumerate(frames)
    ]
    samples.sort(key=lambda sample: (sample.sequence, sample.frame))
    return Dataset(samples=samples, classes=tuple(names[i] for i in used), skipped=skipped)


def to_float32(boxes: npt.NDArray[np.floating]) -> Float32Array:
    """Boxes in single precision; what is too large for it becomes infinite."""
    with np.errstate(over="ignore", invalid="ignore"):
        return boxes.astype(np.float32)


def position_of(keys: Int64Array, present: Sequence[int]) -> Int64Array:
    """Where each key stands among ascending ones, -1 for those that are not there."""
    have = np.asarray(present, np.int64)
    place = np.searchsorted(have, keys).clip(max=max(len(have) - 1, 0))
    return np.asarray(np.where(have[place] == keys, place, -1) if len(have) else np.full(len(keys), -1), np.int64)
