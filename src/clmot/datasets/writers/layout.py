"""Where the images of a data set go: folder and file names, and the files themselves."""

from __future__ import annotations

import os
import re
import shutil
from collections import Counter
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Literal

from clmot.errors import UserError, reason_of
from clmot.io.folders import IMAGE_SUFFIXES
from clmot.structures import Dataset, Sample

ImageMode = Literal["link", "copy", "reference"]
"""How images come to the new place: hard links (copies where the file system has none), copies, or pointers to them.

Pointers are absolute paths in annotations that hold paths, symbolic links elsewhere. No image is ever re-encoded.
"""

Progress = Callable[[int, int], None]
"""Called with (images finished, images in all)."""

_UNSAFE = re.compile(r'[\x00-\x1f\x7f\\:*?"<>|\ud800-\udfff]')
_LONGEST = 100
"""Characters of a folder name; file systems take 255 bytes."""


def folder_names(sequences: Iterable[str], *, nested: bool, reserved: Collection[str] = ()) -> dict[str, str]:
    """A relative folder for each sequence: its name, as far as that can be one.

    Args:
        sequences: names of sequences, each as often as it likes.
        nested: whether a slash in a name makes folders in folders; else it becomes ``-``.
        reserved: folder names that mean something to the format; ``img1`` makes any folder a MOTChallenge sequence.

    Returns:
        A different folder for each name, by name, in order of appearance.
    """
    folders: dict[str, str] = {}
    taken: set[str] = set()
    for name in dict.fromkeys(sequences):
        parts = [_safe(part, {"img1", *reserved}) for part in name.split("/") if part] or ["_"]
        folders[name] = _new("/".join(parts) if nested else "-".join(parts), taken)
        taken.add(folders[name])
    return folders


def flat_names(dataset: Dataset, *, reserved: Collection[str] = ()) -> list[str]:
    """File names of the images, for formats that keep no sequences by folder.

    The name is ``<sequence>/<frame>``; where a sequence is a single image, as with photos, its name alone.
    """
    members = Counter(sample.sequence for sample in dataset.samples)
    folders = folder_names(members, nested=True, reserved=reserved)
    names: dict[str, str] = {}
    for sample in dataset.samples:
        name = folders[sample.sequence]
        if members[sample.sequence] > 1:
            name = f"{name}/{sample.frame:06d}"
        else:
            stem, dot, suffix = name.rpartition(".")
            name = stem if f"{dot}{suffix.lower()}" in IMAGE_SUFFIXES and stem.rpartition("/")[2] else name
        name = _new(name, names)
        names[name] = f"{name}{sample.image.suffix.lower()}"
    return list(names.values())


def same_frames(samples: Sequence[Sample]) -> Iterator[tuple[Sample, Sample]]:
    """Each sample that has the sequence and frame number of one before it, after that one."""
    first: dict[tuple[str, int], Sample] = {}
    for sample in samples:
        other = first.setdefault((sample.sequence, sample.frame), sample)
        if other is not sample:
            yield other, sample


def check_frames(dataset: Dataset) -> None:
    """Check that no two images are the same frame, which is what files are named after.

    Raises:
        UserError: two are.
    """
    for other, sample in same_frames(dataset.samples):
        raise UserError(
            f"{sample.image}: frame {sample.frame} of sequence {sample.sequence} is {other.image} already; "
            "number the frames of a sequence differently"
        )


def place_image(source: Path, target: Path, mode: ImageMode) -> None:
    """Bring an image to its new place, whose folder is made if needed.

    Raises:
        UserError: the image is missing or cannot be brought there.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # a link to a link would be no hard link on some systems, and break with the first one on all
        source = source.resolve(strict=True)
        if mode == "reference":
            target.symlink_to(source)
            return
        if mode == "link":
            try:
                os.link(source, target)
                return
            except FileExistsError:
                raise
            except OSError:
                pass  # another file system, or one without hard links
        shutil.copyfile(source, target)
    except OSError as error:
        raise UserError(f"{source}: cannot bring the image to {target}: {reason_of(error)}") from error


def _new(name: str, taken: Container[str]) -> str:
    """The name, with a number behind it if it is taken."""
    candidates = (name if number == 1 else f"{name}-{number}" for number in count(1))
    return next(candidate for candidate in candidates if candidate not in taken)


def _safe(part: str, reserved: Collection[str]) -> str:
    """A folder name: nothing that systems refuse, hide, or take for another folder."""
    safe = _UNSAFE.sub("_", part).strip(" ").rstrip(". ")[:_LONGEST] or "_"
    safe = re.sub(r"^\.", "_", safe)
    return f"{safe}_" if safe in reserved else safe
