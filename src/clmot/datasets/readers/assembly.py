"""From annotation rows to samples, the same way for every reader that keeps its annotation in columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clmot import boxes as box
from clmot.structures import BoolArray, Dataset, Float32Array, Int64Array, Sample

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
class BoxRows:
    """Annotated boxes as columns.

    Attributes:
        frame: int64 [n], position of the box's image among the frames, -1 where there is no such image.
        boxes: float32 [n, 4], xyxy pixels, 0-based continuous coordinates; need not be finite.
        classes: int64 [n], position among the class names, or `ANY_CLASS`.
        ignore: bool [n].
        identities: int64 [n], -1 where unknown.
        scores: float32 [n], of a detector, on whatever scale; all 1 where not given.
    """

    frame: Int64Array
    boxes: Float32Array
    classes: Int64Array
    ignore: BoolArray
    identities: Int64Array
    scores: Float32Array = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if vars(self)["scores"] is None:
            object.__setattr__(self, "scores", np.ones(len(self.boxes), np.float32))

    @staticmethod
    def join(parts: Sequence[BoxRows]) -> BoxRows:
        """All rows of several parts, in their order."""
        if not parts:
            none = np.empty(0, np.int64)
            boxes = np.empty((0, 4), np.float32)
            return BoxRows(frame=none, boxes=boxes, classes=none, ignore=none.astype(np.bool_), identities=none)
        return BoxRows(
            frame=np.concatenate([part.frame for part in parts]),
            boxes=np.concatenate([part.boxes for part in parts]),
            classes=np.concatenate([part.classes for part in parts]),
            ignore=np.concatenate([part.ignore for part in parts]),
            identities=np.concatenate([part.identities for part in parts]),
            scores=np.concatenate([part.scores for part in parts]),
        )


def assemble(frames: Sequence[Frame], rows: BoxRows, names: Sequence[str], skipped: Counter[str]) -> Dataset:
    """The data set of some frames and their boxes.

    Boxes that are not finite or have no area, and boxes without image, are left out and counted. Classes are those of
    the `names` that have a box that counts. Neither the order of the rows nor identities (except between equal boxes)
    have an effect on anything but `Sample.identities`.

    Args:
        frames: the images, also those without boxes.
        rows: the boxes.
        names: class names.
        skipped: rows left out before, by reason.
    """
    well_formed = box.well_formed(rows.boxes)
    keep = well_formed & (rows.frame >= 0)
    skipped = skipped + Counter(
        {"degenerate box": int((~well_formed).sum()), "frame without image": int((well_formed & ~keep).sum())}
    )
    counted = set(rows.classes[keep & ~rows.ignore].tolist())
    used = [i for i in range(len(names)) if i in counted] or list(range(len(names)))
    # a region to ignore masks every class alike, so any class will do for those that have none here
    class_map = np.zeros(len(names) + 1, np.int64)
    class_map[used] = np.arange(len(used))
    classes = class_map[rows.classes]
    order = order_of_rows(rows.frame, rows.boxes, classes, rows.ignore, rows.scores, rows.identities)
    order = order[keep[order]]
    starts = np.searchsorted(rows.frame[order], np.arange(len(frames) + 1))
    samples = []
    for i, frame in enumerate(frames):
        index = order[starts[i] : starts[i + 1]]
        samples.append(
            Sample(
                image=frame.image,
                width=frame.width,
                height=frame.height,
                sequence=frame.sequence,
                frame=frame.number,
                boxes=rows.boxes[index],
                classes=classes[index],
                ignore=rows.ignore[index],
                identities=np.maximum(rows.identities[index], -1),
                scores=rows.scores[index],
            )
        )
    samples.sort(key=lambda sample: (sample.sequence, sample.frame))
    return Dataset(samples=samples, classes=tuple(names[i] for i in used), skipped=skipped)


def order_of_rows(frame: Int64Array, boxes: Float32Array, *others: npt.NDArray[Any]) -> Int64Array:
    """The order of rows by frame, box and the other columns, in which their order in the file has no part."""
    return np.lexsort((*others[::-1], *boxes.T[::-1], frame))


def to_float32(boxes: npt.NDArray[np.float64]) -> Float32Array:
    """Boxes in single precision; what is too large for it becomes infinite."""
    with np.errstate(over="ignore", invalid="ignore"):
        return boxes.astype(np.float32)


def position_of(keys: Int64Array, present: Sequence[int]) -> Int64Array:
    """Where each key stands among ascending ones, -1 for those that are not there."""
    have = np.asarray(present, np.int64)
    place = np.searchsorted(have, keys).clip(max=max(len(have) - 1, 0))
    return np.asarray(np.where(have[place] == keys, place, -1) if len(have) else np.full(len(keys), -1), np.int64)
