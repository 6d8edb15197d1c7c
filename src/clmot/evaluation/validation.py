"""Validation: what a network is worth on frames that it does not learn from, and what limits it there."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from clmot.config import Config
from clmot.errors import UserError, plural
from clmot.evaluation.detection import score_detections
from clmot.evaluation.detection_files import BoxList
from clmot.evaluation.embedding import embed_sequences, embedding_scores
from clmot.evaluation.limits import Limits, SeenSequence, identity_f1, limits
from clmot.evaluation.two_view import VIEWS, compare_views, embed_views, label_free_scores
from clmot.inference.model import Model
from clmot.io.image import read_image, write_image
from clmot.io.mot_sequences import DEFAULT_FRAME_RATE, frame_rate_of
from clmot.io.progress import counted
from clmot.structures import Dataset, Detections, Float32Array, Int64Array, Sample
from clmot.tracking.camera_motion import CameraMotion
from clmot.views.labels import with_labels
from clmot.views.pair_dataset import PairDataset
from clmot.visualize.draw import contact_sheet, draw_boxes

if TYPE_CHECKING:
    from rich.progress import Progress

log = logging.getLogger(__name__)

MOST_FRAMES = 200
"""Frames that are looked at each time."""

MOST_EMBEDDED = 50
"""Of these, frames whose annotated boxes are embedded."""

GAP_SECONDS = 1.0
"""Boxes of one object nearer in time than this are not compared, as in half of the sequence where it is short."""

SHOWN = 6
"""Frames in the picture."""

_FOUND, _ANNOTATED = (255, 176, 0), (255, 255, 255)


class Validation:
    """Measures networks on frames of a data set.

    Args:
        dataset: with identities.
        classes: what the network tells apart; boxes of other classes are left out.

    Attributes:
        samples: the frames that are looked at, by sequence.

    Raises:
        UserError: no box of these classes counts, or no image can be read.
    """

    def __init__(self, dataset: Dataset, classes: Sequence[str]) -> None:
        number = {index: classes.index(name) for index, name in enumerate(dataset.classes) if name in classes}
        kept = []
        for sample in dataset.samples:
            part = sample.take(np.isin(sample.classes, list(number)))
            mine = np.array([number[each] for each in part.classes.tolist()], np.int64)
            kept.append(dataclasses.replace(part, classes=mine))
        self._dataset = Dataset(samples=(), classes=tuple(classes))
        self._camera: dict[str, dict[int, npt.NDArray[np.float64]]] = {}
        self.samples: dict[str, list[Sample]] = {}
        unreadable: list[str] = []
        for name, samples in _some(kept).items():
            motion, camera = CameraMotion(), self._camera.setdefault(name, {})
            for sample in samples:
                try:
                    image = read_image(sample.image)
                except UserError as error:
                    unreadable.append(str(error))
                    continue
                self.samples.setdefault(name, []).append(sample)
                camera[sample.frame] = motion.estimate(image, sample.boxes, sample.frame)
        if unreadable:
            log.warning("validation goes without %s: %s", plural(len(unreadable), "image"), unreadable[0])
        if not any((~sample.ignore).any() for each in self.samples.values() for sample in each):
            raise UserError(
                f"validation data: no box of {', '.join(classes)} counts there; its classes are "
                f"{', '.join(dataset.classes)}"
            )

    @property
    def tracked(self) -> dict[str, list[Sample]]:
        """The sequences in which identities are seen several times."""
        return {name: samples for name, samples in self.samples.items() if _is_tracked(samples)}

    def measure(self, model: Model, bar: Progress | None = None) -> dict[str, float]:
        """Scores of a model.

        Returns:
            ``AP`` and ``AP50`` (COCO's, percent); ``rank-1`` and ``TPR``: of boxes seen again a second or more later,
            at a false accept rate of 0.1, or without identities across two views of a frame, at 0.01; ``IDF1`` in
            percent where there are sequences with identities; and ``score``, the mean of AP, of the mean of rank-1
            and TPR, and of IDF1. What cannot be measured is left out.
        """
        return self._scores(model, self.look(model, bar))

    def conclude(
        self, model: Model, bar: Progress | None = None
    ) -> tuple[dict[str, float], Limits | None, list[SeenSequence]]:
        """`measure` of a finished model, what limits it (where there are tracks), and what it sees."""
        seen = self.look(model, bar, embed=True)
        tracked = [each for each in seen if each.samples[0].sequence in self.tracked]
        return self._scores(model, seen), limits(tracked, model.config.tracker) if tracked else None, seen

    def look(self, model: Model, bar: Progress | None = None, *, embed: bool = False) -> list[SeenSequence]:
        """What a model sees in each sequence; `embed` reads embeddings of the annotated boxes of tracks too."""
        seen = []
        for name, samples in self.samples.items():
            found: list[Detections] = []
            embeddings: list[Float32Array] = []
            for sample in counted(samples, bar, f"validating {name}", len(samples)):
                image = read_image(sample.image)
                found.append(model.detect(image))
                if embed and name in self.tracked:
                    none = np.empty((0, 0), np.float32)
                    embeddings.append(model.embed(image, sample.boxes) if len(sample) else none)
            seen.append(
                SeenSequence(
                    samples=samples,
                    found=found,
                    frame_rate=_frame_rate(samples),
                    camera=self._camera[name] if model.config.tracker.camera != "none" else {},
                    embeddings=embeddings,
                )
            )
        return seen

    def _scores(self, model: Model, seen: Sequence[SeenSequence]) -> dict[str, float]:
        scores = self._detection(seen) | self._embedding(model)
        if tracked := [each for each in seen if each.samples[0].sequence in self.tracked]:
            scores["IDF1"] = identity_f1(tracked, [each.track(model.config.tracker) for each in tracked])
        scores = {name: value for name, value in scores.items() if np.isfinite(value)}
        return scores | {"score": overall(scores)}

    def _detection(self, seen: Sequence[SeenSequence]) -> dict[str, float]:
        frames = [pair for each in seen for pair in zip(each.samples, each.found, strict=True)]
        found = [each for _, each in frames]
        boxes = BoxList(
            image=np.repeat(np.arange(len(found)), [len(each) for each in found]),
            xyxy=np.concatenate([each.xyxy for each in found]).astype(np.float64),
            score=np.concatenate([each.score for each in found]).astype(np.float64),
            class_id=np.concatenate([each.class_id for each in found]),
        )
        scores = score_detections(boxes, dataclasses.replace(self._dataset, samples=[sample for sample, _ in frames]))
        return {name: scores.combined[name] for name in ("AP", "AP50")}

    def _embedding(self, model: Model) -> dict[str, float]:
        if self.tracked:
            step = -(-sum(map(len, self.tracked.values())) // MOST_EMBEDDED)
            chosen = [sample for samples in self.tracked.values() for sample in samples[::step]]
            rates = {name: _frame_rate(samples) for name, samples in self.tracked.items()}
            parts = embed_sequences(chosen, model.embed, rates)
            longest = max((float(np.ptp(each.seconds)) for each in parts), default=0.0)
            scores = embedding_scores(parts, (min(GAP_SECONDS, longest / 2), np.inf))
            return {"rank-1": scores["rank-1"], "TPR": scores["TPR@FAR=0.1"]}
        stills = [sample for samples in self.samples.values() for sample in samples]
        unlabelled, _ = with_labels(dataclasses.replace(self._dataset, samples=stills), "none")
        pairs = PairDataset(unlabelled, VIEWS, model.view_size(unlabelled))
        chosen_pairs = (pairs[(index, index)] for index in _spread(len(pairs), MOST_EMBEDDED // 2).tolist())
        views = embed_views(chosen_pairs, model.embed)
        label_free = label_free_scores(views, compare_views(views))
        return {"rank-1": label_free["rank-1"], "TPR": label_free["TPR@FAR=0.01"]}


def overall(scores: Mapping[str, float]) -> float:
    """What decides which weights are best: the mean of AP, of the mean of rank-1 and TPR, and of IDF1, in [0, 1]."""
    embedding = [scores[name] for name in ("rank-1", "TPR") if name in scores]
    parts = [scores[name] / 100 for name in ("AP", "IDF1") if name in scores]
    return float(np.mean([*parts, *([np.mean(embedding)] if embedding else [])]))


def told(scores: Mapping[str, float]) -> str:
    """``AP 41.2, rank-1 0.83, TPR 0.71, IDF1 68.4``."""
    forms = {"AP": ".1f", "rank-1": ".2f", "TPR": ".2f", "IDF1": ".1f"}
    return ", ".join(f"{name} {scores[name]:{form}}" for name, form in forms.items() if name in scores)


def advice(
    scores: Mapping[str, float], found: Limits | None, samples: Sequence[Sample], config: Config, rising: bool
) -> str:
    """What limits a model, and what to do next.

    Args:
        scores: of the model.
        found: IDF1 with each part perfect; None where there are no tracks.
        samples: what it was validated on.
        config: of the run.
        rising: the best weights were among the last.
    """
    if found is None:
        weakest = "detection" if scores.get("AP50", 0) / 100 < scores.get("rank-1", 1) else "embedding"
        reason = f"{weakest} limits it"
    else:
        weakest = found.largest
        reason = (
            f"{weakest} limits it most (IDF1 {found.boxes:.1f} with the annotated boxes, {found.embedding:.1f} with a "
            f"perfect embedding, {found.association:.1f} with perfect association)"
        )
    longer = f"train longer (--steps {2 * config.train.steps})"
    if weakest == "association":
        return f"{reason}; next: clmot tune"
    if weakest == "embedding":
        known = config.data.tracklets or config.data.identities
        return f"{reason}; next: {longer if rising or known else 'data.tracklets=true, if the frames are of videos'}"
    if found is not None and found.idf1 < scores.get("AP50", 0) / 4:
        new = config.tracker.new_track_score
        return f"{reason}: few boxes score as high as tracker.new_track_score={new:g}; next: {longer}, or clmot tune"
    width, height = config.model.image_size
    lowest = [
        (sample.boxes[~sample.ignore, 3] - sample.boxes[~sample.ignore, 1])
        * min(width / sample.width, height / sample.height)
        for sample in samples
    ]
    if (small := float(np.median(np.concatenate(lowest)))) < 24:
        return f"{reason}: boxes are {small:.0f} pixels high at {width}x{height}; next: a larger model.image_size"
    start = "" if config.model.pretrained != "none" else ", or start from ImageNet weights (--recipe mobilenet)"
    return f"{reason}; next: {longer if rising else f'more training images{start}'}"


def predictions_sheet(seen: Sequence[SeenSequence], file: Path, min_score: float) -> None:
    """Write a picture of some frames with what was found (orange, with scores) over what is annotated (white).

    Args:
        seen: the frames.
        file: the JPEG.
        min_score: of boxes that are drawn.

    Raises:
        UserError: it cannot be written.
    """
    frames = [pair for each in seen for pair in zip(each.samples, each.found, strict=True)]
    images = []
    for index in _spread(len(frames), SHOWN).tolist():
        sample, found = frames[index]
        found = found[found.score >= min_score]
        image = draw_boxes(read_image(sample.image), sample.boxes[~sample.ignore], None, _ANNOTATED)
        images.append(draw_boxes(image, found.xyxy, [f"{score:.2f}" for score in found.score], _FOUND))
    write_image(file, contact_sheet(images, 3, cell_width=480), "the picture of predictions", quality=85)


def _frame_rate(samples: Sequence[Sample]) -> float:
    return frame_rate_of(samples[0].image) or DEFAULT_FRAME_RATE


def _is_tracked(samples: Sequence[Sample]) -> bool:
    identities = [np.unique(sample.identities[~sample.ignore & (sample.identities >= 0)]) for sample in samples]
    every = np.concatenate([np.empty(0, np.int64), *identities])
    return len(every) > len(np.unique(every))


def _some(samples: Sequence[Sample]) -> dict[str, list[Sample]]:
    """At most `MOST_FRAMES`: the first ones of sequences with identities, which are tracked; others spread out."""
    parts: dict[str, list[Sample]] = {}
    for sample in samples:
        parts.setdefault(sample.sequence, []).append(sample)
    names = [list(parts)[index] for index in _spread(len(parts), MOST_FRAMES).tolist()]
    most = MOST_FRAMES // max(len(names), 1)
    return {
        name: part[:most] if _is_tracked(part) else [part[index] for index in _spread(len(part), most).tolist()]
        for name in names
        for part in [parts[name]]
    }


def _spread(count: int, most: int) -> Int64Array:
    """At most so many of `count` numbers from 0 on, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))
