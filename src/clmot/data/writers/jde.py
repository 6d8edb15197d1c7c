"""Labels as JDE and FairMOT take them (Wang et al. 2020, arXiv:1909.12605): one text file an image, and a list.

A row is class, identity (-1: unknown), centre x, centre y, width and height in shares of the image. Those tools count
identities over all sequences of a list, and know no boxes to ignore.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from clmot.data.readers.jde import LARGEST_SHARE
from clmot.data.writers.decimals import to_text
from clmot.data.writers.layout import ImageMode, Progress, check_frames, folder_names, place_image
from clmot.data.writers.shares import to_shares
from clmot.data.writers.writer import Writer
from clmot.errors import UserError
from clmot.io.sequences import FRAME_SUFFIXES
from clmot.types import Dataset, Int64Array, Sample

_IMAGES, _LABELS = "images", "labels_with_ids"
_PERSONS = ("person", "pedestrian", "people")
_LIST = "all.train"


def write(dataset: Dataset, out: Path, *, images: ImageMode = "link", progress: Progress | None = None) -> Counter[str]:
    """Write a folder for each sequence, and the list of all images.

    Persons are class 0, as in all published data of this form, and so is the only class of a data set; other classes
    are numbered from 1. Where two sequences use a number for different objects, the later one's identities are
    renumbered.

    Args:
        dataset: what to write, with identities if they are to be kept.
        out: folder, made if needed.
        images: how images come into it.
        progress: called after each image.

    Returns:
        How many boxes are left out because they are to be ignored, how many have a class whose name is lost, ...

    Raises:
        UserError: a file cannot be read or written, two images are the same frame of a sequence, or an image is
            neither JPEG nor PNG.
    """
    check_frames(dataset)
    lost: Counter[str] = Counter()
    sequences = dict.fromkeys(sample.sequence for sample in dataset.samples)
    # tools replace the word wherever it stands in a path
    folders = folder_names(sequences, nested=True, reserved=(_LABELS,), respell={_IMAGES: "imgs"})
    lost["sequences whose name cannot be a folder's (renamed)"] = sum(name != to for name, to in folders.items())
    numbers = _class_numbers(dataset, lost)
    offsets = _identity_offsets(dataset)
    lost["sequences whose identities are renumbered"] = sum(offset > 0 for offset in offsets.values())
    listed = []
    try:
        for i, sample in enumerate(dataset.samples, 1):
            first, _, rest = folders[sample.sequence].partition("/")
            suffix = sample.image.suffix.lower()
            if suffix not in FRAME_SUFFIXES:
                raise UserError(f"{sample.image}: is not of {', '.join(FRAME_SUFFIXES)}, which is all that JDE reads")
            listed.append(Path(first, _IMAGES, rest, f"{sample.frame:06d}{suffix}").as_posix())
            place_image(sample.image, out / listed[-1], images)
            labels = out / first / _LABELS / rest / f"{sample.frame:06d}.txt"
            labels.parent.mkdir(parents=True, exist_ok=True)
            text = "".join(_rows(sample, numbers, offsets[sample.sequence], lost))
            labels.write_text(text, encoding="ascii", newline="\n")
            if progress:
                progress(i, len(dataset.samples))
        (out / _LIST).write_text("".join(f"{name}\n" for name in listed), encoding="utf-8", newline="\n")
    except OSError as error:
        raise UserError(f"{out}: cannot write labels: {error.strerror}") from error
    return +lost


def _class_numbers(dataset: Dataset, lost: Counter[str]) -> Int64Array:
    """The number of each class; counts the boxes that lose their class's name."""
    free = iter(range(1, len(dataset.classes) + 1))
    only = len(dataset.classes) == 1
    numbers = np.array([0 if only or name.lower() in _PERSONS else next(free) for name in dataset.classes], np.int64)
    boxes = np.zeros(len(numbers), np.int64)
    for sample in dataset.samples:
        boxes += np.bincount(sample.classes[~sample.ignore], minlength=len(boxes))
    for name, number, count in zip(dataset.classes, numbers.tolist(), boxes.tolist(), strict=True):
        if name != "person":
            lost[f"class names ('{name}' is class {number})"] = count
    return numbers


def _identity_offsets(dataset: Dataset) -> dict[str, int]:
    """What to add to the identities of each sequence so that no two use the same; 0 for all that need none."""
    used: dict[str, set[int]] = {}
    for sample in dataset.samples:
        known = sample.identities[(sample.identities >= 0) & ~sample.ignore]
        used.setdefault(sample.sequence, set()).update(known.tolist())
    taken: set[int] = set()
    next_free = max((max(each, default=-1) for each in used.values()), default=-1) + 1
    offsets = {}
    for name, each in used.items():
        offsets[name] = 0 if taken.isdisjoint(each) else next_free - min(each)
        if offsets[name]:
            next_free += max(each) - min(each) + 1
        taken |= {identity + offsets[name] for identity in each}
    return offsets


def _rows(sample: Sample, numbers: Int64Array, offset: int, lost: Counter[str]) -> list[str]:
    """The label rows of an image; counts what is not in them."""
    shares = to_shares(sample.boxes, sample.width, sample.height)
    far = (np.abs(shares) > LARGEST_SHARE).any(axis=1)
    kept = ~sample.ignore & ~far
    lost["boxes to ignore (left out)"] += int(sample.ignore.sum())
    lost["boxes ten image sizes away (left out)"] += int((far & ~sample.ignore).sum())
    identities = np.where(sample.identities >= 0, sample.identities + offset, -1)[kept]
    rows = zip(numbers[sample.classes[kept]].tolist(), identities.tolist(), shares[kept].tolist(), strict=True)
    return [f"{number} {identity} {' '.join(map(to_text, values))}\n" for number, identity, values in rows]


WRITER = Writer(
    name="jde",
    title="labels_with_ids of JDE and FairMOT",
    tree="""all.train (a list of images)
<sequence>/images/000001.jpg
<sequence>/labels_with_ids/000001.txt""",
    write=write,
)
