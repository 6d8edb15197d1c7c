"""What the numbers of classes in MOTChallenge text mean, in a file beside it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from clmot.io.atomic import write_whole_text
from clmot.io.text import read_lines

LABELS = "labels.txt"
"""A file beside results or ``gt.txt`` with the names of their classes, one a line (as CVAT exports it)."""


def write_class_names(folder: Path, names: Iterable[str]) -> None:
    """Say what the numbers of classes in the results of a folder mean: `LABELS`, one name a line.

    Raises:
        UserError: the file cannot be written.
    """
    write_whole_text(folder / LABELS, "".join(f"{name}\n" for name in names), "class names")


def read_class_names(file: Path) -> list[str]:
    """What `LABELS` beside a file calls its classes; empty where there is none.

    Raises:
        UserError: it cannot be read.
    """
    labels = file.with_name(LABELS)
    if not labels.is_file():
        return []
    return [line for _, line in read_lines(labels, "class names, one a line")]


def plain_class_name(name: str) -> str:
    """A class name without what data sets write differently: case, hyphens, and how persons are called."""
    plain = name.casefold().replace("_", " ").replace("-", " ")
    return "person" if plain in ("pedestrian", "people") else plain
