"""Readers: one on-disk format a file; `read_dataset` finds out which."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from clmot.data.readers import coco, motchallenge
from clmot.data.readers.formats import Format
from clmot.errors import UserError
from clmot.io import sequences
from clmot.types import Dataset, Sample

__all__ = ["FORMATS", "read_dataset"]

FORMATS: tuple[Format, ...] = (motchallenge.FORMAT, coco.FORMAT)
"""All formats that can be read, in the order in which a path is tried against them."""


def read_dataset(paths: Sequence[Path], *, min_visibility: float = 0.1, identities: bool = False) -> Dataset:
    """Read annotated still images from one or more places into one data set.

    Args:
        paths: each of one of the `FORMATS`: a MOTChallenge sequence folder or folder of sequences, a COCO JSON file or
            a folder that holds exactly one, ...
        min_visibility: boxes less visible than this are ignored, where the annotation says how visible they are.
        identities: keep identities. By default nobody downstream sees any: training from boxes alone.

    Returns:
        Samples ordered by sequence and frame; classes in order of first appearance, joined by name. A sequence name
        that several of the paths use is prefixed with its path.

    Raises:
        UserError: a path is missing, empty or of neither format; annotations are faulty; an image comes twice; there
            is no box at all.
    """
    if not paths:
        raise UserError("no data given; name folders or COCO JSON files")
    parts = [(path, _read(path, min_visibility)) for path in paths]
    classes = tuple(dict.fromkeys(name for _, part in parts for name in part.classes))
    skipped = sum((part.skipped for _, part in parts), Counter[str]())
    users = Counter(name for _, part in parts for name in {sample.sequence for sample in part.samples})
    samples: list[Sample] = []
    origin: dict[str, Path] = {}
    for path, part in parts:
        class_map = np.array([classes.index(name) for name in part.classes], np.int64)
        for sample in part.samples:
            image = os.path.abspath(sample.image)
            if image in origin:
                raise UserError(f"{path}: {sample.image} comes from {origin[image]} already; give each image once")
            origin[image] = path
            sequence = sample.sequence if users[sample.sequence] == 1 else f"{path}/{sample.sequence}"
            sample = replace(sample, sequence=sequence, classes=class_map[sample.classes])
            samples.append(sample if identities else sample.without_identities())
    if not any((~sample.ignore).any() for sample in samples):
        reasons = ", ".join(f"{reason}: {count}" for reason, count in sorted(skipped.items()) if count)
        raise UserError(
            f"{', '.join(map(str, paths))}: no boxes to train on in {len(samples)} images"
            + (f" (left out: {reasons})" if reasons else "")
        )
    samples.sort(key=lambda sample: (sample.sequence, sample.frame))
    return Dataset(samples=tuple(samples), classes=classes, skipped=+skipped)


def _read(path: Path, min_visibility: float) -> Dataset:
    """The data set at one path, identities included."""
    for each in FORMATS:
        if path.exists() and each.matches(path):
            return each.read(path, min_visibility)
    expected = f"expected {sequences.EXPECTED}, or {coco.EXPECTED}"
    if not path.is_dir():
        what = "not a folder or .json file" if path.exists() else "no such file or folder"
        raise UserError(f"{path}: {what}; {expected}")
    raise UserError(f"{path}: no data set here ({sequences.describe_folder(path)}); {expected}")
