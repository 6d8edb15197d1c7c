"""Reader of MOTChallenge ground truth: MOT15 (10 columns, persons only) and MOT16/17/20 (9, class and visibility).

Which rows count follows the MOTChallenge devkit.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from clmot.datasets.readers.collector import Collector, annotated
from clmot.datasets.readers.formats import Format
from clmot.datasets.readers.places import split_names
from clmot.errors import UserError
from clmot.io.class_names import read_class_names
from clmot.io.mot_sequences import (
    EXPECTED,
    PERSON,
    SequenceFolder,
    detection_file,
    distractor_classes,
    find_sequences,
    ground_truth_file,
    open_sequence,
    read_sequence_info,
    sequence_folders,
    sequence_images,
    video_name,
)
from clmot.io.mot_text import MotRows, check_unique, counts, read_mot_rows
from clmot.structures import Dataset

__all__ = ["SequenceFolder", "find_sequences", "read_motchallenge"]


def read_motchallenge(path: Path, *, min_visibility: float = 0.1) -> Dataset:
    """Read the annotated sequences at a path, identities included.

    Each frame between the first and the last annotated one is a sample, also where nothing is in it. Persons that do
    not count (flag 0), distractors, and persons less visible than `min_visibility` are `Sample.ignore`; other classes
    are left out. Where a ``gt/labels.txt`` names the classes, one a line, as CVAT and Datumaro write it, each of its
    classes is read, and none is a distractor. Boxes keep their extent beyond the image. The order of the rows in a
    file has no effect, and neither have identities on anything but `Sample.identities`. Sequences without images are
    left out and counted.

    MOT17 holds each video once per public detector; one copy is read, because the same people in two sequences would
    be taken for different ones.

    Raises:
        UserError: no sequence or no ground truth there, no sequence or no row of one has an image, or as
            `find_sequences` and `read_mot_rows`.
    """
    annotated = [folder for folder in sequence_folders(path) if ground_truth_file(folder)]
    if not annotated:
        sequences = find_sequences(path)
        raise UserError(f"{sequences[0].folder}: no gt/gt.txt, and no other sequence has one; expected {EXPECTED}")
    collector = Collector(unit="sequence")
    splits = {folder.absolute().parent.name for folder in annotated if split_names([folder.absolute().parent.name])}
    if len(splits) > 1:
        collector.notes.append(f"splits {', '.join(sorted(splits))}")
    videos: set[str] = set()
    for folder in annotated:
        file = folder / "gt" / "gt.txt"
        video = video_name(folder.resolve().name)
        info = read_sequence_info(folder)
        if video in videos:
            collector.skipped["sequence that repeats another (MOT17 has one copy per detector)"] += 1
        elif sequence_images(folder, info):
            videos.add(video)
            rows = read_mot_rows(file)
            check_unique(file, rows.frame, rows.identity, rows.line)
            add_sequence(collector, open_sequence(folder), rows, min_visibility)
        else:
            collector.absent.add(folder.resolve().name, file, [folder / info.image_folder])
    return collector.dataset()


def add_sequence(collector: Collector, sequence: SequenceFolder, rows: MotRows, min_visibility: float) -> None:
    """Add one sequence, and count the rows left out.

    Raises:
        UserError: no row has an image, or a class has no name in ``gt/labels.txt``.
    """
    file = sequence.folder / "gt" / "gt.txt"
    collector.skipped["degenerate box"] += rows.skipped
    if not len(rows):
        return
    has_image = np.isin(rows.frame, sequence.frames)
    names = read_class_names(file) if (rows.class_id > 0).any() else []
    ignore = ~counts(rows.confidence) | ((rows.visibility >= 0) & (rows.visibility < min_visibility))
    if names:
        unnamed = (rows.class_id < 1) | (rows.class_id > len(names))
        if unnamed.any():
            row = int(np.argmax(unnamed))
            known = f"1 to {len(names)} ({', '.join(names)})"
            raise UserError(f"{file}:{rows.line[row]}: class is {rows.class_id[row]}, but labels.txt names {known}")
        class_map = np.array([collector.class_id(name) for name in names], np.int64)
        keep, classes = np.ones(len(rows), np.bool_), class_map[rows.class_id - 1]
    else:
        distractor = np.isin(rows.class_id, distractor_classes(mot20=sequence.name.startswith("MOT20")))
        # -1 stands for an unknown class, in the files that have the column too
        keep = (rows.class_id == PERSON) | (rows.class_id == -1) | distractor
        ignore |= distractor
        classes = np.full(len(rows), collector.class_id("person"), np.int64)
        # whatever has an image: the rest is counted as that
        collector.skipped["class other than person (gt/labels.txt may name others)"] += int((has_image & ~keep).sum())
        keep |= ~has_image
    collector.add_sequence(
        sequence.name,
        annotated(dict(zip(sequence.frames, sequence.images, strict=True)), rows.frame),
        rows.frame[keep],
        rows.boxes[keep],
        classes[keep],
        file=file,
        ignore=ignore[keep],
        identities=rows.identity[keep],
        size=(sequence.width, sequence.height),
    )


def _matches(path: Path) -> bool:
    """Sequences, unless there is no ground truth but what a detector found, or annotations of another format."""
    folders = sequence_folders(path) if path.is_dir() else []
    if any(ground_truth_file(folder) for folder in folders):
        return True
    others = (
        any(detection_file(folder) for folder in folders)
        or any(file.suffix.lower() in (".xml", ".json") for file in path.iterdir())
        if folders
        else True
    )
    return not others


FORMAT = Format(
    name="motchallenge",
    title="MOTChallenge (MOT15, MOT16, MOT17, MOT20), DanceTrack, SportsMOT and whatever is laid out like them",
    tree="""<sequence>/img1/000001.jpg ...
<sequence>/gt/gt.txt
<sequence>/gt/labels.txt (optional, names of the classes, as CVAT writes it)
<sequence>/seqinfo.ini (optional)""",
    licence="CC BY-NC-SA 3.0 (MOTChallenge), CC BY-NC 4.0 (SportsMOT); others: see their home pages",
    home="https://motchallenge.net",
    matches=_matches,
    read=lambda path, min_visibility: read_motchallenge(path, min_visibility=min_visibility),
)
