"""Camera motion as text: one matrix a line, made once and used by every run on the same video.

Columns: frame, then the affine map from the frame before it to this frame, row by row: ``frame a b tx c d ty`` takes
(x, y) to (a x + b y + tx, c x + d y + ty), in pixels. This is the layout of BoT-SORT's GMC files.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clmot.errors import UserError
from clmot.io.atomic import whole_file
from clmot.io.text import read_text

_COLUMNS = "frame a b tx c d ty"


def read_camera_motion(path: Path) -> dict[int, npt.NDArray[np.float64]]:
    """Read a file of camera motion.

    Columns are separated by blanks, tabs or commas; empty lines and those that start with ``#`` are passed over. A file
    that has a frame 0 counts frames from 0; its numbers are raised by one.

    Returns:
        Frame number, 1-based, to float64 [2, 3].

    Raises:
        UserError: the file cannot be read or has no matrix; a line has another number of columns than seven; something
            is not a finite number; a frame is not a whole number >= 0 or occurs twice; a matrix is singular.
    """
    text = read_text(path, "camera motion")
    matrices: dict[int, npt.NDArray[np.float64]] = {}
    lines: dict[int, int] = {}
    for number, line in enumerate(text.split("\n"), 1):
        words = line.replace(",", " ").split()
        if not words or words[0].startswith("#"):
            continue
        where = f"{path}:{number}"
        frame, matrix = _parse(words, where)
        if frame in matrices:
            raise UserError(f"{where}: frame {frame} has a matrix already (line {lines[frame]})")
        matrices[frame], lines[frame] = matrix, number
    if not matrices:
        raise UserError(f"{path}: holds no camera motion; expected lines of {_COLUMNS}")
    first = 1 if 0 in matrices else 0
    return {frame + first: matrix for frame, matrix in matrices.items()}


def write_camera_motion(path: Path, matrices: Mapping[int, npt.NDArray[np.float64]]) -> None:
    """Write camera motion, exactly as `read_camera_motion` reads it back.

    Args:
        path: the file; it appears under its name only when it is whole.
        matrices: frame number, 1-based, to [2, 3].

    Raises:
        UserError: the file cannot be written.
    """
    rows = (f"{frame} {' '.join(map(repr, matrices[frame].ravel().tolist()))}\n" for frame in sorted(matrices))
    with whole_file(path, "camera motion") as partial, partial.open("w", encoding="ascii", newline="\n") as file:
        file.write(f"# {_COLUMNS}\n")
        file.writelines(rows)


def _parse(words: list[str], where: str) -> tuple[int, npt.NDArray[np.float64]]:
    if len(words) != 7:
        raise UserError(f"{where}: {len(words)} columns, expected 7: {_COLUMNS}")
    values = []
    for word, name in zip(words, _COLUMNS.split(), strict=True):
        value = math.nan
        with contextlib.suppress(ValueError):
            value = float(word)
        if not math.isfinite(value):
            raise UserError(f"{where}: {name} is {word[:40]!r}, expected a number")
        values.append(value)
    if values[0] < 0 or values[0] != int(values[0]):
        raise UserError(f"{where}: frame is {words[0]}, expected a whole number >= 0")
    matrix = np.array(values[1:]).reshape(2, 3)
    if not np.linalg.det(matrix[:, :2]):
        raise UserError(f"{where}: the matrix is singular: it maps the frame to a line")
    return int(values[0]), matrix
