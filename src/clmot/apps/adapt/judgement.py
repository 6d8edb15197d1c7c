"""Is an embedding better than another on video without labels? Two views of held-out frames, and held-out tracklets.

Views tell whether an embedding survives what the augmentation does, tracklets whether it survives time: there the same
object has moved, turned and changed its light. Nobody labels either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from clmot.evaluation.embedding import embed_sequences, embedding_scores
from clmot.evaluation.two_view import VIEWS, compare_views, embed_views, label_free_scores
from clmot.io.progress import followed
from clmot.structures import Dataset, Embed, Sample
from clmot.views.labels import with_labels
from clmot.views.pair_dataset import PairDataset

if TYPE_CHECKING:
    from rich.progress import Progress

GAP_SECONDS = 1.0
"""Boxes nearer in time than this are not compared, for their appearance has hardly changed."""

MOST_VIEWED = 100
"""Frames seen in two views, at most."""


DECIDING = (("views", "rank-1"), ("views", "TPR@FAR=0.01"), ("time", "mAP"), ("time", "TPR@FAR=0.1"))
"""Ranking and verification, across views and across time: where one of them is perfect, another mostly is not."""


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """Scores of an embedding without identities.

    Attributes:
        views: across two views of held-out frames (`clmot.evaluation.two_view.label_free_scores`).
        time: across time on held-out tracklets (`clmot.evaluation.embedding.embedding_scores`): a box, its own tracklet
            at least `gap` seconds away, and other tracklets that it was seen together with.
        gap: in seconds.
    """

    views: dict[str, float]
    time: dict[str, float]
    gap: float

    @property
    def score(self) -> float:
        """What decides: the mean of the `DECIDING` measures, as far as there is enough to measure them by."""
        values = [getattr(self, part)[name] for part, name in DECIDING]
        return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")

    def as_dict(self) -> dict[str, Any]:
        """For JSON; NaN, which is written as null, for what could not be measured."""
        return asdict(self) | {"score": self.score}

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> Judgement:
        """What `as_dict` gave, from JSON."""
        views, time = (
            {name: float("nan") if value is None else value for name, value in values[part].items()}
            for part in ("views", "time")
        )
        return Judgement(views=views, time=time, gap=values["gap"])


def judge(
    embed: Embed,
    held_out: Dataset,
    frame_rates: Mapping[str, float],
    size: tuple[int, int],
    *,
    seed: int = 0,
    name: str,
    bar: Progress,
) -> Judgement:
    """Judge an embedding.

    Args:
        embed: the embedding.
        held_out: frames with tracklets as identities.
        frame_rates: frames a second, by sequence.
        size: width and height of the views in pixels.
        seed: of the views.
        name: of the task that the bar gets.
        bar: shows how far it is.
    """
    samples = held_out.samples
    unlabelled, _ = with_labels(held_out, "none")
    pairs = PairDataset(unlabelled, VIEWS, size, seed)
    chosen = np.linspace(0, len(samples) - 1, min(len(samples), MOST_VIEWED)).round().astype(np.int64)
    viewed = np.unique(chosen).tolist()
    task = bar.add_task(name, total=len(viewed) + len(samples), note="")

    views = embed_views((pairs[(index, index)] for index in followed(viewed, bar, task)), embed)
    gap = comparable_gap(samples, frame_rates)
    sequences = embed_sequences(followed(samples, bar, task), embed, dict(frame_rates))
    return Judgement(
        views=label_free_scores(views, compare_views(views)),
        time=embedding_scores(sequences, (gap, np.inf), together=True),
        gap=gap,
    )


def comparable_gap(samples: Sequence[Sample], frame_rates: Mapping[str, float]) -> float:
    """`GAP_SECONDS`, or half of the longest tracklet where none is twice as long."""
    seen: dict[tuple[str, int], list[float]] = {}
    for sample in samples:
        for tracklet in sample.identities[sample.identities >= 0].tolist():
            seen.setdefault((sample.sequence, tracklet), []).append(sample.frame / frame_rates[sample.sequence])
    longest = max((max(times) - min(times) for times in seen.values()), default=0.0)
    return min(GAP_SECONDS, longest / 2)
