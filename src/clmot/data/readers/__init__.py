"""Readers: one on-disk format a file; `read_dataset` finds out which."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from clmot.data.readers import (
    bdd100k,
    citypersons,
    coco,
    crowdhuman,
    cvat,
    hieve,
    jde,
    kitti,
    labelme,
    labelstudio,
    motchallenge,
    panda,
    prw,
    visdrone,
    voc,
    yolo,
)
from clmot.data.readers.formats import Format
from clmot.errors import UserError, did_you_mean
from clmot.io import sequences
from clmot.types import Dataset, Sample

__all__ = ["FORMATS", "format_named", "read_dataset"]

FORMATS: tuple[Format, ...] = (
    motchallenge.FORMAT,
    crowdhuman.FORMAT,
    crowdhuman.VISIBLE_FORMAT,
    jde.FORMAT,
    kitti.FORMAT,
    visdrone.FORMAT,
    bdd100k.FORMAT,
    citypersons.FORMAT,
    prw.FORMAT,
    hieve.FORMAT,
    panda.FORMAT,
    cvat.FORMAT,
    voc.FORMAT,
    yolo.FORMAT,
    labelme.FORMAT,
    labelstudio.FORMAT,
    coco.FORMAT,
)
"""All formats that can be read, in the order in which a path is tried against them.

COCO comes last: any JSON file and any folder with one looks like it.
"""


def read_dataset(
    paths: Sequence[Path], *, min_visibility: float = 0.1, identities: bool = False, format: str = "auto"
) -> Dataset:
    """Read annotated still images from one or more places into one data set.

    Args:
        paths: each of one of the `FORMATS`: a MOTChallenge sequence folder or folder of sequences, a COCO JSON file or
            a folder that holds exactly one, ...
        min_visibility: boxes less visible than this are ignored, where the annotation says how visible they are.
        identities: keep identities. By default nobody downstream sees any: training from boxes alone.
        format: name of the one of `FORMATS` that all paths are of; ``auto`` finds out for each.

    Returns:
        Samples ordered by sequence and frame; classes in order of first appearance, joined by name. A sequence name
        that several of the paths use is prefixed with its path.

    Raises:
        UserError: a path is missing, empty or of no known format; no format has the name; annotations are faulty; an
            image comes twice; there is no box at all.
    """
    if not paths:
        raise UserError("no data given; name folders or COCO JSON files")
    chosen = None if format == "auto" else format_named(format)
    parts = [(path, _read(path, min_visibility, chosen)) for path in paths]
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


def format_named(name: str) -> Format:
    """The one of `FORMATS` with a name.

    Raises:
        UserError: none has it (with the nearest that there is).
    """
    by_name = {each.name: each for each in FORMATS}
    if name not in by_name:
        raise UserError(f"unknown format '{name}'{did_you_mean(name, by_name)}; known: auto, {', '.join(by_name)}")
    return by_name[name]


def _read(path: Path, min_visibility: float, chosen: Format | None) -> Dataset:
    """The data set at one path, identities included."""
    for each in (chosen,) if chosen else FORMATS:
        if path.exists() and (each is chosen or each.matches(path)):
            return each.read(path, min_visibility)
    if chosen:
        raise UserError(f"{path}: no such file or folder")
    expected = f"expected {sequences.EXPECTED}, or {coco.EXPECTED}, or what else 'clmot data list' shows"
    if not path.is_dir():
        what = "not a file of a known format" if path.exists() else "no such file or folder"
        raise UserError(f"{path}: {what}; {expected}")
    raise UserError(f"{path}: no data set here ({sequences.describe_folder(path)}); {expected}")
