"""MOTChallenge folders with ground truth in the 9 columns of MOT16/17/20 (Milan et al. 2016, arXiv:1603.00831).

``gt/gt.txt`` holds frame, identity, left, top, width, height (1-based pixels), a flag that is 0 where a box does not
count, class and visibility.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from clmot import boxes as box
from clmot.datasets.writers.decimals import fewest_decimals, to_text
from clmot.datasets.writers.layout import check_frames, folder_names
from clmot.datasets.writers.writer import Writer
from clmot.errors import UserError
from clmot.io.mot_sequences import FRAME_SUFFIXES, MOT_CLASSES, PERSON, frame_rate_of
from clmot.io.mot_writer import write_sequence_info
from clmot.structures import Dataset, Float64Array, Int64Array, Sample

_NUMBERS = {name: number for number, name in enumerate(MOT_CLASSES, PERSON)} | {
    "pedestrian": PERSON,
    "people": PERSON,
    "motorcycle": MOT_CLASSES.index("motorbike") + PERSON,
}
_FIRST_FREE = len(MOT_CLASSES) + PERSON
_FRAME_RATE = 30.0


def _folders(dataset: Dataset) -> dict[str, str]:
    return folder_names((sample.sequence for sample in dataset.samples), nested=False)


def _image_names(dataset: Dataset) -> list[str]:
    check_frames(dataset)
    folders = _folders(dataset)
    return [
        f"{folders[sample.sequence]}/img1/{sample.frame:06d}{sample.image.suffix.lower()}" for sample in dataset.samples
    ]


def _annotate(dataset: Dataset, names: Sequence[str], out: Path) -> Counter[str]:
    """Write ``gt/gt.txt`` and ``seqinfo.ini`` of each sequence.

    Persons are class 1, and so is the only class of a data set whatever its name, as in DanceTrack and SportsMOT.
    Other classes have their numbers of MOT16, and those without one get numbers from 14 on.

    Raises:
        UserError: the images of a sequence are of kinds that do not go together.
    """
    lost: Counter[str] = Counter()
    numbers = _class_numbers(dataset, lost)
    sequences: dict[str, list[Sample]] = {}
    for sample in dataset.samples:
        sequences.setdefault(sample.sequence, []).append(sample)
    folders = _folders(dataset)
    lost["sequences whose name cannot be a folder's (renamed)"] = sum(name != to for name, to in folders.items())
    for name, samples in sequences.items():
        folder = out / folders[name]
        rate = frame_rate_of(samples[0].image)
        lost["sequences of unknown frame rate (30 is written)"] += rate is None
        _count_what_ground_truth_cannot_say(samples, lost)
        (folder / "gt").mkdir(exist_ok=True)
        with (folder / "gt" / "gt.txt").open("w", encoding="ascii", newline="\n") as file:
            file.writelines(row for sample in samples for row in _rows(sample, numbers))
        last, size = max(sample.frame for sample in samples), (samples[0].width, samples[0].height)
        write_sequence_info(folder, folders[name], rate or _FRAME_RATE, last, size, _suffix(samples))
    return +lost


def _class_numbers(dataset: Dataset, lost: Counter[str]) -> Int64Array:
    """The number of each class in the 8th column."""
    known = [_NUMBERS.get(name.lower().replace("_", " ").replace("-", " ")) for name in dataset.classes]
    free = iter(range(_FIRST_FREE, _FIRST_FREE + len(known)) if len(known) > 1 else [PERSON])
    numbers = np.array([next(free) if number is None else number for number in known], np.int64)
    boxes = np.zeros(len(numbers), np.int64)
    for sample in dataset.samples:
        boxes += np.bincount(sample.classes, minlength=len(boxes))
    for name, there, number, count in zip(dataset.classes, known, numbers.tolist(), boxes.tolist(), strict=True):
        if there is None:
            lost[f"class names ('{name}' is class {number})"] = count
    return numbers


def _count_what_ground_truth_cannot_say(samples: list[Sample], lost: Counter[str]) -> None:
    occupied = [i for i, sample in enumerate(samples) if len(sample.boxes)]
    inner = occupied[-1] - occupied[0] + 1 if occupied else 0
    lost["images without boxes at the ends of a sequence (ground truth begins and ends with a box)"] += (
        len(samples) - inner
    )
    first = (samples[0].width, samples[0].height)
    lost["images of another size than their sequence's first"] += sum(
        (sample.width, sample.height) != first for sample in samples
    )


def _suffix(samples: list[Sample]) -> str | None:
    """The one suffix of a sequence's images, None for several that need no naming."""
    suffixes = sorted({sample.image.suffix.lower() for sample in samples})
    if len(suffixes) == 1:
        return suffixes[0]
    if set(suffixes) <= set(FRAME_SUFFIXES):
        return None
    raise UserError(
        f"{samples[0].sequence}: has images of kinds {', '.join(suffixes)}; a MOTChallenge sequence holds one kind, "
        f"or any of {', '.join(FRAME_SUFFIXES)}"
    )


def _rows(sample: Sample, numbers: Int64Array) -> list[str]:
    one_based = np.array([1.0, 1.0, 0.0, 0.0])

    def read(rows: Float64Array) -> Float64Array:
        return box.ltwh_to_xyxy(rows - one_based)

    ltwh = fewest_decimals(box.xyxy_to_ltwh(sample.boxes.astype(np.float64)) + one_based, sample.boxes, read)
    flags, classes = (~sample.ignore).astype(np.int64), numbers[sample.classes]
    columns = (sample.identities.tolist(), ltwh.tolist(), flags.tolist(), classes.tolist())
    return [
        f"{sample.frame},{identity},{','.join(map(to_text, values))},{flag},{number},1\n"
        for identity, values, flag, number in zip(*columns, strict=True)
    ]


WRITER = Writer(
    name="motchallenge",
    title="MOTChallenge folders with 9-column ground truth",
    tree="""<sequence>/img1/000001.jpg ...
<sequence>/gt/gt.txt
<sequence>/seqinfo.ini""",
    image_names=_image_names,
    annotate=_annotate,
)
