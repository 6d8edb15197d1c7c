"""Boxes that a detector found, to train on without labels: MOTChallenge text, COCO results, supervision, ultralytics.

``clmot.datasets.box_weights`` says what their scores are worth. Ultralytics' and supervision's YOLO text files are read
as YOLO data sets, COCO files with a ``score`` in their annotations as COCO.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from clmot.datasets.readers.assembly import Frame
from clmot.datasets.readers.collector import Collector, annotated, sequence_name
from clmot.datasets.readers.detections_images import find_images, find_video, ordered_images, with_image_list
from clmot.datasets.readers.detections_rows import SIDES, DetectedRows, first_detection
from clmot.datasets.readers.formats import Format
from clmot.errors import UserError
from clmot.io.folders import describe_folder, natural_order
from clmot.io.image_size import read_image_size
from clmot.io.mot_sequences import detection_file, ground_truth_file, sequence_folders, video_name
from clmot.io.mot_text import MotRows, check_unique, parse_mot_table, to_mot_rows
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
    return _read_file(files[0]) if len(files) == 1 else _join(files)


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
    check_unique(file, rows.frame, rows.identity, rows.line)
    return rows


def _read_file(file: Path) -> Dataset:
    if file.suffix.lower() == ".txt":
        return _read_videos([file], Counter())
    described = with_image_list(file) if file.suffix.lower() == ".json" else None
    return _join([file]) if described is None else described


def _read_videos(files: list[Path], skipped: Counter[str]) -> Dataset:
    """MOTChallenge text, each file of one video."""
    collector = Collector()
    collector.skipped = skipped
    for file in files:
        rows = read_mot_detections(file)
        skipped["degenerate box"] += rows.skipped
        labels = ["person" if number <= 1 else f"class {number}" for number in rows.class_id.tolist()]
        # trackers write -1 for a score that they do not know
        unknown = bool((rows.confidence == -1).all())
        _add_video(
            collector,
            file,
            rows.frame,
            rows.boxes,
            np.array([collector.class_id(label) for label in labels], np.int64),
            identities=rows.identity,
            scores=None if unknown else rows.confidence.astype(np.float32),
        )
    return collector.dataset()


def _add_video(collector: Collector, file: Path, number: Int64Array, *columns: Any, **others: Any) -> None:
    name, images = find_video(file)
    if len(number):
        collector.add_sequence(name, annotated(images, number), number, *columns, file=file, **others)


def _join(files: list[Path]) -> Dataset:
    """Rows of supervision, ultralytics or COCO results, in one file or several."""
    collector = Collector()
    rows_of = {file: DetectedRows(file) for file in files}
    images = {file: _images(file, rows, collector.skipped) for file, rows in rows_of.items() if rows.place != "frame"}
    place_of = _sequences({image for found in images.values() for image in found if image})
    for file, rows in rows_of.items():
        class_map = np.array([collector.class_id(name) for name in rows.names], np.int64)
        classes, scores = class_map[rows.classes], rows.scores.astype(np.float32)
        if rows.place == "frame":
            number = np.array(rows.keys, np.int64)[rows.image]
            _add_video(collector, file, number, rows.boxes, classes, identities=rows.identities, scores=scores)
            continue
        # two names may be of one image
        position = {image: i for i, image in enumerate(dict.fromkeys(filter(None, images[file])))}
        frames = [Frame(image, *read_image_size(image), *place_of[image]) for image in position]
        place = np.array([position[image] if image else -1 for image in images[file]], np.int64)[rows.image]
        sizes = np.array([(frame.width, frame.height) * 2 for frame in frames], np.int64).reshape(-1, 4)
        boxes = rows.boxes * sizes[place] if rows.in_shares else rows.boxes
        # the images that are not there are counted, their boxes are not
        there = place >= 0
        columns = {"identities": rows.identities[there], "scores": scores[there]}
        collector.add_frames(frames, place[there], boxes[there], classes[there], **columns)
    return collector.dataset()


def _images(file: Path, rows: DetectedRows, skipped: Counter[str]) -> list[Path | None]:
    """The image of each key of some rows; None for those that are not there, which are counted."""
    if rows.place != "order":
        return find_images(rows.keys, file, skipped)
    images = ordered_images(file)
    return [images[int(key)] for key in rows.keys]


def _sequences(images: Iterable[Path]) -> dict[Path, tuple[str, int]]:
    """Images as the frames of their folders, in natural order: sequence name and frame number of each."""
    folders: dict[Path, list[Path]] = {}
    for image in images:
        folders.setdefault(image.parent, []).append(image)
    return {
        image: (sequence_name(folder, folder.parent if folder.name != "images" else folder), number)
        for folder, members in folders.items()
        for number, image in enumerate(sorted(members, key=natural_order), 1)
    }


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
