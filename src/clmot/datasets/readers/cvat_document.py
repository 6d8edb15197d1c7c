"""What a CVAT XML file says, gathered while it is parsed: a million boxes are too many for a tree of elements."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers.expat import XMLParserType

import numpy as np

from clmot.datasets.readers.collector import extent
from clmot.datasets.readers.xml_files import ElementWithLine, attribute, line_of, number, parse, whole_number
from clmot.errors import UserError
from clmot.structures import Float64Array, Int64Array

ROOT = "annotations"
"""The root element of a CVAT file."""

_SHAPES = ("box", "polygon", "mask", "polyline", "points", "ellipse", "cuboid", "skeleton")
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
        self._depth = 0
        self._parent = Element("")
        # of the shapes of an image: boxes and classes; of those of a track: boxes by frame
        self._boxes: list[_Box] = []
        self._class_ids: list[int] = []
        self._by_frame: dict[int, _Box] = {}
        parse(path, ROOT, self._set_handlers)

    def _set_handlers(self, parser: XMLParserType) -> None:
        self._parser = parser
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = None

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth == 3:
            if self._parent.tag == "track":
                self._add_to_track(name, attributes)
            elif self._parent.tag == "image":
                self._add_to_image(name, attributes)
        elif self._depth == 2:
            self._parent = self._element(name, attributes)
            self._boxes, self._class_ids, self._by_frame = [], [], {}
            if name == "meta":
                self._build_meta()

    def _end(self, name: str) -> None:
        self._depth -= 1
        if self._depth == 1:
            if name == "track":
                self._finish_track()
            elif name == "image":
                boxes = np.array(self._boxes, np.float64).reshape(-1, 4)
                self.images.append(ImageShapes(self._parent, boxes, np.array(self._class_ids, np.int64)))

    def _element(self, name: str, attributes: dict[str, str]) -> Element:
        """The element that starts here: for what is looked at slowly."""
        element = ElementWithLine(name, attributes)
        element.line = self._parser.CurrentLineNumber
        return element

    def _build_meta(self) -> None:
        """Take what is in the meta element as a tree."""
        builder, depth = TreeBuilder(), 1
        builder.start("meta", {})

        def start(name: str, attributes: dict[str, str]) -> None:
            nonlocal depth
            depth += 1
            builder.start(name, attributes)

        def end(name: str) -> None:
            nonlocal depth
            depth -= 1
            builder.end(name)
            if depth == 0:
                self.meta = builder.close()
                self._set_handlers(self._parser)
                self._end(name)

        self._parser.StartElementHandler = start
        self._parser.EndElementHandler = end
        self._parser.CharacterDataHandler = builder.data

    def _add_to_image(self, name: str, attributes: dict[str, str]) -> None:
        box = self._box(name, attributes)
        if box is not None:
            label = attributes.get("label")
            if label is None:
                label = attribute(self._element(name, attributes), "label", self.path)
            self._boxes.append(box)
            self._class_ids.append(self._class_id(label))

    def _add_to_track(self, name: str, attributes: dict[str, str]) -> None:
        if attributes.get("outside") == "1":
            return
        box = self._box(name, attributes)
        if box is not None:
            try:
                frame = int(attributes["frame"])
            except (KeyError, ValueError):
                frame = -1
            if frame < 0:
                # once more and slowly, to say what is wrong
                element = self._element(name, attributes)
                frame = whole_number(attribute(element, "frame", self.path), self.path, element, "frame")
            if frame in self._by_frame:
                where = f"{self.path}:{self._parser.CurrentLineNumber}"
                raise UserError(f"{where}: track {self._parent.get('id')} is in frame {frame} already")
            self._by_frame[frame] = box

    def _finish_track(self) -> None:
        track = self._parent
        self.tasks.add(track.get("task_id"))
        identity = whole_number(attribute(track, "id", self.path), self.path, track, "id")
        if not self._by_frame:
            return
        frames, boxes = np.array(list(self._by_frame)), np.array(list(self._by_frame.values()))
        class_id = self._class_id(attribute(track, "label", self.path))
        identity = identity if len(frames) > 1 else -1
        self.tracks.append(Track(identity, class_id, frames, boxes))

    def _class_id(self, label: str) -> int:
        return self.classes.setdefault(label, len(self.classes))

    def _box(self, name: str, attributes: dict[str, str]) -> _Box | None:
        """The upright box around a shape; None for shapes without one, which are counted, and for other elements."""
        if name == "box" and "rotation" not in attributes:
            try:
                return (
                    float(attributes["xtl"]),
                    float(attributes["ytl"]),
                    float(attributes["xbr"]),
                    float(attributes["ybr"]),
                )
            except (KeyError, ValueError):
                pass
        if name not in _SHAPES:
            return None
        return self._other_box(self._element(name, attributes))

    def _other_box(self, shape: Element) -> _Box | None:
        """The box of what is no upright box, or of a faulty one."""
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
        self.skipped[f"shape without a box ({shape.tag})"] += 1
        return None


def _values(shape: Element, names: Sequence[str], path: Path) -> _Box:
    """Four attributes as numbers."""
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
