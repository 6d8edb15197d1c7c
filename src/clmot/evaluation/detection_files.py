"""Detections to score, read from MOTChallenge text and COCO results."""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct

from clmot import boxes as box
from clmot.datasets.readers.coco import annotation_file
from clmot.datasets.readers.coco_records import EXPECTED, Category, Id
from clmot.datasets.readers.json_files import load_json
from clmot.datasets.readers.places import ImageFinder
from clmot.errors import UserError, plural
from clmot.evaluation.track_rows import OTHER_CLASSES
from clmot.io.class_names import LABELS, plain_class_name, read_class_names
from clmot.io.folders import describe_folder
from clmot.io.mot_sequences import video_name
from clmot.io.mot_text import MotRows, read_mot_rows
from clmot.io.text import read_bytes
from clmot.structures import Dataset, Float64Array, Int64Array
from clmot.table import Table

_DETECTORS = ("DPM", "FRCNN", "SDP")


@dataclass(frozen=True, kw_only=True, eq=False)
class BoxList(Table):
    """Scored boxes of many images.

    Attributes:
        image: int64 [n], position of the image in the data set.
        xyxy: float64 [n, 4], pixels.
        score: float64 [n].
        class_id: int64 [n], index into the data set's classes.
    """

    image: Int64Array
    xyxy: Float64Array
    score: Float64Array
    class_id: Int64Array

    __getitem__ = Table.take


def read_mot_detections(path: Path, ground_truth: Path, dataset: Dataset) -> tuple[BoxList, dict[str, int]]:
    """Detections in MOTChallenge text, and how many are passed over, by reason."""
    index = {(sample.sequence, sample.frame): number for number, sample in enumerate(dataset.samples)}
    sequences = list(dict.fromkeys(sample.sequence for sample in dataset.samples))
    files = {name: _mot_file(path, name, len(sequences) == 1) for name in sequences}
    missing = [name for name, file in files.items() if file is None]
    if missing:
        expected = ", ".join(f"{name}.txt" for name in missing[:4]) + (" ..." if len(missing) > 4 else "")
        raise UserError(
            f"{path}: no detections of {plural(len(missing), 'sequence')}: expected {expected} "
            f"({describe_folder(path)})"
        )
    passed_over: Counter[str] = Counter()
    parts = [
        _of_sequence(read_mot_rows(file), name, index, file, dataset, passed_over)
        for name, file in files.items()
        if file
    ]
    return BoxList.join(parts), passed_over


def _of_sequence(
    rows: MotRows,
    name: str,
    index: Mapping[tuple[str, int], int],
    file: Path,
    dataset: Dataset,
    passed_over: Counter[str],
) -> BoxList:
    image = np.array([index.get((name, frame), -1) for frame in rows.frame.tolist()], np.int64)
    theirs = read_class_names(file)
    names = theirs or dataset.classes
    class_id = np.maximum(rows.class_id, 1) - 1
    if len(rows) and class_id.max() >= len(names):
        row = int(np.argmax(class_id))
        owner = f"{LABELS} beside it" if theirs else "the ground truth"
        raise UserError(f"{file}:{rows.line[row]}: class is {class_id[row] + 1}; {owner} has {', '.join(names)}")
    known = [plain_class_name(each) for each in dataset.classes]
    mine = [known.index(plain) if (plain := plain_class_name(each)) in known else -1 for each in names]
    class_id = np.array(mine, np.int64)[class_id]
    passed_over["boxes without area"] += rows.skipped
    passed_over["in frames without annotations"] += int((image < 0).sum())
    passed_over[OTHER_CLASSES] += int(((image >= 0) & (class_id < 0)).sum())
    whole = BoxList(image=image, xyxy=rows.boxes.astype(np.float64), score=rows.confidence, class_id=class_id)
    return whole[(image >= 0) & (class_id >= 0)]


def _mot_file(path: Path, sequence: str, only: bool) -> Path | None:
    """The detections of a sequence; MOT17 is annotated once for the three copies of a video."""
    if path.is_file():
        return path if only or path.stem == sequence else None
    video = video_name(sequence)
    names = [sequence] if video == sequence else [sequence, video, *(f"{video}-{each}" for each in _DETECTORS)]
    places = [place for name in names for place in (path / f"{name}.txt", path / name / "det" / "det.txt")]
    if only:
        places.append(path / "det" / "det.txt")
    return next((place for place in places if place.is_file()), None)


def are_detections(path: Path) -> bool:
    """Whether results are detections, not tracks: COCO JSON, or MOTChallenge text whose first row has no id."""
    if path.suffix.lower() == ".json":
        return True
    files = sorted(each for each in path.glob("*.txt") if each.name != LABELS) if path.is_dir() else [path]
    for file in files:
        with contextlib.suppress(OSError, UnicodeDecodeError), file.open(encoding="utf-8") as lines:
            if fields := re.split(r"[,\s]+", next(lines, "").strip())[1:2]:
                return fields[0] in ("-1", "-1.0")
    return False


def read_detections(path: Path, ground_truth: Path, dataset: Dataset) -> tuple[BoxList, dict[str, int]]:
    """Detections of whatever form, and how many are passed over, by reason."""
    sequences = {sample.sequence for sample in dataset.samples}
    if path.suffix.lower() == ".json":
        listing = read_bytes(path).lstrip()[:1] == b"{"
        return (read_found_images if listing else read_coco_detections)(path, ground_truth, dataset)
    if path.is_dir() and _found_files(path) and not all((path / f"{name}.txt").is_file() for name in sequences):
        return read_found_images(path, ground_truth, dataset)
    return read_mot_detections(path, ground_truth, dataset)


def _found_files(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(set(path.glob("*.json")) - {path / "run.json"})


def read_found_images(path: Path, ground_truth: Path, dataset: Dataset) -> tuple[BoxList, dict[str, int]]:
    """Detections in COCO files that name their images, as `clmot detect` writes them: a file or a folder of them."""
    by_name: dict[str, list[int]] = {}
    for number, sample in enumerate(dataset.samples):
        by_name.setdefault(sample.image.name, []).append(number)
    parts = []
    passed_over: Counter[str] = Counter()
    for file in _found_files(path):
        content: _Found = load_json(file, _Found, _FOUND)
        image_of: dict[Id, int] = {}
        for image in content.images:
            numbers = by_name.get(Path(image.file_name).name, [])
            if len(numbers) > 1:
                numbers = [number for number in numbers if dataset.samples[number].sequence == file.stem]
            if len(numbers) > 1:
                raise UserError(f"{file}: several images of {ground_truth} are called {image.file_name}")
            image_of[image.id] = numbers[0] if numbers else -1
        names = {each.id: each.name for each in content.categories}
        parts.append(_table(content.annotations, image_of, names, file, file, dataset, passed_over))
    if parts and all((part.image < 0).all() for part in parts):
        raise UserError(f"{path}: none of its images is one of {ground_truth} (they are told by file name)")
    whole = BoxList.join(parts)
    passed_over["of images without annotations"] += int((whole.image < 0).sum())
    return whole[whole.image >= 0], passed_over


def read_coco_detections(path: Path, ground_truth: Path, dataset: Dataset) -> tuple[BoxList, dict[str, int]]:
    """Detections by the image and category ids of a COCO file, and how many are passed over, by reason."""
    annotated = None
    with contextlib.suppress(UserError):
        annotated = annotation_file(ground_truth)[0]
    if annotated is None or annotated.suffix.lower() != ".json":
        raise UserError(f"{path}: COCO results need a COCO file as ground truth, got {ground_truth}")
    content: _Listing = load_json(annotated, _Listing, EXPECTED)
    index, finder = {sample.image: number for number, sample in enumerate(dataset.samples)}, ImageFinder(annotated)
    files = {each.id: finder(each.file_name) for each in content.images}
    image_of = {key: -1 if file is None else index.get(file, -1) for key, file in files.items()}
    names = {each.id: each.name for each in content.categories}
    passed_over: Counter[str] = Counter()
    entries = load_json(path, list[_Result], _COCO_RESULTS)
    whole = _table(entries, image_of, names, path, annotated, dataset, passed_over)
    passed_over["of images that are not on disk"] += int((whole.image < 0).sum())
    return whole[whole.image >= 0], passed_over


def _table(
    entries: Sequence[_Result],
    image_of: Mapping[Any, int],
    names: Mapping[Any, str],
    path: Path,
    listing: Path,
    dataset: Dataset,
    passed_over: Counter[str],
) -> BoxList:
    """COCO results of the data set's classes as a table; `listing` is the file with their images and categories."""
    rows = []
    for number, entry in enumerate(entries):
        values = (*entry.bbox, entry.score)
        if not np.isfinite(values).all():
            raise UserError(f"{path}: $[{number}]: expected a bbox of 4 finite numbers and a score")
        image, name = image_of.get(entry.image_id), names.get(entry.category_id)
        if image is None or (name is None and image >= 0):
            key = "image_id" if image is None else "category_id"
            raise UserError(f"{path}: $[{number}].{key} is {getattr(entry, key)!r}, which {listing} has not")
        if image < 0:
            rows.append((image, 0, *values))
        elif name in dataset.classes:
            rows.append((image, dataset.classes.index(name), *values))
        else:
            passed_over[OTHER_CLASSES] += 1
    table = np.array(rows, np.float64).reshape(-1, 7)
    return BoxList(
        image=table[:, 0].astype(np.int64),
        xyxy=box.ltwh_to_xyxy(table[:, 2:6]),
        score=table[:, 6],
        class_id=table[:, 1].astype(np.int64),
    )


_COCO_RESULTS = "COCO results: a list of image_id, category_id, bbox and score"


_FOUND = "detections as COCO: images, annotations with scores, categories"


class _Named(Struct):
    id: Id
    file_name: str


class _Listing(Struct):
    """What a COCO file calls its images and categories."""

    images: list[_Named]
    categories: list[Category]


class _Result(Struct, gc=False):
    """One of the COCO results: a box as left, top, width, height."""

    image_id: Id | float
    category_id: Id | float
    bbox: tuple[float, float, float, float]
    score: float


class _Found(Struct):
    """What `clmot detect` writes."""

    images: list[_Named]
    annotations: list[_Result]
    categories: list[Category]
