"""COCO JSON annotations, also with videos and identities as MMTracking and TAO write them.

Read are ``images`` (``id``, ``file_name``, ``width``, ``height``; optional ``video_id`` and ``frame_id``),
``annotations`` (``image_id``, ``category_id``, ``bbox`` as left, top, width, height in 0-based pixels; optional
``iscrowd`` or ``ignore``, and ``track_id`` or ``instance_id``), ``categories`` (``id``, ``name``) and optional
``videos`` (``id``, ``name``).
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from clmot import boxes as box
from clmot.data.readers.formats import Format
from clmot.data.readers.json_files import load_json
from clmot.errors import UserError
from clmot.types import BoolArray, Dataset, Float32Array, Int64Array, Sample

EXPECTED = "a COCO file with images, annotations and categories"
"""What a COCO file is, for error messages."""

_Record = dict[str, Any]


def find_annotation_files(folder: Path) -> list[Path]:
    """The JSON files of a folder: those in it, else those in its ``annotations`` folder."""
    for place in (folder, folder / "annotations"):
        files = sorted(file for file in place.glob("*.json") if not file.name.startswith("."))
        if files:
            return files
    return []


def read_coco(path: Path) -> Dataset:
    """Read a COCO annotation file, identities included.

    Which images share a sequence: those of one video, where the file has videos. Without videos every image is a
    sequence of its own (``file stem/image id``), because the photos of a detection set show unrelated scenes and may
    serve as each other's negatives; if its annotations carry identities, all images form one sequence.

    Images are looked for, by the first image's ``file_name``, beside the file, in ``images/`` beside it, in a folder
    named after the file (``instances_train2017.json``: ``train2017/``), and in the same three places one folder up;
    the first place that has it is the place of all.

    Classes are the categories that have a box, by category id. Crowds are `Sample.ignore`.

    Raises:
        UserError: not a COCO file, a key missing or of the wrong type (named as ``annotations[12].bbox``), images
            missing on disk.
    """
    content = _load(path)
    images = _images(content, path)
    rows = _annotations(content, list(images), path)
    keep = box.well_formed(rows.boxes) & (rows.image >= 0)
    skipped = Counter(
        {
            "image not listed": int((rows.image < 0).sum()),
            "degenerate box": int((~keep & (rows.image >= 0)).sum()),
        }
    )
    classes, class_map = _used_classes(rows.names, set(rows.category[keep].tolist()))
    places = _sequences_and_frames(content, images, path, bool((rows.identity[keep] >= 0).any()))
    root = _image_root(path, images)
    # Rows are put in an order that is the file's in no way and never looks at identities, except between equal boxes.
    order = np.lexsort((rows.identity, rows.ignore, rows.category, *rows.boxes.T[::-1], rows.image))
    order = order[keep[order]]
    starts = np.searchsorted(rows.image[order], np.arange(len(images) + 1))
    samples = []
    for i, (key, image) in enumerate(images.items()):
        index = order[starts[i] : starts[i + 1]]
        sequence, frame = places[key]
        samples.append(
            Sample(
                image=root / image["file_name"],
                width=image["width"],
                height=image["height"],
                sequence=sequence,
                frame=frame,
                boxes=rows.boxes[index],
                classes=class_map[rows.category[index]],
                ignore=rows.ignore[index],
                identities=rows.identity[index],
            )
        )
    samples.sort(key=lambda sample: (sample.sequence, sample.frame))
    return Dataset(samples=samples, classes=classes, skipped=skipped)


class _Rows(NamedTuple):
    """The annotations as columns."""

    boxes: Float32Array
    image: Int64Array
    """Position of the image, -1 where it is not listed."""
    category: Int64Array
    """Position in `names`."""
    ignore: BoolArray
    identity: Int64Array
    names: list[str]
    """Category names by category id."""


def _annotations(content: _Record, image_ids: list[int | str], path: Path) -> _Rows:
    """The checked annotations; boxes that are not finite or have no area are still among them."""
    names: dict[int | str, str] = {}
    for i, category in enumerate(_records(content, "categories", path)):
        key = _get(category, "id", (int, str), path, f"categories[{i}]")
        names[key] = _get(category, "name", (str,), path, f"categories[{i}]")
    category_position = {key: i for i, key in enumerate(sorted(names, key=_id_order))}
    image_position = {key: i for i, key in enumerate(image_ids)}
    rows = []
    for i, annotation in enumerate(_records(content, "annotations", path)):
        where = f"annotations[{i}]"
        category = _get(annotation, "category_id", (int, str), path, where)
        if category not in names:
            raise UserError(f"{path}: {where}.category_id is {category!r}, which is not in categories")
        rows.append(
            (
                _bbox(annotation, path, where),
                image_position.get(_get(annotation, "image_id", (int, str), path, where), -1),
                category_position[category],
                bool(annotation.get("iscrowd") or annotation.get("ignore")),
                _identity(annotation, path, where),
            )
        )
    ltwh, image, position, ignore, identity = zip(*rows, strict=True) if rows else ((),) * 5
    with np.errstate(over="ignore", invalid="ignore"):
        boxes = box.ltwh_to_xyxy(np.array(ltwh, np.float64).reshape(-1, 4)).astype(np.float32)
    return _Rows(
        boxes=boxes,
        image=np.array(image, np.int64),
        category=np.array(position, np.int64),
        ignore=np.array(ignore, np.bool_),
        identity=np.array(identity, np.int64),
        names=[names[key] for key in category_position],
    )


def _used_classes(names: list[str], used: set[int]) -> tuple[tuple[str, ...], Int64Array]:
    """Class names that have a box, and the class of each category (categories of one name are one class)."""
    classes = tuple(dict.fromkeys(name for i, name in enumerate(names) if i in used))
    return classes, np.array([classes.index(name) if name in classes else -1 for name in names], np.int64)


def _load(path: Path) -> _Record:
    content = load_json(path)
    if not isinstance(content, dict):
        raise UserError(f"{path}: holds a {type(content).__name__}, expected {EXPECTED}")
    return content


def _records(content: _Record, key: str, path: Path, *, optional: bool = False) -> list[_Record]:
    """A list of objects at the top of the file."""
    if key not in content:
        if optional:
            return []
        raise UserError(f"{path}: '{key}' is missing; expected {EXPECTED}")
    records = content[key]
    if not isinstance(records, list):
        raise UserError(f"{path}: '{key}' is a {type(records).__name__}, expected a list")
    for i, record in enumerate(records):
        if not isinstance(record, dict):
            raise UserError(f"{path}: {key}[{i}] is {record!r}, expected an object")
    return records


def _get(record: _Record, key: str, kinds: tuple[type, ...], path: Path, where: str) -> Any:
    """A required value of one of some types."""
    if key not in record:
        raise UserError(f"{path}: {where}.{key} is missing")
    value = record[key]
    if not isinstance(value, kinds) or isinstance(value, bool):
        expected = " or ".join({"int": "a whole number", "str": "a text"}[kind.__name__] for kind in kinds)
        raise UserError(f"{path}: {where}.{key} is {value!r}, expected {expected}")
    return value


def _images(content: _Record, path: Path) -> dict[int | str, _Record]:
    """The checked image records by id, in the order of their ids."""
    images: dict[int | str, _Record] = {}
    for i, image in enumerate(_records(content, "images", path)):
        where = f"images[{i}]"
        key = _get(image, "id", (int, str), path, where)
        _get(image, "file_name", (str,), path, where)
        for side in ("width", "height"):
            if _get(image, side, (int,), path, where) < 1:
                raise UserError(f"{path}: {where}.{side} is {image[side]}, expected a number >= 1")
        if key in images:
            raise UserError(f"{path}: {where}.id is {key!r}, which an image before it has")
        images[key] = image
    if not images:
        raise UserError(f"{path}: 'images' is empty")
    return {key: images[key] for key in sorted(images, key=_id_order)}


def _bbox(annotation: _Record, path: Path, where: str) -> list[float]:
    """Left, top, width, height; numbers that are not finite pass."""
    bbox = annotation.get("bbox")
    if isinstance(bbox, list) and len(bbox) == 4:
        # JSON writers put null where a number is not finite
        numbers = [np.nan if value is None else value for value in bbox]
        if all(isinstance(value, int | float) and not isinstance(value, bool) for value in numbers):
            return [float(value) for value in numbers]
    found = "missing" if "bbox" not in annotation else repr(bbox)
    raise UserError(f"{path}: {where}.bbox is {found}, expected [left, top, width, height]")


def _identity(annotation: _Record, path: Path, where: str) -> int:
    for key in ("track_id", "instance_id"):
        if annotation.get(key) is not None:
            return max(int(_get(annotation, key, (int,), path, where)), -1)
    return -1


def _sequences_and_frames(
    content: _Record, images: dict[int | str, _Record], path: Path, has_identities: bool
) -> dict[int | str, tuple[str, int]]:
    """Sequence name and 1-based frame number of each image."""
    videos: dict[int | str, str] = {}
    for i, record in enumerate(_records(content, "videos", path, optional=True)):
        key = _get(record, "id", (int, str), path, f"videos[{i}]")
        videos[key] = str(record.get("name", key))
    video_of = {key: image.get("video_id") for key, image in images.items()}
    if all(video is None for video in video_of.values()):
        if has_identities:
            return {key: (path.stem, frame) for frame, key in enumerate(images, 1)}
        return {key: (f"{path.stem}/{key}", 1) for key in images}
    if all(isinstance(image.get("frame_id"), int) for image in images.values()):
        frame_of = {key: int(image["frame_id"]) for key, image in images.items()}
    else:
        frame_of = {}
        count: Counter[object] = Counter()
        for key in sorted(images, key=lambda key: str(images[key]["file_name"])):
            count[video_of[key]] += 1
            frame_of[key] = count[video_of[key]]
    first = min(1, *frame_of.values())  # frame_id counts from 0 in some data sets and from 1 in others
    places: dict[int | str, tuple[str, int]] = {}
    for key, video in video_of.items():
        if video is not None and video not in videos:
            raise UserError(f"{path}: image {key} has video_id {video!r}, which is not in videos")
        places[key] = (f"{path.stem}/{key}" if video is None else videos[video], frame_of[key] - first + 1)
    return places


def _image_root(path: Path, images: dict[int | str, _Record]) -> Path:
    """The folder that file names start from.

    Raises:
        UserError: no place has the first image, or it lacks some of the others.
    """
    split = path.stem.removeprefix("instances_")
    roots = [root / place for root in (path.parent, path.absolute().parent.parent) for place in ("", "images", split)]
    first = next(iter(images.values()))["file_name"]
    root = next((root for root in roots if (root / first).is_file()), None)
    if root is None:
        raise UserError(f"{path}: image {first} not found; looked in {', '.join(map(str, roots))}")
    missing = [image["file_name"] for image in images.values() if not (root / image["file_name"]).is_file()]
    if missing:
        raise UserError(
            f"{path}: {len(missing)} of {len(images)} images are missing in {root}; the first: {missing[0]}"
        )
    return root


def _id_order(key: int | str) -> tuple[bool, int | str]:
    """Sorts numbers before texts."""
    return isinstance(key, str), key


def _matches(path: Path) -> bool:
    return path.suffix.lower() == ".json" if path.is_file() else bool(find_annotation_files(path))


def _read_at(path: Path, min_visibility: float) -> Dataset:
    """The COCO file at a path, or the one in a folder."""
    files = [path] if path.is_file() else find_annotation_files(path)
    if not files:
        raise UserError(f"{path}: no JSON file in it or in annotations/; expected {EXPECTED}")
    if len(files) > 1:
        raise UserError(f"{path}: {len(files)} JSON files ({', '.join(file.name for file in files)}); name one of them")
    return read_coco(files[0])


FORMAT = Format(
    name="coco",
    title="COCO JSON, also with videos and identities (COCO-VID, TAO)",
    tree="""<name>.json, or annotations/<name>.json
images beside it, in images/, in <name>/ or in the folder above""",
    licence="",
    home="https://cocodataset.org/#format-data",
    matches=_matches,
    read=_read_at,
)
