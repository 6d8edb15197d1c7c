"""Is this embedding any good? A trained model's, next to the same network untrained and to colour histograms.

With boxes alone, by two views of each frame; where the annotation has identities, also by what is seen again later.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from clmot.datasets.readers import read_dataset
from clmot.errors import UserError
from clmot.evaluation.baselines import histogram_embedding
from clmot.evaluation.embedding import SelfOverlap, areas_by_gap, embed_sequences, embedding_scores, self_overlap
from clmot.evaluation.probe import CHANGES, probe
from clmot.evaluation.two_view import (
    VIEWS,
    ViewComparison,
    compare_views,
    embed_views,
    label_free_scores,
    mean_subtracted,
    suggested_threshold,
)
from clmot.inference.model import Model, load_model
from clmot.inference.network_model import untrained
from clmot.io.atomic import write_whole_json
from clmot.io.mot_sequences import DEFAULT_FRAME_RATE, frame_rate_of
from clmot.io.paths import Paths, as_paths
from clmot.io.progress import followed, progress_bar
from clmot.structures import Embed, Float32Array, Image
from clmot.views.labels import with_labels
from clmot.views.loader import StepSampler
from clmot.views.pair_dataset import PairDataset
from clmot.views.tracklets import with_tracklets

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

TRAINED, UNTRAINED, HISTOGRAM = "this model", "untrained", "colour histogram"

GAPS = {"same second": (0.0, 1.0), "after 1 s": (1.0, np.inf), "after 5 s": (5.0, np.inf)}
"""Least and greatest distance in time of the frames compared."""

AREA_GAPS = {"< 0.2 s": 0.0, "0.2-1 s": 0.2, "1-4 s": 1.0, "> 4 s": 4.0}
"""Least distance in time of the pairs that an area under the ROC curve is of; the greatest is the next one's."""

PROBED_FRAMES = 30
"""Of the frames seen in two views, so many are changed in every way."""


@dataclass(frozen=True, kw_only=True)
class Assessment:
    """Scores by embedding (`TRAINED`, `UNTRAINED`, `HISTOGRAM`).

    Attributes:
        label_free: from two views (`clmot.evaluation.two_view.label_free_scores`), and the ``suggested threshold``.
        identified: by gap, as in `GAPS` (`clmot.evaluation.embedding.embedding_scores`); empty without identities.
        pairs: of the views after online mean subtraction, for a picture.
        probes: rank-1 across two views of which one was changed (`clmot.evaluation.probe.probe`).
        areas: area under the ROC curve by gap, as in `AREA_GAPS`, by identities; where there are none, by tracklets
            (`clmot.views.tracklets`); empty without either.
        motion: how much objects overlap themselves in the next frame; None without either.
    """

    label_free: dict[str, dict[str, float]]
    identified: dict[str, dict[str, dict[str, float]]]
    pairs: dict[str, ViewComparison]
    probes: dict[str, dict[str, float]] = field(default_factory=dict)
    areas: dict[str, dict[str, float]] = field(default_factory=dict)
    motion: SelfOverlap | None = None

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

    def motion_line(self) -> str:
        """What motion alone is worth in these frames, in one line; empty where nothing is known of it."""
        if self.motion is None or not self.motion.steps:
            return ""
        kind = "sparse: appearance has to tell" if self.motion.sparse else "dense: motion tells"
        return (
            f"from frame to frame objects overlap themselves by {self.motion.median:.2f} (median IoU), "
            f"{self.motion.none:.0%} not at all; {kind} who is who"
        )

    def write_json(self, file: Path) -> None:
        """Write all scores.

        Raises:
            UserError: the file cannot be written.
        """
        content = {
            "label_free": self.label_free,
            "identified": self.identified,
            "probes": self.probes,
            "areas": self.areas,
            "motion": None if self.motion is None else self.motion._asdict(),
            "verdict": self.verdict(),
        }
        write_whole_json(file, content, "scores")


def assess(
    model: Model,
    data: Paths,
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
        model: the model, or what `clmot.load_model` takes.
        data: a path or several, as `clmot.datasets.readers.read_dataset` takes them; identities are used where there
            are any.
        frames: how many frames, drawn at random, are seen in two views.
        every: of the frames with identities, use every so many.
        frame_rate: frames a second; by default what ``seqinfo.ini`` says, else `DEFAULT_FRAME_RATE`.
        min_score: the least score of a box that counts, where a detector found them (`clmot.datasets.box_weights`).
        format: what the data is (a name of `clmot.datasets.readers.FORMATS`); ``auto`` finds out.
        seed: of the choice of frames and of the views.
        progress: show a progress bar on standard error.

    Raises:
        UserError: the data cannot be read.

    Examples:
        >>> quality = clmot.embed(clmot.load_model("clmot-pedestrian"), ["MOT17/val"], frames=5)
    """
    model = model if isinstance(model, Model) else load_model(model)
    paths = as_paths(data)
    dataset = read_dataset(paths, min_score=min_score, identities=True, format=format)
    boxes_alone, _ = with_labels(dataset, "none")
    pairs = PairDataset(boxes_alone, VIEWS, model.view_size(dataset), seed)
    draws = StepSampler(len(pairs), batch_size=min(frames, len(pairs)), steps=1, seed=seed).draws(0)
    identified = [sample for sample in dataset.samples if (sample.identities >= 0).any()]
    tracklets = not identified
    if tracklets:
        with suppress(UserError):
            identified = [each for each in with_tracklets(dataset).samples if (each.identities >= 0).any()]
    seen_again = [sample for sample in identified if (sample.frame - 1) % every == 0]
    firsts = {sample.sequence: sample for sample in reversed(identified)}
    rates = {name: frame_rate or frame_rate_of(sample.image) or DEFAULT_FRAME_RATE for name, sample in firsts.items()}
    embedders: dict[str, Embed] = {
        TRAINED: model.embed,
        UNTRAINED: untrained(model, seed).embed,
        HISTOGRAM: histogram_embedding,
    }
    gaps = GAPS if identified and not tracklets else ()
    assessment = Assessment(label_free={}, identified={gap: {} for gap in gaps}, pairs={})
    probed = [pairs[draw] for draw in draws[:PROBED_FRAMES]]
    with progress_bar(progress) as bar:
        for name, embed in embedders.items():
            task = bar.add_task(name, total=len(draws) + len(probed) * (1 + len(CHANGES)) + len(seen_again), note="")
            views = embed_views((pairs[draw] for draw in followed(draws, bar, task)), embed)
            assessment.pairs[name] = compare_views(mean_subtracted(views, model.config.tracker.mean_subtraction))
            scores = label_free_scores(views, compare_views(views))
            scores["suggested threshold"] = suggested_threshold(assessment.pairs[name])
            assessment.label_free[name] = scores
            assessment.probes[name] = probe(probed, _counted(embed, bar, task), seed)
            sequences = embed_sequences(followed(seen_again, bar, task), embed, rates)
            for gap, by_name in assessment.identified.items():
                by_name[name] = embedding_scores(sequences, GAPS[gap])
            if seen_again:
                areas = areas_by_gap(sequences, [*AREA_GAPS.values(), np.inf], together=tracklets)
                assessment.areas[name] = dict(zip(AREA_GAPS, areas, strict=True))
    return replace(assessment, motion=self_overlap(seen_again)) if seen_again else assessment


def _counted(embed: Embed, bar: Progress, task: TaskID) -> Embed:
    def counted(image: Image, boxes: Float32Array) -> Float32Array:
        bar.advance(task)
        return embed(image, boxes)

    return counted
