"""BDD100K-MOT: driving videos (Yu et al. 2020, arXiv:1805.04687), in the Scalabel format.

``labels/box_track_20/train/<video>.json`` is a list of frames (``name``, ``frameIndex``, ``labels``); a label has
``id``, ``category``, ``box2d`` (``x1``, ``y1``, ``x2``, ``y2``: the first and last pixel, 0-based) and ``attributes``.
Images are ``images/track/train/<video>/<name>``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct

from clmot.datasets.readers.collector import Collector
from clmot.datasets.readers.formats import Format
from clmot.datasets.readers.json_files import as_kind, load_json
from clmot.errors import UserError
from clmot.structures import Dataset

_CLASSES = ("pedestrian", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle")
_DISTRACTORS = ("other person", "trailer", "other vehicle")
"""Categories that the benchmark ignores."""
_CATEGORIES = {name: i for i, name in enumerate(_CLASSES)} | dict.fromkeys(_DISTRACTORS, -1)
_LABEL_FOLDERS = ("box_track_20", "box-track")
_IMAGE_FOLDERS = ("images/track", "images")


def read_bdd100k(path: Path) -> Dataset:
    """Read the labelled videos, identities included.

    Every labelled frame is a sample. Crowds and distractors (other persons, trailers, other vehicles) are
    `Sample.ignore`, as in the benchmark's evaluation. How much of an object is visible is not said. Videos
    without images on disk are left out and counted.

    Args:
        path: the folder with ``labels`` and ``images`` (both splits are read), or ``box_track_20`` or one of its
            splits below it.

    Raises:
        UserError: nothing there; labels are faulty (named by frame and label); no video has images.
    """
    files = _label_files(path)
    if not files:
        raise UserError(f"{path}: no labels/box_track_20/train/<video>.json there")
    collector = Collector(_CLASSES, unit="video")
    for file in files:
        places = _image_places(file)
        folder = next((place for place in places if place.is_dir()), None)
        if folder is None:
            collector.absent.add(file.stem, file, [place.parent for place in places])
            continue
        records = _records(file)
        rows = [(number, *label) for number, _, labels in records for label in labels]
        number, corners, classes, ignore, identities = zip(*rows, strict=True) if rows else ((),) * 5
        images = {index: image for index, name, _ in records if (image := folder / Path(name).name).is_file()}
        collector.add_sequence(
            file.stem,
            images,
            np.array(number, np.int64),
            # x2 and y2 are the last pixels inside
            np.array(corners, np.float64).reshape(-1, 4) + np.array([0.0, 0.0, 1.0, 1.0]),
            np.array(classes, np.int64),
            file=file,
            first=min(1, *(index for index, _, _ in records)),
            ignore=np.array(ignore, np.bool_),
            identities=np.array(identities, np.int64),
        )
    collector.notes.append(f"splits {', '.join(sorted({file.absolute().parent.name for file in files}))}")
    return collector.dataset()


def _label_folder(path: Path) -> Path | None:
    """The folder of the splits of a whole data set, or the path itself if it lies in such a folder."""
    if path.name in _LABEL_FOLDERS or path.absolute().parent.name in _LABEL_FOLDERS:
        return path
    places = (path / top / name for top in ("labels", "labels-20", ".") for name in _LABEL_FOLDERS)
    return next((place for place in places if place.is_dir()), None)


def _label_files(path: Path) -> list[Path]:
    """The label files of a data set, of its splits, of one split, or the one that is named."""
    if path.is_file():
        return [path]
    folder = _label_folder(path)
    if folder is None:
        return []
    return sorted([*folder.glob("*.json"), *folder.glob("*/*.json")])


def _image_places(file: Path) -> list[Path]:
    """Where the images of a video may be: its split and name below the images beside ``labels``."""
    split = file.absolute().parent
    return [
        root / images / split.name / file.stem
        for root in (split.parent.parent.parent, split.parent.parent)
        for images in _IMAGE_FOLDERS
    ]


class _Corners(Struct):
    x1: float
    y1: float
    x2: float
    y2: float


class _Label(Struct):
    id: Any
    category: str
    box2d: _Corners
    attributes: dict[str, Any] | None = None


class _Frame(Struct):
    name: str
    frameIndex: int | None = None
    index: int | None = None
    labels: list[_Label] | None = None


_Row = tuple[list[float], int, bool, int]
"""First and last pixel of a box, class, whether to ignore it, identity."""


def _records(path: Path) -> list[tuple[int, str, list[_Row]]]:
    """The frames of a file: index, image name, boxes."""
    content = load_json(path)
    if isinstance(content, dict):
        content = content.get("frames")
    if not isinstance(content, list) or not content:
        raise UserError(f"{path}: expected a list of frames")
    frames: list[_Frame] = as_kind(content, list[_Frame], path, "frames")
    identities: dict[str, int] = {}
    records: dict[int, tuple[int, str, list[_Row]]] = {}
    for i, frame in enumerate(frames):
        where = f"{path}: frames[{i}]"
        index = frame.index if frame.frameIndex is None else frame.frameIndex
        if index is None:
            raise UserError(f"{where}.frameIndex is missing, expected a whole number")
        if index in records:
            raise UserError(f"{where}.frameIndex is {index}, which {records[index][1]} has already")
        rows = [_row(label, identities, f"{where}.labels[{j}]") for j, label in enumerate(frame.labels or [])]
        records[index] = (index, frame.name, rows)
    return list(records.values())


def _row(label: _Label, identities: dict[str, int], where: str) -> _Row:
    category, corners, attributes = label.category, label.box2d, label.attributes or {}
    if category not in _CATEGORIES:
        raise UserError(f"{where}.category is {category!r}, expected one of {', '.join(_CATEGORIES)}")
    ignore = bool(attributes.get("crowd", attributes.get("Crowd"))) or _CATEGORIES[category] < 0
    identity = identities.setdefault(str(label.id), len(identities))
    return [corners.x1, corners.y1, corners.x2, corners.y2], _CATEGORIES[category], ignore, identity


def _matches(path: Path) -> bool:
    if path.is_file():
        return path.suffix == ".json" and bool({path.absolute().parents[i].name for i in (0, 1)} & {*_LABEL_FOLDERS})
    return _label_folder(path) is not None


FORMAT = Format(
    name="bdd100k",
    title="BDD100K-MOT: driving videos, boxes five times a second",
    tree="""labels/box_track_20/{train,val}/<video>.json
images/track/{train,val}/<video>/<video>-0000001.jpg ...""",
    licence="see the home page (its own licence, free of charge for education, research and not-for-profit use)",
    home="https://www.bdd100k.com",
    matches=_matches,
    read=lambda path, min_visibility: read_bdd100k(path),
)
