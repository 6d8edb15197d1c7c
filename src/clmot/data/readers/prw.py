"""PRW, person re-identification in the wild: six cameras on a campus (Zheng et al. 2017, arXiv:1604.02531).

``annotations/c1s1_001051.jpg.mat`` has a row a person: identity (-2: unknown), left, top, width, height in 0-based
pixels, and belongs to ``frames/c1s1_001051.jpg``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from clmot.data.readers.assembly import Frame
from clmot.data.readers.collector import Collector, Object
from clmot.data.readers.formats import Format
from clmot.data.readers.mat_files import read_mat
from clmot.data.readers.table import Float64Array
from clmot.errors import UserError
from clmot.io.image_size import read_image_size
from clmot.types import Dataset

_VARIABLES = ("box_new", "anno_file", "anno_previous")
"""What the table of persons is called, the corrected one first."""


def read_prw(path: Path) -> Dataset:
    """Read all annotated frames, identities included.

    All frames are one sequence, numbered by name, because the cameras see the same people.

    Args:
        path: the folder with ``annotations`` and ``frames``.

    Raises:
        UserError: nothing there; an annotation file is faulty; a frame is missing.
    """
    files = sorted((path / "annotations").glob("*.jpg.mat"))
    if not files:
        raise UserError(f"{path}: no annotations/<frame>.jpg.mat beside frames/<frame>.jpg there")
    collector = Collector(["person"])
    for number, file in enumerate(files, 1):
        image = path / "frames" / file.stem
        if not image.is_file():
            raise UserError(f"{file}: image {image} is missing")
        width, height = read_image_size(image)
        persons = [
            Object(left, top, left + wide, top + high, 0, identity=int(identity))
            for identity, left, top, wide, high in _rows(file).tolist()
        ]
        collector.add(Frame(image, width, height, "prw", number), persons)
    return collector.dataset()


def _rows(file: Path) -> Float64Array:
    variables = read_mat(file)
    name = next((name for name in _VARIABLES if name in variables), None)
    if name is None:
        raise UserError(f"{file}: none of the variables {', '.join(_VARIABLES)} is in it")
    try:
        rows = np.asarray(variables[name], np.float64).reshape(-1, 5)
    except (ValueError, TypeError) as error:
        raise UserError(f"{file}: {name} is not a table of 5 columns") from error
    if not np.isfinite(rows[:, 0]).all():
        raise UserError(f"{file}: an identity in {name} is not a number")
    return rows


def _matches(path: Path) -> bool:
    return (path / "frames").is_dir() and any((path / "annotations").glob("*.jpg.mat"))


FORMAT = Format(
    name="prw",
    title="PRW, person re-identification in the wild: six cameras on a campus",
    tree="""annotations/c1s1_001051.jpg.mat ...
frames/c1s1_001051.jpg ...""",
    licence="see the home page (research only)",
    home="https://github.com/liangzheng06/PRW-baseline",
    matches=_matches,
    read=lambda path, min_visibility: read_prw(path),
)
