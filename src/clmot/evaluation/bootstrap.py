"""How far scores would scatter with other sequences: the bootstrap over sequences (Efron and Tibshirani 1993).

As many sequences as there are get drawn with replacement, and what was measured on each goes through the metrics'
own combination, again and again. Two result sets meet the same draws, so that the difference of their scores has an
interval of its own, which is much narrower than the two intervals suggest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clmot.evaluation.metrics import Fields, Metrics, summary
from clmot.io.mot_sequences import video_name

LEVEL = 0.95
"""Share of the replicates between the ends of an interval."""

FEW_VIDEOS = 10
"""With fewer, intervals are too narrow to be believed (``docs/scores.md``), and reports say so."""

Replicates = dict[str, npt.NDArray[np.float64]]
"""By metric, the score in each draw."""


@dataclass(frozen=True)
class Difference:
    """How much more one thing scores than another.

    Attributes:
        value: one score minus the other.
        interval: of that at `LEVEL`, from the same draws for both; None without a bootstrap.
    """

    value: float
    interval: tuple[float, float] | None = None

    def text(self, places: int) -> str:
        """``+1.5 [+0.2, +2.8]``."""
        ends = "" if self.interval is None else " [{:+.{p}f}, {:+.{p}f}]".format(*self.interval, p=places)
        return f"{self.value:+.{places}f}{ends}"


def draw_sequences(names: Sequence[str], repeats: int, seed: int) -> list[list[int]] | None:
    """Indices of the sequences in each draw; None where there are no two videos to draw from.

    The copies of one MOT17 video (one for each public detector) are drawn together: they are no independent evidence.
    """
    copies: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        copies.setdefault(video_name(name), []).append(index)
    videos = list(copies.values())
    if len(videos) < 2:
        return None
    draws = np.random.default_rng(seed).integers(len(videos), size=(repeats, len(videos)))
    return [[index for video in draw for index in videos[video]] for draw in draws.tolist()]


def replicate(metrics: Metrics, fields: Sequence[Sequence[Fields]], draws: Sequence[Sequence[int]]) -> Replicates:
    """The combined scores of each draw.

    Args:
        metrics: what combines.
        fields: of each sequence, the fields of its classes.
        draws: as of `draw_sequences`.
    """
    # classes of a sequence stay together whatever is drawn
    whole = [parts[0] if len(parts) == 1 else metrics.combine(parts) for parts in fields]
    scores = [summary(metrics.combine([whole[index] for index in draw])) for draw in draws]
    return {name: np.array([score[name] for score in scores], np.float64) for name in scores[0]}


def interval(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Percentile interval of replicates at `LEVEL`."""
    low, high = np.percentile(values, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return float(low), float(high)
