"""Checks of image files: missing, corrupt, of another size than annotated."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from clmot.apps.check_data.findings import MOST_EXAMPLES, MOST_PLACES, Example, Finding
from clmot.errors import UserError, plural
from clmot.io.image import read_with_depth
from clmot.io.image_size import read_image_size
from clmot.structures import BoolArray, Image, Sample

Progress = Callable[[int, int], None]
"""Called with (images finished, images in all)."""

HASH_BITS = 256
_HASH_SIDE = 16
_FLAT = 4.0
"""Standard deviation of grey values below which a thumbnail has no picture to compare."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageFile:
    """What is known of an image file.

    Attributes:
        path: the file.
        size: width and height; None where it cannot be read.
        problem: ``missing``, ``corrupt``, or empty.
        content: a hash of the file's bytes; empty where it was not read.
        difference: the difference hash, bool [256]; None where it was not decoded or has no picture.
        depth: how values of more than 8 bits are scaled; empty where there are none, or it was not decoded.
    """

    path: Path
    size: tuple[int, int] | None
    problem: str
    content: bytes = b""
    difference: BoolArray | None = None
    depth: str = ""


def examine(paths: Sequence[Path], *, fast: bool = False, progress: Progress | None = None) -> dict[Path, ImageFile]:
    """Look at image files.

    Args:
        paths: the files; each is looked at once.
        fast: read only the size from the header; files that are damaged further back pass.
        progress: called after each image.
    """
    unique = list(dict.fromkeys(paths))
    found: dict[Path, ImageFile] = {}
    # decoding runs outside of Python's lock
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        for each in pool.map(partial(_examine, fast=fast), unique):
            found[each.path] = each
            if progress:
                progress(len(found), len(unique))
    return found


def difference_hash(image: Image) -> BoolArray | None:
    """Whether each cell of a 16 x 17 thumbnail is darker than its right neighbour: bool [256], or None if it is flat.

    Scaling, brightness and compression change few of the bits (Krawetz 2013, "Kind of like that").
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (_HASH_SIDE + 1, _HASH_SIDE), interpolation=cv2.INTER_AREA).astype(np.int16)
    return None if small.std() < _FLAT else np.asarray((small[:, 1:] > small[:, :-1]).ravel())


def check_images(samples: Sequence[Sample], files: dict[Path, ImageFile]) -> Iterator[Finding]:
    """The findings about the image files of samples."""
    for problem, advice in (
        ("missing", "put the files there, or remove their annotations (--fix does)"),
        ("corrupt", "fetch or export the files again, or remove them (--fix does)"),
    ):
        paths = [sample.image for sample in samples if files[sample.image].problem == problem]
        if paths:
            yield Finding(
                check=f"{problem} images",
                severity="error",
                what=f"{plural(len(paths), f'{problem} image')} of {len(samples):,}",
                count=len(paths),
                places=tuple(map(str, paths[:MOST_PLACES])),
                advice=advice,
            )
    deep: dict[str, list[Path]] = {}
    for sample in samples:
        if files[sample.image].depth:
            deep.setdefault(files[sample.image].depth, []).append(sample.image)
    if deep:
        yield Finding(
            check="images of more than 8 bits",
            severity="information" if len(deep) == 1 else "warning",
            what=f"{plural(sum(map(len, deep.values())), 'image')} of more than 8 bits, scaled to 8: "
            + "; ".join(f"{len(paths):,} {depth}" for depth, paths in deep.items()),
            count=sum(map(len, deep.values())),
            places=tuple(f"{paths[0]}: {depth}" for depth, paths in list(deep.items())[:MOST_PLACES]),
            advice="look at a few with clmot data show; where they are too bright or too dark, export 8-bit images",
        )
    again = [second for _, second in same_frames(samples)]
    if again:
        yield Finding(
            check="frame numbers given twice",
            severity="warning",
            what=f"{plural(len(again), 'image')} with the frame number of another image of their sequence",
            count=len(again),
            places=tuple(f"{sample.image} (frame {sample.frame})" for sample in again[:MOST_PLACES]),
            advice="number the frames of a sequence from 1 without repeats (--fix does, in the order of the images)",
        )
    other = [sample for sample in samples if files[sample.image].size not in (None, (sample.width, sample.height))]
    if other:
        yield Finding(
            check="images of another size",
            severity="error",
            what=f"{plural(len(other), 'image')} of another size than annotated",
            count=len(other),
            places=tuple(_sizes(sample, files) for sample in other[:MOST_PLACES]),
            advice="annotate the size that the boxes were drawn at, or put the images there that they were drawn on "
            "(--fix scales the boxes where the shape is the same)",
            examples=tuple(
                Example.of(sample, range(len(sample.boxes)), _sizes(sample, files)) for sample in other[:MOST_EXAMPLES]
            ),
        )


def same_frames(samples: Sequence[Sample]) -> Iterator[tuple[Sample, Sample]]:
    """Each sample that has the sequence and frame number of one before it, after that one."""
    first: dict[tuple[str, int], Sample] = {}
    for sample in samples:
        other = first.setdefault((sample.sequence, sample.frame), sample)
        if other is not sample:
            yield other, sample


def check_loose_images(path: Path, files: dict[Path, ImageFile]) -> Iterator[Finding]:
    """The corrupt images below a path whose annotations cannot be read."""
    corrupt = [file.path for file in files.values() if file.problem]
    if corrupt:
        yield Finding(
            check="corrupt images",
            severity="error",
            what=f"{plural(len(corrupt), 'image file')} of {len(files):,} below {path} cannot be decoded",
            count=len(corrupt),
            places=tuple(map(str, corrupt[:MOST_PLACES])),
            advice="fetch or export the files again, or remove them together with their annotations",
        )


def _examine(path: Path, *, fast: bool) -> ImageFile:
    if not path.is_file():
        return ImageFile(path=path, size=None, problem="missing")
    try:
        if fast:
            return ImageFile(path=path, size=read_image_size(path), problem="")
        image, depth = read_with_depth(path)
        content = hashlib.blake2b(path.read_bytes(), digest_size=16).digest()
    except (UserError, OSError):
        return ImageFile(path=path, size=None, problem="corrupt")
    height, width = image.shape[:2]
    difference = difference_hash(image)
    return ImageFile(path=path, size=(width, height), problem="", content=content, difference=difference, depth=depth)


def _sizes(sample: Sample, files: dict[Path, ImageFile]) -> str:
    width, height = files[sample.image].size or (0, 0)
    return f"{sample.image}: {width} x {height}, annotated {sample.width} x {sample.height}"
