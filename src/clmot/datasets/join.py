"""Several data sets as one: classes joined by name, sequences told apart, no image twice."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from clmot.errors import UserError
from clmot.structures import Dataset, Sample

_log = logging.getLogger(__name__)


def join(parts: Sequence[tuple[Path, Dataset]]) -> Dataset:
    """One data set of several, each with the path that it was read from.

    Args:
        parts: with their identities, as read; one path may come several times, with different frames.

    Returns:
        Samples ordered by sequence and frame; classes in order of first appearance. A sequence name that stands for
        different sequences is prefixed with the path. Sequences of one name whose images lie in one folder are one
        sequence, in whatever parts its frames come: the frames of its two halves may show the same people.

    Raises:
        UserError: an image comes twice.
    """
    _warn_of_numbers(parts)
    classes = tuple(dict.fromkeys(name for _, part in parts for name in part.classes))
    places: list[dict[str, str]] = []
    users: dict[str, dict[str, Path]] = {}
    for path, part in parts:
        first_images = {sample.sequence: sample.image for sample in reversed(part.samples)}
        places.append({name: os.path.abspath(image.parent) for name, image in first_images.items()})
        for name, place in places[-1].items():
            users.setdefault(name, {}).setdefault(place, path)
    samples: list[Sample] = []
    origin: dict[str, Path] = {}
    for (path, part), place_of in zip(parts, places, strict=True):
        class_map = np.array([classes.index(name) for name in part.classes], np.int64)
        for sample in part.samples:
            image = os.path.abspath(sample.image)
            if image in origin:
                raise UserError(f"{path}: {sample.image} comes from {origin[image]} already; give each image once")
            origin[image] = path
            name = sample.sequence
            if len(users[name]) > 1:
                name = f"{users[name][place_of[name]]}/{name}"
            samples.append(replace(sample, sequence=name, classes=class_map[sample.classes]))
    order = sorted(range(len(samples)), key=lambda i: (samples[i].sequence, samples[i].frame))
    weights = None
    if any(part.weights is not None for _, part in parts):
        weights = np.concatenate(
            [np.ones(len(part.samples)) if part.weights is None else part.weights for _, part in parts]
        )[order]
    return Dataset(
        samples=tuple(samples[i] for i in order),
        classes=classes,
        skipped=sum((part.skipped for _, part in parts), Counter[str]()),
        weights=weights,
        notes=tuple(note for _, part in parts for note in part.notes),
    )


def _warn_of_numbers(parts: Sequence[tuple[Path, Dataset]]) -> None:
    """Say which parts name their classes by number, where others have names: of one kind, they count as two."""
    names = [name for _, part in parts for name in part.classes if not name.isdecimal()]
    for path, part in parts if names else ():
        if part.classes and all(name.isdecimal() for name in part.classes):
            _log.warning(
                "%s: its classes have no names and count as others than %s; if they are not, say so in a mix: "
                "{path: %s, classes: {%s: %s}}",
                path,
                ", ".join(dict.fromkeys(names)),
                path,
                part.classes[0],
                names[0],
            )
