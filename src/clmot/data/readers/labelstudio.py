"""Label Studio JSON: a list of tasks, one an image, with boxes in percent of the image's size."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from clmot.data.readers.assembly import Frame
from clmot.data.readers.collector import Collector, Object, extent, sequence_name
from clmot.data.readers.formats import Format
from clmot.data.readers.json_files import load_json, numbers
from clmot.errors import UserError
from clmot.io.image_size import read_image_size
from clmot.io.text import head_of
from clmot.types import Dataset

EXPECTED = "Label Studio's JSON export (not JSON-MIN) and the images beside it or in images/"
"""What a Label Studio export looks like, for error messages."""

_UPLOAD_PREFIX = re.compile(r"^[0-9a-f]{8}-")
_Record = dict[str, Any]


def read_labelstudio(path: Path) -> Dataset:
    """Read a Label Studio export of images; no identities, each image is a sequence of its own.

    Of several annotations of a task the first counts, the one marked ground truth if there is one; cancelled ones and
    predictions do not. Rectangles (turned ones too) and polygons are read as the upright boxes around them; other
    results are left out and counted. Tasks without an annotation are left out and counted: nobody has looked at them.
    Classes come in order of first appearance.

    Args:
        path: the JSON file, or the folder that holds it. Images are looked for by the end of their address, in that
            folder and in its ``images``, with and without the prefix that Label Studio gives to uploads.

    Raises:
        UserError: no such file, a faulty one (with the field), an image missing on disk.
    """
    file = path if path.is_file() else _export_file(path)
    if file is None:
        raise UserError(f"{path}: no Label Studio export there; expected {EXPECTED}")
    tasks = load_json(file)
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise UserError(f"{file}: expected a list of tasks: {EXPECTED}")
    collector = Collector()
    for i, task in enumerate(tasks):
        result = _result(task, f"{file}: [{i}]")
        if result is None:
            collector.skipped["task without annotation"] += 1
            continue
        image = _find_image(task, file, i)
        width, height = read_image_size(image)
        objects = _objects(result, width, height, f"{file}: [{i}]", collector)
        sequence = sequence_name(image.with_suffix(""), file.parent)
        collector.add(Frame(image, width, height, sequence, 1), objects)
    return collector.dataset()


def _result(task: _Record, where: str) -> list[_Record] | None:
    """The regions of the annotation that counts, None without one."""
    annotations = task.get("annotations", task.get("completions", []))
    if not isinstance(annotations, list) or not all(isinstance(each, dict) for each in annotations):
        raise UserError(f"{where}.annotations is {str(annotations)[:60]}, expected a list of objects: {EXPECTED}")
    valid = [each for each in annotations if not each.get("was_cancelled")]
    if not valid:
        return None
    chosen = next((each for each in valid if each.get("ground_truth")), valid[0])
    result = chosen.get("result", [])
    if not isinstance(result, list) or not all(isinstance(each, dict) for each in result):
        raise UserError(f"{where}.annotations.result is {str(result)[:60]}, expected a list of objects")
    return result


def _objects(result: list[_Record], width: int, height: int, where: str, collector: Collector) -> list[Object]:
    objects = []
    for i, region in enumerate(result):
        value, kind = region.get("value"), str(region.get("type", ""))
        labels = value.get(kind) if isinstance(value, dict) else None
        if kind not in ("rectanglelabels", "polygonlabels") or not isinstance(value, dict) or not labels:
            collector.skipped[f"result other than a labelled box or polygon ({kind})"] += 1
            continue
        here = f"{where}.result[{i}].value"
        if kind == "polygonlabels":
            points = value.get("points")
            if not isinstance(points, list) or not points:
                raise UserError(f"{here}.points is {str(points)[:60]}, expected a list of [x, y]")
            corners = [numbers(point, 2, f"{here}.points[{j}]") for j, point in enumerate(points)]
        else:
            keys = ("x", "y", "width", "height")
            box = numbers([value.get(key, "missing") for key in keys], 4, f"{here} ({', '.join(keys)})")
            (degrees,) = numbers([value.get("rotation") or 0], 1, f"{here}.rotation")
            corners = _corners(box, degrees, width / height)
        pixels = [(x / 100 * width, y / 100 * height) for x, y in corners]
        objects.append(Object(*extent(pixels), collector.class_id(str(labels[0]))))
    return objects


def _corners(box: list[float], degrees: float, aspect: float) -> list[list[float]]:
    """The corners, in percent, of a box that is turned clockwise about its top left corner, in pixels."""
    left, top, width, height = box
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    steps = ((0.0, 0.0), (width, 0.0), (0.0, height), (width, height))
    # a percent of the width is `aspect` percents of the height
    return [[left + x * cosine - y / aspect * sine, top + x * aspect * sine + y * cosine] for x, y in steps]


def _find_image(task: _Record, path: Path, index: int) -> Path:
    data = task.get("data")
    address = (
        next((str(data[key]) for key in ("image", "img", "url") if data.get(key)), "") if isinstance(data, dict) else ""
    )
    if not address:
        raise UserError(f"{path}: [{index}].data.image is missing; expected {EXPECTED}")
    parts = urlsplit(address.replace("\\", "/"))
    # files that the server reads in place have addresses such as /data/local-files/?d=folder/a.jpg
    location = unquote(parse_qs(parts.query).get("d", [parts.path])[0])
    name = location.rsplit("/", 1)[-1]
    names = (location.lstrip("/"), name, _UPLOAD_PREFIX.sub("", name))
    for folder in (path.parent, path.parent / "images"):
        for each in names:
            if each and (folder / each).is_file():
                return folder / each
    raise UserError(f"{path}: [{index}]: image {name} not found; looked in {path.parent} and {path.parent / 'images'}")


def _export_file(folder: Path) -> Path | None:
    files = sorted(file for file in folder.glob("*.json") if not file.name.startswith("."))
    return files[0] if len(files) == 1 and _is_export(files[0]) else None


def _is_export(path: Path) -> bool:
    head = head_of(path)
    return head.startswith("[") and ('"annotations"' in head or '"completions"' in head) and '"data"' in head


def _matches(path: Path) -> bool:
    if path.is_file():
        return path.suffix.lower() == ".json" and _is_export(path)
    return _export_file(path) is not None


FORMAT = Format(
    name="labelstudio",
    title="Label Studio JSON, boxes and polygons of images",
    tree="""<export>.json
<image>.jpg beside it, or images/<image>.jpg""",
    licence="",
    home="https://labelstud.io/guide/export",
    matches=_matches,
    read=lambda path, min_visibility: read_labelstudio(path),
)
