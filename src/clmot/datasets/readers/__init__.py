"""Readers: one on-disk format a file; `read_dataset` finds out which."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from clmot.datasets.box_weights import weigh_by_score
from clmot.datasets.describe import summary_lines
from clmot.datasets.join import join
from clmot.datasets.mix import SUFFIXES as YAML_SUFFIXES
from clmot.datasets.mix import Entry, is_mix, read_mix
from clmot.datasets.readers import (
    annotated_video,
    bdd100k,
    coco,
    coco_records,
    crowdhuman,
    cvat,
    detections,
    jde,
    kitti,
    labelme,
    labelstudio,
    motchallenge,
    panda,
    visdrone,
    voc,
    yolo,
)
from clmot.datasets.readers.formats import Format
from clmot.datasets.readers.places import ANNOTATION_FOLDERS, not_read, split_folders
from clmot.errors import UserError, did_you_mean, plural, told_of_disks, told_of_numbers
from clmot.io import mot_sequences as sequences
from clmot.io.folders import describe_folder, folders_in
from clmot.io.paths import Paths, as_paths
from clmot.structures import Dataset

__all__ = ["FORMATS", "format_named", "read_dataset", "recognise"]

_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".7z", ".rar")

_log = logging.getLogger(__name__)

MIX = Format(
    name="mix",
    title="A mix: a YAML list of data sets, each with its split, classes and weight",
    tree="""a file of entries, each a path with what is to be different:
- path: MOT17/train
  format: auto
  split: all, first-half, second-half, {every: 5}, or a text file of images
  classes: [names to keep], or {old name: new name}
  weight: 1
  identities: true
  min_score: 0.4""",
    licence="",
    home="https://yaml.org/spec/1.2.2",
    matches=is_mix,
    read=lambda path, min_visibility: _read_mix(path, min_visibility, None),
)

FORMATS: tuple[Format, ...] = (
    motchallenge.FORMAT,
    crowdhuman.FORMAT,
    crowdhuman.VISIBLE_FORMAT,
    jde.FORMAT,
    kitti.FORMAT,
    visdrone.FORMAT,
    bdd100k.FORMAT,
    panda.FORMAT,
    annotated_video.FORMAT,
    cvat.FORMAT,
    voc.FORMAT,
    yolo.FORMAT,
    labelme.FORMAT,
    labelstudio.FORMAT,
    MIX,
    detections.FORMAT,
    coco.FORMAT,
)
"""All formats that can be read, in the order in which a path is tried against them.

COCO comes last: any JSON file and any folder with one looks like it.
"""


@told_of_disks()
def read_dataset(
    paths: Paths,
    *,
    min_visibility: float = 0.1,
    min_score: float | None = None,
    identities: bool = False,
    format: str = "auto",
) -> Dataset:
    """Read annotated images from one or more places into one data set.

    Args:
        paths: one or several, each of one of the `FORMATS`: a MOTChallenge sequence folder or folder of sequences, a
            COCO JSON file or a folder that holds exactly one, a mix of several data sets (`clmot.datasets.mix`), ...;
            or a folder of splits, of which the training split is read.
        min_visibility: boxes less visible than this are ignored, where the annotation says how visible they are.
        min_score: the least score of an object, where a detector found the boxes (`clmot.datasets.box_weights`).
        identities: keep identities. By default nobody downstream sees any: training from boxes alone.
        format: name of the one of `FORMATS` that all paths are of; ``auto`` finds out for each.

    Returns:
        All of them joined as `clmot.datasets.join` does. What was read is logged (`clmot.datasets.describe`).

    Raises:
        UserError: a path is missing, empty or of no known format; no format has the name; annotations are faulty; an
            image comes twice; there is no box at all; scores say nothing without a `min_score`.

    Examples:
        >>> dataset = clmot.read_dataset(["boxes.json"])
        >>> boxes = dataset.samples[0].boxes
    """
    paths = as_paths(paths)
    if not paths:
        raise UserError("no data given; name folders or COCO JSON files")
    chosen = _chosen(format)
    whole = join([(path, _read(path, min_visibility, chosen, min_score)) for path in paths])
    samples = whole.samples if identities else tuple(sample.without_identities() for sample in whole.samples)
    if not any((~sample.ignore).any() for sample in samples):
        reasons = ", ".join(f"{reason}: {count}" for reason, count in sorted(whole.skipped.items()) if count)
        raise UserError(
            f"{', '.join(map(str, paths))}: no boxes to train on in {plural(len(samples), 'image')}"
            + (f" (left out: {reasons})" if reasons else "")
        )
    weights = whole.weights
    if weights is not None and (weights == weights[0]).all():
        weights = None
    dataset = replace(whole, samples=samples, skipped=+whole.skipped, weights=weights)
    for line in summary_lines(dataset):
        _log.info("%s", line)
    return dataset


def format_named(name: str) -> Format:
    """The one of `FORMATS` with a name.

    Raises:
        UserError: none has it (with the nearest that there is).
    """
    by_name = {each.name: each for each in FORMATS}
    if name not in by_name:
        raise UserError(f"unknown format '{name}'{did_you_mean(name, by_name)}; known: auto, {', '.join(by_name)}")
    return by_name[name]


def _chosen(name: str) -> Format | None:
    return None if name == "auto" else format_named(name)


def _read_mix(path: Path, min_visibility: float, min_score: float | None) -> Dataset:
    """A mix, the boxes of each of its parts weighed by the scores of that part."""

    def read(entry: Entry) -> Dataset:
        least = min_score if entry.min_score is None else entry.min_score
        return _read(entry.path, min_visibility, _chosen(entry.format), least)

    return read_mix(path, read)


def recognise(path: Path, name: str = "auto") -> tuple[Format, Path] | None:
    """The format of a path and the place that it is read from; None where it is of no known one.

    Where a folder is none but it, or its folder of annotations, holds those of splits (``train``, ``valid``, ``test``),
    the first of them that is one is read, training before validation before test. The only folder in a folder is read
    in its place.

    Args:
        path: the file or folder.
        name: of the one format that it may be of; ``auto`` for any.

    Raises:
        UserError: no format has the name, or the path is of several data sets.
    """
    formats = FORMATS if name == "auto" else (format_named(name),)
    inside = [child for child in folders_in(path) if child.name.lower() in ANNOTATION_FOLDERS]
    splits = [each for folder in (path, *inside) for each in split_folders(folder).values()]
    for place in (path, *splits):
        for each in formats:
            if place.exists() and each.matches(place):
                return each, place
    below = folders_in(path)
    if len(below) == 1 and below[0] not in splits and (found := recognise(below[0])):
        return found if found[0] in formats else (formats[0], path)
    return (formats[0], path) if name != "auto" and path.exists() else None


def _read(path: Path, min_visibility: float, chosen: Format | None, min_score: float | None) -> Dataset:
    """The data set at one path, identities included."""
    found = recognise(path, chosen.name if chosen else "auto")
    if found:
        format, place = found
        if format is MIX:
            return _read_mix(path, min_visibility, min_score)
        with told_of_numbers(place):
            dataset = weigh_by_score(format.read(place, min_visibility), min_score, place)
        notes = [f"{path}: {format.name}", *dataset.notes]
        if place != path:
            splits = [folder.name for folder in split_folders(place.parent).values()]
            others = [name for name in splits if name != place.name]
            what = f"split {place.name}" if place.name in splits else f"in {place.relative_to(path)}"
            notes.append(what + not_read(others))
        return replace(dataset, notes=(", ".join(notes),))
    if chosen:
        raise UserError(f"{path}: no such file or folder")
    if path.suffix.lower() in YAML_SUFFIXES and path.is_file():
        raise UserError(
            f"{path}: neither a mix (a YAML list whose entries start with '- path: ...') nor a YOLO data.yaml (with "
            "'names' and 'train')"
        )
    expected = f"expected {sequences.EXPECTED}, or {coco_records.EXPECTED}, or what else 'clmot data list' shows"
    if not path.is_dir():
        what = "not a file of a known format" if path.exists() else "no such file or folder"
        if path.suffix.lower() in _ARCHIVES and path.exists():
            what, expected = "an archive", "unpack it, and name the folder"
        raise UserError(f"{path}: {what}; {expected}")
    raise UserError(f"{path}: no data set here ({describe_folder(path)}); {expected}")
