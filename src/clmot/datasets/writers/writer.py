"""What a writer is: names for the images of a data set, and annotations beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from clmot.datasets.writers.layout import ImageMode, Progress, place_image
from clmot.io.atomic import make_folder
from clmot.structures import Dataset


@dataclass(frozen=True, kw_only=True)
class Writer:
    """One on-disk format of annotated images that can be written.

    Attributes:
        name: short, as in ``--to NAME``; the reader of that name reads it back.
        title: what it is, in a few words.
        tree: the files and folders that are written, one a line, relative to the folder that is named.
        image_names: a name for each image, relative to `image_folder`.
        annotate: writes the annotations of images with such names into a folder, and counts what the format has no
            place for, for the user to read (``{"identities": 1156}``). An `OSError` is the caller's to explain.
        image_folder: where the images go.
        holds_paths: its annotations may name images anywhere.
        holds_scores: it has a place for the scores of boxes.
    """

    name: str
    title: str
    tree: str
    image_names: Callable[[Dataset], Sequence[str]]
    annotate: Callable[[Dataset, Sequence[str], Path], Counter[str]]
    image_folder: str = ""
    holds_paths: bool = False
    holds_scores: bool = False

    def write(
        self, dataset: Dataset, out: Path, *, images: ImageMode = "link", progress: Progress | None = None
    ) -> Counter[str]:
        """Write a data set into a folder, and say what the format could not hold (`write_dataset` does all or nothing).

        Args:
            dataset: what to write, with identities if they are to be kept.
            out: folder, made if needed.
            images: how images come into it.
            progress: called after each image.

        Raises:
            UserError: the format has no place for the data set at all, or an image cannot be brought there.
            OSError: annotations cannot be written.
        """
        names = self.image_names(dataset)
        as_paths = self.holds_paths and images == "reference"
        if as_paths:
            names = [str(sample.image.absolute()) for sample in dataset.samples]
        for i, (sample, name) in enumerate(zip(dataset.samples, names, strict=True), 1):
            if not as_paths:
                place_image(sample.image, out / self.image_folder / name, images)
            if progress:
                progress(i, len(names))
        make_folder(out)
        return self.annotate(dataset, names, out)
