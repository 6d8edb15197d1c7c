"""Label Studio JSON: a list of tasks, one an image or video, with boxes in percent of the image's size."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from clmot.datasets.readers.assembly import Frame
from clmot.datasets.readers.collector import Collector, Object, cosine_and_sine, extent, sequence_name
from clmot.datasets.readers.formats import Format
from clmot.datasets.readers.json_files import load_json, numbers
from clmot.datasets.readers.places import IMAGE_FOLDERS, UPLOAD_PREFIX, ImageFinder
from clmot.errors import UserError
from clmot.io.folders import images_in
from clmot.io.image_size import read_image_size
from clmot.io.text import head_of
from clmot.structures import Dataset

EXPECTED = "Label Studio's JSON export (not JSON-MIN) and the images beside it or in images/"
"""What a Label Studio export looks like, for error messages."""

_SUFFIXES = "jpe?g|png|bmp|tiff?|webp|mp4|webm|mov|avi|mkv"
_Record = dict[str, Any]
_TRACK = re.compile(r"track_([0-9]{1,15})")
_LAST_FRAME = 1_000_000
"""11 hours at 25 a second: between two key frames, each has a box of its own."""


def read_labelstudio(path: Path) -> Dataset:
    """Read a Label Studio export; each image is a sequence of its own without identities, each video one with them.

    Of several annotations of a task the first counts, the one marked ground truth if there is one; cancelled ones do
    not. Predictions count where no task has an annotation, with their scores. Rectangles (turned ones too) and polygons
    are read as the upright boxes around them; other results are left out and counted. Tasks without an annotation are
    left out and counted: nobody has looked at them. Classes come in order of first appearance.

    Boxes of a video are interpolated between key frames, as Label Studio shows them; its frames must be extracted.

    Args:
        path: the JSON file, or the folder that holds it. Images are looked for as `ImageFinder` does; those that are
            not there are left out and counted.

    Raises:
        UserError: no such file, a faulty one (with the field), no image on disk.
    """
    file = path if path.is_file() else _export_file(path)
    if file is None:
        raise UserError(f"{path}: no Label Studio export there; expected {EXPECTED}")
    tasks = load_tasks(file)
    collector = Collector()
    finder = ImageFinder(file)
    key = "annotations"
    if not any(_annotations(task, key, f"{file}: [{i}]") for i, task in enumerate(tasks)):
        key = "predictions"
        collector.notes.append("predictions of a model: no task has an annotation")
    if not any("data" in task for task in tasks):
        raise UserError(f"{file}: no task has data; expected {EXPECTED}")
    for i, task in enumerate(tasks):
        where = f"{file}: [{i}]"
        chosen = chosen_annotation(task, key, where)
        if chosen is None:
            collector.skipped["task without annotation"] += 1
            continue
        result = chosen.get("result", [])
        address = _address(task, where)
        if any(region.get("type") == "videorectangle" for region in result):
            _add_video(result, address, file, where, collector)
            continue
        image = finder(address)
        if image is None:
            collector.absent.add(address.rsplit("/", 1)[-1], Path(where), finder.places)
            continue
        width, height = read_image_size(image)
        objects = _objects(result, width, height, where, collector)
        if key == "predictions":
            scores = [_score(region, chosen) for region in result if _labels(region)]
            objects = [each._replace(score=score) for each, score in zip(objects, scores, strict=True)]
        collector.add(Frame(image, width, height, sequence_name(image.with_suffix(""), file.parent), 1), objects)
    return collector.dataset()


def load_tasks(file: Path) -> list[_Record]:
    """The tasks of an export.

    Raises:
        UserError: the file cannot be read or holds something else.
    """
    tasks = load_json(file)
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise UserError(f"{file}: expected a list of tasks: {EXPECTED}")
    return tasks


def chosen_annotation(task: _Record, key: str, where: str) -> _Record | None:
    """The annotation of a task that counts, whose ``result`` is a list of objects; None where it has none.

    Raises:
        UserError: a field is of the wrong kind.
    """
    valid = _annotations(task, key, where)
    if not valid:
        return None
    chosen = next((each for each in valid if each.get("ground_truth")), valid[0])
    result = chosen.get("result", [])
    if not isinstance(result, list) or not all(isinstance(each, dict) for each in result):
        raise UserError(f"{where}.{key}.result is {str(result)[:60]}, expected a list of objects")
    return chosen


def _annotations(task: _Record, key: str, where: str) -> list[_Record]:
    """The annotations or predictions of a task that are not cancelled."""
    found = task.get(key, task.get("completions", []) if key == "annotations" else []) or []
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise UserError(f"{where}.{key} is {str(found)[:60]}, expected a list of objects: {EXPECTED}")
    return [each for each in found if not each.get("was_cancelled")]


def _labels(region: _Record) -> list[Any]:
    """The labels of a rectangle or polygon; empty for other results."""
    value, kind = region.get("value"), str(region.get("type", ""))
    labels = value.get(kind) if isinstance(value, dict) and kind in ("rectanglelabels", "polygonlabels") else None
    return labels if isinstance(labels, list) else []


def _score(region: _Record, prediction: _Record) -> float:
    """The score of a region, else of the whole prediction, else 1."""
    scores = [each.get("score") for each in (region, prediction)]
    return next((float(score) for score in scores if isinstance(score, int | float) and score > 0), 1.0)


def _objects(result: list[_Record], width: int, height: int, where: str, collector: Collector) -> list[Object]:
    objects = []
    for i, region in enumerate(result):
        kind, labels = str(region.get("type", "")), _labels(region)
        if not labels:
            collector.skipped[f"result other than a labelled box or polygon ({kind})"] += 1
            continue
        value = region["value"]
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
    cosine, sine = cosine_and_sine(degrees)
    steps = ((0.0, 0.0), (width, 0.0), (0.0, height), (width, height))
    # a percent of the width is `aspect` percents of the height
    return [[left + x * cosine - y / aspect * sine, top + x * aspect * sine + y * cosine] for x, y in steps]


def _address(task: _Record, where: str) -> str:
    """Where a task's image or video is: what is named so, else what ends like an image or video."""
    data = task.get("data")
    texts = (
        {key: text for key, text in data.items() if isinstance(text, str) and text} if isinstance(data, dict) else {}
    )
    named = next((texts[key] for key in ("image", "img", "url", "video") if key in texts), "")
    other = next((text for text in texts.values() if re.search(rf"(?i)\.({_SUFFIXES})(\?|$)", text)), "")
    if not (named or other):
        raise UserError(f"{where}.data has no address of an image or video; expected {EXPECTED}")
    return named or other


def _add_video(result: list[_Record], address: str, file: Path, where: str, collector: Collector) -> None:
    """Add a video's boxes of each frame, interpolated between key frames."""
    name = UPLOAD_PREFIX.sub("", address.replace("\\", "/").rsplit("/", 1)[-1]).rsplit(".", 1)[0]
    folders = [file.parent / each for each in (name, f"images/{name}", *IMAGE_FOLDERS)]
    images = dict(enumerate(next(filter(None, map(images_in, folders)), []), 1))
    if not images:
        frames = f"extract its frames: ffmpeg -i {name}.mp4 {folders[0]}/%06d.jpg"
        collector.absent.add(f"000001.jpg of Label Studio's video {name} ({frames})", Path(where))
        return
    width, height = read_image_size(images[1])
    frame, objects = video_objects(result, len(images), (width, height), where, collector)
    rows = np.array(objects, np.float64).reshape(-1, len(Object._fields))
    collector.add_sequence(
        name,
        images,
        np.array(frame, np.int64),
        rows[:, :4],
        rows[:, 4].astype(np.int64),
        file=file,
        identities=rows[:, 6].astype(np.int64),
        size=(width, height),
    )


def video_objects(
    result: list[_Record], length: int, size: tuple[int, int], where: str, collector: Collector
) -> tuple[list[int], list[Object]]:
    """The boxes of a video's regions in each frame (numbers from 1), interpolated between key frames.

    Identities are the numbers in the regions' ids where all of them are like ``track_17``, as
    `clmot.apps.convert_results` writes them, else the regions' positions from 1.

    Args:
        result: of an annotation.
        length: frames of the video.
        size: its width and height in pixels.
        where: for messages.
        collector: gets the classes and counts what is left out.

    Raises:
        UserError: a key frame has no number where one must be.
    """
    regions = [region for region in result if region.get("type") == "videorectangle"]
    ids = region_ids(regions)
    width, height = size
    frame: list[int] = []
    objects: list[Object] = []
    for i, region in enumerate(regions):
        here = f"{where}.result[{i}].value"
        value = region.get("value")
        keys = value.get("sequence") if isinstance(value, dict) else None
        labels = value.get("labels") if isinstance(value, dict) else None
        if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys) or not keys or not labels:
            collector.skipped["videorectangle without labels or sequence"] += 1
            continue
        class_id = collector.class_id(str(labels[0]))
        names = ("frame", "x", "y", "width", "height")
        table = np.array([numbers([key.get(n, "missing") for n in names], 5, f"{here}.sequence") for key in keys])
        if not (np.abs(table[:, 0]) <= _LAST_FRAME).all() or length > _LAST_FRAME:
            raise UserError(f"{here}.sequence: a frame or framesCount is beyond {_LAST_FRAME}")
        for k, key in enumerate(keys):
            # a key frame is valid until the next one, the last until the end, unless the object is gone from there
            last = table[k + 1, 0] - 1 if k + 1 < len(keys) else length
            shown = np.arange(table[k, 0], (last if key.get("enabled", True) else table[k, 0]) + 1)
            at = np.stack([np.interp(shown, table[k : k + 2, 0], table[k : k + 2, c]) for c in range(1, 5)], axis=1)
            at = at / 100 * (width, height, width, height)
            frame += shown.astype(int).tolist()
            objects += [Object(x, y, x + w, y + h, class_id, identity=ids[i]) for x, y, w, h in at.tolist()]
    return frame, objects


def region_ids(regions: list[_Record]) -> list[int]:
    """Identities of a video's regions, as of `video_objects`."""
    told = [_TRACK.fullmatch(str(region.get("id", ""))) for region in regions]
    ids = [int(each[1]) for each in told if each]
    return ids if len(set(ids)) == len(regions) else list(range(1, len(regions) + 1))


def _export_file(folder: Path) -> Path | None:
    files = sorted(file for file in folder.glob("*.json") if not file.name.startswith("."))
    return files[0] if len(files) == 1 and is_export(files[0]) else None


def is_export(path: Path) -> bool:
    """Whether a JSON file begins like an export."""
    head = head_of(path)
    marks = ('"annotations"', '"completions"', '"predictions"')
    is_min = '"lead_time"' in head and '"annotator"' in head
    return head.startswith("[") and (is_min or ('"data"' in head and any(mark in head for mark in marks)))


def _matches(path: Path) -> bool:
    if path.is_file():
        return path.suffix.lower() == ".json" and is_export(path)
    return _export_file(path) is not None


FORMAT = Format(
    name="labelstudio",
    title="Label Studio JSON: boxes and polygons of images, boxes of videos",
    tree="""<export>.json
<image>.jpg beside it, or images/<image>.jpg""",
    licence="",
    home="https://labelstud.io/guide/export",
    matches=_matches,
    read=lambda path, min_visibility: read_labelstudio(path),
)
