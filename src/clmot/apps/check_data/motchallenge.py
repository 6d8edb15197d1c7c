"""MOTChallenge text, row by row: what a reader refuses or leaves out, by line, and the data set that remains."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from clmot import boxes as box
from clmot.apps.check_data.columns import repeats
from clmot.apps.check_data.findings import Finding, found
from clmot.datasets.readers.collector import Collector
from clmot.datasets.readers.motchallenge import add_sequence
from clmot.errors import UserError
from clmot.io.image_size import read_image_size
from clmot.io.mot_sequences import (
    SequenceFolder,
    SequenceInfo,
    ground_truth_file,
    read_sequence_info,
    sequence_folders,
    sequence_images,
)
from clmot.io.mot_text import parse_mot_table, read_mot_table, to_mot_rows
from clmot.io.text import read_text
from clmot.structures import BoolArray, Dataset, Float64Array, Int64Array


class RawFile(NamedTuple):
    """The numbers of a ground-truth file.

    Attributes:
        path: the file.
        table: float64 [n, 7 to 10], as they stand there.
        line: int64 [n], 1-based.
        refused: where a line is no row, and why.
    """

    path: Path
    table: Float64Array
    line: Int64Array
    refused: list[str]


def check_rows(path: Path) -> Iterator[Finding]:
    """The findings about the rows of all ground truth at a path, by line."""
    files = [read_raw(file) for folder in sequence_folders(path) if (file := ground_truth_file(folder))]
    refused = [reason for file in files for reason in file.refused]
    yield from found("lines that are no rows", len(refused), refused)
    degenerate = [~_well_formed(file.table) for file in files]
    infinite = [np.asarray(~np.isfinite(file.table[:, 2:7]).all(axis=1)) for file in files]
    # what is left out anyway repeats nothing
    repeated = [np.asarray(repeats(*file.table[:, :6].T) & ~bad) for file, bad in zip(files, degenerate, strict=True)]
    twice = [
        np.asarray(_twice(file.table, bad) & ~same) for file, bad, same in zip(files, degenerate, repeated, strict=True)
    ]
    flat = [np.asarray(bad & ~nan) for bad, nan in zip(degenerate, infinite, strict=True)]
    for check, rows in (
        ("numbers that are not finite", infinite),
        ("boxes without area", flat),
        ("duplicate rows", repeated),
        ("id twice in a frame", twice),
        ("rows without image", [_without_image(file) for file in files]),
    ):
        lines = [(file.path, file.line[each].tolist()) for file, each in zip(files, rows, strict=True)]
        places = (f"{path}:{line}" for path, numbers in lines for line in numbers)
        yield from found(check, sum(len(numbers) for _, numbers in lines), places)
    by_frame = [file.path for file in files if _sorted_by_frame(file.table)]
    yield from found("rows sorted by frame", len(by_frame), by_frame, total=len(files))


def salvage(path: Path, min_visibility: float) -> Dataset:
    """What remains of the sequences at a path when everything faulty is left out; an id may then be twice in a frame.

    A sequence whose images are missing, or their first one corrupt, has the size that ``seqinfo.ini`` says; where it
    does not, the sequence is left out.

    Raises:
        UserError: a ``seqinfo.ini`` or an image's name is faulty.
    """
    collector = Collector(unit="sequence")
    for folder in sequence_folders(path):
        file = ground_truth_file(folder)
        if file is None:
            continue
        raw = read_raw(file)
        rows = to_mot_rows(raw.table, raw.line)
        if len(rows) and (sequence := _open_leniently(folder, file, rows.frame)):
            add_sequence(collector, sequence, rows, min_visibility)
        collector.skipped["line that is no row"] += len(raw.refused)
    return collector.dataset()


def read_raw(path: Path) -> RawFile:
    """The rows of a file; lines that are none are left out.

    Raises:
        UserError: the file cannot be read as text.
    """
    try:
        return RawFile(path, *read_mot_table(path), refused=[])
    except UserError:
        pass
    lines = read_text(path).split("\n")
    refused: list[str] = []
    width: int | None = None
    for i, content in enumerate(lines):
        if not content.strip():
            continue
        try:
            columns = parse_mot_table(content, path)[0].shape[1]
        except UserError as error:
            reason = str(error).removeprefix(f"{path}:1: ")
        else:
            width = width or columns
            if columns == width:
                continue
            reason = f"{columns} columns, but lines before it have {width}"
        refused.append(f"{path}:{i + 1}: {reason}")
        lines[i] = ""
    return RawFile(path, *parse_mot_table("\n".join(lines), path), refused=refused)


def _open_leniently(folder: Path, file: Path, frames: Int64Array) -> SequenceFolder | None:
    """The sequence as annotated; None where no image and no ``seqinfo.ini`` says how large it is."""
    info = read_sequence_info(folder)
    images = sequence_images(folder, info)
    if not images or not np.isin(frames, list(images)).any():
        suffix = info.image_suffix or ".jpg"
        images = {frame: folder / info.image_folder / f"{frame:06d}{suffix}" for frame in np.unique(frames).tolist()}
    size = _size(info, list(images.values()))
    if size is None:
        return None
    numbers = sorted(images)
    return SequenceFolder(
        name=folder.resolve().name,
        folder=folder,
        images=[images[number] for number in numbers],
        frames=numbers,
        frame_rate=info.frame_rate,
        width=size[0],
        height=size[1],
        ground_truth=file,
    )


def _size(info: SequenceInfo, images: list[Path]) -> tuple[int, int] | None:
    if info.width and info.height:
        return info.width, info.height
    for image in images:
        try:
            return read_image_size(image)
        except UserError:
            continue
    return None


def _well_formed(table: Float64Array) -> BoolArray:
    with np.errstate(over="ignore", invalid="ignore"):
        xyxy = box.ltwh_to_xyxy(table[:, 2:6] - np.array([1.0, 1.0, 0.0, 0.0])).astype(np.float32)
    return np.asarray(box.well_formed(xyxy) & np.isfinite(table[:, 6]))


def _twice(table: Float64Array, bad: BoolArray) -> BoolArray:
    """Rows whose frame and id (not negative) are in a row before them; bad rows are passed over."""
    found = np.zeros(len(table), np.bool_)
    found[~bad] = repeats(*table[~bad, :2].T)
    return np.asarray(found & (table[:, 1] >= 0))


def _without_image(file: RawFile) -> BoolArray:
    folder = file.path.parent.parent
    try:
        frames = list(sequence_images(folder, read_sequence_info(folder)))
    except UserError:
        frames = []
    # where there are no images at all, this is said elsewhere, once
    return np.asarray(~np.isin(file.table[:, 0], frames) & bool(frames))


def _sorted_by_frame(table: Float64Array) -> bool:
    frame, identity = table[:, 0], table[:, 1]
    return len(np.unique(frame)) > 1 and bool((np.diff(frame) >= 0).all()) and not bool((np.diff(identity) >= 0).all())
