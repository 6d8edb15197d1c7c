"""Checks of identities: two places in a frame, jumps between frames, changing classes, one number for each box."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np
import numpy.typing as npt

from clmot.apps.check_data.columns import Columns, repeats
from clmot.apps.check_data.findings import MOST_EXAMPLES, Example, Finding, found
from clmot.errors import plural
from clmot.structures import BoolArray, Int64Array

_JUMP = 1.5
"""Displacement in box sizes (square root of the area) from one frame to the next that no person makes at video rate.

In eleven sequences of MOT15 and in MOT16-11 the largest is 1.4, seen from a car, and 0.8 otherwise."""
_USUAL = 6.0
"""... and so many times the sequence's own 90th percentile: at a low frame rate everything moves far."""
_GROWTH = 5.0
"""Ratio of areas from one frame to the next that no object inside the image makes."""

_BORDER = 0.01
"""Share of the image's size within which boxes are taken to be cut off at its border."""


def check_identities(columns: Columns) -> Iterator[Finding]:
    """The findings about identities; boxes without one, and those that are ignored, are passed over."""
    known = columns.take(columns.counted & (columns.identities >= 0))
    if not len(known):
        return
    yield from _twice_in_a_frame(known)
    yield from _jumps(known)
    yield from _several_classes(known)
    yield from _one_for_each_box(known)


def jumps(columns: Columns) -> tuple[Int64Array, Int64Array]:
    """Pairs of boxes of one identity that follow each other and cannot show the same object.

    Two boxes follow each other if no more frames are between them than usually in their sequence. A jump is a
    displacement, less what the frame moves as a whole, or a growth of a box inside the image, beyond all measure.

    Args:
        columns: boxes with identities, none twice in a frame.

    Returns:
        Positions of the boxes before and after, int64 [k] each, the farthest jump first.
    """
    sequence, frame = columns.sequence[columns.sample], columns.frame[columns.sample]
    order = np.lexsort((frame, columns.identities, sequence))
    first, second = order[:-1], order[1:]
    same = (sequence[first] == sequence[second]) & (columns.identities[first] == columns.identities[second])
    first, second = first[same], second[same]
    gap = frame[second] - frame[first]
    usual_gap = np.zeros(columns.sequence.max(initial=0) + 1, np.int64)
    for number in np.unique(sequence[first]):
        gaps = np.diff(columns.frame[columns.sequence == number])
        usual_gap[number] = np.bincount(gaps[gaps > 0]).argmax() if (gaps > 0).any() else 1
    near = np.flatnonzero((gap > 0) & (gap <= usual_gap[sequence[first]]))
    first, second = first[near], second[near]
    moved, growth = _moved(columns, first, second), _growth(columns, first, second)
    limit = np.full(len(first), _JUMP)
    for number in np.unique(sequence[first]):
        here = sequence[first] == number
        limit[here] = max(_JUMP, _USUAL * float(np.quantile(moved[here], 0.9)))
    found = np.flatnonzero((moved > limit) | (growth > _GROWTH))
    found = found[np.argsort(-np.maximum(moved[found], growth[found]), kind="stable")]
    return first[found], second[found]


def _moved(columns: Columns, first: Int64Array, second: Int64Array) -> npt.NDArray[np.float64]:
    """Displacements in box sizes, without the median of all those of the same pair of frames.

    Along each axis an object has moved as far as the side that moved less: at the image's border one side stands still.
    """
    boxes = columns.boxes.astype(np.float64)
    sides = (boxes[second] - boxes[first]).reshape(-1, 2, 2)
    order = np.argsort(columns.sample[first], kind="stable")
    starts = np.flatnonzero(np.diff(columns.sample[first][order], prepend=-1))
    for members in np.split(order, starts[1:]):
        if len(members) >= 3:
            sides[members] -= np.median(sides[members].mean(axis=1), axis=0)
    together = np.sign(sides[:, 0]) == np.sign(sides[:, 1])
    step = np.where(together, np.abs(sides).min(axis=1), 0)
    area = columns.extent.astype(np.float64).prod(axis=1)
    return np.asarray(np.hypot(*step.T) / np.sqrt(np.maximum(area[first], area[second])))


def _growth(columns: Columns, first: Int64Array, second: Int64Array) -> npt.NDArray[np.float64]:
    """Ratios of areas, of which the boxes that touch the border have none: objects enter and leave there."""
    area = columns.extent.astype(np.float64).prod(axis=1)
    ratio = np.maximum(area[first], area[second]) / np.minimum(area[first], area[second])
    margin = columns.size * _BORDER
    free = np.hstack([columns.boxes[:, :2] > margin, columns.boxes[:, 2:] < columns.size - margin])
    inside = np.asarray(free.all(axis=1))
    return np.asarray(np.where(inside[first] & inside[second], ratio, 1.0))


def repeated(columns: Columns) -> Int64Array:
    """The boxes whose identity is in their frame already: positions, int64 [k]."""
    return np.flatnonzero(repeats(columns.identities, columns.sample))


def _twice_in_a_frame(known: Columns) -> Iterator[Finding]:
    def examples() -> Iterator[Example]:
        for i in index.tolist():
            both = (known.sample == known.sample[i]) & (known.identities == known.identities[i])
            yield _example(known, both, known.sample[i], f"id {known.identities[i]}, {plural(int(both.sum()), 'time')}")

    index = repeated(known)
    return found("id twice in a frame", len(index), known.named(index), examples())


def _jumps(known: Columns) -> Iterator[Finding]:
    def examples() -> Iterator[Example]:
        for pair in zip(first.tolist(), second.tolist(), strict=True):
            for i, word in zip(pair, ("before", "after"), strict=True):
                frame = single.samples[single.sample[i]].frame
                title = f"id {single.identities[i]} {word} the jump, frame {frame}"
                yield _example(single, np.array([i]), single.sample[i], title)

    kept = np.ones(len(known), np.bool_)
    kept[repeated(known)] = False
    single = known.take(kept)
    first, second = jumps(single)
    return found("ids that jump", len(first), single.named(second), islice(examples(), 2 * MOST_EXAMPLES))


def _example(columns: Columns, chosen: Int64Array | BoolArray, number: int, title: str) -> Example:
    """Some boxes of a sample, and those of it with other identities."""
    sample = columns.samples[number]
    others = sample.boxes[~np.isin(sample.identities, columns.identities[chosen])]
    return Example(image=sample.image, boxes=columns.boxes[chosen], title=title, others=others)


def _several_classes(known: Columns) -> Iterator[Finding]:
    sequence = known.sequence[known.sample]
    order = np.lexsort((known.classes, known.identities, sequence))
    same = (sequence[order[1:]] == sequence[order[:-1]]) & (known.identities[order[1:]] == known.identities[order[:-1]])
    changed = np.sort(order[1:][same & (known.classes[order[1:]] != known.classes[order[:-1]])])
    keys = {(int(sequence[i]), int(known.identities[i])) for i in changed}
    examples = known.examples(changed, "its id has another class elsewhere")
    return found("ids of several classes", len(keys), known.named(changed), examples)


def _one_for_each_box(known: Columns) -> Iterator[Finding]:
    if len(np.unique(known.sample)) < 2:
        return
    keys = np.stack([known.sequence[known.sample], known.identities], axis=1)
    _, count = np.unique(keys, axis=0, return_counts=True)
    once = int((count == 1).sum())
    if len(count) >= 20 and once >= 0.9 * len(count):
        yield from found("ids seen once", once, known.named(np.arange(len(known))), ids=plural(len(count), "id"))
