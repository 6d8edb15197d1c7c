"""A data set that grows image by image: for formats that keep the objects of each image together."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clmot.datasets.readers.assembly import BoxRows, Frame, assemble, position_of, to_float32
from clmot.datasets.readers.places import Absent
from clmot.errors import UserError
from clmot.io.image_size import read_image_size
from clmot.structures import BoolArray, Dataset, Float32Array, Int64Array

_NO_BOXES, _NO_CLASSES = np.empty((0, 4)), np.empty(0, np.int64)


class Object(NamedTuple):
    """One annotated object of an image: its box in xyxy pixels, and what is known of it."""

    left: float
    top: float
    right: float
    bottom: float
    class_id: int
    ignore: bool = False
    identity: int = -1
    score: float = 1.0


class Collector:
    """Gathers images with their objects, and class names in order of first appearance.

    Attributes:
        skipped: how many annotations were left out, by reason; readers add to it.
        absent: what is annotated and not on disk; readers add to it.
        notes: what `Dataset.notes` is to say; readers add to it.
    """

    def __init__(self, classes: Iterable[str] = (), unit: str = "image") -> None:
        """Start with no image and the given classes; `unit` is what may not be on disk."""
        self.skipped: Counter[str] = Counter()
        self.absent = Absent(unit)
        self.notes: list[str] = []
        self._class_ids = {name: i for i, name in enumerate(dict.fromkeys(classes))}
        self._frames: list[Frame] = []
        self._rows: list[BoxRows] = []

    def class_id(self, name: str) -> int:
        """The number of a class, a new one where the name is new."""
        return self._class_ids.setdefault(name, len(self._class_ids))

    def add_frames(
        self,
        frames: Sequence[Frame],
        place: Int64Array,
        boxes: npt.NDArray[np.floating],
        classes: Int64Array,
        *,
        ignore: BoolArray | None = None,
        identities: Int64Array | None = None,
        scores: Float32Array | None = None,
    ) -> None:
        """Add images with their objects.

        Args:
            frames: the images.
            place: int64 [n], position of each object's image among them, -1 for none: left out and counted.
            boxes: float [n, 4], xyxy pixels; need not be finite.
            classes: int64 [n].
            ignore: bool [n], by default nowhere.
            identities: int64 [n], by default unknown.
            scores: float32 [n], of a detector, by default 1.
        """
        n = len(boxes)
        rows = BoxRows(
            place=np.where(place >= 0, place + len(self._frames), -1),
            boxes=to_float32(boxes),
            classes=classes,
            ignore=np.zeros(n, np.bool_) if ignore is None else ignore,
            identities=np.full(n, -1, np.int64) if identities is None else identities,
            scores=np.ones(n, np.float32) if scores is None else scores,
        )
        self._rows.append(rows)
        self._frames += frames

    def add_image(
        self,
        frame: Frame,
        boxes: npt.NDArray[np.floating] = _NO_BOXES,
        classes: Int64Array = _NO_CLASSES,
        **columns: Any,
    ) -> None:
        """Add an image with its objects, as `add_frames` takes them."""
        self.add_frames([frame], np.zeros(len(boxes), np.int64), boxes, classes, **columns)

    def add(self, frame: Frame, objects: Sequence[Object]) -> None:
        """Add an image with its objects one by one."""
        width = len(Object._fields)
        # three times as fast as an array of the tuples
        table = np.fromiter(chain.from_iterable(objects), np.float64, width * len(objects)).reshape(-1, width)
        classes, ignore, identities = table[:, 4].astype(np.int64), table[:, 5] > 0, table[:, 6].astype(np.int64)
        scores = table[:, 7].astype(np.float32)
        self.add_image(frame, table[:, :4], classes, ignore=ignore, identities=identities, scores=scores)

    def add_sequence(
        self,
        name: str,
        images: dict[int, Path],
        number: Int64Array,
        boxes: npt.NDArray[np.floating],
        classes: Int64Array,
        *,
        file: Path,
        first: int = 1,
        size: tuple[int, int] | None = None,
        **columns: Any,
    ) -> None:
        """Add a sequence with its objects; without images it is absent.

        Args:
            name: of the sequence.
            images: its images by number; all of them are samples.
            number: int64 [n], the number of each object's image; objects without image are left out and counted.
            boxes: float [n, 4], as of `add_frames`, and so the other columns.
            classes: int64 [n].
            file: the annotation file, for messages.
            first: the number that is frame 1.
            size: width and height of the images, by default those of the first one.
            **columns: as of `add_frames`.

        Raises:
            UserError: there are images and objects, and no object has one.
        """
        if not images:
            self.absent.add(file.stem, file)
            return
        present = sorted(images)
        place = position_of(number, present)
        if len(number) and (place < 0).all():
            raise UserError(
                f"{file}: frames {number.min()} to {number.max()}, but the images of {name} are frames {present[0]} to "
                f"{present[-1]}; no object has an image"
            )
        size = size or read_image_size(images[present[0]])
        frames = [Frame(images[each], *size, name, each - first + 1) for each in present]
        self.add_frames(frames, place, boxes, classes, **columns)

    def dataset(self, *, ignored_too: bool = False) -> Dataset:
        """The data set of all images, as `assemble` makes it.

        Raises:
            UserError: nothing that is annotated is on disk.
        """
        self.absent.settle(len(self._frames), self.skipped)
        dataset = assemble(self._frames, BoxRows.join(self._rows), list(self._class_ids), self.skipped, ignored_too)
        return replace(dataset, notes=tuple(self.notes))


def annotated(images: dict[int, Path], number: Int64Array) -> dict[int, Path]:
    """The images between the first and the last with an object, by number; all where that would be none."""
    first, last = number.min(), number.max()
    return {each: image for each, image in images.items() if first <= each <= last} or images


def extent(points: Sequence[tuple[float, float]]) -> tuple[float, float, float, float]:
    """The box around some points: left, top, right, bottom."""
    xs, ys = zip(*points, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def cosine_and_sine(degrees: float) -> tuple[float, float]:
    """Of an angle; NaN, which makes a box degenerate, of one that is not finite."""
    angle = math.radians(degrees) if math.isfinite(degrees) else math.nan
    return math.cos(angle), math.sin(angle)


def sequence_name(path: Path, root: Path) -> str:
    """A path below a data set's folder, that folder's name first, without a folder ``images`` at its end."""
    folder = root.absolute()
    folder = folder.parent if folder.name in ("images", "Annotations", "annotations") else folder
    return (Path(folder.name) / path.absolute().relative_to(root.absolute())).as_posix()
