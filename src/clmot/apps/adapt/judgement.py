"""Is an embedding better than another on video without labels? By held-out tracklets, at the same boxes.

A tracklet shows one object at several times, where it has moved, turned and changed its light; two that some moment
shows both are two objects. Most of these are easy to tell apart, and any mean over all pairs is near its best before
and after: what decides is how well each tracklet is told from the one it is most like.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from clmot.evaluation.embedding import EmbeddedSequence, areas_by_gap, embed_sequences, hardest_decidability
from clmot.io.progress import followed
from clmot.structures import Dataset, Embed

if TYPE_CHECKING:
    from rich.progress import Progress

GAP_SECONDS = 1.0
"""Boxes nearer in time than this are not compared, for their appearance has hardly changed; of tracklets that last for
less than twice as long, half of that."""

EDGES = (0.0, 1.0, 2.0, 4.0, 8.0, float("inf"))
"""Of the gaps in seconds that the report tells apart."""

DRAWS = 2000
"""Of tracklets, with replacement, for an interval."""


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """Scores of an embedding on tracklets, after running mean subtraction as in the tracker.

    Attributes:
        hardest: by video, of each tracklet the decidability against the tracklet it is hardest to tell from, in
            the order of their numbers (`clmot.evaluation.embedding.hardest_decidability`).
        by_gap: the area over all pairs, by the `EDGES` (`clmot.evaluation.embedding.areas_by_gap`).
    """

    hardest: dict[str, list[float]]
    by_gap: list[float]

    @property
    def score(self) -> float:
        """The mean over tracklets; NaN where there are none."""
        values = [value for each in self.hardest.values() for value in each]
        return float(np.mean(values)) if values else float("nan")

    def as_dict(self) -> dict[str, Any]:
        """For JSON; NaN, which is written as null, for what could not be measured."""
        return asdict(self) | {"score": self.score}

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> Judgement:
        """What `as_dict` gave, from JSON."""
        by_gap = [float("nan") if value is None else value for value in values["by_gap"]]
        return Judgement(hardest=values["hardest"], by_gap=by_gap)


def embedded(
    embed: Embed, frames: Dataset, frame_rates: Mapping[str, float], name: str, bar: Progress
) -> dict[str, EmbeddedSequence]:
    """The boxes of tracklets, by video.

    Args:
        embed: the embedding.
        frames: with tracklets as identities.
        frame_rates: frames a second, by video.
        name: of the task that the bar gets.
        bar: shows how far it is.
    """
    samples = [sample for sample in frames.samples if (sample.identities >= 0).any()]
    task = bar.add_task(name, total=len(samples), note="")
    found = embed_sequences(followed(samples, bar, task), embed, dict(frame_rates))
    return dict(zip(dict.fromkeys(sample.sequence for sample in samples), found, strict=True))


def judge(held_out: Mapping[str, EmbeddedSequence], prior: float) -> Judgement:
    """Judge an embedding.

    Args:
        held_out: boxes of tracklets that it did not learn from, by video.
        prior: as `tracker.mean_subtraction`.
    """
    sequences = {video: each.mean_subtracted(prior) if prior else each for video, each in held_out.items()}
    hardest = {
        video: [value for _, value in sorted(hardest_decidability(each, GAP_SECONDS).items())]
        for video, each in sequences.items()
    }
    return Judgement(hardest=hardest, by_gap=areas_by_gap([*sequences.values()], EDGES, together=True))


def gain(before: Judgement, after: Judgement) -> tuple[float, float, float]:
    """By how much the mean over tracklets rose, and its 95 % interval over draws of the same tracklets for both.

    Returns:
        NaN for all three where there is nothing to compare.
    """
    differences = np.array(
        [
            new - old
            for video in before.hardest
            for old, new in zip(before.hardest[video], after.hardest[video], strict=True)
        ]
    )
    if not len(differences):
        return (float("nan"),) * 3
    drawn = np.random.default_rng(0).integers(0, len(differences), (DRAWS, len(differences)))
    low, high = np.quantile(differences[drawn].mean(axis=1), [0.025, 0.975])
    return float(differences.mean()), float(low), float(high)
