"""Benchmarks by name: where their ground truth lies, and which rows count.

=========== ==========================================================================================================
mot15       rows with a non-zero flag, whatever their class
mot16 mot17 results are first matched to all classes; those on a distractor (person on vehicle, static person,
            distractor, reflection) are left out; then persons with a non-zero flag are scored
mot20       the same; non-motorised vehicles are distractors too
dancetrack  persons with a non-zero flag; there are no distractors
sportsmot   the same
kitti       cars and pedestrians, each for itself (`clmot.evaluation.kitti_rules`)
custom      every class of the ground truth for itself; rows with flag 0 are neutral
=========== ==========================================================================================================

Where ground truth is of persons only, results that name classes are scored by their rows of class 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from clmot.errors import UserError
from clmot.evaluation.kitti_rules import CLASSES as KITTI_CLASSES
from clmot.evaluation.kitti_rules import label_files, match_kitti
from clmot.evaluation.track_rows import OTHER_CLASSES, Matchup, Selection, TrackRows, check_frames, read_mot_tracks
from clmot.io.class_names import LABELS, plain_class_name, read_class_names
from clmot.io.folders import describe_folder
from clmot.io.mot_sequences import (
    EXPECTED,
    MOT_CLASSES,
    PERSON,
    distractor_classes,
    ground_truth_file,
    read_sequence_info,
    sequence_folders,
)
from clmot.structures import BoolArray

Benchmark = Literal["auto", "mot15", "mot16", "mot17", "mot20", "dancetrack", "sportsmot", "kitti", "custom"]

BENCHMARKS: tuple[str, ...] = get_args(Benchmark)

_PERSON_CLASSES = ("person",)


@dataclass(frozen=True, kw_only=True)
class SequenceTruth:
    """The ground truth of one sequence.

    Attributes:
        name: the sequence.
        file: its ground truth.
        length: its number of frames, None where nothing says it.
        match: reads results and tells what meets what, by class.
    """

    name: str
    file: Path
    length: int | None
    match: Callable[[Path], Selection]


def find_truth(
    ground_truth: Path, benchmark: Benchmark = "auto", classes: Sequence[str] | None = None
) -> dict[str, SequenceTruth]:
    """The sequences with ground truth at a path, by name.

    Args:
        ground_truth: a MOTChallenge sequence folder, a folder of sequences (those without ground truth are passed
            over) or a KITTI folder with ``label_02``. Images are not needed.
        benchmark: whose rules apply. ``auto`` decides for each sequence: KITTI by its layout; DanceTrack and MOT20
            by the sequence's name; ``custom`` where a ``labels.txt`` beside the ground truth names several classes,
            where it has numbers of classes that MOT16 has not, and where `classes` asks for more than persons; MOT15
            where the ground truth has no classes; else MOT17 (the same rules as MOT16).
        classes: score these only: names, or numbers of classes as in the files; by default all.

    Raises:
        UserError: there is no ground truth, or the benchmark has none of these classes.
    """
    kitti = label_files(ground_truth) if benchmark in ("auto", "kitti") and ground_truth.is_dir() else {}
    if kitti:
        chosen = _choose(KITTI_CLASSES, classes, "kitti")
        return {name: _kitti_sequence(name, file, chosen) for name, file in kitti.items()}
    if benchmark == "kitti":
        raise UserError(
            f"{ground_truth}: no KITTI labels ({describe_folder(ground_truth)}); expected label_02/0000.txt"
        )
    folders = {folder.resolve().name: folder for folder in sequence_folders(ground_truth) if ground_truth_file(folder)}
    if not folders:
        raise UserError(f"{ground_truth}: no ground truth ({describe_folder(ground_truth)}); expected {EXPECTED}")
    return {name: _mot_sequence(name, folder, benchmark, classes) for name, folder in folders.items()}


def _kitti_sequence(name: str, file: Path, classes: tuple[str, ...]) -> SequenceTruth:
    return SequenceTruth(
        name=name, file=file, length=None, match=lambda found_file: match_kitti(file, found_file, classes)
    )


def _mot_sequence(name: str, folder: Path, benchmark: Benchmark, classes: Sequence[str] | None) -> SequenceTruth:
    file = folder / "gt" / "gt.txt"
    length = read_sequence_info(folder).length

    def match(found_file: Path) -> Selection:
        truth, found = read_mot_tracks(file), read_mot_tracks(found_file)
        for path, rows in ((file, truth), (found_file, found)):
            if length is not None:
                check_frames(rows, length, path)
        rules = _detect(name, file, truth, classes) if benchmark == "auto" else benchmark
        unnamed = not (found.class_id != -1).any()
        names, found = _named_classes(truth, found, file, found_file)
        if rules == "custom":
            if unnamed:
                found = replace(found, class_id=np.full(len(found), _class_of_unnamed(truth, names, classes)))
            matchups = _match_custom(truth, found, names, classes)
            numbers = [names.index(each) + 1 for each in matchups]
            neutral = np.zeros(len(truth), np.bool_)
            others = ~np.isin(np.maximum(truth.class_id, 1), numbers)
        else:
            _choose(_PERSON_CLASSES, classes, rules)
            scored, neutral = _judge(truth, file, rules)
            persons = found[found.class_id == PERSON]
            matchups = {"person": Matchup(truth=truth, scored=scored, neutral=neutral, found=persons)}
            others = ~np.isin(truth.class_id, (PERSON, -1)) & (rules != "mot15")
        left_out = {"of distractor classes": neutral, OTHER_CLASSES: others, "with flag 0": ~truth.counts}
        return Selection(rules=rules, matchups=matchups, truth=truth, truth_left_out=left_out, found=found)

    return SequenceTruth(name=name, file=file, length=length, match=match)


def _detect(name: str, file: Path, truth: TrackRows, classes: Sequence[str] | None) -> str:
    others = set(classes or ()) - {"1", *_PERSON_CLASSES}
    if others or len(read_class_names(file)) > 1 or truth.class_id.max(initial=-1) > len(MOT_CLASSES):
        return "custom"
    if not (truth.class_id != -1).any():
        return "mot15"
    for beginning in ("MOT20", "dancetrack"):
        if name.startswith(beginning):
            return beginning.lower()
    return "mot17"


def _judge(truth: TrackRows, file: Path, rules: str) -> tuple[BoolArray, BoolArray]:
    """Which rows are scored, and which are neutral, where persons are tracked."""
    nothing = np.zeros(len(truth), np.bool_)
    if rules == "mot15":
        return truth.counts, nothing
    if rules in ("dancetrack", "sportsmot"):
        return truth.counts & np.isin(truth.class_id, (PERSON, -1)), nothing
    if len(truth) and not (truth.class_id != -1).any():
        raise UserError(f"{file}: no classes (9 columns), which {rules} rules need; expected mot15 or auto")
    unknown = ~np.isin(truth.class_id, np.arange(1, len(MOT_CLASSES) + 1))
    if unknown.any():
        first = int(np.argmax(unknown))
        raise UserError(
            f"{file}:{truth.line[first]}: class is {truth.class_id[first]}, expected 1 (person) to 13, or "
            "--benchmark custom"
        )
    neutral = np.isin(truth.class_id, distractor_classes(rules == "mot20"))
    return truth.counts & (truth.class_id == PERSON), neutral


def _match_custom(
    truth: TrackRows, found: TrackRows, names: tuple[str, ...], classes: Sequence[str] | None
) -> dict[str, Matchup]:
    """Each class that there are rows of for itself."""
    truth_class = np.maximum(truth.class_id, 1)
    chosen = _choose(names, classes, "the ground truth")
    matchups = {}
    for name in chosen:
        number = names.index(name) + 1
        mine, theirs = truth[truth_class == number], found[found.class_id == number]
        matchups[name] = Matchup(truth=mine, scored=mine.counts, neutral=~mine.counts, found=theirs)
    occurring = {name: matchup for name, matchup in matchups.items() if len(matchup.truth) or len(matchup.found)}
    # an empty sequence is one without objects, not one without scores
    return occurring or {chosen[0]: matchups[chosen[0]]}


def _class_of_unnamed(truth: TrackRows, names: tuple[str, ...], classes: Sequence[str] | None) -> int:
    """What results that name no class are taken for: the only class that is scored, where there is one, else 1."""
    chosen = [names.index(name) + 1 for name in _choose(names, classes, "the ground truth")]
    there = np.intersect1d(chosen, np.maximum(truth.class_id, 1)).tolist() if len(chosen) > 1 else chosen
    return int(there[0]) if len(there) == 1 else PERSON


def _named_classes(
    truth: TrackRows, found: TrackRows, file: Path, found_file: Path
) -> tuple[tuple[str, ...], TrackRows]:
    """The names of all classes by number, and the results with the ground truth's numbers.

    Results with class names of their own are brought to the same numbers; rows without a class are of class 1.
    """
    for path, rows in ((file, truth), (found_file, found)):
        zero = rows.class_id == 0
        if zero.any() and (rows.class_id > 0).any():
            raise UserError(f"{path}:{rows.line[zero].min()}: class is 0; numbers of classes count from 1")
    names = list(read_class_names(file) or MOT_CLASSES)
    plain = [plain_class_name(name) for name in names]
    theirs = read_class_names(found_file)
    for name in theirs:
        if plain_class_name(name) not in plain:
            names.append(name)
            plain.append(plain_class_name(name))
    class_id = np.maximum(found.class_id, 1)
    if theirs and len(found):
        if class_id.max() > len(theirs):
            row = int(np.argmax(class_id > len(theirs)))
            raise UserError(f"{found_file}:{found.line[row]}: class {class_id[row]} is not named in {LABELS} beside it")
        class_id = np.array([plain.index(plain_class_name(name)) + 1 for name in theirs], np.int64)[class_id - 1]
    highest = max(truth.class_id.max(initial=1), class_id.max(initial=1))
    names += [f"class {number}" for number in range(len(names) + 1, int(highest) + 1)]
    return tuple(names), replace(found, class_id=class_id)


def _choose(names: tuple[str, ...], chosen: Sequence[str] | None, owner: str) -> tuple[str, ...]:
    """The chosen of the names; numbers count from 1."""
    if chosen is None:
        return names
    numbered = {str(number): name for number, name in enumerate(names, 1)}
    wanted = [numbered.get(each, each) for each in chosen]
    unknown = [each for each in wanted if each not in names]
    if unknown:
        raise UserError(f"--classes: {owner} has no class '{unknown[0]}'; it has {', '.join(names)}")
    return tuple(name for name in names if name in wanted)
