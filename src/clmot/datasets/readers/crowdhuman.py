"""CrowdHuman: photos of crowds with full, visible and head boxes (Shao et al. 2018, arXiv:1805.00123).

``annotation_train.odgt`` holds one JSON object a line: ``ID`` (image name without suffix) and ``gtboxes``, each with a
``tag``, ``fbox`` (full body) and ``vbox`` (visible part) as left, top, width, height in 0-based pixels, and ``extra``.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
from msgspec import Struct

from clmot import boxes as box
from clmot.datasets.readers.assembly import Frame, to_float32
from clmot.datasets.readers.collector import Collector
from clmot.datasets.readers.formats import Format
from clmot.datasets.readers.json_files import as_kind
from clmot.datasets.readers.places import ImageFinder, annotation_files
from clmot.errors import UserError
from clmot.io.image_size import read_image_size
from clmot.io.text import read_lines
from clmot.structures import Dataset, Float32Array

_Ltwh = tuple[float, float, float, float]


class _Extra(Struct, frozen=True):
    ignore: Any = None


class _Person(Struct):
    fbox: _Ltwh
    vbox: _Ltwh | None = None
    tag: Any = None
    extra: _Extra = _Extra()


class _Photo(Struct):
    ID: str
    gtboxes: list[_Person]


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
        for photo in _photos(file):
            image = finder(f"{photo.ID}.jpg")
            if image is None:
                collector.absent.add(f"{photo.ID}.jpg", file, finder.places)
                continue
            persons = photo.gtboxes
            full = _xyxy([each.fbox for each in persons])
            visible = _xyxy([each.vbox or each.fbox for each in persons])
            ignore = np.array([bool(each.extra.ignore) or each.tag != "person" for each in persons], np.bool_)
            collector.add_image(
                Frame(image, *read_image_size(image), f"{file.stem}/{photo.ID}", 1),
                full if body == "full" else visible,
                np.zeros(len(persons), np.int64),
                ignore=ignore | (box.area(visible) < min_visibility * box.area(full)),
            )
    if len(files) > 1:
        collector.notes.append(", ".join(sorted({file.name for file in files})))
    return collector.dataset()


def _photos(path: Path) -> Iterator[_Photo]:
    seen: dict[str, int] = {}
    for number, line in read_lines(path):
        where = f"{path}:{number}"
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{where}: not valid JSON; an .odgt file holds one JSON object a line") from error
        photo: _Photo = as_kind(record, _Photo, Path(where), "$")
        if photo.ID in seen:
            raise UserError(f"{where}: image {photo.ID} is on line {seen[photo.ID]} already")
        seen[photo.ID] = number
        yield photo
    if not seen:
        raise UserError(f"{path}: no annotations in it")


def _xyxy(ltwh: list[_Ltwh]) -> Float32Array:
    return to_float32(box.ltwh_to_xyxy(np.array(ltwh, np.float64).reshape(-1, 4)))


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
