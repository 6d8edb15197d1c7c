"""Is this embedding any good? A trained model's, next to the same network untrained and to colour histograms.

With boxes alone, by two views of each frame; where the annotation has identities, also by what is seen again later.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from clmot.config import ViewsConfig
from clmot.datasets.readers import read_dataset
from clmot.evaluation.baselines import histogram_embedding
from clmot.evaluation.embedding import embed_sequences, embedding_scores
from clmot.evaluation.probe import CHANGES, probe
from clmot.evaluation.two_view import (
    ViewComparison,
    centred,
    compare_views,
    embed_views,
    label_free_scores,
    suggested_threshold,
)
from clmot.inference.model import Model, untrained
from clmot.io.atomic import write_whole_text
from clmot.io.mot_sequences import read_sequence_info
from clmot.io.progress import progress_bar
from clmot.structures import Float32Array, Image, Sample
from clmot.views.labels import with_labels
from clmot.views.loader import StepSampler
from clmot.views.pair_dataset import PairDataset

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_Item = TypeVar("_Item")
Embed = Callable[[Image, Float32Array], Float32Array]

TRAINED, UNTRAINED, HISTOGRAM = "this model", "untrained", "colour histogram"

GAPS = {"same second": (0.0, 1.0), "after 1 s": (1.0, np.inf), "after 5 s": (5.0, np.inf)}
"""Least and greatest distance in time of the frames compared."""

DEFAULT_FRAME_RATE = 30.0

PROBED_FRAMES = 30
"""Of the frames seen in two views, so many are changed in every way."""

VIEWS = ViewsConfig(scale=(0.7, 1.4), occlude=0.2, off_center=0.1)
"""What the two views differ by: the same for every model, whatever it was trained with."""


@dataclass(frozen=True, kw_only=True)
class Assessment:
    """Scores by embedding (`TRAINED`, `UNTRAINED`, `HISTOGRAM`).

    Attributes:
        label_free: from two views (`clmot.evaluation.two_view.label_free_scores`), and the ``suggested threshold``.
        identified: by gap, as in `GAPS` (`clmot.evaluation.embedding.embedding_scores`); empty without identities.
        pairs: of the views as a tracker sees them, for a picture.
        probes: rank-1 across two views of which one was changed (`clmot.evaluation.probe.probe`).
    """

    label_free: dict[str, dict[str, float]]
    identified: dict[str, dict[str, dict[str, float]]]
    pairs: dict[str, ViewComparison]
    probes: dict[str, dict[str, float]] = field(default_factory=dict)

    def verdict(self) -> str:
        """One line that says what to make of it, from views alone."""
        trained, rivals = self.label_free[TRAINED], [self.label_free[name] for name in (UNTRAINED, HISTOGRAM)]
        if not trained["boxes"] or np.isnan(trained["rank-1"]):
            return "nothing can be compared: there is no frame with two boxes, and one sequence only"
        if trained["collapsed"]:
            return "collapsed: boxes all look alike to it; train longer, with a lower learning rate or more negatives"
        best = max(rival["rank-1"] for rival in rivals)
        advice = f"start with tracker.appearance_threshold={trained['suggested threshold']:.2f}"
        if trained["rank-1"] > best:
            return f"trained: it tells boxes apart better than colour histograms and than before training; {advice}"
        return f"weak: no better than what needs no training ({trained['rank-1']:.2f} against {best:.2f}); train longer"

    def write_json(self, file: Path) -> None:
        """Write all scores.

        Raises:
            UserError: the file cannot be written.
        """
        content = {
            "label_free": self.label_free,
            "identified": self.identified,
            "probes": self.probes,
            "verdict": self.verdict(),
        }
        write_whole_text(file, json.dumps(content, indent=2).replace("NaN", "null") + "\n", "scores")


def assess(
    model: Model,
    data: Sequence[Path],
    *,
    frames: int = 100,
    every: int = 1,
    frame_rate: float | None = None,
    min_score: float | None = None,
    format: str = "auto",
    seed: int = 0,
    progress: bool = True,
) -> Assessment:
    """Assess a model's embedding on annotated frames.

    Args:
        model: the model.
        data: what `clmot.datasets.readers.read_dataset` takes; identities are used where there are any.
        frames: how many frames, drawn at random, are seen in two views.
        every: of the frames with identities, use every so many.
        frame_rate: frames a second; by default what ``seqinfo.ini`` says, else `DEFAULT_FRAME_RATE`.
        min_score: the least score of a box that counts, where a detector found them (`clmot.datasets.box_weights`).
        format: what the data is (a name of `clmot.datasets.readers.FORMATS`); ``auto`` finds out.
        seed: of the choice of frames and of the views.
        progress: show a progress bar on standard error.

    Raises:
        UserError: the data cannot be read.
    """
    dataset = read_dataset(data, min_score=min_score, identities=True, format=format)
    boxes_alone, _ = with_labels(dataset, "none")
    pairs = PairDataset(boxes_alone, VIEWS, model.config.model.image_size, seed)
    draws = StepSampler(len(pairs), batch_size=min(frames, len(pairs)), steps=1, seed=seed).draws(0)
    identified = [sample for sample in dataset.samples if (sample.identities >= 0).any()]
    seen_again = [sample for sample in identified if (sample.frame - 1) % every == 0]
    firsts = {sample.sequence: sample for sample in reversed(identified)}
    rates = {name: frame_rate or _frame_rate(sample) for name, sample in firsts.items()}
    embedders: dict[str, Embed] = {
        TRAINED: model.embed,
        UNTRAINED: untrained(model, seed).embed,
        HISTOGRAM: histogram_embedding,
    }
    assessment = Assessment(label_free={}, identified={gap: {} for gap in GAPS if identified}, pairs={})
    probed = [pairs[draw] for draw in draws[:PROBED_FRAMES]]
    with progress_bar(progress) as bar:
        for name, embed in embedders.items():
            task = bar.add_task(name, total=len(draws) + len(probed) * (1 + len(CHANGES)) + len(seen_again), note="")
            views = embed_views((pairs[draw] for draw in _followed(draws, bar, task)), embed)
            assessment.pairs[name] = compare_views(centred(views, model.config.tracker.mean_subtraction))
            scores = label_free_scores(views, compare_views(views))
            scores["suggested threshold"] = suggested_threshold(assessment.pairs[name])
            assessment.label_free[name] = scores
            assessment.probes[name] = probe(probed, _counted(embed, bar, task), seed)
            sequences = embed_sequences(_followed(seen_again, bar, task), embed, rates)
            for gap, by_name in assessment.identified.items():
                by_name[name] = embedding_scores(sequences, GAPS[gap])
    return assessment


def _followed(items: Sequence[_Item], bar: Progress, task: TaskID) -> Iterator[_Item]:
    for item in items:
        yield item
        bar.advance(task)


def _counted(embed: Embed, bar: Progress, task: TaskID) -> Embed:
    def counted(image: Image, boxes: Float32Array) -> Float32Array:
        bar.advance(task)
        return embed(image, boxes)

    return counted


def _frame_rate(sample: Sample) -> float:
    """What a MOTChallenge sequence says of itself."""
    folder = sample.image.parent.parent
    return read_sequence_info(folder).frame_rate if (folder / "seqinfo.ini").is_file() else DEFAULT_FRAME_RATE
