"""COCO JSON, record by record: what the reader refuses or leaves out, by its place, and the data set that remains."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from clmot.data.doctor.findings import MOST_PLACES, Finding, Severity
from clmot.data.readers import coco, coco_records
from clmot.errors import UserError, plural
from clmot.types import Dataset

_Faults = dict[str, list[str]]
"""Kind of fault to the places where it is."""

_KINDS: dict[str, tuple[Severity, str, str]] = {
    "faulty records": ("error", "not readable", "correct or remove them (--fix leaves them out)"),
    "missing images": ("error", "of images that are not there", "put the files there (--fix leaves them out)"),
    "same image id twice": ("error", "with the id of an image before them", "give each image an id of its own"),
    "same file twice": ("error", "with the file of an image before them", "join their annotations (--fix does)"),
    "same annotation id twice": ("warning", "with the id of an annotation before them", "number the annotations anew"),
    "annotations without image": (
        "warning",
        "of images that are not listed",
        "list the images, or remove the annotations (--fix does)",
    ),
    "numbers that are not finite": (
        "warning",
        "with a number that is not finite (NaN)",
        "the reader leaves them out; export them again, or remove them (--fix does)",
    ),
    "boxes without area": (
        "warning",
        "whose box has no positive width and height",
        "the reader leaves them out; bbox is left, top, width, height (--fix removes them)",
    ),
}


def annotation_file(path: Path) -> Path:
    """The COCO file at a path or in it.

    Raises:
        UserError: there is none, or several.
    """
    files = [path] if path.is_file() else coco.find_annotation_files(path)
    if len(files) != 1:
        raise UserError(f"{path}: {len(files)} JSON files; name one")
    return files[0]


def check_records(path: Path) -> Iterator[Finding]:
    """The findings about the records of the COCO file at a path, by their place in it."""
    file = annotation_file(path)
    _, faults = clean(coco_records.load(file), file)
    for check, places in faults.items():
        severity, sign, advice = _KINDS[check]
        yield Finding(
            check=check,
            severity=severity,
            what=f"{plural(len(places), 'record')} {sign}",
            count=len(places),
            places=tuple(places[:MOST_PLACES]),
            advice=advice,
        )


def salvage(path: Path, min_visibility: float) -> Dataset:
    """What remains of the COCO file at a path when everything faulty is left out.

    Raises:
        UserError: nothing remains, or the file is no JSON object.
    """
    file = annotation_file(path)
    return coco.dataset_of(clean(coco_records.load(file), file)[0], file)


def clean(content: coco_records.Record, path: Path) -> tuple[coco_records.Record, _Faults]:
    """A content that the reader takes, and the faults of the one given; images that are no files are left out.

    Two records of one file become one with the annotations of both. Boxes that are not finite or have no area stay: the
    reader leaves them out.
    """
    faults: _Faults = {}

    def fault(kind: str, place: str) -> None:
        faults.setdefault(kind, []).append(place)

    root = _root(content, path)
    images: dict[int | str, coco_records.Record] = {}
    by_file: dict[str, int | str] = {}
    joined: dict[int | str, int | str] = {}
    unlisted = set()
    for i, record in _records(content, "images", path, fault):
        where = f"{path}: images[{i}]"
        try:
            key = coco_records.check_image(record, where)
        except UserError as error:
            fault("faulty records", str(error))
            continue
        name = record["file_name"]
        if key in images or key in joined:
            fault("same image id twice", f"{where} (id {key})")
        elif name in by_file:
            fault("same file twice", f"{where} ({name})")
            joined[key] = by_file[name]
        elif root is None or not (root / name).is_file():
            fault("missing images", f"{where} ({name})")
            unlisted.add(key)
        else:
            images[key] = record
            by_file[name] = key
    categories = {}
    for i, record in _records(content, "categories", path, fault):
        if isinstance(record.get("id"), int | str) and isinstance(record.get("name"), str):
            categories[record["id"]] = record
        else:
            fault("faulty records", f"{path}: categories[{i}] has no id and name")
    annotations = []
    seen: set[Any] = set()
    for i, record in _records(content, "annotations", path, fault):
        where = f"{path}: annotations[{i}]"
        try:
            checked = coco_records.check_annotation(record, where)
            coco_records.check_category(checked.category, categories, where)
        except UserError as error:
            fault("faulty records", str(error))
            continue
        number = record.get("id")
        if isinstance(number, int | str):
            if number in seen:
                fault("same annotation id twice", f"{where} (id {number})")
            seen.add(number)
        image = joined.get(checked.image, checked.image)
        if image in images:
            annotations.append(record | {"image_id": image})
        elif image not in unlisted:
            fault("annotations without image", f"{where} (image {image})")
        if not np.isfinite(checked.ltwh).all():
            fault("numbers that are not finite", where)
        elif min(checked.ltwh[2:]) <= 0:
            fault("boxes without area", where)
    cleaned = {"images": list(images.values()), "annotations": annotations, "categories": list(categories.values())}
    return {**content, **cleaned}, faults


def _records(
    content: coco_records.Record, key: str, path: Path, fault: Any
) -> Iterator[tuple[int, coco_records.Record]]:
    """The objects of a list at the top of the file, by position."""
    records = content.get(key)
    if not isinstance(records, list):
        fault("faulty records", f"{path}: '{key}' is {'missing' if records is None else 'no list'}")
        return
    for i, record in enumerate(records):
        if isinstance(record, dict):
            yield i, record
        else:
            fault("faulty records", f"{path}: {key}[{i}] is {str(record)[:40]!r}, expected an object")


def _root(content: coco_records.Record, path: Path) -> Path | None:
    """The first of the folders that has an image of the file; None where none has."""
    images = content.get("images")
    names = [image.get("file_name") for image in images if isinstance(image, dict)] if isinstance(images, list) else []
    for name in names:
        for root in coco.image_places(path):
            if isinstance(name, str) and (root / name).is_file():
                return root
    return None
