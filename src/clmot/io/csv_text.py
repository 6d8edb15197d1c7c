"""Rows as CSV that spreadsheets show as they are: a name that begins like a formula is not one there.

Names of classes, lines and videos come from files of others; a cell ``=HYPERLINK(...)`` would be run by who opens the
table. Source: OWASP, "CSV Injection".
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from clmot.errors import readable

_FORMULA = ("=", "+", "-", "@")


def csv_text(rows: Iterable[Sequence[Any]]) -> str:
    """The rows, a line each; a text that begins like a formula is led by an apostrophe (`plain_text` takes it off)."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([_cell(each) for each in row] for row in rows)
    return text.getvalue()


def plain_text(cell: str) -> str:
    """A text as it was before `csv_text`."""
    return cell[1:] if cell[:1] == "'" and cell[1:].startswith(_FORMULA) else cell


def _cell(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = readable(value)  # a carriage return, which csv does not quote, would end the row
    return f"'{text}" if text.startswith(_FORMULA) else text
