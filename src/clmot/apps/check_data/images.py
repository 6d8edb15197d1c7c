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

from clmot.apps.check_data.findings import Example, Finding, found
from clmot.apps.check_data.kinds import KINDS
from clmot.datasets.writers.layout import same_frames
from clmot.errors import UserError
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
    for problem in ("missing", "corrupt"):
        paths = [sample.image for sample in samples if files[sample.image].problem == problem]
        yield from found(f"{problem} images", len(paths), paths, total=len(samples))
    yield from _deep_images([sample.image for sample in samples if files[sample.image].depth], files)
    again = [second for _, second in same_frames(samples)]
    places = (f"{sample.image} (frame {sample.frame})" for sample in again)
    yield from found("frame numbers given twice", len(again), places)
    other = [sample for sample in samples if files[sample.image].size not in (None, (sample.width, sample.height))]
    yield from found(
        "images of another size",
        len(other),
        (_sizes(sample, files) for sample in other),
        (Example.of(sample, range(len(sample)), _sizes(sample, files)) for sample in other),
    )


def _deep_images(images: Sequence[Path], files: dict[Path, ImageFile]) -> Iterator[Finding]:
    by_depth: dict[str, list[Path]] = {}
    for image in images:
        by_depth.setdefault(files[image].depth, []).append(image)
    check = "images of more than 8 bits"
    kind = KINDS[check] if len(by_depth) == 1 else KINDS[check]._replace(severity="warning")
    places = (f"{paths[0]}: {depth}" for depth, paths in by_depth.items())
    depths = "; ".join(f"{len(paths):,} {depth}" for depth, paths in by_depth.items())
    return found(check, len(images), places, kind=kind, depths=depths)


def check_loose_images(files: Sequence[ImageFile]) -> Iterator[Finding]:
    """The corrupt images below a path whose annotations cannot be read."""
    corrupt = [file.path for file in files if file.problem]
    return found("corrupt images", len(corrupt), corrupt, total=len(files))


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
