"""Boxes that a detector found, to train on without labels: MOTChallenge text, COCO results, supervision, ultralytics.

``clmot.datasets.box_weights`` says what their scores are worth. Ultralytics' and supervision's YOLO text files are read
as YOLO data sets, COCO files with a ``score`` in their annotations as COCO.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from clmot.datasets.readers.assembly import BoxRows, Frame, assemble, position_of, to_float32
from clmot.datasets.readers.collector import sequence_name
from clmot.datasets.readers.detections_columns import SIDES
from clmot.datasets.readers.detections_images import Video, find_images, find_video, ordered_images, with_image_list
from clmot.datasets.readers.detections_rows import DetectedRows, first_detection, read_detected_rows
from clmot.datasets.readers.formats import Format
from clmot.datasets.readers.json_files import load_json
from clmot.errors import UserError
from clmot.io.image_size import read_image_size
from clmot.io.mot_sequences import describe_folder, detection_file, ground_truth_file, sequence_folders, video_name
from clmot.io.mot_text import MotRows, check_unique, parse_mot_table, to_mot_rows
from clmot.io.sources import natural_order
from clmot.io.text import head_of, read_text
from clmot.structures import Dataset, Int64Array

EXPECTED = "det/det.txt of MOTChallenge, COCO results, or rows of supervision or ultralytics (.json, .csv)"
"""What a file of detections is, for error messages."""

_MOT17_DETECTORS = ("SDP", "FRCNN", "DPM")
"""From the best on."""

_log = logging.getLogger(__name__)


def read_detections(path: Path) -> Dataset:
    """Read detections, with scores as the detector gave them.

    Of a video, every frame between the first and the last with a box is a sample, also where nothing was found in it;
    of other images, those with a box. The images of a folder are one sequence: they may be the frames of a video, which
    must not serve as each other's negatives.

    Args:
        path: a file of detections, beside its images or in a MOTChallenge sequence; a folder that holds one; a folder
            of ultralytics' ``<image>.json``; or a MOTChallenge sequence folder, or a folder of those, with
            ``det/det.txt``, whatever ground truth there is.

    Raises:
        UserError: no detections there, a faulty row (named), images missing.
    """
    if path.is_file():
        return _read_file(path)
    files = _sequence_files(path)
    if files:
        _log.info("%s: boxes are detections (det/det.txt), not ground truth", path)
        return _read_videos(files, Counter({"sequence that repeats another (MOT17 has one copy per detector)": 0}))
    files = _files_in(path)
    if not files:
        raise UserError(f"{path}: no detections ({describe_folder(path)}); expected {EXPECTED}")
    if len(files) > 1 and not all(_is_of_one_image(file) for file in files):
        raise UserError(f"{path}: {len(files)} files of detections ({files[0].name}, {files[1].name} ...); name one")
    return _read_file(files[0]) if len(files) == 1 else _join([(file, read_detected_rows(file)) for file in files])


def read_mot_detections(file: Path) -> MotRows:
    """Rows of MOTChallenge text as detectors write it, also without the confidence in column 7 (then it is 1).

    Raises:
        UserError: as `clmot.io.mot_text.read_mot_rows` and `check_unique`.
    """
    lines = read_text(file).split("\n")
    first = next((line for line in lines if line.strip()), "")
    if len(first.replace(",", " ").split()) == 6:
        lines = [f"{line.rstrip()},1" if len(line.replace(",", " ").split()) == 6 else line for line in lines]
    rows = to_mot_rows(*parse_mot_table("\n".join(lines), file))
    check_unique(rows, file)
    return rows


def _read_file(file: Path) -> Dataset:
    if file.suffix.lower() == ".txt":
        return _read_videos([file], Counter())
    if file.suffix.lower() == ".json":
        described = with_image_list(file)
        if described is not None:
            return described
    return _join([(file, read_detected_rows(file))])


def _read_videos(files: list[Path], skipped: Counter[str]) -> Dataset:
    """MOTChallenge text, each file of one video."""
    frames: list[Frame] = []
    parts: list[BoxRows] = []
    names: dict[str, int] = {}
    for file in files:
        rows = read_mot_detections(file)
        skipped["degenerate box"] += rows.skipped
        video = find_video(file)
        labels = ["person" if number <= 1 else f"class {number}" for number in rows.class_id.tolist()]
        # trackers write -1 for a score that they do not know
        unknown = bool((rows.confidence == -1).all())
        parts.append(
            _rows_of_video(
                video,
                rows.frame,
                frames,
                file,
                boxes=rows.boxes,
                classes=np.array([names.setdefault(label, len(names)) for label in labels], np.int64),
                ignore=np.zeros(len(rows), np.bool_),
                identities=rows.identity,
                scores=np.ones(len(rows), np.float32) if unknown else rows.confidence.astype(np.float32),
            )
        )
    return assemble(frames, BoxRows.join(parts), list(names) or ["person"], skipped)


def _rows_of_video(video: Video, number: Int64Array, frames: list[Frame], file: Path, **columns: Any) -> BoxRows:
    """The boxes of a video by frame number, whose frames are added to those of others."""
    present = list(video.images)
    if len(number) and not np.isin(number, present).any():
        raise UserError(
            f"{file}: frames {number.min()} to {number.max()}, but the images of {video.name} are frames {present[0]} "
            f"to {present[-1]}; no row has an image"
        )
    first, last = (number.min(), number.max()) if len(number) else (0, -1)
    seen = [each for each in present if first <= each <= last]
    place = position_of(number, seen)
    width, height = read_image_size(video.images[present[0]])
    before = len(frames)
    frames += [Frame(video.images[each], width, height, video.name, each) for each in seen]
    return BoxRows(frame=np.where(place >= 0, place + before, -1), **columns)


def _join(files: list[tuple[Path, DetectedRows]]) -> Dataset:
    """Rows of supervision, ultralytics or COCO results, in one file or several."""
    frames: list[Frame] = []
    parts: list[BoxRows] = []
    names: dict[str, int] = {}
    skipped: Counter[str] = Counter()
    for file, rows in files:
        class_map = np.array([names.setdefault(name, len(names)) for name in rows.names], np.int64)
        columns: dict[str, Any] = {
            "boxes": to_float32(rows.boxes),
            "classes": class_map[rows.classes],
            "ignore": np.zeros(len(rows.boxes), np.bool_),
            "identities": rows.identities,
            "scores": rows.scores.astype(np.float32),
        }
        if rows.place == "frame":
            numbers = np.array(rows.keys, np.int64)[rows.image]
            parts.append(_rows_of_video(find_video(file), numbers, frames, file, **columns))
            continue
        place, sizes = _add_images(file, rows, frames, skipped)
        if rows.in_shares:
            columns["boxes"] = to_float32(rows.boxes * np.tile(sizes[place], 2))
        part = BoxRows(frame=place + len(frames) - len(sizes), **columns)
        # the images that are not there are counted, their boxes are not
        parts.append(BoxRows(**{name: column[place >= 0] for name, column in vars(part).items()}))
    frames = _as_sequences(frames)
    return assemble(frames, BoxRows.join(parts), list(names) or ["object"], skipped)


def _add_images(
    file: Path, rows: DetectedRows, frames: list[Frame], skipped: Counter[str]
) -> tuple[Int64Array, Int64Array]:
    """Add the images of some rows to the frames: which of them each row is of, and their sizes [images, 2].

    Rows of images that are not there are of -1; these images are counted.
    """
    if rows.place == "order":
        images = ordered_images(_count_of_lists(file), file)
        paths: list[Path | None] = [images[int(key)] for key in rows.keys]
    else:
        found = find_images(rows.keys, file, skipped)
        paths = [found.get(key) for key in rows.keys]
    # two names may be of one image
    number = {path: i for i, path in enumerate(dict.fromkeys(filter(None, paths)))}
    of_key = np.array([number[path] if path else -1 for path in paths], np.int64)
    sizes = [read_image_size(path) for path in number]
    frames += [Frame(path, *size, "", 1) for path, size in zip(number, sizes, strict=True)]
    return of_key[rows.image], np.array(sizes, np.int64).reshape(-1, 2)


def _count_of_lists(file: Path) -> int:
    return len(load_json(file))


def _as_sequences(frames: list[Frame]) -> list[Frame]:
    """Frames without a sequence as those of their folders, in natural order."""
    folders: dict[Path, list[Path]] = {}
    for frame in frames:
        if not frame.sequence:
            folders.setdefault(frame.image.parent, []).append(frame.image)
    places = {
        image: (sequence_name(folder, folder.parent if folder.name != "images" else folder), number)
        for folder, images in folders.items()
        for number, image in enumerate(sorted(images, key=natural_order), 1)
    }
    return [
        frame if frame.sequence else frame._replace(sequence=places[frame.image][0], number=places[frame.image][1])
        for frame in frames
    ]


def _sequence_files(path: Path) -> list[Path]:
    """``det/det.txt`` of the sequences at a path; of MOT17's copies of a video that of the best detector."""
    best: dict[str, tuple[int, Path]] = {}
    for folder in sequence_folders(path) if path.is_dir() else []:
        if file := detection_file(folder):
            name = folder.resolve().name
            video = video_name(name)
            rank = 0 if video == name else _MOT17_DETECTORS.index(name.rsplit("-", 1)[1])
            best[video] = min(best.get(video, (rank, file)), (rank, file))
    return [file for _, file in best.values()]


def _files_in(folder: Path) -> list[Path]:
    """The files of detections in a folder."""
    files = [file for file in folder.iterdir() if file.is_file() and not file.name.startswith(".")]
    return sorted((file for file in files if file.suffix != ".txt" and _is_detections(file)), key=natural_order)


def _is_detections(file: Path) -> bool:
    """Whether a file begins as one of detections does."""
    suffix, head = file.suffix.lower(), head_of(file, 1 << 14)
    if suffix == ".csv":
        return set(SIDES) <= set(head.split("\n", 1)[0].strip().replace('"', "").split(","))
    if suffix == ".txt":
        words = head.split("\n", 1)[0].replace(",", " ").split()
        return 6 <= len(words) <= 10 and re.fullmatch(r"[1-9][0-9]*(\.0*)?", words[0]) is not None
    return suffix == ".json" and first_detection(head) is not None


def _is_of_one_image(file: Path) -> bool:
    """Whether the rows of a JSON file do not say which image they are of: its name does."""
    head = head_of(file, 1 << 14)
    return head.startswith("[") and not re.match(r"\[\s*\[", head) and "box" in (first_detection(head) or {})


def _matches(path: Path) -> bool:
    if path.is_file():
        return _is_detections(path)
    folders = sequence_folders(path)
    if folders:
        return bool(_sequence_files(path)) and not any(ground_truth_file(folder) for folder in folders)
    files = _files_in(path)
    return len(files) == 1 or (len(files) > 1 and all(_is_of_one_image(file) for file in files))


FORMAT = Format(
    name="detections",
    title="boxes that a detector found, with scores: MOTChallenge det.txt, COCO results, supervision, ultralytics",
    tree="""<sequence>/det/det.txt (used where there is no gt/gt.txt, or as this format, or when the file is named)
<name>.txt (frame,id,left,top,width,height,score), images in <sequence>/img1/, <name>/, images/ or beside it
<name>.json (COCO results), images as above, or listed in a COCO file beside it or in annotations/
<name>.csv, <name>.json (supervision CSVSink, JSONSink with custom_data={"frame_number": ...} or {"image": ...})
<image>.json (ultralytics Results.to_json()) beside <image>.jpg; {"<image>.jpg": [...], ...}""",
    licence="",
    home="https://supervision.roboflow.com/latest/detection/tools/save_detections",
    matches=_matches,
    read=lambda path, min_visibility: read_detections(path),
)
