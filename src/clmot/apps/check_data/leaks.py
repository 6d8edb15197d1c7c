"""Images that are in two places: the same file, or nearly the same picture, in two splits or sequences.

Within a sequence neighbouring frames look alike, so only images of different sequences are compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from clmot.apps.check_data.findings import MOST_EXAMPLES, Example, Finding, found
from clmot.apps.check_data.images import HASH_BITS, ImageFile
from clmot.structures import Sample

_NEAR = 10
"""Bits of 256 that a saved-again or slightly changed picture may differ in; unrelated photos differ in about 128."""
_BLOCK = 256
"""Images that are compared with all before them at once."""

Parts = Sequence[tuple[Path, Sequence[Sample]]]
"""The checked paths and their samples."""


class Match(NamedTuple):
    """An image and one before it, in another sequence, that it equals or resembles."""

    sample: Sample
    other: Sample
    across_paths: bool


def check_leaks(parts: Parts, files: dict[Path, ImageFile]) -> Iterator[Finding]:
    """The findings about images in two places, among those that were decoded."""
    same = equal_images(parts, files)
    said = {id(match.sample) for match in same}
    alike = [match for match in similar_images(parts, files) if id(match.sample) not in said]
    for check, matches in (
        ("same image in two splits", [match for match in same if match.across_paths]),
        ("same image twice", [match for match in same if not match.across_paths]),
        ("similar images in two splits", [match for match in alike if match.across_paths]),
        ("similar images", [match for match in alike if not match.across_paths]),
    ):
        places = (f"{match.sample.image} = {match.other.image}" for match in matches)
        examples = (
            Example.of(sample, (), f"{number}{letter}: {sample.sequence}, frame {sample.frame}")
            for number, match in enumerate(matches[:MOST_EXAMPLES], 1)
            for letter, sample in (("a", match.other), ("b", match.sample))
        )
        yield from found(check, len(matches), places, examples)


def equal_images(parts: Parts, files: dict[Path, ImageFile]) -> list[Match]:
    """The images whose file is, byte by byte, that of an image before it in another sequence (videos stand still)."""
    first: dict[bytes, tuple[Path, Sample]] = {}
    found = []
    for path, samples in parts:
        for sample in samples:
            if content := files[sample.image].content:
                other_path, other = first.setdefault(content, (path, sample))
                if (other_path, other.sequence) != (path, sample.sequence):
                    found.append(Match(sample, other, other_path != path))
    return found


def similar_images(parts: Parts, files: dict[Path, ImageFile]) -> list[Match]:
    """The images whose difference hash is near that of an image before it in another sequence, but not the same file.

    Of several the nearest is named, one of another path before one of the same.
    """
    members = [
        (path, sample, file)
        for path, samples in parts
        for sample in samples
        if (file := files[sample.image]).difference is not None
    ]
    keys = [((path, sample.sequence), path, file.content) for path, sample, file in members]
    numbers: list[dict[Any, int]] = [{}, {}, {}]
    sequence, path_of, content = (
        np.array([known.setdefault(key, len(known)) for key in column], np.int64)
        for known, column in zip(numbers, zip(*keys, strict=True) if keys else ((),) * 3, strict=True)
    )
    if len(numbers[0]) < 2:
        return []
    # of +1 and -1 the inner product is the number of equal bits less that of different ones
    signs = np.array([file.difference for _, _, file in members], np.float32) * 2 - 1
    found = []
    for start in range(0, len(members), _BLOCK):
        row = np.arange(start, min(start + _BLOCK, len(members)))[:, None]
        before = np.arange(row[-1, 0] + 1)
        distance = (HASH_BITS - signs[row[:, 0]] @ signs[before].T) / 2
        other = (before < row) & (sequence[row] != sequence[before]) & (content[row] != content[before])
        near = other & (distance <= _NEAR)
        distance = np.where(near, distance + _NEAR * (path_of[row] == path_of[before]), np.inf)
        nearest = distance.argmin(axis=1)
        for i in np.flatnonzero(near.any(axis=1)).tolist():
            (path, sample, _), (other_path, twin, _) = members[start + i], members[nearest[i]]
            found.append(Match(sample, twin, path != other_path))
    return found
