"""Caltech Pedestrian: streets from a driving car (Dollar et al. 2012, doi:10.1109/TPAMI.2011.155).

``annotations/set00/V000.vbb`` is a MATLAB file with a struct ``A``: ``objLists`` has the objects of each frame (``id``
from 1, ``pos`` as left, top, width, height in 1-based pixels, ``occl``, and ``posv``, the visible part), ``objLbl``
what each id is. The videos are extracted to images with one of the usual tools, all frames or some.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from clmot.data.readers.assembly import Frame
from clmot.data.readers.collector import Collector, Object
from clmot.data.readers.formats import Format
from clmot.data.readers.mat_files import read_mat
from clmot.errors import UserError
from clmot.io.image_size import read_image_size
from clmot.io.sources import IMAGE_SUFFIXES
from clmot.types import Dataset, Float64Array

EXPECTED = "annotations/set00/V000.vbb and images/set00/V000/I00000.jpg"
"""What the data set looks like, for error messages."""

_PERSON = "person"
"""The label that the benchmark scores; it ignores ``people`` (a crowd) and ``person?`` (perhaps one)."""


def read_caltech(path: Path, *, min_visibility: float = 0.1) -> Dataset:
    """Read the annotated videos of which there are images, identities included.

    Objects called ``person`` are such; others (``people``, ``person?``, ``person-fa``) are `Sample.ignore`, and so are
    persons of whose box less than `min_visibility` is visible. The visible part is known where the object is occluded
    and its ``posv`` not zero; one that equals ``pos`` stands for nothing visible, as in the benchmark's code. Each
    image is a sample, also where nothing is in it; boxes of frames without image are counted and left out.

    Args:
        path: the data set's folder, a set's (``annotations/set00``), or a ``.vbb`` file. Images are looked for in the
            folders above the files, as ``set00/V000/I00000.jpg`` (also in ``images``, also one folder deeper) or
            ``set00_V000_0.png``, numbered from 0.
        min_visibility: smallest visible share of a person to count.

    Raises:
        UserError: nothing there, a faulty file, no images of any video.
    """
    files = [path] if path.is_file() else _annotation_files(path)
    if not files:
        raise UserError(f"{path}: no .vbb files there; expected {EXPECTED}")
    collector = Collector([_PERSON])
    finder, found = _ImageFinder(), False
    for file in files:
        frames = _frames(file, min_visibility)
        name = f"{file.absolute().parent.name}/{file.stem}"
        images = finder.images(file)
        found = found or bool(images)
        if images:
            width, height = read_image_size(next(iter(images.values())))
        for number, image in images.items():
            objects = frames[number] if number < len(frames) else []
            collector.add(Frame(image, width, height, name, number + 1), objects)
        collector.skipped["frame without image"] += sum(
            len(objects) for number, objects in enumerate(frames) if number not in images
        )
    if not found:
        raise UserError(f"{path}: no images of its videos; extract them from the .seq files, expected {EXPECTED}")
    return collector.dataset()


class _Box(NamedTuple):
    pos: Float64Array
    posv: Float64Array
    occluded: bool
    identity: int


def _frames(file: Path, min_visibility: float) -> list[list[Object]]:
    """The objects of each frame."""
    video = read_mat(file).get("A")
    if not isinstance(video, dict) or not {"objLists", "objLbl"} <= video.keys():
        raise UserError(f"{file}: no struct A with objLists and objLbl in it")
    labels = [str(label) for label in np.atleast_1d(np.asarray(video["objLbl"], object)).tolist()]
    lists = video["objLists"]
    # a video of one frame loses the axis of its frames
    lists = [lists] if video.get("nFrame") == 1 else list(np.atleast_1d(lists))
    frames = []
    for number, objects in enumerate(lists):
        where = f"{file}: frame {number}"
        frames.append([_object(_box(each, where), labels, where, min_visibility) for each in _structs(objects, where)])
    return frames


def _structs(value: Any, where: str) -> list[dict[str, Any]]:
    objects = [value] if isinstance(value, dict) else np.asarray(value, object).ravel().tolist()
    if not all(isinstance(each, dict) and {"id", "pos", "occl", "posv"} <= each.keys() for each in objects):
        raise UserError(f"{where}: expected objects with id, pos, occl and posv")
    return objects


def _box(each: dict[str, Any], where: str) -> _Box:
    try:
        pos, posv = (np.asarray(each[name], np.float64).reshape(4) for name in ("pos", "posv"))
        return _Box(pos, posv, bool(each["occl"]), int(each["id"]))
    except (ValueError, TypeError) as error:
        raise UserError(f"{where}: expected numbers, four of them in pos and posv; got {each}") from error


def _object(box: _Box, labels: Sequence[str], where: str, min_visibility: float) -> Object:
    if not 1 <= box.identity <= len(labels):
        raise UserError(f"{where}: id {box.identity}, but objLbl has {len(labels)} labels")
    # pixel 1 is the first
    left, top, width, height = box.pos[0] - 1, box.pos[1] - 1, box.pos[2], box.pos[3]
    ignore = labels[box.identity - 1] != _PERSON or _visible_share(box) < min_visibility
    return Object(left, top, left + width, top + height, 0, ignore=ignore, identity=box.identity)


def _visible_share(box: _Box) -> float:
    if not box.occluded or not box.posv.any():
        return 1.0
    if (box.posv == box.pos).all():
        return 0.0
    area = float(box.pos[2] * box.pos[3])
    return float(box.posv[2] * box.posv[3]) / area if area else 1.0


def _annotation_files(folder: Path) -> list[Path]:
    """The annotation files of a set, or of all sets in the folder or its ``annotations``."""
    places = [folder, *(folder / name for name in ("annotations", "annotations/annotations"))]
    for pattern in ("*.vbb", "set*/*.vbb"):
        for place in places:
            if files := sorted(place.glob(pattern)):
                return files
    return []


class _ImageFinder:
    """Finds the images of videos; lists each folder once, for some hold those of all videos."""

    def __init__(self) -> None:
        self._listed: dict[Path, dict[str, dict[int, Path]]] = {}

    def images(self, file: Path) -> dict[int, Path]:
        """The images of the video that a file annotates, by frame number from 0, ascending."""
        set_name, video = file.absolute().parent.name, file.stem
        for root in file.absolute().parents[:4]:
            for place in (root, root / "images", root / "Images", root / "data" / "images"):
                for folder in (place / set_name / video, place / set_name / video / "images"):
                    if images := self._in(folder).get(""):
                        return images
                if images := self._in(place).get(f"{set_name}_{video}_"):
                    return images
        return {}

    def _in(self, folder: Path) -> dict[str, dict[int, Path]]:
        """The images of a folder that end in a number (or I and a number), by what is before it."""
        if folder not in self._listed:
            found: dict[str, dict[int, Path]] = {}
            for image in sorted(folder.iterdir()) if folder.is_dir() else ():
                match = re.fullmatch(r"(.*?)I?([0-9]+)", image.stem)
                if match and image.suffix.lower() in IMAGE_SUFFIXES:
                    found.setdefault(match[1], {})[int(match[2])] = image
            self._listed[folder] = {prefix: dict(sorted(images.items())) for prefix, images in found.items()}
        return self._listed[folder]


FORMAT = Format(
    name="caltech",
    title="Caltech Pedestrian: streets from a driving car, full-body boxes and tracks",
    tree="""annotations/set00/V000.vbb ...
images/set00/V000/I00000.jpg ..., or images/set00_V000_0.png ..., numbered from 0, all frames or some""",
    licence="see the home page",
    home="https://data.caltech.edu/records/f6rph-90m20",
    matches=lambda path: path.suffix == ".vbb" if path.is_file() else bool(_annotation_files(path)),
    read=lambda path, min_visibility: read_caltech(path, min_visibility=min_visibility),
)
