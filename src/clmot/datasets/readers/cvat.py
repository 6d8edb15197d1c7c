"""CVAT XML 1.1, "for images" and "for video".

The first holds ``<image id name width height>`` with shapes in it, the second ``<track id label>`` with one shape for
each frame, numbered as in the video. Coordinates are continuous, 0-based pixels.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple
from xml.etree.ElementTree import Element

import numpy as np

from clmot.datasets.readers.assembly import Frame
from clmot.datasets.readers.collector import Collector, annotated, cosine_and_sine, extent, sequence_name
from clmot.datasets.readers.formats import Format
from clmot.datasets.readers.places import IMAGE_FOLDERS, ImageFinder
from clmot.datasets.readers.xml_files import XmlFile, root_name
from clmot.errors import UserError
from clmot.io.folders import describe_folder, images_in
from clmot.structures import Dataset, Float64Array, Int64Array

EXPECTED = "annotations.xml and images/ as CVAT exports them with 'Save images'"
"""What a CVAT export looks like, for error messages."""

_ROOT = "annotations"
_OTHER_SHAPES = ("polyline", "points", "ellipse", "cuboid", "skeleton")
_Box = tuple[float, float, float, float]


def read_cvat(path: Path) -> Dataset:
    """Read a CVAT export, identities included.

    Boxes (turned ones too), polygons and masks are read as the upright boxes around them; other shapes are left out and
    counted. Classes come in order of first appearance.

    Of a video, each frame between the first and the last annotated one is a sample, also where nothing is in it. Shapes
    marked ``outside`` are not there; occluded ones are. A track that is seen in one frame only has no identity, because
    CVAT writes what was not tracked as such tracks. Images are ``frame_000000.PNG`` by number; without any, those of
    the folder in the order of their names.

    Images of a video task are a sequence, other images one each. Images of all subsets of a project are read; what is
    not on disk is left out and counted.

    Args:
        path: the XML file, or the folder that holds it.

    Raises:
        UserError: no such file, a faulty one (with its line), tracks of several tasks, no image on disk.
    """
    file = path if path.is_file() else _annotation_file(path)
    if file is None:
        raise UserError(f"{path}: no CVAT annotations ({describe_folder(path)}); expected {EXPECTED}")
    document = CvatFile(file)
    if len(document.tasks) > 1:
        raise UserError(
            f"{file}: tracks of {len(document.tasks)} tasks; export the tasks one by one, their frame numbers clash"
        )
    if document.images:
        return _of_images(document)
    if document.tracks:
        return _of_video(document)
    raise UserError(f"{file}: neither images nor tracks in it; export it from CVAT as 'CVAT for images' or 'for video'")


class _Shapes(NamedTuple):
    """What is in an image, or where an object of a video is: classes [n], boxes [n, 4]; of a video also frames [n]."""

    element: Element
    classes: Int64Array
    boxes: Float64Array
    frames: Int64Array
    identity: int = -1
    attributes: Mapping[str, str] = MappingProxyType({})  # of a track: those that are the same in all frames


class CvatFile(XmlFile):
    """What a CVAT file says, gathered while it is parsed: a million boxes are too many for one tree of elements.

    Attributes:
        meta: its element of that name.
        images: of a file "for images".
        tracks: of a file "for video", without those that are nowhere.
        tasks: ids of the tasks that the tracks are of.
        classes: the labels in order of first appearance, with their positions.
        skipped: how many shapes have no box, by reason.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.meta = Element("meta")
        self.images: list[_Shapes] = []
        self.tracks: list[_Shapes] = []
        self.tasks: set[str | None] = set()
        self.classes: dict[str, int] = {}
        self.skipped: Counter[str] = Counter()
        for element in self.children(_ROOT):
            if element.tag == "image":
                self.images.append(self._image(element))
                element[:] = []
            elif element.tag == "track":
                track = self._track(element)
                element[:] = []
                self.tasks.add(element.get("task_id"))
                self.tracks += [track] * bool(len(track.frames))
            elif element.tag == "meta":
                self.meta = element

    def _image(self, image: Element) -> _Shapes:
        found = [(self._class_id(shape), box) for shape in image if (box := self._box(shape)) is not None]
        boxes = np.array([box for _, box in found], np.float64).reshape(-1, 4)
        return _Shapes(image, np.array([kind for kind, _ in found], np.int64), boxes, np.empty(0, np.int64))

    def _track(self, track: Element) -> _Shapes:
        identity = self.whole(track, "id")
        boxes: dict[int, _Box] = {}
        told: list[dict[str, str]] = []
        for shape in track:
            box = None if shape.get("outside") == "1" else self._box(shape)
            if box is None:
                continue
            frame = self.whole(shape, "frame")
            if frame in boxes:
                raise self.fault(shape, f"track {identity} is in frame {frame} already")
            boxes[frame] = box
            told.append({str(each.get("name")): each.text or "" for each in shape if each.tag == "attribute"})
        same = set.intersection(*(set(each.items()) for each in told)) if told else set()
        attributes = {name: text for name, text in told[0].items() if (name, text) in same} if told else {}
        classes = np.full(len(boxes), self._class_id(track) if boxes else -1)
        table = np.array(list(boxes.values()), np.float64).reshape(-1, 4)
        identity = identity if len(boxes) > 1 else -1
        return _Shapes(track, classes, table, np.array(list(boxes), np.int64), identity, attributes)

    def _class_id(self, element: Element) -> int:
        return self.classes.setdefault(self.attribute(element, "label"), len(self.classes))

    def _box(self, shape: Element) -> _Box | None:
        """The upright box around a shape; None for shapes without one, which are counted, and for other elements."""
        if shape.tag == "box":
            box = self._values(shape, "xtl", "ytl", "xbr", "ybr")
            return box if shape.get("rotation") is None else _turned(box, self.number(shape, "rotation"))
        if shape.tag == "mask":
            left, top, width, height = self._values(shape, "left", "top", "width", "height")
            return left, top, left + width, top + height
        if shape.tag == "polygon":
            points = [point.split(",") for point in self.attribute(shape, "points").split(";")]
            if any(len(point) != 2 for point in points):
                raise self.fault(shape, f"points are '{shape.get('points')}', expected x,y;x,y;...")
            return extent([(self.number(shape, "points", x), self.number(shape, "points", y)) for x, y in points])
        if shape.tag in _OTHER_SHAPES:
            self.skipped[f"shape without a box ({shape.tag})"] += 1
        return None

    def _values(self, shape: Element, *names: str) -> _Box:
        try:
            left, top, third, fourth = map(float, map(shape.attrib.__getitem__, names))
        except (KeyError, ValueError):
            # once more and slowly, to say what is wrong
            left, top, third, fourth = (self.number(shape, name) for name in names)
        return left, top, third, fourth

    @property
    def video_name(self) -> str:
        """The name of the task or job, else that of the file."""
        name = (self.meta.findtext("task/name") or self.meta.findtext("job/name") or "").strip()
        return name or sequence_name(self.path.with_suffix(""), self.path.parent)


def _turned(box: _Box, degrees: float) -> _Box:
    """The upright box around one that is turned about its centre."""
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    cosine, sine = map(abs, cosine_and_sine(degrees))
    x, y = (left + right) / 2, (top + bottom) / 2
    half_width, half_height = (width * cosine + height * sine) / 2, (width * sine + height * cosine) / 2
    return x - half_width, y - half_height, x + half_width, y + half_height


def _of_images(document: CvatFile) -> Dataset:
    path = document.path
    collector = Collector(document.classes)
    collector.skipped += document.skipped
    is_video = document.meta.findtext(".//mode") == "interpolation"
    finder = ImageFinder(path)
    subsets: set[str | None] = set()
    ids = [document.whole(image.element, "id") for image in document.images]
    first = min(ids)
    for key, (element, classes, boxes, *_) in zip(ids, document.images, strict=True):
        name, subset = document.attribute(element, "name"), element.get("subset")
        width, height = document.whole(element, "width", 1), document.whole(element, "height", 1)
        # images of two subsets may have one name
        name = f"{subset}/{name}" if subset else name
        image = finder(name)
        if image is None:
            collector.absent.add(name, Path(document.where(element)), finder.places)
            continue
        subsets.add(subset)
        sequence = document.video_name if is_video else sequence_name(path.parent / name, path.parent)
        frame = Frame(image, width, height, sequence, key - first + 1 if is_video else 1)
        collector.add_image(frame, boxes, classes)
    if len(subsets) > 1:
        collector.notes.append(f"subsets {', '.join(sorted(map(str, subsets)))}")
    return collector.dataset()


def _of_video(document: CvatFile) -> Dataset:
    images = _frame_images(document.path)
    numbers, classes, boxes = (
        np.concatenate([getattr(track, name) for track in document.tracks]) for name in ("frames", "classes", "boxes")
    )
    size = document.meta.find(".//original_size")
    if size is not None:
        width, height = (document.whole(size, side, 1, size.findtext(side) or "") for side in ("width", "height"))
    collector = Collector(document.classes)
    collector.skipped += document.skipped
    collector.add_sequence(
        document.video_name,
        annotated(images, numbers),
        numbers,
        boxes,
        classes,
        file=document.path,
        first=0,
        identities=np.concatenate([np.full(len(track.frames), track.identity) for track in document.tracks]),
        size=None if size is None else (width, height),
    )
    return collector.dataset()


def _frame_images(path: Path) -> dict[int, Path]:
    """The images of a video's frames by number, from 0."""
    folders = [path.parent / name for name in (*IMAGE_FOLDERS, "", path.stem)]
    for folder in folders:
        if images := images_in(folder):
            numbers = [re.fullmatch(r"frame_([0-9]+)", image.stem) for image in images]
            numbered = {int(match[1]): image for match, image in zip(numbers, images, strict=True) if match}
            return numbered or dict(enumerate(images))
    raise UserError(
        f"{path}: no images of the video's frames in {', '.join(map(str, folders))}; export with 'Save images', or "
        f"extract them: ffmpeg -i VIDEO -start_number 0 {folders[0]}/frame_%06d.PNG"
    )


def _annotation_file(folder: Path) -> Path | None:
    """``annotations.xml`` of a folder, else the one XML file that is of CVAT; None without one."""
    files = [folder / "annotations.xml"] if (folder / "annotations.xml").is_file() else sorted(folder.glob("*.xml"))
    if not files or root_name(files[0]) != _ROOT:
        return None
    if len(files) > 1:
        raise UserError(f"{folder}: {len(files)} XML files ({files[0].name}, {files[1].name}, ...); name one of them")
    return files[0]


def _matches(path: Path) -> bool:
    if path.is_file():
        return path.suffix.lower() == ".xml" and root_name(path) == _ROOT
    return _annotation_file(path) is not None


FORMAT = Format(
    name="cvat",
    title="CVAT XML 1.1, for images and for video (tracks)",
    tree="""annotations.xml
images/<name>, or images/frame_000000.PNG ... (or frames/, img1/) for a video""",
    licence="",
    home="https://docs.cvat.ai/docs/dataset_management/formats/format-cvat",
    matches=_matches,
    read=lambda path, min_visibility: read_cvat(path),
)
