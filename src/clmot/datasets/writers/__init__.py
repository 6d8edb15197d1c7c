"""Writers: one on-disk format a file; `write_dataset` picks one and finishes all or nothing."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from clmot.datasets.writers import coco, motchallenge, yolo
from clmot.datasets.writers.layout import ImageMode, Progress
from clmot.datasets.writers.writer import Writer
from clmot.errors import UserError, did_you_mean
from clmot.io.atomic import check_new, whole_folder
from clmot.structures import Dataset

__all__ = ["WRITERS", "ImageMode", "Writer", "check_new", "write_dataset", "writer_named"]

WRITERS: tuple[Writer, ...] = (coco.WRITER, motchallenge.WRITER, yolo.WRITER)
"""All formats that can be written; the reader of the same name reads each."""


def writer_named(name: str) -> Writer:
    """The one of `WRITERS` with a name.

    Raises:
        UserError: none has it (with the nearest that there is).
    """
    by_name = {each.name: each for each in WRITERS}
    if name not in by_name:
        raise UserError(f"cannot write '{name}'{did_you_mean(name, by_name)}; known: {', '.join(by_name)}")
    return by_name[name]


def write_dataset(
    dataset: Dataset, out: Path, writer: Writer, *, images: ImageMode = "link", progress: Progress | None = None
) -> Counter[str]:
    """Write a data set as `Writer.write` does into a new folder, which appears under its name only when it is whole.

    Raises:
        UserError: as `check_new` and the writer, or a file cannot be written.
    """
    with whole_folder(out, "the data set") as partial:
        lost = writer.write(dataset, partial, images=images, progress=progress)
    if not writer.holds_scores:
        lost["scores of boxes"] += sum(int((sample.scores != 1).sum()) for sample in dataset.samples)
    lost["weights of images"] += 0 if dataset.weights is None else len(dataset.weights)
    return +lost
