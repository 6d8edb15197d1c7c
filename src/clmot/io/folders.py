"""What a folder holds: images in natural order, folders, and all of it in a few words."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})
"""Kinds of files that are read as images, one image each."""
_IMAGE_ENDS = tuple(IMAGE_SUFFIXES)


def natural_order(path: Path) -> list[tuple[int, int, str]]:
    """Sort key under which ``frame2`` comes before ``frame10``."""
    parts = re.split(r"(\d+)", path.name.casefold())
    return [(0, int(part), part) if part.isdecimal() else (1, 0, part) for part in parts if part]


def is_image(name: str) -> bool:
    """Whether a file of that name is read as an image, which hidden ones are not."""
    return name.lower().endswith(_IMAGE_ENDS) and not name.startswith(".")


def images_in(folder: Path) -> list[Path]:
    """The image files in a folder that are not hidden, in natural order; none where there is no such folder."""
    names = filter(is_image, os.listdir(folder)) if folder.is_dir() else ()
    return sorted((folder / name for name in names), key=natural_order)


def images_below(folder: Path) -> Iterator[Path]:
    """The images of a folder and of all below it, hidden ones aside, each folder's in natural order."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from sorted((Path(place, name) for name in names if is_image(name)), key=natural_order)


def folders_in(path: Path) -> list[Path]:
    """The folders in a folder that are not hidden, by name; none where there is no such folder."""
    if not path.is_dir():
        return []
    with os.scandir(path) as children:
        names = [child.name for child in children if child.is_dir() and not child.name.startswith(".")]
    return [path / name for name in sorted(names)]


def describe_folder(path: Path) -> str:
    """``found a, b, c, d and 3 more``, ``it is empty`` or ``no such folder``."""
    if not path.is_dir():
        return "no such folder"
    names = sorted(child.name + "/" * child.is_dir() for child in path.iterdir())
    if not names:
        return "it is empty"
    return f"found {', '.join(names[:4])}" + f" and {len(names) - 4} more" * (len(names) > 4)


def cache_folder() -> Path:
    """Where the user keeps what can be made again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "clmot"
