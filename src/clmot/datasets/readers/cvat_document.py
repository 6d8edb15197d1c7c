"""What a CVAT XML file says, gathered while it is parsed: a million boxes are too many for one tree of elements."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from xml.etree.ElementTree import Element

import numpy as np

from clmot.datasets.readers.collector import extent
from clmot.datasets.readers.xml_files import attribute, children_of_root, line_of, number, whole_number
from clmot.errors import UserError
from clmot.structures import Float64Array, Int64Array

ROOT = "annotations"
"""The root element of a CVAT file."""

_OTHER_SHAPES = ("polyline", "points", "ellipse", "cuboid", "skeleton")
_BOX = ("xtl", "ytl", "xbr", "ybr")
_MASK = ("left", "top", "width", "height")
_Box = tuple[float, float, float, float]


class ImageShapes(NamedTuple):
    """An image and what is in it.

    Attributes:
        element: its attributes.
        boxes: float64 [n, 4], xyxy pixels.
        classes: int64 [n], position in `Document.classes`.
    """

    element: Element
    boxes: Float64Array
    classes: Int64Array


class Track(NamedTuple):
    """An object of a video.

    Attributes:
        identity: its number in the file, -1 where it is in one frame only.
        class_id: position in `Document.classes`.
        frames: int64 [n], where it is, numbered as in the file.
        boxes: float64 [n, 4], xyxy pixels.
    """

    identity: int
    class_id: int
    frames: Int64Array
    boxes: Float64Array


class Document:
    """A parsed CVAT file.

    Attributes:
        meta: its element of that name.
        images: of a file "for images".
        tracks: of a file "for video", without those that are nowhere.
        tasks: ids of the tasks that the tracks are of.
        classes: the labels in order of first appearance, with their positions.
        skipped: how many shapes have no box, by reason.

    Args:
        path: the file.

    Raises:
        UserError: the file cannot be read or is faulty (named by line).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.meta = Element("meta")
        self.images: list[ImageShapes] = []
        self.tracks: list[Track] = []
        self.tasks: set[str | None] = set()
        self.classes: dict[str, int] = {}
        self.skipped: Counter[str] = Counter()
        for element in children_of_root(path, ROOT):
            if element.tag == "image":
                self._add_image(element)
            elif element.tag == "track":
                self._add_track(element)
            elif element.tag == "meta":
                self.meta = element

    def _add_image(self, image: Element) -> None:
        boxes: list[_Box] = []
        class_ids: list[int] = []
        for shape in image:
            box = self._box(shape)
            if box is not None:
                boxes.append(box)
                class_ids.append(self._class_id(shape))
        image[:] = []
        table = np.array(boxes, np.float64).reshape(-1, 4)
        self.images.append(ImageShapes(image, table, np.array(class_ids, np.int64)))

    def _add_track(self, track: Element) -> None:
        self.tasks.add(track.get("task_id"))
        identity = whole_number(attribute(track, "id", self.path), self.path, track, "id")
        boxes: dict[int, _Box] = {}
        for shape in track:
            box = None if shape.get("outside") == "1" else self._box(shape)
            if box is None:
                continue
            frame = whole_number(attribute(shape, "frame", self.path), self.path, shape, "frame")
            if frame in boxes:
                raise UserError(f"{self.path}:{line_of(shape)}: track {identity} is in frame {frame} already")
            boxes[frame] = box
        if boxes:
            identity = identity if len(boxes) > 1 else -1
            frames = np.array(list(boxes), np.int64)
            self.tracks.append(Track(identity, self._class_id(track), frames, np.array(list(boxes.values()))))

    def _class_id(self, element: Element) -> int:
        return self.classes.setdefault(attribute(element, "label", self.path), len(self.classes))

    def _box(self, shape: Element) -> _Box | None:
        """The upright box around a shape; None for shapes without one, which are counted, and for other elements."""
        path = self.path
        if shape.tag == "box":
            box = _values(shape, _BOX, path)
            degrees = shape.get("rotation")
            return box if degrees is None else _turned(box, number(degrees, path, shape, "rotation"))
        if shape.tag == "mask":
            left, top, width, height = _values(shape, _MASK, path)
            return left, top, left + width, top + height
        if shape.tag == "polygon":
            points = [point.split(",") for point in attribute(shape, "points", path).split(";")]
            if any(len(point) != 2 for point in points):
                raise UserError(f"{path}:{line_of(shape)}: points are '{shape.get('points')}', expected x,y;x,y;...")
            return extent([(number(x, path, shape, "points"), number(y, path, shape, "points")) for x, y in points])
        if shape.tag in _OTHER_SHAPES:
            self.skipped[f"shape without a box ({shape.tag})"] += 1
        return None


def _values(shape: Element, names: Sequence[str], path: Path) -> _Box:
    """Four attributes as numbers."""
    try:
        left, top, third, fourth = map(float, map(shape.attrib.__getitem__, names))
    except (KeyError, ValueError):
        # once more and slowly, to say what is wrong
        left, top, third, fourth = (number(attribute(shape, name, path), path, shape, name) for name in names)
    return left, top, third, fourth


def _turned(box: _Box, degrees: float) -> _Box:
    """The upright box around one that is turned about its centre."""
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    cosine, sine = abs(math.cos(math.radians(degrees))), abs(math.sin(math.radians(degrees)))
    x, y = (left + right) / 2, (top + bottom) / 2
    half_width, half_height = (width * cosine + height * sine) / 2, (width * sine + height * cosine) / 2
    return x - half_width, y - half_height, x + half_width, y + half_height
