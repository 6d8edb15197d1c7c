"""Labels as JDE and FairMOT take them (Wang et al. 2020, arXiv:1909.12605): one text file an image.

``labels_with_ids/0001.txt`` belongs to ``images/0001.jpg``, in whatever folders below the two. Each line holds class,
identity (-1: unknown), centre x, centre y, width and height, the last four as shares of the image's size. Lists
(``caltech.train``) name one image a line. Caltech Pedestrian, CityPersons, CUHK-SYSU, PRW and ETHZ exist in this form:
FairMOT's data zoo (https://github.com/ifzhang/FairMOT#data-preparation).
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from clmot import boxes as box
from clmot.datasets.readers.assembly import Frame
from clmot.datasets.readers.collector import Collector
from clmot.datasets.readers.formats import Format
from clmot.datasets.readers.places import leads_out
from clmot.datasets.readers.yolo_rows import LARGEST_SHARE
from clmot.errors import UserError
from clmot.io.folders import images_below
from clmot.io.image_size import read_image_size
from clmot.io.number_table import read_numbers
from clmot.io.text import read_lines
from clmot.structures import Dataset, Float64Array, Int64Array

_COLUMNS = ("class", "identity", "x_center", "y_center", "width", "height")
_IMAGES, _LABELS = "images", "labels_with_ids"
_LIST_SUFFIXES = (".train", ".val", ".test", ".half")


def read_jde(path: Path) -> Dataset:
    """Read a list of images, or all labelled images of a folder, identities included.

    Images that share a folder below ``images`` are one sequence (``img1`` at its end left out), because the same
    person may be in several of them: an identity is a person of the sequence. Frames are numbered by the number that
    ends the image name, or by their order where these numbers repeat. An image whose label file is empty has nothing
    in it; an image without label file, or one that is not there, is left out and counted.

    Class 0 is ``person``, as in every data set published in this form; the format knows no other names.

    Args:
        path: a list file, the paths in it absolute or relative to its own folder or any folder above; or a folder
            that holds ``labels_with_ids`` at most two levels down.

    Raises:
        UserError: nothing there; no listed image is there; a label file is faulty (named by line).
    """
    collector = Collector()
    pairs, base = (_listed if path.is_file() else _labelled)(path, collector)
    if not pairs and not collector.absent:
        raise UserError(f"{path}: no image with a label file ({_LABELS}/**/*.txt) there")
    sequences = {image: _sequence_name(image, base) for image, _ in pairs}
    numbers = _frame_numbers(sequences)
    tables = [(image, _read_labels(labels)) for image, labels in pairs]
    for number in sorted({0, *(number for _, (classes, _, _) in tables for number in classes.tolist())}):
        collector.class_id(_class_name(number))
    for image, (classes, identities, cxcywh) in tables:
        width, height = read_image_size(image)
        cxcywh = cxcywh * np.array([width, height, width, height])
        ltwh = np.concatenate([cxcywh[:, :2] - cxcywh[:, 2:] / 2, cxcywh[:, 2:]], axis=1)
        class_ids = np.array([collector.class_id(_class_name(number)) for number in classes.tolist()], np.int64)
        frame = Frame(image, width, height, sequences[image], numbers[image])
        collector.add_image(frame, box.ltwh_to_xyxy(ltwh), class_ids, identities=identities)
    return collector.dataset()


def _class_name(number: int) -> str:
    return "person" if number == 0 else f"class {number}"


def _read_labels(file: Path) -> tuple[Int64Array, Int64Array, Float64Array]:
    """Classes, identities and boxes (centre and size, in shares) of a label file."""
    table = read_numbers(file, _COLUMNS)
    shares = table.values[:, 2:]
    with np.errstate(invalid="ignore"):
        in_pixels = (np.abs(shares) > LARGEST_SHARE) & np.isfinite(shares)
    if in_pixels.any():
        i, j = np.argwhere(in_pixels)[0]
        raise UserError(
            f"{file}:{table.line[i]}: {_COLUMNS[2 + j]} is {shares[i, j]:g}, expected a share of the image's size"
        )
    return table.whole("class", 0), table.whole("identity"), shares


_Pairs = list[tuple[Path, Path]]
"""Images with their label files."""


def _listed(path: Path, collector: Collector) -> tuple[_Pairs, Path]:
    """The labelled images of a list file, and the folder that its paths start from."""
    lines = [(number, line.replace("\\", "/")) for number, line in read_lines(path)]
    if not lines:
        raise UserError(f"{path}: no images in the list")
    roots = list(path.absolute().parents)
    root = next((root for root in roots if any((root / name).is_file() for _, name in lines)), None)
    if root is None:
        raise UserError(
            f"{path}:{lines[0][0]}: {lines[0][1]} not found from {roots[0]} or a folder above it; "
            "move the list to the folder that its paths start from"
        )
    seen: dict[Path, int] = {}
    pairs: _Pairs = []
    owners: set[Path] = set()
    for number, name in lines:
        image = root / name
        if image in seen:
            raise UserError(f"{path}:{number}: {name} is on line {seen[image]} already")
        seen[image] = number
        if leads_out(name) or not image.is_file():
            collector.absent.add(image, Path(f"{path}:{number}"))
            continue
        folders = image.parent.parts
        if _IMAGES not in folders:
            raise UserError(f"{path}:{number}: {name} is in no folder '{_IMAGES}', so its labels have no place")
        at = _position_of_images(folders)
        owners.add(Path(*folders[:at]))
        labels = Path(*folders[:at], _LABELS, *folders[at + 1 :], image.stem + ".txt")
        if labels.is_file():
            pairs.append((image, labels))
        else:
            collector.skipped["image without label file"] += 1
    if Path(lines[0][1]).is_absolute():
        root = Path(os.path.commonpath([owner.parent for owner in owners]))
    return pairs, root


def _labelled(folder: Path, collector: Collector) -> tuple[_Pairs, Path]:
    """As `_listed`: every label file below a folder with its image."""
    pairs: _Pairs = []
    for labels_root in _label_folders(folder):
        image_root = labels_root.parent / _IMAGES
        images = {image.relative_to(image_root).with_suffix(""): image for image in images_below(image_root)}
        label_files = sorted(file for file in labels_root.rglob("*.txt") if not file.name.startswith("."))
        for labels in label_files:
            image = images.get(labels.relative_to(labels_root).with_suffix(""))
            if image is None:
                collector.absent.add(labels.stem, labels, [image_root])
                continue
            pairs.append((image, labels))
            del images[labels.relative_to(labels_root).with_suffix("")]
        collector.skipped["image without label file"] += len(images)
    return pairs, folder.absolute()


def _label_folders(folder: Path) -> list[Path]:
    """The ``labels_with_ids`` in a folder, its children or theirs, beside ``images``."""
    found = [labels for pattern in (_LABELS, f"*/{_LABELS}", f"*/*/{_LABELS}") for labels in folder.glob(pattern)]
    return sorted(labels for labels in found if labels.is_dir() and (labels.parent / _IMAGES).is_dir())


def _position_of_images(folders: Sequence[str]) -> int:
    """Where the last folder ``images`` stands."""
    return len(folders) - 1 - folders[::-1].index(_IMAGES)


def _sequence_name(image: Path, base: Path) -> str:
    """The folders of an image below a base, or the last one before ``images``; without ``images`` and ``img1``."""
    folders = image.absolute().parent.parts
    at = _position_of_images(folders)
    start = len(base.parts) if image.absolute().is_relative_to(base) and at > len(base.parts) else at - 1
    inner = folders[at + 1 :]
    return "/".join(folders[start:at] + (inner[:-1] if inner[-1:] == ("img1",) else inner))


def _frame_numbers(sequences: dict[Path, str]) -> dict[Path, int]:
    """1-based frame numbers: those of the names where they tell the images of a sequence apart."""
    members: dict[str, list[Path]] = {}
    for image, sequence in sorted(sequences.items()):
        members.setdefault(sequence, []).append(image)
    numbers: dict[Path, int] = {}
    for images in members.values():
        numbers |= zip(images, _numbers_of(images), strict=True)
    return numbers


def _numbers_of(images: Sequence[Path]) -> list[int]:
    ends = [re.search(r"[0-9]+$", image.stem) for image in images]
    found = [int(end[0]) for end in ends if end]
    if len(set(found)) < len(images):
        return list(range(1, len(images) + 1))
    return [number + (0 in found) for number in found]


def _matches(path: Path) -> bool:
    return path.suffix.lower() in _LIST_SUFFIXES if path.is_file() else bool(_label_folders(path))


FORMAT = Format(
    name="jde",
    title="labels_with_ids of JDE and FairMOT: Caltech, CityPersons, CUHK-SYSU, PRW, ETHZ and the like",
    tree="""<name>.train (a list of images), or folders with
[<name>/]images/<...>/<image>.jpg
[<name>/]labels_with_ids/<...>/<image>.txt""",
    licence="as the original data sets; all of them are for research",
    home="https://github.com/Zhongdao/Towards-Realtime-MOT/blob/master/DATASET_ZOO.md",
    matches=_matches,
    read=lambda path, min_visibility: read_jde(path),
)
