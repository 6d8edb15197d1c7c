"""CVAT XML 1.1, "for images" and "for video".

The first holds ``<image id name width height>`` with shapes in it, the second ``<track id label>`` with one shape for
each frame, numbered as in the video. Coordinates are continuous, 0-based pixels.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

from clmot.data.readers.assembly import Frame
from clmot.data.readers.collector import Collector, Object, extent, sequence_name
from clmot.data.readers.formats import Format
from clmot.data.readers.xml_files import Element, attribute, children_of_root, number, root_name, whole_number
from clmot.errors import UserError
from clmot.io.image_size import read_image_size
from clmot.io.sequences import describe_folder
from clmot.io.sources import IMAGE_SUFFIXES, natural_order
from clmot.types import Dataset

EXPECTED = "annotations.xml and images/ as CVAT exports them with 'Save images'"
"""What a CVAT export looks like, for error messages."""

_ROOT = "annotations"
_SHAPES = ("box", "polygon", "mask", "polyline", "points", "ellipse", "cuboid", "skeleton")
_BOX = ("xtl", "ytl", "xbr", "ybr")
_MASK = ("left", "top", "width", "height")
_Box = tuple[float, float, float, float]


def read_cvat(path: Path) -> Dataset:
    """Read a CVAT export, identities included.

    Boxes (turned ones too), polygons and masks are read as the upright boxes around them; other shapes are left out and
    counted. Classes come in order of first appearance.

    Of a video, each frame between the first and the last annotated one is a sample, also where nothing is in it. Shapes
    marked ``outside`` are not there; occluded ones are. A track that is seen in one frame only has no identity, because
    CVAT writes what was not tracked as such tracks. Images are ``frame_000000.PNG`` by number; without any, those of
    the folder in the order of their names.

    Images of a video task are a sequence, other images one each.

    Args:
        path: the XML file, or the folder that holds it.

    Raises:
        UserError: no such file, a faulty one (with its line), tracks of several tasks, images missing on disk.
    """
    file = path if path.is_file() else _annotation_file(path)
    if file is None:
        raise UserError(f"{path}: no CVAT annotations ({describe_folder(path)}); expected {EXPECTED}")
    collector = Collector()
    images: list[tuple[Element, list[Object]]] = []
    frames: dict[int, list[Object]] = {}
    meta = Element("meta")
    tasks: set[str | None] = set()
    for element in children_of_root(file, _ROOT):
        if element.tag == "meta":
            meta = element
        elif element.tag == "image":
            images.append((element, _objects(element, file, collector)))
            # attributes are needed later, shapes are not
            del element[:]
        elif element.tag == "track":
            tasks.add(element.get("task_id"))
            for frame, each in _track(element, file, collector):
                frames.setdefault(frame, []).append(each)
    if len(tasks) > 1:
        raise UserError(f"{file}: tracks of {len(tasks)} tasks; export the tasks one by one, their frame numbers clash")
    if images:
        _add_images(images, file, meta, collector)
    elif frames:
        _add_video(frames, file, meta, collector)
    else:
        raise UserError(
            f"{file}: neither images nor tracks in it; export it from CVAT as 'CVAT for images' or 'for video'"
        )
    return collector.dataset()


def _objects(image: Element, path: Path, collector: Collector) -> list[Object]:
    objects = []
    for shape in image:
        assert isinstance(shape, Element)
        box = _box(shape, path, collector)
        if box is not None:
            objects.append(Object(*box, collector.class_id(attribute(shape, "label", path))))
    return objects


def _track(track: Element, path: Path, collector: Collector) -> list[tuple[int, Object]]:
    """Frame numbers, as in the file, and the object in them."""
    identity = whole_number(attribute(track, "id", path), path, track, "id")
    seen: dict[int, _Box] = {}
    for shape in track:
        assert isinstance(shape, Element)
        if shape.get("outside") == "1":
            continue
        box = _box(shape, path, collector)
        if box is None:
            continue
        frame = whole_number(attribute(shape, "frame", path), path, shape, "frame")
        if frame in seen:
            raise UserError(f"{path}:{shape.line}: track {identity} is in frame {frame} already")
        seen[frame] = box
    if not seen:
        return []
    class_id = collector.class_id(attribute(track, "label", path))
    identity = identity if len(seen) > 1 else -1
    return [(frame, Object(*box, class_id, identity=identity)) for frame, box in seen.items()]


def _box(shape: Element, path: Path, collector: Collector) -> _Box | None:
    """The upright box around a shape; None for shapes without one, which are counted, and for other elements."""
    if shape.tag == "box":
        box = _values(shape, _BOX, path)
        return (
            _turned(box, number(shape.get("rotation"), path, shape, "rotation")) if "rotation" in shape.attrib else box
        )
    if shape.tag == "mask":
        left, top, width, height = _values(shape, _MASK, path)
        return left, top, left + width, top + height
    if shape.tag == "polygon":
        points = [point.split(",") for point in attribute(shape, "points", path).split(";")]
        if any(len(point) != 2 for point in points):
            raise UserError(f"{path}:{shape.line}: points are '{shape.get('points')}', expected x,y;x,y;...")
        return extent([(number(x, path, shape, "points"), number(y, path, shape, "points")) for x, y in points])
    if shape.tag in _SHAPES:
        collector.skipped[f"shape without a box ({shape.tag})"] += 1
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


def _add_images(images: list[tuple[Element, list[Object]]], path: Path, meta: Element, collector: Collector) -> None:
    is_video = meta.findtext(".//mode") == "interpolation"
    ids = [whole_number(attribute(element, "id", path), path, element, "id") for element, _ in images]
    for key, (element, objects) in zip(ids, images, strict=True):
        name = attribute(element, "name", path)
        width = whole_number(attribute(element, "width", path), path, element, "width", at_least=1)
        height = whole_number(attribute(element, "height", path), path, element, "height", at_least=1)
        image = _find_image(name, element, path)
        sequence = _video_name(path, meta) if is_video else sequence_name(path.parent / name, path.parent)
        collector.add(Frame(image, width, height, sequence, key - min(ids) + 1 if is_video else 1), objects)


def _find_image(name: str, element: Element, path: Path) -> Path:
    """The image of a name, which lacks its suffix where the image is a frame of a video."""
    subset = element.get("subset", "")
    folders = [path.parent / "images", path.parent / "images" / subset, path.parent, path.absolute().parent.parent]
    suffixes = ("", ".PNG", ".png", ".jpg", ".JPG", ".jpeg")
    for folder in dict.fromkeys(folders):
        for suffix in suffixes:
            if (folder / f"{name}{suffix}").is_file():
                return folder / f"{name}{suffix}"
    raise UserError(
        f"{path}:{element.line}: image {name} not found; looked in {', '.join(map(str, dict.fromkeys(folders)))}; "
        f"expected {EXPECTED}"
    )


def _add_video(frames: dict[int, list[Object]], path: Path, meta: Element, collector: Collector) -> None:
    images = _frame_images(path)
    first, last = min(frames), max(frames)
    if not frames.keys() & images.keys():
        raise UserError(
            f"{path}: frames {first} to {last}, but the images beside it are frames {min(images)} to {max(images)}; no "
            "track has an image"
        )
    size = meta.find(".//original_size")
    if isinstance(size, Element):
        width, height = (whole_number(size.findtext(side), path, size, side, 1) for side in ("width", "height"))
    else:
        width, height = read_image_size(next(iter(images.values())))
    sequence = _video_name(path, meta)
    for number_, image in images.items():
        if first <= number_ <= last:
            collector.add(Frame(image, width, height, sequence, number_ + 1), frames.pop(number_, []))
    missing = sum(map(len, frames.values()))
    collector.skipped["frame without image"] += missing


def _frame_images(path: Path) -> dict[int, Path]:
    """The images of a video's frames by number, from 0."""
    for folder in (path.parent / "images", path.parent, path.parent / path.stem):
        files = folder.iterdir() if folder.is_dir() else ()
        images = sorted((file for file in files if file.suffix.lower() in IMAGE_SUFFIXES), key=natural_order)
        if images:
            numbers = [re.fullmatch(r"frame_([0-9]+)", image.stem) for image in images]
            numbered = {int(match[1]): image for match, image in zip(numbers, images, strict=True) if match}
            return numbered or dict(enumerate(images))
    raise UserError(
        f"{path}: no images of the video's frames in {path.parent / 'images'}; export with 'Save images', or extract "
        "them there as frame_000000.PNG, frame_000001.PNG, ..."
    )


def _video_name(path: Path, meta: Element) -> str:
    name = (meta.findtext("task/name") or meta.findtext("job/name") or "").strip()
    return name or sequence_name(path.with_suffix(""), path.parent)


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
images/<name>, or images/frame_000000.PNG ... for a video""",
    licence="",
    home="https://docs.cvat.ai/docs/dataset_management/formats/format-cvat",
    matches=_matches,
    read=lambda path, min_visibility: read_cvat(path),
)
