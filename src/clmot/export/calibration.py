"""Images of the user's own: some to calibrate on, and some that are kept to see what that cost."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from clmot.datasets.readers import FORMATS, read_dataset
from clmot.errors import UserError, plural, require
from clmot.io.frame_source import FrameSource
from clmot.io.image import read_image
from clmot.io.sources import open_source
from clmot.structures import Dataset, Image, Sample

log = logging.getLogger(__name__)

HELD_OUT = 4
"""One image in so many is not calibrated on."""

FEWEST = 8
"""Images, of which two are held out."""


class Frame(NamedTuple):
    """An image, and what it shows where that is known."""

    image: Image
    sample: Sample | None


class Frames(NamedTuple):
    """Images in two parts.

    Attributes:
        calibration: an iterator, read as it goes.
        held_out: the others, spread evenly between those.
        classes: of the samples; empty where they are none.
    """

    calibration: Iterator[Frame]
    held_out: list[Frame]
    classes: tuple[str, ...]


def draw_frames(paths: Sequence[Path], count: int) -> Frames:
    """Images at equal distances from all there are.

    Args:
        paths: data sets (what `clmot.datasets.readers.read_dataset` takes), videos, folders of images or of sequences.
            What is in the images is known if all of them are data sets.
        count: how many.

    Raises:
        UserError: something cannot be read, or there are less than `FEWEST` images.
    """
    require(count >= FEWEST, f"--int8-frames must be >= {FEWEST}, got {count}")
    found = _open(paths)
    lengths = [len(found.samples)] if isinstance(found, Dataset) else [_length(source) for source in found]
    total = sum(lengths)
    names = ", ".join(map(str, paths))
    require(
        total >= FEWEST, f"{names}: {plural(total, 'image')} to calibrate on; {FEWEST} are needed at least, better 100"
    )
    chosen = np.unique(np.linspace(0, total - 1, min(count, total)).round().astype(np.int64))
    kept = np.arange(len(chosen)) % HELD_OUT == HELD_OUT // 2
    held_out = list(_read(found, lengths, set(chosen[kept].tolist())))
    calibration = _read(found, lengths, set(chosen[~kept].tolist()))
    return Frames(calibration, held_out, found.classes if isinstance(found, Dataset) else ())


def _open(paths: Sequence[Path]) -> Dataset | list[FrameSource]:
    """A data set, or where one cannot be read, images alone."""
    try:
        return read_dataset(paths, identities=True)
    except UserError as error:
        annotated = any(path.exists() and each.matches(path) for path in paths for each in FORMATS)
        try:
            sources = [source for path in paths for source in open_source(path)]
        except UserError:
            if annotated:
                raise error from None
            raise
        if annotated:
            log.warning("calibration: images without their boxes, which cannot be read (%s)", error)
        return sources


def _length(source: FrameSource) -> int:
    """Of a source, by counting where its header does not tell."""
    require(not source.live, f"{source.name}: a camera has no end; give a video or images to calibrate on")
    return sum(1 for _ in source) if source.length is None else source.length


def _read(found: Dataset | list[FrameSource], lengths: list[int], chosen: set[int]) -> Iterator[Frame]:
    """The chosen ones of all images, in order; numbers count through all sources."""
    if isinstance(found, Dataset):
        yield from (Frame(read_image(found.samples[i].image), found.samples[i]) for i in sorted(chosen))
        return
    first = 0
    for source, length in zip(found, lengths, strict=True):
        yield from (Frame(image, None) for number, (_, image) in enumerate(source, first) if number in chosen)
        first += length
