"""Camera motion as text: one matrix a line, made once and used by every run on the same video.

Columns: frame, then the affine map from the frame before it to this frame, row by row: ``frame a b tx c d ty`` takes
(x, y) to (a x + b y + tx, c x + d y + ty), in pixels. This is the layout of BoT-SORT's GMC files.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from clmot.errors import UserError
from clmot.io.number_table import parse_numbers
from clmot.io.text import read_text
from clmot.structures import Float64Array

_COLUMNS = ("frame", "a", "b", "tx", "c", "d", "ty")


def read_camera_motion(path: Path) -> dict[int, Float64Array]:
    """Read a file of camera motion.

    Columns are separated by blanks, tabs or commas; empty lines and those that start with ``#`` are passed over. A file
    that has a frame 0 counts frames from 0; its numbers are raised by one.

    Returns:
        Frame number, 1-based, to float64 [2, 3].

    Raises:
        UserError: the file cannot be read or has no matrix; a line has another number of columns than seven; something
            is not a finite number; a frame is not a whole number >= 0 or occurs twice; a matrix is singular.
    """
    text = re.sub(r"(?m)^\s*#.*$", "", read_text(path, "camera motion"))
    table = parse_numbers(text, path, _COLUMNS)
    lines: dict[int, int] = {}
    frames, values = table.whole("frame", 0).tolist(), table.values
    for frame, line, row in zip(frames, table.line.tolist(), values, strict=True):
        if not np.isfinite(row).all():
            column = int(np.argmin(np.isfinite(row)))
            raise UserError(f"{path}:{line}: {_COLUMNS[column]} is {row[column]:g}, expected a finite number")
        if frame in lines:
            raise UserError(f"{path}:{line}: frame {frame} has a matrix already (line {lines[frame]})")
        if not np.linalg.det(row[1:].reshape(2, 3)[:, :2]):
            raise UserError(f"{path}:{line}: the matrix is singular: it maps the frame to a line")
        lines[frame] = line
    if not lines:
        raise UserError(f"{path}: holds no camera motion; expected lines of {' '.join(_COLUMNS)}")
    return {frame + (0 in lines): row[1:].reshape(2, 3) for frame, row in zip(frames, values, strict=True)}
