"""CUHK-SYSU person search: street snapshots and film stills (Xiao et al. 2017, arXiv:1604.01850).

``annotation/Images.mat`` has a struct ``Img`` an image: ``imname`` and ``box`` with an ``idlocate`` (left, top, width,
height in pixels) a person. ``annotation/Person.mat`` has a struct ``Person`` a known person: ``idname`` (``p123``) and
``scene`` with ``imname`` and the same ``idlocate``. ``annotation/pool.mat`` names the images of the test split.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from clmot.data.readers.assembly import Frame
from clmot.data.readers.collector import Collector
from clmot.data.readers.formats import Format
from clmot.data.readers.mat_files import read_mat
from clmot.errors import UserError
from clmot.io.image_size import read_image_size
from clmot.io.sources import natural_order
from clmot.types import Dataset, Float64Array, Int64Array

_IMAGE_FOLDER = Path("Image", "SSM")


def read_cuhk_sysu(path: Path) -> Dataset:
    """Read the training split, or the test split, or both; identities included.

    All images are one sequence, numbered by name, because anyone may be in several of them. Persons that are not among
    the known ones have no identity; a known person's appearance without a box is counted and left out.

    Args:
        path: the folder with ``annotation`` and ``Image`` (the images that ``pool.mat`` does not name, all of them
            where there is no ``pool.mat``); ``annotation/pool.mat`` (those that it names); or ``annotation/Images.mat``
            (all).

    Raises:
        UserError: no annotations there, a faulty file (named by image or person), an image is missing.
    """
    folder = path.parent if path.is_file() else path / "annotation"
    file, pool = folder / "Images.mat", folder / "pool.mat"
    if path.is_file() and path not in (file, pool):
        raise UserError(f"{path}: expected annotation/Images.mat or annotation/pool.mat")
    if not file.is_file():
        raise UserError(f"{path}: no annotation/Images.mat beside {_IMAGE_FOLDER.as_posix()}/s1.jpg there")
    tests = _names(pool) if pool.is_file() and path != file else set()
    boxes = {name: rows for name, rows in _images(file) if path == file or (name in tests) == (path == pool)}
    identities, homeless = _identities(folder / "Person.mat", boxes)
    collector = Collector(["person"])
    collector.skipped["person without box"] = homeless
    for number, name in enumerate(sorted(boxes, key=lambda name: natural_order(Path(name))), 1):
        image = folder.parent / _IMAGE_FOLDER / name
        if not image.is_file():
            raise UserError(f"{file}: image {image} is missing")
        collector.start(Frame(image, *read_image_size(image), "cuhk-sysu", number))
        left, top, width, height = boxes[name].T
        corners = np.stack([left, top, left + width, top + height], axis=1)
        collector.add_rows(corners, np.zeros(len(corners), np.int64), identities=identities[name])
    return collector.dataset()


def _images(file: Path) -> Iterator[tuple[str, Float64Array]]:
    """Name and boxes (left, top, width, height) of each image."""
    for number, image in enumerate(_structs(read_mat(file).get("Img"), f"{file}: Img"), 1):
        where = f"{file}: image {number}"
        name = str(_field(image, "imname", where))
        persons = _structs(_field(image, "box", where), f"{where}: box")
        rows = [_row(_field(person, "idlocate", where), where) for person in persons]
        yield name, np.array(rows, np.float64).reshape(-1, 4)


def _identities(file: Path, boxes: dict[str, Float64Array]) -> tuple[dict[str, Int64Array], int]:
    """The identity of each box of each image, and how many appearances of known persons in them have no box."""
    identities: dict[str, Int64Array] = {name: np.full(len(rows), -1, np.int64) for name, rows in boxes.items()}
    homeless = 0
    for number, person in enumerate(
        _structs(read_mat(file).get("Person"), f"{file}: Person") if file.is_file() else []
    ):
        where = f"{file}: person {number + 1}"
        name = str(_field(person, "idname", where))
        digits = re.fullmatch(r"p([0-9]+)", name)
        if digits is None:
            raise UserError(f"{where}: idname is '{name}', expected p and a number")
        for scene in _structs(_field(person, "scene", where), f"{where}: scene"):
            image = str(_field(scene, "imname", where))
            if image not in boxes:
                continue
            same = (boxes[image] == _row(_field(scene, "idlocate", where), where)).all(axis=1)
            if same.any():
                identities[image][np.argmax(same)] = int(digits[1])
            else:
                homeless += 1
    return identities, homeless


def _names(file: Path) -> set[str]:
    names = read_mat(file).get("pool")
    if names is None:
        raise UserError(f"{file}: no variable pool in it")
    return {str(name) for name in np.atleast_1d(np.asarray(names, object)).ravel().tolist()}


def _structs(value: Any, where: str) -> list[dict[str, Any]]:
    """A struct array, which is a single struct where there is one, as a list."""
    if isinstance(value, dict):
        return [value]
    structs = [] if value is None else np.asarray(value, object).ravel().tolist()
    if value is None or not all(isinstance(each, dict) for each in structs):
        raise UserError(f"{where} is not a list of structs")
    return structs


def _field(struct: dict[str, Any], name: str, where: str) -> Any:
    if name not in struct:
        raise UserError(f"{where}: no {name} in it (found {', '.join(struct)})")
    return struct[name]


def _row(value: Any, where: str) -> list[float]:
    try:
        row = np.asarray(value, np.float64).ravel()
    except (ValueError, TypeError):
        row = np.empty(0)
    if len(row) != 4:
        raise UserError(f"{where}: idlocate is {value}, expected left, top, width, height")
    return list(row.tolist())


def _matches(path: Path) -> bool:
    if path.is_file():
        return path.name in ("Images.mat", "pool.mat") and (path.parent.parent / _IMAGE_FOLDER).is_dir()
    return (path / "annotation" / "Images.mat").is_file()


FORMAT = Format(
    name="cuhk-sysu",
    title="CUHK-SYSU person search: street snapshots and film stills",
    tree="""annotation/Images.mat, Person.mat, pool.mat
Image/SSM/s1.jpg ...
  the folder is the training split, annotation/pool.mat the test split, annotation/Images.mat both""",
    licence="see the home page (research only)",
    home="https://www.ee.cuhk.edu.hk/~xgwang/PS/dataset.html",
    matches=_matches,
    read=lambda path, min_visibility: read_cuhk_sysu(path),
)
