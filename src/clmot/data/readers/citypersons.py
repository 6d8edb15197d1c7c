"""CityPersons: pedestrians in the photos of Cityscapes (Zhang et al. 2017, arXiv:1702.05693).

``anno_train.mat`` holds for each image ``cityname``, ``im_name`` and ``bbs`` with a row a box: class, left, top, width,
height (0-based pixels), instance, and the visible part as left, top, width, height.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from clmot.data.readers.assembly import Frame
from clmot.data.readers.collector import Collector, Object
from clmot.data.readers.formats import Format
from clmot.data.readers.mat_files import read_mat
from clmot.data.readers.table import Float64Array
from clmot.errors import UserError
from clmot.io.image_size import read_image_size
from clmot.types import Dataset

_PEDESTRIAN = 1
"""The class that the benchmark scores; the others (riders, sitting, unusual postures, groups, fakes) it ignores."""
_NAME = re.compile(r"^anno_(train|val)\.mat$")
_IMAGE_FOLDERS = ("leftImg8bit", "leftImg8bit_trainvaltest/leftImg8bit", "images", "")


def read_citypersons(path: Path, *, min_visibility: float = 0.1) -> Dataset:
    """Read ``anno_train.mat`` or ``anno_val.mat``, or what there is of both in a folder.

    Pedestrians are ``person``; all else is `Sample.ignore`, as in the benchmark, and so are pedestrians of whose full
    box the visible part covers less than `min_visibility`. Identities are unknown. The photos of one city are one
    sequence: they are from one drive, so two of them may show the same person.

    Args:
        path: the file; or the folder with it, or the one above with ``annotations``. Images are looked for in
            ``leftImg8bit/<split>/<city>`` there or in a folder above.
        min_visibility: smallest visible share of a pedestrian to count.

    Raises:
        UserError: nothing there; annotations are faulty (named by image); images are missing.
    """
    files = [path] if path.is_file() else _annotation_files(path)
    if not files:
        raise UserError(f"{path}: no anno_train.mat or anno_val.mat there")
    collector = Collector(["person"])
    for file in files:
        match = _NAME.match(file.name)
        if match is None:
            raise UserError(f"{file}: expected a file named anno_train.mat or anno_val.mat")
        numbers: dict[str, int] = {}
        root: Path | None = None
        for city, name, rows in sorted(_records(file), key=lambda record: record[:2]):
            place = Path(match[1]) / city / name
            root = root or _image_root(file, place)
            if not (root / place).is_file():
                raise UserError(f"{file}: image {root / place} is missing")
            width, height = read_image_size(root / place)
            numbers[city] = numbers.get(city, 0) + 1
            frame = Frame(root / place, width, height, f"{match[1]}/{city}", numbers[city])
            collector.add(frame, [_object(row, min_visibility) for row in rows])
    return collector.dataset()


def _object(row: Float64Array, min_visibility: float) -> Object:
    kind, left, top, width, height, _, _, _, visible_width, visible_height = row.tolist()
    hidden = visible_width * visible_height < min_visibility * width * height
    return Object(left, top, left + width, top + height, 0, ignore=kind != _PEDESTRIAN or hidden)


def _records(file: Path) -> list[tuple[str, str, Float64Array]]:
    """City, image name and rows of each image."""
    variables = read_mat(file)
    values = next((value for name, value in variables.items() if name.startswith("anno_")), None)
    if values is None:
        raise UserError(f"{file}: no variable anno_train_aligned or anno_val_aligned (found {', '.join(variables)})")
    return [_record(value, f"{file}: image {i + 1}") for i, value in enumerate(np.atleast_1d(values).tolist())]


def _record(value: Any, where: str) -> tuple[str, str, Float64Array]:
    if not isinstance(value, dict) or not {"cityname", "im_name", "bbs"} <= value.keys():
        raise UserError(f"{where}: expected cityname, im_name and bbs")
    try:
        rows = np.asarray(value["bbs"], np.float64).reshape(-1, 10)
    except (ValueError, TypeError) as error:
        raise UserError(f"{where} ({value['im_name']}): bbs is not a table of 10 columns") from error
    return str(value["cityname"]), str(value["im_name"]), rows


def _annotation_files(folder: Path) -> list[Path]:
    for place in (folder, folder / "annotations"):
        files = sorted(file for file in place.glob("anno_*.mat") if _NAME.match(file.name))
        if files:
            return files
    return []


def _image_root(file: Path, image: Path) -> Path:
    """The folder of the splits: the first that has an image."""
    roots = [root / name for root in file.absolute().parents[:3] for name in _IMAGE_FOLDERS]
    for root in roots:
        if (root / image).is_file():
            return root
    raise UserError(f"{file}: image {image} not found; looked in {', '.join(map(str, roots))}")


FORMAT = Format(
    name="citypersons",
    title="CityPersons: pedestrians in the photos of Cityscapes, full-body boxes",
    tree="""[annotations/]anno_train.mat, anno_val.mat
leftImg8bit/{train,val}/<city>/<image>_leftImg8bit.png""",
    licence="see the home page (Cityscapes' terms: non-commercial)",
    home="https://github.com/cvgroup-njust/CityPersons",
    matches=lambda path: bool(_NAME.match(path.name)) if path.is_file() else bool(_annotation_files(path)),
    read=lambda path, min_visibility: read_citypersons(path, min_visibility=min_visibility),
)
