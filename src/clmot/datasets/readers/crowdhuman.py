"""CrowdHuman: photos of crowds with full, visible and head boxes (Shao et al. 2018, arXiv:1805.00123).

``annotation_train.odgt`` holds one JSON object a line: ``ID`` (image name without suffix) and ``gtboxes``, each with a
``tag``, ``fbox`` (full body) and ``vbox`` (visible part) as left, top, width, height in 0-based pixels, and ``extra``.
"""

from __future__ import annotations

import dataclasses
import json
from itertools import chain
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from clmot import boxes as box
from clmot.datasets.readers.assembly import Frame, to_float32
from clmot.datasets.readers.collector import Collector
from clmot.datasets.readers.formats import Format
from clmot.datasets.readers.places import ImageFinder, annotation_files
from clmot.errors import UserError
from clmot.io.image_size import read_image_size
from clmot.io.text import read_text
from clmot.structures import BoolArray, Dataset, Float64Array

_Ltwh = list[float]


class _Persons(NamedTuple):
    """What is in an image: float64 [n, 4] boxes as left, top, width, height, and bool [n]."""

    full: Float64Array
    visible: Float64Array
    ignore: BoolArray


def read_crowdhuman(path: Path, *, min_visibility: float = 0.1, body: Literal["full", "visible"] = "full") -> Dataset:
    """Read an ``.odgt`` file, or every ``annotation*.odgt`` of a folder.

    Each photo is a sequence of its own, and identities are unknown. ``Sample.ignore`` are boxes with ``extra.ignore``,
    boxes whose tag is not ``person`` (``mask``: crowds, reflections, statues), and persons of whom the visible box
    covers less than `min_visibility` of the full one.

    Args:
        path: the file or folder. Images are looked for as `ImageFinder` does; those that are not there are left out and
            counted.
        min_visibility: smallest share of a person to count.
        body: which of the boxes to read. Full boxes may extend beyond the image.

    Raises:
        UserError: no such file; a line is not such a JSON object (named by line); no image is there.
    """
    files = [path] if path.is_file() else annotation_files(path, ".odgt")
    if not files:
        raise UserError(f"{path}: no annotation_train.odgt or the like there")
    collector = Collector(["person"])
    for file in files:
        finder = ImageFinder(file)
        for key, each in _records(file):
            image = finder(f"{key}.jpg")
            if image is None:
                collector.absent.add(f"{key}.jpg", file, finder.places)
                continue
            full_boxes, visible_boxes = (to_float32(box.ltwh_to_xyxy(ltwh)) for ltwh in (each.full, each.visible))
            hidden = box.area(visible_boxes) < min_visibility * box.area(full_boxes)
            collector.add_image(
                Frame(image, *read_image_size(image), f"{file.stem}/{key}", 1),
                full_boxes if body == "full" else visible_boxes,
                np.zeros(len(full_boxes), np.int64),
                ignore=each.ignore | hidden,
            )
    if len(files) > 1:
        collector.notes.append(", ".join(sorted({file.name for file in files})))
    return collector.dataset()


def _records(path: Path) -> list[tuple[str, _Persons]]:
    """Image names and who is in them."""
    records = []
    seen: dict[str, int] = {}
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        try:
            record = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            raise UserError(f"{where}: not valid JSON; an .odgt file holds one JSON object a line") from error
        key = record.get("ID") if isinstance(record, dict) else None
        persons = record.get("gtboxes") if isinstance(record, dict) else None
        if not isinstance(key, str) or not isinstance(persons, list):
            raise UserError(f"{where}: expected an object with ID (a text) and gtboxes (a list)")
        if key in seen:
            raise UserError(f"{where}: image {key} is on line {seen[key]} already")
        seen[key] = number
        records.append((key, _persons(persons, where)))
    if not records:
        raise UserError(f"{path}: no annotations in it")
    return records


def _persons(persons: list[Any], where: str) -> _Persons:
    try:
        full: list[_Ltwh] = [person["fbox"] for person in persons]
        visible: list[_Ltwh] = [person.get("vbox", person["fbox"]) for person in persons]
        ignore = [bool(person.get("extra", {}).get("ignore")) or person.get("tag") != "person" for person in persons]
        sound = all(set(map(len, boxes)) <= {4} for boxes in (full, visible))
        sound = sound and set(map(type, chain(*full, *visible))) <= {int, float}
    except (AttributeError, KeyError, TypeError):
        sound = False
    if not sound:
        # once more and slowly, to say what is wrong
        rows = [_person(person, f"{where}: gtboxes[{i}]") for i, person in enumerate(persons)]
        full, visible, ignore = map(list, zip(*rows, strict=True))
    full_boxes, visible_boxes = (np.array(each, np.float64).reshape(-1, 4) for each in (full, visible))
    return _Persons(full_boxes, visible_boxes, np.array(ignore, np.bool_))


def _person(person: Any, where: str) -> tuple[_Ltwh, _Ltwh, bool]:
    if not isinstance(person, dict):
        raise UserError(f"{where} is {person!r}, expected an object")
    extra = person.get("extra", {})
    if not isinstance(extra, dict):
        raise UserError(f"{where}.extra is {extra!r}, expected an object")
    full = _ltwh(person, "fbox", where)
    visible = _ltwh(person, "vbox", where) if "vbox" in person else full
    return full, visible, bool(extra.get("ignore")) or person.get("tag") != "person"


def _ltwh(person: dict[str, Any], key: str, where: str) -> _Ltwh:
    value = person.get(key)
    if isinstance(value, list) and len(value) == 4:
        if all(isinstance(number, int | float) and not isinstance(number, bool) for number in value):
            return [float(number) for number in value]
    found = repr(value) if key in person else "missing"
    raise UserError(f"{where}.{key} is {found}, expected [left, top, width, height]")


def _matches(path: Path) -> bool:
    return path.suffix.lower() == ".odgt" if path.is_file() else bool(annotation_files(path, ".odgt"))


FORMAT = Format(
    name="crowdhuman",
    title="CrowdHuman: photos of crowds, full-body boxes",
    tree="""annotation_train.odgt, annotation_val.odgt
Images/<ID>.jpg, or CrowdHuman_train/Images/<ID>.jpg ...""",
    licence="non-commercial research and education only; images may not be passed on",
    home="https://www.crowdhuman.org",
    matches=_matches,
    read=lambda path, min_visibility: read_crowdhuman(path, min_visibility=min_visibility),
)

VISIBLE_FORMAT = dataclasses.replace(
    FORMAT,
    name="crowdhuman-visible",
    title="CrowdHuman with the boxes of the visible parts (only when named)",
    matches=lambda path: False,
    read=lambda path, min_visibility: read_crowdhuman(path, min_visibility=min_visibility, body="visible"),
)
