"""Tables of numbers in text files, with every fault named by file and line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np

from clmot.errors import UserError
from clmot.io.text import read_text
from clmot.structures import Float64Array, Int64Array

_LARGEST_WHOLE = 2**53
"""Beyond it float64 skips whole numbers."""


class NumberTable(NamedTuple):
    """The n rows of a file.

    Attributes:
        path: the file.
        columns: what the first columns are called.
        values: float64 [n, columns (and those without a name)], which may be NaN or infinite.
        line: int64 [n], 1-based line of each row.
    """

    path: Path
    columns: Sequence[str]
    values: Float64Array
    line: Int64Array

    def whole(self, name: str, lowest: int = -_LARGEST_WHOLE, highest: int = _LARGEST_WHOLE) -> Int64Array:
        """A column of whole numbers, int64 [n].

        Raises:
            UserError: one is none, or out of bounds.
        """
        values = self.values[:, self.columns.index(name)]
        # a comparison with NaN is False, which is what is wanted here
        wrong = ~((values >= lowest) & (values <= highest) & (values == np.floor(values)))
        if wrong.any():
            row = int(np.argmax(wrong))
            expected = "a whole number" + f" >= {lowest}" * (lowest > -_LARGEST_WHOLE)
            if highest < _LARGEST_WHOLE:
                expected = f"{lowest} to {highest}"
            raise UserError(f"{self.path}:{self.line[row]}: {name} is {values[row]:g}, expected {expected}")
        return values.astype(np.int64)


def read_numbers(
    path: Path,
    columns: Sequence[str],
    *,
    most: int | None = None,
    words: Mapping[str, Mapping[str, int]] | None = None,
) -> NumberTable:
    """Read one row of numbers a line, separated by commas or blanks; empty lines are passed over.

    Args:
        path: the file.
        columns: what the columns are called, in their order; each line has at least these.
        most: how many columns there may be; all lines have the same number.
        words: for columns of words, the number that stands for each word.

    Raises:
        UserError: the file cannot be read; a line has another number of columns; a value is no number or none of the
            words.
    """
    return parse_numbers(read_text(path), path, columns, most=most, words=words)


def parse_numbers(
    text: str,
    path: Path,
    columns: Sequence[str],
    *,
    most: int | None = None,
    words: Mapping[str, Mapping[str, int]] | None = None,
) -> NumberTable:
    """As `read_numbers`, of a text at hand; `path` is what messages name."""
    lines = text.replace(",", " ").split("\n")
    for column, numbers in (words or {}).items():
        lines = _without_words(lines, path, column, columns.index(column), numbers)
    line = np.array([number for number, content in enumerate(lines, 1) if content.strip()], np.int64)
    if not len(line):
        return NumberTable(path, columns, np.empty((0, len(columns))), line)
    try:
        values = np.loadtxt(lines, np.float64, comments=None, ndmin=2)
    except ValueError:
        values = np.empty((0, 0))
    if len(values) != len(line) or not len(columns) <= values.shape[1] <= (most or len(columns)):
        _raise_first_fault(lines, path, columns, most or len(columns))
    return NumberTable(path, columns, values, line)


def _without_words(lines: list[str], path: Path, column: str, index: int, numbers: Mapping[str, int]) -> list[str]:
    """The lines with a number for each word of a column."""
    found = []
    for number, content in enumerate(lines, 1):
        row = content.split(maxsplit=index + 1)
        if len(row) > index:  # else the number of columns is at fault
            if row[index] not in numbers:
                expected = f"expected one of {', '.join(numbers)}"
                raise UserError(f"{path}:{number}: {column} is {row[index][:40]!r}, {expected}")
            row[index] = str(numbers[row[index]])
        found.append(" ".join(row))
    return found


def _raise_first_fault(lines: list[str], path: Path, columns: Sequence[str], most: int) -> NoReturn:
    least, first = len(columns), 0
    for number, content in enumerate(lines, 1):
        words = content.split()
        if not words:
            continue
        where = f"{path}:{number}"
        for word, name in zip(words, [*columns, *(f"column {i + 1}" for i in range(least, len(words)))], strict=False):
            if not _is_number(word):
                raise UserError(f"{where}: {name} is {word[:40]!r}, expected a number")
        if not least <= len(words) <= most:
            expected, more = (f"{least} to {most}", ", ...") if most > least else (least, "")
            raise UserError(f"{where}: {len(words)} columns, expected {expected}: {', '.join(columns)}{more}")
        first = first or number
        if len(words) != (count := len(lines[first - 1].split())):
            raise UserError(f"{where}: {len(words)} columns, but line {first} has {count}")
    raise UserError(f"{path}: not a table of numbers")


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return "_" not in word
