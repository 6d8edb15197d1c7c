"""COCO JSON, record by record: what the reader refuses or leaves out, by its place, and the data set that remains."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from clmot.apps.check_data.findings import Finding, found
from clmot.apps.check_data.kinds import KINDS
from clmot.datasets.readers import coco
from clmot.datasets.readers.coco_records import EXPECTED, Annotation, Category, CocoFile, Id, Image, Video, same_ids
from clmot.datasets.readers.json_files import as_kind, load_json
from clmot.datasets.readers.places import ImageFinder
from clmot.errors import UserError
from clmot.structures import Dataset

_Faults = dict[str, list[str]]
"""Kind of fault to the places where it is."""

_KINDS = {
    "missing images": KINDS["records of missing images"],
    **{check: KINDS[check]._replace(unit="record") for check in ("numbers that are not finite", "boxes without area")},
}


LEFT_OUT = {
    "faulty records": "faulty record",
    "missing images": "image that is not there",
    "annotations without image": "image not listed",
    "same image id twice": "image with the id of another",
}
"""What `salvage` leaves out, and the reasons of `Dataset.skipped`."""


def check_records(path: Path) -> Iterator[Finding]:
    """The findings about the records of the COCO file at a path, by their place in it."""
    file, _ = coco.annotation_file(path)
    _, faults = clean(_load(file), file)
    for check, places in faults.items():
        yield from found(check, len(places), places, kind=_KINDS.get(check))


def salvage(path: Path, min_visibility: float) -> Dataset:
    """What remains of the COCO file at a path when everything faulty is left out.

    Raises:
        UserError: nothing remains, or the file is no JSON object.
    """
    file, _ = coco.annotation_file(path)
    cleaned, faults = clean(_load(file), file)
    dataset = coco.dataset_of(cleaned, file)
    left_out = Counter({reason: len(faults.get(kind, ())) for kind, reason in LEFT_OUT.items()})
    return replace(dataset, skipped=dataset.skipped + left_out)


def _load(path: Path) -> dict[str, Any]:
    content = load_json(path)
    if not isinstance(content, dict):
        raise UserError(f"{path}: holds a {type(content).__name__}, expected {EXPECTED}")
    return content


def clean(content: dict[str, Any], path: Path) -> tuple[CocoFile, _Faults]:
    """A content that the reader takes, and the faults of the one given; images that are no files are left out.

    Two records of one file become one with the annotations of both. Boxes that are not finite or have no area stay: the
    reader leaves them out.
    """
    faults: _Faults = {}

    def fault(kind: str, place: str) -> None:
        faults.setdefault(kind, []).append(place)

    finder = ImageFinder(path)
    images: dict[Id, Image] = {}
    by_file: dict[str, Id] = {}
    joined: dict[Id, Id] = {}
    unlisted = set()
    for where, _, image in _records(content, "images", Image, path, fault):
        key, name = image.id, image.file_name
        if key in images or key in joined:
            fault("same image id twice", f"{where} (id {key})")
        elif name in by_file:
            fault("same file twice", f"{where} ({name})")
            joined[key] = by_file[name]
        elif finder(name) is None:
            fault("missing images", f"{where} ({name})")
            unlisted.add(key)
        else:
            images[key] = image
            by_file[name] = key
    categories = {each.id: each for _, _, each in _records(content, "categories", Category, path, fault)}
    annotations: list[Annotation] = []
    seen: set[Any] = set()
    typed = list(_records(content, "annotations", Annotation, path, fault))
    # an id may be a number in one list and a text in the other
    known = same_ids((each.image_id for _, _, each in typed), [*images, *joined, *unlisted])
    category = same_ids((each.category_id for _, _, each in typed), categories)
    for where, record, annotation in typed:
        if annotation.category_id not in category:
            fault("faulty records", f"{where}.category_id is {annotation.category_id!r}, which is not in categories")
            continue
        number = record.get("id")
        if isinstance(number, int | str):
            if number in seen:
                fault("same annotation id twice", f"{where} (id {number})")
            seen.add(number)
        of = known.get(annotation.image_id, annotation.image_id)
        of = annotation.image_id = joined.get(of, of)
        if of in images:
            annotations.append(annotation)
        elif of not in unlisted:
            fault("annotations without image", f"{where} (image {of})")
        ltwh = np.array(annotation.bbox, np.float64)
        if not np.isfinite(ltwh).all():
            fault("numbers that are not finite", where)
        elif ltwh[2:].min() <= 0:
            fault("boxes without area", where)
    videos = [each for _, _, each in _records(content, "videos", Video, path, fault)] if "videos" in content else []
    cleaned = CocoFile(list(images.values()), annotations, list(categories.values()), videos)
    return cleaned, faults


def _records(
    content: dict[str, Any], key: str, kind: Any, path: Path, fault: Any
) -> Iterator[tuple[str, dict[str, Any], Any]]:
    """The objects of a list at the top of the file that are of a type: their place, as they stand there, and typed."""
    records = content.get(key)
    if not isinstance(records, list):
        fault("faulty records", f"{path}: '{key}' is {'missing' if records is None else 'no list'}")
        return
    for i, record in enumerate(records):
        try:
            typed = as_kind(record, kind, path, f"$.{key}[{i}]")
        except UserError as error:
            fault("faulty records", str(error))
            continue
        yield f"{path}: $.{key}[{i}]", record, typed
