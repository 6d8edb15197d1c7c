"""What a reader tells of itself: the on-disk format it reads, and how that is recognised."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from clmot.structures import Dataset


@dataclass(frozen=True, kw_only=True)
class Format:
    """One on-disk format of annotated images.

    Attributes:
        name: short, as in ``--format NAME``.
        title: what it is, in a few words.
        tree: the files and folders that are expected, one a line, relative to the path that is named.
        licence: terms of the data set, empty for formats of the user's own data.
        home: where the data set or the format's description is found.
        matches: whether what lies at a path looks like it, by names alone where they can tell, and quick in any case.
        read: everything at a path, identities included; boxes less visible than the second argument are
            `Sample.ignore`, where the annotation says how visible they are. Raises UserError.
    """

    name: str
    title: str
    tree: str
    licence: str
    home: str
    matches: Callable[[Path], bool]
    read: Callable[[Path, float], Dataset]
