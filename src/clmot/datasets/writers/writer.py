"""What a writer tells of itself: the on-disk format it writes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from clmot.datasets.writers.layout import ImageMode, Progress
from clmot.structures import Dataset


class Write(Protocol):
    """Writes a data set into an empty folder, and says what the format could not hold."""

    def __call__(
        self, dataset: Dataset, out: Path, *, images: ImageMode = "link", progress: Progress | None = None
    ) -> Counter[str]:
        """Write.

        Args:
            dataset: what to write, with identities if they are to be kept.
            out: folder, made if needed.
            images: how images come into it.
            progress: called after each image.

        Returns:
            How many of what were lost or changed, for the user to read (``{"identities": 1156}``).

        Raises:
            UserError: the format has no place for the data set at all, or a file cannot be read or written.
        """


@dataclass(frozen=True, kw_only=True)
class Writer:
    """One on-disk format of annotated images that can be written.

    Attributes:
        name: short, as in ``--to NAME``; the reader of that name reads it back.
        title: what it is, in a few words.
        tree: the files and folders that are written, one a line, relative to the folder that is named.
        write: writes a data set.
        holds_scores: it has a place for the scores of boxes.
    """

    name: str
    title: str
    tree: str
    write: Write
    holds_scores: bool = False
