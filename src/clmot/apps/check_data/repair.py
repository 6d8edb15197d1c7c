"""A repaired copy of checked data, as COCO JSON with links to the images; the source is never touched."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from clmot.apps.check_data.boxes import duplicates, outside
from clmot.apps.check_data.columns import Columns
from clmot.apps.check_data.coordinates import diagnose
from clmot.apps.check_data.identities import jumps, repeated
from clmot.apps.check_data.images import ImageFile
from clmot.apps.check_data.leaks import equal_images
from clmot.apps.check_data.parts import Part
from clmot.datasets.writers import coco, write_dataset
from clmot.datasets.writers.layout import same_frames
from clmot.errors import UserError
from clmot.io.atomic import check_new
from clmot.structures import Boxes, Dataset, Float32Array, Int64Array, Sample

_SAME_SHAPE = 0.01
"""Relative difference of aspect ratios below which one image is the other one scaled."""


@dataclass(frozen=True, kw_only=True)
class Repair:
    """One repaired copy.

    Attributes:
        source: the path that was checked.
        out: the folder of the copy.
        changes: what was changed, and how often.
    """

    source: Path
    out: Path
    changes: Counter[str]


def repair(parts: Sequence[Part], files: dict[Path, ImageFile], out: Path) -> list[Repair]:
    """Write a repaired copy of each part: ``annotations.json`` and ``images/``, hard-linked where possible.

    Left out are images that are missing, corrupt, or in another part or sequence already (of a later one), boxes that
    are doubled or have no part in the image, and everything that readers leave out. Moved are boxes that are shares of
    the image, corners written for sizes, or of the image at another scale. Ids that are twice in a frame or jump are
    split: from there on, the object has a new number.

    Args:
        parts: what was read.
        files: what is known of its images.
        out: the folder; of several parts each gets one of its own in it.

    Raises:
        UserError: the folder is not empty or lies in the data; nothing could be read; a file cannot be written.
    """
    require_new_folder(out, [part.path for part in parts])
    readable = [part for part in parts if part.dataset.samples]
    if not readable:
        raise UserError(f"{', '.join(str(part.path) for part in parts)}: nothing could be read, so nothing is repaired")
    leaks = {id(match.sample) for match in equal_images([(each.path, each.dataset.samples) for each in parts], files)}
    repairs = []
    folders: Counter[str] = Counter()
    for part in readable:
        name = part.path.resolve().stem
        folders[name] += 1
        folder = out / (f"{name}-{folders[name]}" if folders[name] > 1 else name) if len(parts) > 1 else out
        dataset, changes = repaired(part, files, leaks)
        if not dataset.samples:
            raise UserError(f"{part.path}: no image of it is left after the repair")
        write_dataset(dataset, folder, coco.WRITER)
        repairs.append(Repair(source=part.path, out=folder, changes=+changes))
    return repairs


def require_new_folder(out: Path, sources: Sequence[Path]) -> None:
    """Check that a copy can be written to a folder.

    Raises:
        UserError: it is not empty, no folder, or lies in one of the sources.
    """
    check_new(out)
    for source in sources:
        if source.is_dir() and out.resolve().is_relative_to(source.resolve()):
            raise UserError(f"{out}: lies in {source}, which must stay as it is; choose a folder elsewhere")


def repaired(part: Part, files: dict[Path, ImageFile], leaks: set[int]) -> tuple[Dataset, Counter[str]]:
    """The repaired data set, and what was changed.

    Args:
        part: what was read.
        files: what is known of its images.
        leaks: ``id()`` of the samples whose image is elsewhere already.
    """
    changes: Counter[str] = Counter({f"left out: {reason}": n for reason, n in part.dataset.skipped.items()})
    samples = []
    for sample in part.dataset.samples:
        if reason := files[sample.image].problem or ("in two places" if id(sample) in leaks else ""):
            changes[f"images left out: {reason}"] += 1
            continue
        fitted = _at_true_size(sample, files[sample.image].size)
        if fitted is None:
            changes["images left out: of another shape than annotated"] += 1
            continue
        changes["images with boxes scaled to their size"] += fitted is not sample
        samples.append(fitted)
    samples, renumbered = _number_frames(samples)
    changes["frames with a new number"] += renumbered
    columns = Columns.of(samples)
    boxes = columns.boxes.copy()
    for fault, index in diagnose(columns):
        if fault.move is not None:
            boxes[index] = fault.move(boxes[index], columns.size[index])
            changes[f"boxes moved: {fault.check}"] += len(index)
    columns = replace(columns, boxes=boxes)
    lost, double = outside(columns), duplicates(columns)
    changes["boxes left out: outside the image"] += int(lost.sum())
    changes["boxes left out: duplicates"] += int((double & ~lost).sum())
    keep = ~lost & ~double
    identities = columns.identities.copy()
    identities[keep] = split_identities(columns.take(keep))
    changes["boxes with a new id"] += int((identities != columns.identities).sum())
    columns = replace(columns, identities=identities).take(keep)
    repaired = [
        replace(sample, **Boxes.columns_of(columns.take(columns.sample == i))) for i, sample in enumerate(samples)
    ]
    return replace(part.dataset, samples=repaired, skipped=Counter(), weights=None), changes


def split_identities(columns: Columns) -> Int64Array:
    """Identities of which none is twice in a frame and none jumps, int64 [n]; unknown ones stay unknown.

    The boxes of an identity go to as many branches as it has boxes in one frame, each to the branch whose last box is
    nearest; then a branch is cut where it jumps. Its first piece keeps the number.
    """
    identities = columns.identities.copy()
    sequence, frame = columns.sequence[columns.sample], columns.frame[columns.sample]
    _branch(columns, sequence, identities)
    known = np.flatnonzero(columns.counted & (identities >= 0))
    while True:
        current = replace(columns, identities=identities)
        _, second = jumps(current.take(columns.counted & (identities >= 0)))
        if not len(second):
            return identities
        jumped = np.zeros(len(columns), np.bool_)
        jumped[known[second]] = True
        order = known[np.lexsort((frame[known], identities[known], sequence[known]))]
        free = {number: int(identities[sequence == number].max()) + 1 for number in np.unique(sequence[order]).tolist()}
        before, piece = (-1, -1), -1
        for i in order.tolist():
            key = (int(sequence[i]), int(identities[i]))
            if jumped[i]:
                piece = free[key[0]]
                free[key[0]] += 1
            elif key != before:
                piece = key[1]
            before = key
            identities[i] = piece


def _branch(columns: Columns, sequence: Int64Array, identities: Int64Array) -> None:
    """Give each box of an identity that is twice in a frame the number of its branch, in place."""
    frame = columns.frame[columns.sample]
    known = np.flatnonzero(identities >= 0)
    twice = known[repeated(columns.take(identities >= 0))]
    keys = dict.fromkeys(zip(sequence[twice].tolist(), identities[twice].tolist(), strict=True))
    centre = (columns.boxes[:, :2] + columns.boxes[:, 2:]) / 2
    for number, identity in keys:
        members = np.flatnonzero((sequence == number) & (identities == identity))
        free = int(identities[sequence == number].max()) + 1
        last: dict[int, Float32Array] = {}
        for time in np.unique(frame[members]).tolist():
            here = members[frame[members] == time].tolist()
            near = sorted(
                (float(np.hypot(*(centre[i] - place))), i, branch) for i in here for branch, place in last.items()
            )
            taken: dict[int, int] = {}
            for _, i, branch in near:
                if i not in taken and branch not in taken.values():
                    taken[i] = branch
            for i in here:
                if i not in taken:
                    taken[i] = identity if not last and identity not in taken.values() else free
                    free += taken[i] == free
                identities[i] = taken[i]
                last[taken[i]] = centre[i]


def _number_frames(samples: list[Sample]) -> tuple[list[Sample], int]:
    """The samples with the frames counted anew in sequences that have a number twice, and how many numbers changed."""
    wrong = {sample.sequence for _, sample in same_frames(samples)}
    count: Counter[str] = Counter()
    numbered = []
    for sample in samples:
        count[sample.sequence] += 1
        new = count[sample.sequence] if sample.sequence in wrong else sample.frame
        numbered.append(replace(sample, frame=new) if new != sample.frame else sample)
    return numbered, sum(a is not b for a, b in zip(samples, numbered, strict=True))


def _at_true_size(sample: Sample, size: tuple[int, int] | None) -> Sample | None:
    """The sample with its image's own size and the boxes scaled to it; None if the image has another shape."""
    if size is None or size == (sample.width, sample.height):
        return sample
    scale = np.array([size[0] / sample.width, size[1] / sample.height])
    if abs(scale[0] / scale[1] - 1) > _SAME_SHAPE:
        return None
    boxes = (sample.boxes * np.tile(scale, 2)).astype(np.float32)
    return replace(sample, width=size[0], height=size[1], boxes=boxes)
