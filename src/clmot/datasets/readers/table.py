"""Tables of numbers in text files, with every fault named by file and line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clmot.errors import UserError
from clmot.io.text import read_text as read_text
from clmot.structures import Int64Array

Float64Array = npt.NDArray[np.float64]

LARGEST_SHARE = 10.0
"""Beyond it a share of an image's size must be in pixels: boxes extend beyond the image, but not by ten images."""
_LARGEST_WHOLE = 2.0**53
"""Beyond it float64 skips whole numbers."""


def read_table(
    path: Path,
    columns: Sequence[str],
    *,
    optional: Sequence[str] = (),
    whole: Sequence[str] = (),
    words: Mapping[str, Mapping[str, int]] | None = None,
) -> tuple[Float64Array, Int64Array]:
    """Read one row of numbers a line, separated by commas or blanks; empty lines are passed over.

    Args:
        path: the file.
        columns: what the columns are called, in their order; each line must have exactly these.
        optional: columns after them, which all lines have or none.
        whole: the columns that hold whole numbers only.
        words: for columns of words, the number that stands for each word.

    Returns:
        The values, float64 [n, columns (and optional ones)], and the 1-based line of each row, int64 [n]. Values may be
        NaN or infinite except in the `whole` columns.

    Raises:
        UserError: the file cannot be read; a line has another number of columns; a value is no number, no whole number
            or none of the words.
    """
    words = words or {}
    rows: list[list[str]] = []
    lines: list[int] = []
    for number, content in enumerate(read_text(path).replace(",", " ").split("\n"), 1):
        row = content.split()
        if not row:
            continue
        if not rows and optional and len(row) == len(columns) + len(optional):
            columns = (*columns, *optional)
        if len(row) != len(columns):
            raise UserError(f"{path}:{number}: {len(row)} columns, expected {len(columns)}: {', '.join(columns)}")
        for column, numbers in words.items():
            i = columns.index(column)
            if row[i] not in numbers:
                raise UserError(f"{path}:{number}: {column} is {row[i][:40]!r}, expected one of {', '.join(numbers)}")
            row[i] = str(numbers[row[i]])
        rows.append(row)
        lines.append(number)
    line = np.array(lines, np.int64)
    try:
        values = np.array(rows, np.float64).reshape(len(rows), len(columns))
    except ValueError:
        number, column, word = next(
            (lines[i], columns[j], word)
            for i, row in enumerate(rows)
            for j, word in enumerate(row)
            if not _is_number(word)
        )
        raise UserError(f"{path}:{number}: {column} is {word[:40]!r}, expected a number") from None
    for name in whole:
        column_values = values[:, columns.index(name)]
        # a comparison with NaN is False, which is what is wanted here
        wrong = ~((np.abs(column_values) <= _LARGEST_WHOLE) & (column_values == np.floor(column_values)))
        if wrong.any():
            i = int(np.argmax(wrong))
            raise UserError(f"{path}:{line[i]}: {name} is {column_values[i]:g}, expected a whole number")
    return values, line


def check_levels(path: Path, line: Int64Array, **columns: tuple[Int64Array, int, int]) -> None:
    """Check that levels are among those that there are.

    Args:
        path: the file.
        line: int64 [n], 1-based line of each row.
        columns: by name, the levels, int64 [n], and the lowest and the highest that there are.

    Raises:
        UserError: one is not.
    """
    for name, (level, lowest, highest) in columns.items():
        wrong = (level < lowest) | (level > highest)
        if wrong.any():
            i = int(np.argmax(wrong))
            raise UserError(f"{path}:{line[i]}: {name} is {level[i]}, expected {lowest} to {highest}")


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
