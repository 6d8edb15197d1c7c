"""What boxes that a detector found, instead of a person, are worth in training: their scores as weights.

A score is taken for the chance that the box is an object, where all scores of a data set lie in [0, 1]. Other scales
(a support vector machine's margin, percentages) mean something in their order alone.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from clmot.errors import UserError
from clmot.io.box_input import are_chances
from clmot.structures import Boxes, Dataset

MIN_SCORE = 0.4
"""Boxes of at least this score are objects, if nothing else is asked for (FairMOT's detection threshold)."""

BACKGROUND_SCORE = 0.1
"""Boxes of a lower score are taken for background (ByteTrack's lower threshold: Zhang et al. 2022)."""

_log = logging.getLogger(__name__)


def weigh_by_score(dataset: Dataset, min_score: float | None, path: Path) -> Dataset:
    """A data set as a detector scored it, with scores that are weights.

    Where all scores lie in [0, 1], a box of at least `min_score` is an object that counts as its score says; one
    between `BACKGROUND_SCORE` and `min_score` is ignored, and one below both is left out. Scores on any other scale are
    no weights: boxes of at least `min_score` count in full, and all others are left out, because nobody knows what
    separates a low-score box from none there. Where all scores are 1, as of ground truth, nothing changes.

    Args:
        dataset: as read at one path, with scores as the detector gave them.
        min_score: the least score of an object; None for `MIN_SCORE`.
        path: where it was read, for messages.

    Returns:
        Classes that no object is left of are gone; boxes left out are counted in `Dataset.skipped`.

    Raises:
        UserError: the scale is not [0, 1] and there is no `min_score`; or no object is left.
    """
    boxes = Boxes.join(dataset.samples)
    scores = boxes.scores
    if (scores == 1).all():
        return dataset
    finite = np.isfinite(scores)
    low, high = scores.min(initial=np.inf, where=finite), scores.max(initial=-np.inf, where=finite)
    by_chance = are_chances(low, high)
    if min_score is None:
        if not by_chance:
            raise UserError(
                f"{path}: scores go from {low:.3g} to {high:.3g}, not from 0 to 1: choose the least score of a box "
                f"that counts (data.min_score); {np.median(scores[finite]):.3g} takes the half with the highest scores"
            )
        min_score = MIN_SCORE
    left_out_below = min(min_score, BACKGROUND_SCORE) if by_chance else min_score
    # thresholds are decimal, scores float32: 0.4 is at least 0.4
    keep = finite & (scores >= np.float32(left_out_below))
    low_score = keep & (scores < np.float32(min_score))
    weighed = replace(boxes, ignore=boxes.ignore | low_score, scores=scores if by_chance else np.ones_like(scores))
    objects = keep & ~weighed.ignore
    count = int(objects.sum())
    if not count and not boxes.ignore.all():
        raise UserError(f"{path}: no box has a score of {min_score:g} (they go up to {high:.3g}): lower data.min_score")
    mean, ignored = scores[objects].sum(dtype=np.float64) / max(count, 1), int((low_score & ~boxes.ignore).sum())
    worth = f"by their scores, {mean:.2f} on average; {ignored} low-score ones are ignored" if by_chance else "in full"
    _log.info("%s: %d boxes of a detector count %s", path, count, worth)
    # boxes to ignore mask every class alike, so any class will do for them
    used = np.unique(weighed.classes[objects]) if count else np.arange(len(dataset.classes))
    class_map = np.zeros(len(dataset.classes), np.int64)
    class_map[used] = np.arange(len(used))
    weighed = replace(weighed, classes=class_map[weighed.classes])
    ends = np.cumsum([0, *map(len, dataset.samples)]).tolist()
    rows = [slice(start, end) for start, end in pairwise(ends)]
    return replace(
        dataset,
        samples=[
            replace(sample, **vars(weighed.take(own))).take(keep[own])
            for sample, own in zip(dataset.samples, rows, strict=True)
        ],
        classes=tuple(dataset.classes[i] for i in used),
        skipped=dataset.skipped
        + Counter(
            {
                f"score below {left_out_below:g}": int((finite & ~keep).sum()),
                "score that is no number": int((~finite).sum()),
            }
        ),
    )
