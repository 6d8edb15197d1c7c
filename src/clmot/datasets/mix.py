"""A mix: data sets that are trained on together, each with its part, classes and weight, listed in a YAML file.

.. code-block:: yaml

    - path: MOT17/train          # relative to this file; of any format, another mix too
      split: first-half          # all (the default), first-half, second-half, {every: 5}, or a text file of images
    - path: crowdhuman/annotation_train.odgt
      classes: [person]          # names to keep; or old name: new name (0: person), to rename and to join
      weight: 0.5                # a frame is drawn half as often as one of weight 1
    - path: export
      format: coco               # auto (the default) finds out
      identities: false          # as if they were not annotated
    - path: detections.json
      min_score: 0.6             # the least score of an object, instead of data.min_score

Identities are for the caller to ask for (``data.identities``), an entry can only drop them: ``identities: true`` says
what is the default, and a call that does not ask for any gets none, whatever a mix says.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import yaml

from clmot.config import parse_yaml
from clmot.datasets import splits
from clmot.datasets.join import join
from clmot.errors import UserError, did_you_mean, told_of_disks
from clmot.io.text import head_of, read_lines, read_text
from clmot.structures import Dataset, Sample

SUFFIXES = (".yaml", ".yml")

_SPLITS: dict[str, Callable[[list[Sample]], list[Sample]]] = {
    "all": list,
    "first-half": splits.first_half,
    "second-half": splits.second_half,
}


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One data set of a mix.

    Attributes:
        where: file and entry number, for messages.
        path: of the data set.
        format: its name, or ``auto``.
        split: ``all``, ``first-half`` or ``second-half``; n, for every n-th frame of each sequence; or a text file of
            images, one a line.
        classes: the classes to keep and what they are called in the mix; None keeps all.
        weight: how often a frame is drawn relative to those of other entries.
        identities: whether known identities are kept.
        min_score: the least score of an object, where a detector found the boxes; None leaves it to the caller.
    """

    where: str
    path: Path
    format: str = "auto"
    split: str | int | Path = "all"
    classes: dict[str, str] | None = None
    weight: float = 1.0
    identities: bool = True
    min_score: float | None = None


KEYS = ("path", "format", "split", "classes", "weight", "identities", "min_score")
"""What an entry may say."""


def read_mix(path: Path, read: Callable[[Entry], Dataset]) -> Dataset:
    """Read all data sets of a mix into one.

    Args:
        path: the YAML file.
        read: gives the whole data set that an entry names, with identities, as its `format` and `min_score` say.

    Returns:
        As `join` makes it, with the weights of the entries; those of a mix in a mix multiply.

    Raises:
        UserError: an entry is faulty (with its number), a data set cannot be read, a part of one is empty, a mix
            contains itself.
    """
    _refuse_cycles(path, ())
    parts = []
    for entry in entries(path):
        try:
            dataset = read(entry)
        except UserError as error:
            raise UserError(f"{entry.where}: {error}") from error
        parts.append((entry.path, _part(entry, dataset)))
    return join(parts)


def is_mix(path: Path) -> bool:
    """Whether a path is a YAML file with a list at its top, as far as its beginning tells."""
    if path.suffix.lower() not in SUFFIXES or not path.is_file():
        return False
    try:
        # the first events are those of the stream, the document and the node at its top
        for event in yaml.parse(head_of(path), yaml.SafeLoader):
            if isinstance(event, yaml.NodeEvent):
                return isinstance(event, yaml.SequenceStartEvent)
    except yaml.YAMLError:
        pass
    return False


@told_of_disks()
def entries(path: Path) -> list[Entry]:
    """The entries of a mix.

    Raises:
        UserError: the file cannot be read, is no YAML (with the line), holds no list or a faulty entry.
    """
    content = parse_yaml(read_text(path, "the mix"), path)
    if not isinstance(content, list):
        raise UserError(f"{path}: a mix is a list; start each of its entries with '- path: ...'")
    if not content:
        raise UserError(f"{path}: a mix without an entry; add one that starts with '- path: ...'")
    return [_entry(item, f"{path}: entry {number}", path.parent) for number, item in enumerate(content, 1)]


def _entry(item: Any, where: str, folder: Path) -> Entry:
    if not isinstance(item, dict):
        raise UserError(f"{where}: expected keys such as 'path: ...', got {item!r}")
    for key in item:
        if key not in KEYS:
            raise UserError(f"{where}: unknown key '{key}'{did_you_mean(str(key), KEYS)}; known: {', '.join(KEYS)}")

    def value(key: str, kind: type, default: Any, expected: str) -> Any:
        found = item.get(key, default)
        if not isinstance(found, kind) or (kind is not bool and isinstance(found, bool)):
            raise UserError(f"{where}: '{key}' is {found!r}, expected {expected}")
        return found

    path = value("path", str, None, "a file or folder")
    weight = value("weight", int | float, 1.0, "a number > 0")  # type: ignore[arg-type]
    if not (math.isfinite(weight) and weight > 0):
        raise UserError(f"{where}: 'weight' is {weight!r}, expected a number > 0; take out what is not to be drawn")
    min_score = value("min_score", int | float | None, None, "a number")  # type: ignore[arg-type]
    if min_score is not None and not math.isfinite(min_score):
        raise UserError(f"{where}: 'min_score' is {min_score!r}, expected a number")
    return Entry(
        where=where,
        path=folder / path,
        format=value("format", str, "auto", "the name of a format"),
        split=_split(item.get("split", "all"), where, folder),
        classes=_classes(item.get("classes"), where),
        weight=float(weight),
        identities=value("identities", bool, True, "true or false"),
        min_score=min_score,
    )


def _split(value: Any, where: str, folder: Path) -> str | int | Path:
    if isinstance(value, dict) and list(value) == ["every"]:
        n = value["every"]
        if isinstance(n, int) and not isinstance(n, bool) and n >= 1:
            return n
        raise UserError(f"{where}: 'every' is {n!r}, expected a whole number >= 1")
    if isinstance(value, str):
        if value in _SPLITS:
            return value
        if (folder / value).is_file():
            return folder / value
    known = f"{', '.join(_SPLITS)}, {{every: 5}} or a text file of images"
    hint = did_you_mean(value, _SPLITS) if isinstance(value, str) else ""
    raise UserError(f"{where}: 'split' is {value!r}{hint}, expected {known}")


def _classes(value: Any, where: str) -> dict[str, str] | None:
    if value is None:
        return None
    kept = [(name, name) for name in value] if isinstance(value, list) else []
    # classes without names are numbers, which YAML does not take for text
    pairs = list(value.items() if isinstance(value, dict) else kept)
    names = [(str(old) if type(old) is int else old, str(new) if type(new) is int else new) for old, new in pairs]
    if not names or not all(isinstance(name, str) and name for pair in names for name in pair):
        raise UserError(f"{where}: 'classes' is {value!r}, expected a list of names or old names with new ones")
    return dict(names)


def _refuse_cycles(path: Path, inside: tuple[Path, ...]) -> None:
    inside = (*inside, path.resolve())
    for entry in entries(path):
        if entry.path.resolve() in inside:
            raise UserError(f"{entry.where}: {entry.path} is this mix or one that it is in; a mix cannot hold itself")
        if is_mix(entry.path):
            _refuse_cycles(entry.path, inside)


def _part(entry: Entry, dataset: Dataset) -> Dataset:
    """What an entry takes of its data set."""
    if dataset.weights is not None:
        # a split may reorder samples: their weights go along by image
        weight_of = dict(zip((sample.image for sample in dataset.samples), dataset.weights, strict=True))
    samples = list(dataset.samples)
    if isinstance(entry.split, Path):
        samples = _listed(samples, entry)
    elif isinstance(entry.split, int):
        samples = splits.every_nth(samples, entry.split)
    else:
        samples = _SPLITS[entry.split](samples)
    if not samples:
        raise UserError(f"{entry.where}: no image is left of {entry.path} (split {entry.split})")
    weights = np.full(len(samples), entry.weight)
    if dataset.weights is not None:
        weights *= [weight_of[sample.image] for sample in samples]
    if not entry.identities:
        samples = [sample.without_identities() for sample in samples]
    part = replace(dataset, samples=samples, weights=weights)
    return part if entry.classes is None else _with_classes(part, entry.classes, entry.where)


def _with_classes(dataset: Dataset, names: dict[str, str], where: str) -> Dataset:
    """Some of the classes under new names; boxes to ignore are kept, whatever they are of."""
    for name in names:
        if name not in dataset.classes:
            known = ", ".join(dataset.classes)
            raise UserError(f"{where}: no class '{name}'{did_you_mean(name, dataset.classes)} there; it has {known}")
    classes = tuple(dict.fromkeys(names.values()))
    class_map = np.array([classes.index(names[name]) if name in names else -1 for name in dataset.classes], np.int64)
    samples, left_out = [], 0
    for sample in dataset.samples:
        new = class_map[sample.classes]
        keep = (new >= 0) | sample.ignore
        left_out += int((~keep).sum())
        # a region to ignore masks every class alike, so any class will do
        samples.append(replace(sample, classes=np.maximum(new, 0)).take(keep))
    skipped = dataset.skipped + Counter({"class not in the mix": left_out})
    return replace(dataset, samples=samples, classes=classes, skipped=skipped)


def _listed(samples: list[Sample], entry: Entry) -> list[Sample]:
    """The samples whose images a text file names, each by its path or the end of it, ordered as they were."""
    assert isinstance(entry.split, Path)
    file = entry.split
    try:
        lines = read_lines(file, "a list of images")
    except UserError as error:
        raise UserError(f"{entry.where}: {error}") from error
    by_name: dict[str, list[int]] = {}
    for i, sample in enumerate(samples):
        by_name.setdefault(sample.image.name, []).append(i)
    chosen: set[int] = set()
    for number, line in lines:
        parts = PurePosixPath(line.replace("\\", "/")).parts
        while parts and parts[0] == "..":
            parts = parts[1:]
        if not parts:
            continue
        found = [i for i in by_name.get(parts[-1], []) if samples[i].image.absolute().parts[-len(parts) :] == parts]
        if len(found) != 1:
            what = "names several images; write more of the path" if found else f"is no image of {entry.path}"
            raise UserError(f"{file}:{number}: '{line}' {what}")
        chosen.add(found[0])
    return [sample for i, sample in enumerate(samples) if i in chosen]
