"""Whether a quantised model still finds what the float32 model finds, on images that it was not calibrated on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from clmot.boxes import iou
from clmot.errors import UserError, require
from clmot.evaluation.detection import score_detections
from clmot.evaluation.detection_files import BoxList
from clmot.evaluation.embedding import embed_sequences, embedding_scores
from clmot.export.calibration import Frame
from clmot.inference.exported import ExportedModel
from clmot.inference.model import Model
from clmot.structures import BoolArray, Dataset, Detections, Embed, Float32Array, Int64Array, Sample

LEAST_FOUND = 0.9
"""Share of detections that both models must have."""

LEAST_COSINE = 0.95
"""Median cosine of the two embeddings of an object."""

_IOU = 0.5


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """What quantisation cost.

    Attributes:
        images: how many were looked at.
        detections: of both models together; of crops, the boxes.
        found: share of those that the other model has too; NaN for crops, which find nothing.
        cosine: median cosine of the embeddings of what both have.
        scores: name to before and after, where it is known what the images show: ``AP``, ``AP50`` in percent; with
            identities also ``rank-1`` and ``TPR@FAR=0.1`` among boxes of different frames.
    """

    images: int
    detections: int
    found: float
    cosine: float
    scores: dict[str, tuple[float, float]]

    @property
    def apart(self) -> float:
        """The larger difference as a share of what is allowed."""
        cosine = (1 - self.cosine) / (1 - LEAST_COSINE)
        return cosine if np.isnan(self.found) else max((1 - self.found) / (1 - LEAST_FOUND), cosine)

    def __str__(self) -> str:
        """For the user, a line for each score."""
        there = "boxes" if np.isnan(self.found) else "detections found again"
        share = "" if np.isnan(self.found) else f"{self.found:.1%} of "
        first = (
            f"on {self.images} images that were not calibrated on: {share}{self.detections} {there}, "
            f"median cosine of their embeddings {self.cosine:.4f}"
        )
        scores = (f"{name}: {before:.4g} before, {now:.4g} now" for name, (before, now) in self.scores.items())
        return "\n".join([first, *scores])


def check_agreement(
    name: str, quantised: Model, reference: Model, frames: Sequence[Frame], classes: Sequence[str]
) -> Agreement:
    """Compare a quantised model with the one it came from.

    Args:
        name: of the target, for the message.
        quantised: the new one.
        reference: the same in float32.
        frames: images; where all have a sample, both models are scored on them.
        classes: of the samples.

    Raises:
        UserError: the models agree less than `LEAST_FOUND` and `LEAST_COSINE` want, or find nothing to compare.
    """
    images = [frame.image for frame in frames]
    now, before = ([model.detect(image) for image in images] for model in (quantised, reference))
    agreement = dataclasses.replace(
        compare(now, before, reference.config.tracker.high_score),
        scores=_scores(frames, classes, (reference, before), (quantised, now)),
    )
    return _accepted(name, agreement, "nothing reaches tracker.high_score")


def check_crops(
    name: str, quantised: Embed, reference: Embed, frames: Sequence[Frame], boxes: Callable[[Frame], Float32Array]
) -> Agreement:
    """Compare a quantised embedding of crops with the one it came from.

    Args:
        name: of the target, for the message.
        quantised: image and boxes to unit vectors.
        reference: the same in float32.
        frames: images; where identities are known in all, both embeddings are scored.
        boxes: finds what is in one.

    Raises:
        UserError: the embeddings agree less than `LEAST_COSINE` wants, or there are no boxes.
    """
    there = [(frame.image, boxes(frame)) for frame in frames]
    cosines = [(quantised(*each) * reference(*each)).sum(axis=1) for each in there if len(each[1])]
    samples = [frame.sample for frame in frames if frame.sample is not None]
    scores = {}
    if len(samples) == len(frames) and any((sample.identities >= 0).any() for sample in samples):
        scores = _paired(*(_embedding_scores(samples, embed) for embed in (reference, quantised)))
    found = np.concatenate([*cosines, np.zeros(0, np.float32)])
    cosine = float(np.median(found)) if len(found) else float("nan")
    agreement = Agreement(images=len(frames), detections=len(found), found=float("nan"), cosine=cosine, scores=scores)
    return _accepted(name, agreement, "there are no boxes")


def _accepted(name: str, agreement: Agreement, nothing: str) -> Agreement:
    """The agreement, if it is enough; `nothing` says what is missing where there is nothing to compare."""
    case = f"{name}: not written: int8, on {agreement.images} images that were not calibrated on"
    require(agreement.detections > 0, f"{case}: {nothing}; calibrate on images with objects")
    if not agreement.apart <= 1:  # NaN is no agreement
        found = f"{agreement.found:.1%} of detections are found again ({LEAST_FOUND:.0%} are needed), "
        raise UserError(
            f"{case}: {'' if np.isnan(agreement.found) else found}median cosine of embeddings "
            f"{agreement.cosine:.3f} ({LEAST_COSINE} is needed); calibrate on more images, or use --half"
        )
    return agreement


def compare(first: Sequence[Detections], second: Sequence[Detections], min_score: float) -> Agreement:
    """Two lists of detections of the same images.

    A detection of either side counts from `min_score` on. The other side has it too if one of the same class overlaps
    it by half whose score is at least half of that: a score that moves across a threshold is a small difference.
    """
    there, cosines = [], []
    for pair in zip(first, second, strict=True):
        for mine, others in (pair, pair[::-1]):
            found, cosine = _found_again(mine, others, min_score)
            there.append(found)
            cosines.append(cosine)
    found = np.concatenate(there) if there else np.zeros(0, np.bool_)
    cosine = np.concatenate(cosines) if cosines else np.zeros(0, np.float32)
    return Agreement(
        images=len(first),
        detections=len(found),
        found=float(found.mean()) if len(found) else float("nan"),
        cosine=float(np.median(cosine)) if len(cosine) else float("nan"),
        scores={},
    )


def _found_again(mine: Detections, others: Detections, min_score: float) -> tuple[BoolArray, Float32Array]:
    """Which of the high-score ones the others have, and the cosines of those embeddings."""
    assert mine.embedding is not None
    assert others.embedding is not None
    high, there = mine.score >= min_score, others.score >= min_score / 2
    if not there.any():
        return np.zeros(int(high.sum()), np.bool_), np.zeros(0, np.float32)
    overlap = iou(mine.xyxy[high], others.xyxy[there])
    overlap *= mine.class_id[high][:, None] == others.class_id[there]
    found = overlap.max(axis=1) >= _IOU
    nearest = others.embedding[there][overlap.argmax(axis=1)]
    return found, (mine.embedding[high] * nearest).sum(axis=1)[found]


def _scores(
    frames: Sequence[Frame], classes: Sequence[str], *models: tuple[Model, list[Detections]]
) -> dict[str, tuple[float, float]]:
    """What both models score on the samples of the frames, where they have some."""
    samples = [frame.sample for frame in frames if frame.sample is not None]
    if len(samples) < len(frames) or not any((~sample.ignore).any() for sample in samples):
        return {}
    sides = [_detection_scores(samples, classes, *each) for each in models]
    decoded = any(isinstance(model, ExportedModel) and model.decoded for model, _ in models)
    if any((sample.identities >= 0).any() for sample in samples) and not decoded:
        sides = [
            scores | _embedding_scores(samples, model.embed) for scores, (model, _) in zip(sides, models, strict=True)
        ]
    return _paired(*sides)


def _paired(before: dict[str, float], now: dict[str, float]) -> dict[str, tuple[float, float]]:
    """Scores before and after, those aside that say nothing."""
    return {name: (value, now[name]) for name, value in before.items() if not np.isnan(value)}


def _detection_scores(
    samples: Sequence[Sample], classes: Sequence[str], model: Model, found: list[Detections]
) -> dict[str, float]:
    number = np.array([classes.index(name) if name in classes else -1 for name in model.classes], np.int64)
    class_id: Int64Array = number[np.concatenate([each.class_id for each in found])]
    whole = BoxList(
        image=np.repeat(np.arange(len(found)), [len(each) for each in found]),
        xyxy=np.concatenate([each.xyxy for each in found]).astype(np.float64),
        score=np.concatenate([each.score for each in found]).astype(np.float64),
        class_id=class_id,
    )
    combined = score_detections(whole[class_id >= 0], Dataset(samples=samples, classes=tuple(classes))).combined
    return {name: combined[name] for name in ("AP", "AP50")}


def _embedding_scores(samples: Sequence[Sample], embed: Embed) -> dict[str, float]:
    in_frames = {sample.sequence: 1.0 for sample in samples}  # so that pairs are at least a frame apart, not a second
    scores = embedding_scores(embed_sequences(samples, embed, in_frames))
    return {name: scores[name] for name in ("rank-1", "TPR@FAR=0.1")}
