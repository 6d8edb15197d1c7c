"""Detection scores: COCO's average precision (Lin et al. 2014), precision and recall.

AP is computed by faster-coco-eval, over all sizes and as many boxes in an image as there are: COCO's limit of 100
would cut crowds short. Detections matched to ignored boxes, or mostly inside them, count neither way.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from clmot import boxes as box
from clmot.datasets.readers import read_dataset
from clmot.errors import UserError
from clmot.evaluation.detection_files import BoxList, read_detections
from clmot.evaluation.scores import ScoredRows
from clmot.evaluation.track_rows import left_out_text, row_counts, share_inside
from clmot.io.folders import images_in
from clmot.io.frame_choice import FrameChoice
from clmot.structures import BoolArray, Dataset, Float64Array, Sample

_MATCH_IOU = 0.5


@dataclass(frozen=True, kw_only=True)
class DetectionScores:
    """Scores of detections, percentages and counts.

    Attributes:
        combined: ``AP`` (mean over IoU 0.5 to 0.95), ``AP50``, ``AP75``: means over classes; ``precision``, ``recall``
            and ``F1`` of all detections together at an IoU of 0.5; ``best F1`` and ``at score``, the lowest score to
            keep for it; ``TP``, ``FP``, ``FN``. NaN where there is nothing to score.
        classes: the same of each class.
        rows: under the name of the ground truth, how many boxes count, and why others do not; empty where unknown.
    """

    combined: dict[str, float]
    classes: dict[str, dict[str, float]]
    rows: dict[str, ScoredRows] = field(default_factory=dict, compare=False)

    def as_dict(self) -> dict[str, Any]:
        """The form written as JSON."""
        rows = {"rows": {name: asdict(each) for name, each in self.rows.items()}} if self.rows else {}
        return {"combined": self.combined, "classes": self.classes, **rows}


def evaluate_detections(
    detections: str | Path,
    ground_truth: str | Path,
    *,
    format: str = "auto",
    min_score: float = 0.0,
    frames: FrameChoice | None = None,
) -> DetectionScores:
    """Score detections against annotated images.

    Args:
        detections: MOTChallenge text: a file (where there is one sequence), a folder of ``<sequence>.txt`` or of
            sequences with ``det/det.txt``; COCO results JSON for ground truth in a COCO file; or what `clmot detect`
            writes of images, which are told by their names.
        ground_truth: what `clmot.datasets.readers.read_dataset` takes.
        format: of the ground truth.
        min_score: use detections with at least this score.
        frames: score these only: of stills, by their place in their folder, as `clmot detect` counts them.

    Raises:
        UserError: something cannot be read; detections of a sequence are missing; detections name an image or class
            that the ground truth has not; or no box of the ground truth counts.
    """
    detections, ground_truth = Path(detections), Path(ground_truth)
    dataset = read_dataset([ground_truth], format=format)
    dataset = replace(dataset, samples=_of_choice(dataset.samples, frames or FrameChoice()))
    found, passed_over = read_detections(detections, ground_truth, dataset)
    chosen = found[found.score >= min_score]
    ignored = sum(int(sample.ignore.sum()) for sample in dataset.samples)
    boxes = sum(len(sample.boxes) for sample in dataset.samples)
    skipped = {f"left out by the reader: {reason}": count for reason, count in dataset.skipped.items()}
    truth = row_counts(boxes + sum(skipped.values()), boxes - ignored, {"ignored": ignored, **skipped})
    if not truth.scored:
        raise UserError(f"{ground_truth}: nothing to score: none of its boxes counts ({left_out_text(truth)})")
    if passed_over and not len(found.score):
        reasons = left_out_text(row_counts(0, 0, passed_over))
        raise UserError(f"{detections}: nothing to score: no detection can be compared ({reasons})")
    scores = score_detections(chosen, dataset)
    _, on_ignored = match_greedily(chosen, dataset.samples)
    below = len(found.score) - len(chosen.score)
    left_out = {**passed_over, "below --min-score": below, "on ignored boxes": int(on_ignored.sum())}
    whole = len(found.score) + sum(passed_over.values())
    results = row_counts(whole, int((~on_ignored).sum()), left_out)
    return replace(scores, rows={ground_truth.name: ScoredRows(rules="COCO", truth=truth, results=results)})


def _of_choice(samples: Sequence[Sample], choice: FrameChoice) -> list[Sample]:
    if not choice:
        return list(samples)
    together: dict[str, list[Sample]] = {}
    for sample in samples:
        together.setdefault(sample.sequence, []).append(sample)
    places = cache(lambda folder: {file: place for place, file in enumerate(images_in(folder), 1)})
    kept = []
    for group in together.values():
        numbers = [sample.frame for sample in group]
        length = max(numbers)
        if len(group) == 1:
            there = places(group[0].image.parent)
            numbers, length = [there[group[0].image]], len(there)
        chosen = choice.keeps(np.array(numbers), length)
        kept += [sample for sample, keep in zip(group, chosen.tolist(), strict=True) if keep]
    return kept


def score_detections(found: BoxList, dataset: Dataset) -> DetectionScores:
    """Score boxes against the annotations of a data set."""
    samples, names = dataset.samples, dataset.classes
    precision = _coco_precision(found, samples, len(names))
    hit, ignored = match_greedily(found, samples)
    wanted = np.concatenate([sample.classes[~sample.ignore] for sample in samples])
    classes = {}
    for number, name in enumerate(names):
        mine = (found.class_id == number) & ~ignored
        classes[name] = _average_precisions(precision[:, :, number]) | _precision_and_recall(
            hit[mine], found.score[mine], int((wanted == number).sum())
        )
    together = _precision_and_recall(hit[~ignored], found.score[~ignored], len(wanted))
    return DetectionScores(combined=_average_precisions(precision) | together, classes=classes)


def match_greedily(found: BoxList, samples: Sequence[Sample]) -> tuple[BoolArray, BoolArray]:
    """COCO's matching at an IoU of 0.5: in each image and class, the best detection first takes its nearest box.

    Returns:
        Which detections hit a box that counts, and which are ignored.
    """
    hit, ignored = np.zeros(len(found.image), np.bool_), np.zeros(len(found.image), np.bool_)
    order = np.lexsort((-found.score, found.image))
    starts = np.searchsorted(found.image[order], np.arange(len(samples) + 1))
    for number, sample in enumerate(samples):
        rows = order[starts[number] : starts[number + 1]]
        if not len(rows):
            continue
        boxes = found.xyxy[rows]
        overlap = box.iou(boxes, sample.boxes.astype(np.float64))
        inside = share_inside(boxes, sample.boxes[sample.ignore].astype(np.float64))
        same = found.class_id[rows][:, None] == sample.classes
        overlap[~same | sample.ignore] = 0
        covered = ((inside >= _MATCH_IOU) & same[:, sample.ignore]).any(axis=1)
        for place, row in enumerate(rows):
            nearest = int(np.argmax(overlap[place])) if overlap.shape[1] else -1
            if nearest >= 0 and overlap[place, nearest] >= _MATCH_IOU:
                hit[row] = True
                overlap[:, nearest] = 0
            else:
                ignored[row] = covered[place]
    return hit, ignored


def _precision_and_recall(hit: BoolArray, score: Float64Array, wanted: int) -> dict[str, float]:
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum(hit[order])
    total = int(hits[-1]) if len(hits) else 0
    values = {
        "precision": 100 * total / len(hit) if len(hit) else float("nan"),
        "recall": 100 * total / wanted if wanted else float("nan"),
        "F1": 200 * total / (len(hit) + wanted) if len(hit) + wanted else float("nan"),
        "best F1": float("nan"),
        "at score": float("nan"),
    }
    if len(hits):
        f1 = 200 * hits / (np.arange(1, len(hits) + 1) + wanted)
        # a threshold takes all detections of one score or none of them
        f1[np.flatnonzero(np.diff(score[order]) == 0)] = -1
        best = int(np.argmax(f1))
        values |= {"best F1": float(f1[best]), "at score": float(score[order][best])}
    return values | {"TP": total, "FP": len(hit) - total, "FN": wanted - total}


def _average_precisions(precision: Float64Array) -> dict[str, float]:
    """From COCO's precisions by IoU, recall (and class), -1 where there is nothing to find."""

    def mean(part: Float64Array) -> float:
        return 100 * float(part[part > -1].mean()) if (part > -1).any() else float("nan")

    return {"AP": mean(precision), "AP50": mean(precision[0]), "AP75": mean(precision[5])}


def _coco_precision(found: BoxList, samples: Sequence[Sample], classes: int) -> Float64Array:
    """Precision [10 IoUs, 101 recalls, classes], as faster-coco-eval finds it."""
    from faster_coco_eval import COCO, COCOeval_faster

    ltwh = box.xyxy_to_ltwh(found.xyxy)
    results = [
        {"image_id": image + 1, "category_id": class_id + 1, "bbox": sides, "score": score}
        for image, class_id, sides, score in zip(
            found.image.tolist(), found.class_id.tolist(), ltwh.tolist(), found.score.tolist(), strict=True
        )
    ]
    most = int(np.bincount(found.image).max(initial=0))
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(_as_coco(samples, classes))
        if not results:
            wanted = np.concatenate([sample.classes[~sample.ignore] for sample in samples])
            there = np.bincount(wanted, minlength=classes) > 0
            return np.broadcast_to(np.where(there, 0.0, -1.0), (10, 101, classes))
        evaluation = COCOeval_faster(truth, truth.loadRes(results), iouType="bbox", print_function=_say_nothing)
        evaluation.params.maxDets = [1, 10, max(100, most)]
        evaluation.evaluate()
        evaluation.accumulate()
    return np.asarray(evaluation.eval["precision"][:, :, :, 0, -1], np.float64)


def _as_coco(samples: Sequence[Sample], classes: int) -> dict[str, Any]:
    annotations: list[dict[str, Any]] = []
    for number, sample in enumerate(samples, 1):
        ltwh = box.xyxy_to_ltwh(sample.boxes.astype(np.float64)).tolist()
        for sides, class_id, ignore in zip(ltwh, sample.classes.tolist(), sample.ignore.tolist(), strict=True):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": class_id + 1,
                    "bbox": sides,
                    "area": sides[2] * sides[3],
                    # what COCO calls a crowd: any number of detections may lie in it
                    "iscrowd": int(ignore),
                }
            )
    return {
        "images": [{"id": number + 1, "width": s.width, "height": s.height} for number, s in enumerate(samples)],
        "annotations": annotations,
        "categories": [{"id": number + 1, "name": str(number)} for number in range(classes)],
    }


def _say_nothing(*_: object) -> None:
    pass
