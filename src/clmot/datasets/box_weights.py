"""What boxes that a detector found, instead of a person, are worth in training: their scores as weights.

A score is taken for the chance that the box is an object, where all scores of a data set lie in [0, 1]. Other scales
(a support vector machine's margin, percentages) mean something in their order alone.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np

from clmot.errors import UserError
from clmot.io.box_input import are_chances
from clmot.structures import Dataset, Float32Array, Int64Array, Sample

MIN_SCORE = 0.4
"""Boxes at least this sure are objects, if nothing else is asked for (FairMOT's detection threshold)."""

BACKGROUND_SCORE = 0.1
"""Boxes less sure are taken for background (ByteTrack's lower threshold: Zhang et al. 2022)."""

_log = logging.getLogger(__name__)


def weigh_by_score(dataset: Dataset, min_score: float | None, path: Path) -> Dataset:
    """A data set as a detector scored it, with scores that are weights.

    Where all scores lie in [0, 1], a box of at least `min_score` is an object that counts as its score says; one
    between `BACKGROUND_SCORE` and `min_score` is ignored, and one below both is left out. Scores on any other scale are
    no weights: boxes of at least `min_score` count in full, and all others are left out, because nobody knows what
    separates an unsure box from none there. Where all scores are 1, as of ground truth, nothing changes.

    Args:
        dataset: as read at one path, with scores as the detector gave them.
        min_score: the least score of an object; None for `MIN_SCORE`.
        path: where it was read, for messages.

    Returns:
        Classes that no object is left of are gone; boxes left out are counted in `Dataset.skipped`.

    Raises:
        UserError: the scale is not [0, 1] and there is no `min_score`; or no object is left.
    """
    scores = np.concatenate([np.empty(0, np.float32), *(sample.scores for sample in dataset.samples)])
    if (scores == 1).all():
        return dataset
    scores = scores[np.isfinite(scores)]
    low, high = scores.min(initial=np.inf), scores.max(initial=-np.inf)
    by_chance = are_chances(low, high)
    if min_score is None:
        if not by_chance:
            raise UserError(
                f"{path}: scores go from {low:.3g} to {high:.3g}, not from 0 to 1: choose the least score of a box "
                f"that counts (data.min_score); {np.median(scores):.3g} takes the surer half of them"
            )
        min_score = MIN_SCORE
    left_out_below = min(min_score, BACKGROUND_SCORE) if by_chance else min_score
    weigh = _Weigher(min_score, left_out_below, by_chance)
    samples = [weigh(sample) for sample in dataset.samples]
    skipped = Counter({f"score below {left_out_below:g}": weigh.below, "score that is no number": weigh.no_number})
    objects = [~sample.ignore for sample in samples]
    count = sum(int(each.sum()) for each in objects)
    if not count and any((~sample.ignore).any() for sample in dataset.samples):
        raise UserError(f"{path}: no box has a score of {min_score:g} (they go up to {high:.3g}): lower data.min_score")
    total = sum(float(sample.scores[each].sum()) for sample, each in zip(samples, objects, strict=True))
    worth = f"by their scores, {total / max(count, 1):.2f} on average; {weigh.ignored} less sure ones are ignored"
    _log.info("%s: %d boxes of a detector count %s", path, count, worth if by_chance else "in full")
    return _without_unused_classes(replace(dataset, samples=samples, skipped=dataset.skipped + skipped))


class _Weigher:
    """Weighs samples one by one, and counts what becomes of their boxes."""

    def __init__(self, min_score: float, left_out_below: float, by_chance: bool) -> None:
        self._min_score, self._left_out_below, self._by_chance = min_score, left_out_below, by_chance
        self.below = self.no_number = self.ignored = 0

    def __call__(self, sample: Sample) -> Sample:
        scores = sample.scores.astype(np.float64)
        # thresholds are decimal, scores float32: 0.4 is at least 0.4
        low, least = np.float32(self._left_out_below), np.float32(self._min_score)
        finite, enough = np.isfinite(scores), scores >= low
        keep = finite & enough
        unsure = keep & (scores < least)
        self.no_number += int((~finite).sum())
        self.below += int((finite & ~enough).sum())
        self.ignored += int((unsure & ~sample.ignore).sum())
        weights: Float32Array = sample.scores if self._by_chance else np.ones_like(sample.scores)
        return replace(sample, ignore=sample.ignore | unsure, scores=weights).take(keep)


def _without_unused_classes(dataset: Dataset) -> Dataset:
    """Classes that have an object; boxes to ignore mask every class alike, so any class will do for them."""
    used = np.unique(np.concatenate([np.empty(0, np.int64), *(s.classes[~s.ignore] for s in dataset.samples)]))
    if len(used) in (0, len(dataset.classes)):
        return dataset
    class_map: Int64Array = np.zeros(len(dataset.classes), np.int64)
    class_map[used] = np.arange(len(used))
    samples = [replace(sample, classes=class_map[sample.classes]) for sample in dataset.samples]
    return replace(dataset, samples=samples, classes=tuple(dataset.classes[i] for i in used))
