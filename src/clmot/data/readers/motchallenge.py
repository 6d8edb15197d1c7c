"""Reader of MOTChallenge ground truth: MOT15 (10 columns, persons only) and MOT16/17/20 (9, class and visibility).

Which rows count follows the MOTChallenge devkit.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from clmot.data.readers.formats import Format
from clmot.errors import UserError
from clmot.io.mot import MotRows, check_unique, read_mot_rows
from clmot.io.sequences import (
    EXPECTED,
    PERSON,
    SequenceFolder,
    detection_file,
    distractor_classes,
    find_sequences,
    ground_truth_file,
    sequence_folders,
    video_name,
)
from clmot.types import BoolArray, Dataset, Sample

__all__ = ["SequenceFolder", "find_sequences", "read_motchallenge"]


def read_motchallenge(path: Path, *, min_visibility: float = 0.1) -> Dataset:
    """Read the annotated sequences at a path, identities included.

    Each frame between the first and the last annotated one is a sample, also where nothing is in it. Persons that do
    not count (flag 0), distractors, and persons less visible than `min_visibility` are `Sample.ignore`; other classes
    are left out. Boxes keep their extent beyond the image. The order of the rows in a file has no effect, and neither
    have identities on anything but `Sample.identities`.

    MOT17 holds each video once per public detector; one copy is read, because the same people in two sequences would
    be taken for different ones.

    Raises:
        UserError: no sequence or no ground truth there, ground truth of which no frame has an image, or as
            `find_sequences` and `read_mot_rows`.
    """
    sequences = find_sequences(path)
    annotated = [sequence for sequence in sequences if sequence.ground_truth]
    if not annotated:
        raise UserError(f"{sequences[0].folder}: no gt/gt.txt, and no other sequence has one; expected {EXPECTED}")
    skipped: Counter[str] = Counter()
    samples: list[Sample] = []
    videos: set[str] = set()
    for sequence in annotated:
        video = video_name(sequence.name)
        if video in videos:
            skipped["sequence that repeats another (MOT17 has one copy per detector)"] += 1
            continue
        videos.add(video)
        assert sequence.ground_truth is not None
        rows = read_mot_rows(sequence.ground_truth)
        check_unique(rows, sequence.ground_truth)
        samples += samples_of(sequence, rows, min_visibility, skipped)
    return Dataset(samples=samples, classes=("person",), skipped=skipped)


def samples_of(sequence: SequenceFolder, rows: MotRows, min_visibility: float, skipped: Counter[str]) -> list[Sample]:
    """One sequence's samples by frame; counts the rows left out in `skipped`.

    Raises:
        UserError: no row has an image.
    """
    if not len(rows):
        skipped["degenerate box"] += rows.skipped
        return []
    has_image = np.isin(rows.frame, sequence.frames)
    if not has_image.any():
        raise UserError(
            f"{sequence.ground_truth}: frames {rows.frame.min()} to {rows.frame.max()}, but the images of "
            f"{sequence.name} are frames {sequence.frames[0]} to {sequence.frames[-1]}; no row has an image"
        )
    is_object, ignore = _judge(rows, sequence.name, min_visibility)
    skipped["degenerate box"] += rows.skipped
    skipped["frame without image"] += int((~has_image).sum())
    skipped["class other than person"] += int((has_image & ~is_object).sum())
    # Rows are put in an order that is the file's in no way and never looks at identities, except between equal boxes.
    order = np.lexsort((rows.identity, ignore, *rows.boxes.T[::-1], rows.frame))
    order = order[(is_object & has_image)[order]]
    starts, stops = (np.searchsorted(rows.frame[order], sequence.frames, side) for side in ("left", "right"))
    first, last = rows.frame.min(), rows.frame.max()
    samples = []
    for image, frame, start, stop in zip(sequence.images, sequence.frames, starts, stops, strict=True):
        if not first <= frame <= last:
            continue
        index = order[start:stop]
        samples.append(
            Sample(
                image=image,
                width=sequence.width,
                height=sequence.height,
                sequence=sequence.name,
                frame=frame,
                boxes=rows.boxes[index],
                classes=np.zeros(len(index), np.int64),
                ignore=ignore[index],
                identities=np.maximum(rows.identity[index], -1),
            )
        )
    return samples


def _judge(rows: MotRows, name: str, min_visibility: float) -> tuple[BoolArray, BoolArray]:
    """Which rows are objects at all, and which of them a detector is neither rewarded nor punished for."""
    is_distractor = np.isin(rows.class_id, distractor_classes(mot20=name.startswith("MOT20")))
    # -1 stands for an unknown class, in the files that have the column too
    is_person = (rows.class_id == PERSON) | (rows.class_id == -1)
    hidden = (rows.visibility >= 0) & (rows.visibility < min_visibility)
    return is_person | is_distractor, is_distractor | hidden | (rows.confidence == 0)


def _matches(path: Path) -> bool:
    """Sequences, unless there is no ground truth but what a detector found."""
    folders = sequence_folders(path) if path.is_dir() else []
    annotated = any(ground_truth_file(folder) for folder in folders)
    return bool(folders) and (annotated or not any(detection_file(folder) for folder in folders))


FORMAT = Format(
    name="motchallenge",
    title="MOTChallenge (MOT15, MOT16, MOT17, MOT20), DanceTrack, SportsMOT and whatever is laid out like them",
    tree="""<sequence>/img1/000001.jpg ...
<sequence>/gt/gt.txt
<sequence>/seqinfo.ini (optional)""",
    licence="CC BY-NC-SA 3.0 (MOTChallenge), CC BY-NC 4.0 (SportsMOT); others: see their home pages",
    home="https://motchallenge.net",
    matches=_matches,
    read=lambda path, min_visibility: read_motchallenge(path, min_visibility=min_visibility),
)
