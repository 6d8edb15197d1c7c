"""Images that are in two places: the same file, or nearly the same picture, in two splits or sequences.

Within a sequence neighbouring frames look alike, so only images of different sequences are compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clmot.apps.check_data.findings import MOST_EXAMPLES, Example, Finding, found
from clmot.apps.check_data.images import HASH_BITS, ImageFile
from clmot.structures import Sample

_NEAR = 10
"""Bits of 256 that a saved-again or slightly changed picture may differ in; unrelated photos differ in about 128."""
_BLOCK = 2048


@dataclass(frozen=True, kw_only=True, eq=False)
class Match:
    """An image and one before it, in another sequence, that it equals or resembles."""

    sample: Sample
    path: Path
    other: Sample
    other_path: Path

    @property
    def across_paths(self) -> bool:
        """Whether the two come from different ones of the checked paths."""
        return self.path != self.other_path


def check_leaks(parts: Sequence[tuple[Path, Sequence[Sample]]], files: dict[Path, ImageFile]) -> Iterator[Finding]:
    """The findings about images in two places.

    Args:
        parts: the checked paths and their samples.
        files: what is known of the images; leaks are found among those that were decoded.
    """
    same = equal_images(parts, files)
    said = {id(match.sample) for match in same}
    alike = [match for match in similar_images(parts, files) if id(match.sample) not in said]
    for matches, kind in ((same, "same image"), (alike, "similar images")):
        for across in (True, False):
            where = " in two splits" if across else "" if kind == "similar images" else " twice"
            chosen = [match for match in matches if match.across_paths == across]
            places = (f"{match.sample.image} = {match.other.image}" for match in chosen)
            yield from found(kind + where, len(chosen), places, _both(chosen[:MOST_EXAMPLES]))


def _both(matches: Sequence[Match]) -> list[Example]:
    return [
        Example.of(sample, (), f"{number}{letter}: {sample.sequence}, frame {sample.frame}")
        for number, match in enumerate(matches, 1)
        for letter, sample in (("a", match.other), ("b", match.sample))
    ]


def equal_images(parts: Sequence[tuple[Path, Sequence[Sample]]], files: dict[Path, ImageFile]) -> list[Match]:
    """The images whose file is, byte by byte, that of an image before it in another sequence (videos stand still)."""
    first: dict[bytes, tuple[Path, Sample]] = {}
    found = []
    for path, samples in parts:
        for sample in samples:
            key = files[sample.image].content
            if not key:
                continue
            other_path, other = first.setdefault(key, (path, sample))
            if (other_path, other.sequence) != (path, sample.sequence):
                found.append(Match(sample=sample, path=path, other=other, other_path=other_path))
    return found


def similar_images(parts: Sequence[tuple[Path, Sequence[Sample]]], files: dict[Path, ImageFile]) -> list[Match]:
    """The images whose difference hash is near that of an image before it in another sequence, but not the same file.

    Of several the nearest is named, one of another path before one of the same.
    """
    members = [
        (path, sample, file.difference)
        for path, samples in parts
        for sample in samples
        if (file := files[sample.image]).difference is not None
    ]
    if not members:
        return []
    sequences: dict[tuple[Path, str], int] = {}
    paths: dict[Path, int] = {}
    sequence = np.array([sequences.setdefault((path, each.sequence), len(sequences)) for path, each, _ in members])
    path_of = np.array([paths.setdefault(path, len(paths)) for path, _, _ in members])
    contents: dict[bytes, int] = {}
    content = np.array([contents.setdefault(files[each.image].content, len(contents)) for _, each, _ in members])
    if len(sequences) < 2:
        return []
    # of +1 and -1 the inner product is the number of equal bits less that of different ones
    signs = np.stack([bits for _, _, bits in members]).astype(np.float32) * 2 - 1
    found = []
    for start in range(0, len(members), _BLOCK):
        rows = slice(start, start + _BLOCK)
        best = np.full(len(signs[rows]), np.inf)
        nearest = np.zeros(len(best), np.int64)
        for other in range(0, start + 1, _BLOCK):
            columns = slice(other, other + _BLOCK)
            distance: npt.NDArray[np.float64] = ((HASH_BITS - signs[rows] @ signs[columns].T) / 2).astype(np.float64)
            distance[sequence[rows, None] == sequence[None, columns]] = np.inf
            distance[content[rows, None] == content[None, columns]] = np.inf
            distance[np.arange(start, start + len(best))[:, None] <= np.arange(other, other + distance.shape[1])] = (
                np.inf
            )
            distance[distance > _NEAR] = np.inf
            distance += _NEAR * (path_of[rows, None] == path_of[None, columns])
            closest = distance.argmin(axis=1)
            value = distance[np.arange(len(best)), closest]
            nearest = np.where(value < best, closest + other, nearest)
            best = np.minimum(best, value)
        for i in np.flatnonzero(np.isfinite(best)).tolist():
            (path, sample, _), (other_path, twin, _) = members[start + i], members[nearest[i]]
            found.append(Match(sample=sample, path=path, other=twin, other_path=other_path))
    return found
