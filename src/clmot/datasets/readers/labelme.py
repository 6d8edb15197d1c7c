"""LabelMe JSON: one file an image, with ``shapes`` in continuous, 0-based pixels."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from clmot.datasets.readers.assembly import ANY_CLASS, Frame
from clmot.datasets.readers.collector import Collector, Object, extent, sequence_name
from clmot.datasets.readers.formats import Format
from clmot.datasets.readers.json_files import load_json, numbers
from clmot.datasets.readers.places import ImageFinder, annotation_files
from clmot.errors import UserError
from clmot.io.folders import describe_folder
from clmot.io.image_size import read_image_size
from clmot.io.text import head_of
from clmot.structures import Dataset

EXPECTED = "<image>.json of LabelMe beside each image"
"""What a LabelMe folder looks like, for error messages."""

_IGNORE = "__ignore__"
"""The label of regions to ignore."""
_MARKS = ('"shapes"', '"imagePath"', '"imageData"')


def read_labelme(path: Path) -> Dataset:
    """Read LabelMe annotations; no identities, each image is a sequence of its own.

    Rectangles (from any corner), polygons, circles and masks (whose points are the corners around them) are read as
    boxes; shapes of one label and one ``group_id`` are the parts of one object. Lines and points are left out and
    counted, and so are images that are not on disk. Shapes marked ``difficult`` and those labelled ``__ignore__`` are
    `Sample.ignore`. Classes come in order of first appearance.

    Args:
        path: a folder of JSON files, or one of them.

    Raises:
        UserError: no such files, a faulty one (with the field), no image on disk.
    """
    files = [path] if path.is_file() else annotation_files(path, ".json")
    if not files:
        raise UserError(f"{path}: no LabelMe annotations ({describe_folder(path)}); expected {EXPECTED}")
    collector = Collector()
    finder = ImageFinder(files[0])
    for file in files:
        content = load_json(file)
        shapes = content.get("shapes") if isinstance(content, dict) else None
        if not isinstance(shapes, list):
            raise UserError(f"{file}: 'shapes' is missing or no list; expected {EXPECTED}")
        image = finder(str(content.get("imagePath") or "")) or finder(file.stem)
        if image is None:
            inside = " (the one inside the JSON is not read; save it as a file)" * bool(content.get("imageData"))
            collector.absent.add(f"{content.get('imagePath') or file.stem}{inside}", file, finder.places)
            continue
        size = content.get("imageWidth"), content.get("imageHeight")
        # null in files that were written by hand or by scripts
        width, height = size if all(isinstance(side, int) and side > 0 for side in size) else read_image_size(image)
        sequence = sequence_name(file.with_suffix(""), file.parent)
        collector.add(Frame(image, width, height, sequence, 1), _objects(shapes, file, collector))
    return collector.dataset()


def _objects(shapes: list[Any], path: Path, collector: Collector) -> list[Object]:
    corners_of: dict[tuple[str, object], list[list[float]]] = {}
    counted: set[tuple[str, object]] = set()
    for i, shape in enumerate(shapes):
        where = f"{path}: shapes[{i}]"
        if not isinstance(shape, dict) or not isinstance(shape.get("label"), str):
            raise UserError(f"{where} has no label; expected an object with label, points and shape_type")
        kind = shape.get("shape_type") or "polygon"
        if kind not in ("rectangle", "rotation", "polygon", "circle", "mask"):
            collector.skipped[f"shape without a box ({kind})"] += 1
            continue
        points = shape.get("points")
        if not isinstance(points, list) or len(points) < 2:
            raise UserError(f"{where}.points is {str(points)[:60]}, expected at least two [x, y]")
        corners = [numbers(point, 2, f"{where}.points[{j}]") for j, point in enumerate(points)]
        if kind == "circle":
            (x, y), (edge_x, edge_y) = corners[:2]
            radius = math.hypot(edge_x - x, edge_y - y)
            corners = [[x - radius, y - radius], [x + radius, y + radius]]
        group = shape.get("group_id")
        # an object of its own is keyed by something that equals nothing else
        key = (shape["label"], object() if group is None else str(group))
        corners_of.setdefault(key, []).extend(corners)
        if shape["label"] != _IGNORE:
            collector.class_id(shape["label"])
            if shape.get("difficult") is not True:
                counted.add(key)
    return [
        Object(
            *extent([(x, y) for x, y in corners]),
            ANY_CLASS if key[0] == _IGNORE else collector.class_id(key[0]),
            key not in counted,
        )
        for key, corners in corners_of.items()
    ]


def _matches(path: Path) -> bool:
    files = [path] if path.is_file() else annotation_files(path, ".json")
    heads = [head_of(file) for file in files[:3] if file.suffix.lower() == ".json"]
    return bool(heads) and all(head.startswith("{") and any(mark in head for mark in _MARKS) for head in heads)


FORMAT = Format(
    name="labelme",
    title="LabelMe JSON",
    tree="""<image>.jpg
<image>.json beside it, or in annotations/, labels/ or json/, with the images in images/""",
    licence="",
    home="https://github.com/wkentaro/labelme",
    matches=_matches,
    read=lambda path, min_visibility: read_labelme(path),
)
