"""What limits a tracker: IDF1 as it is, and with its boxes, its embedding or its association made perfect in turn.

Each of the three takes the annotation's place in one part of the tracker and leaves the others as they are; what is
gained by it is what that part loses.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from clmot.boxes import iou
from clmot.config.tracker import TrackerConfig
from clmot.evaluation.metrics import Metrics, summary
from clmot.evaluation.track_rows import Matchup, TrackRows, trackeval_data
from clmot.structures import Detections, Float32Array, Int64Array, Sample, TrackedFrame
from clmot.tracking.camera_motion import CameraMotion
from clmot.tracking.tracker import Tracker

_MATCH_IOU = 0.5


@dataclass(frozen=True, kw_only=True, eq=False)
class SeenSequence:
    """A sequence as a model sees it.

    Attributes:
        samples: its frames in order, with identities.
        found: what was detected in each, with embeddings where there are any.
        frame_rate: frames a second.
        camera: by frame number, how the camera moved to it, float64 [2, 3]; empty where nobody looked.
        embeddings: of the annotated boxes of each frame; None where nobody read them.
    """

    samples: Sequence[Sample]
    found: Sequence[Detections]
    frame_rate: float
    camera: Mapping[int, npt.NDArray[np.float64]]
    embeddings: Sequence[Float32Array] | None = None

    def track(self, config: TrackerConfig) -> list[TrackedFrame]:
        """The tracks of a new tracker."""
        tracker = Tracker(config.at(self.frame_rate), CameraMotion("file", self.camera))
        return [
            tracker.update(found, frame=sample.frame) for sample, found in zip(self.samples, self.found, strict=True)
        ]


class Limits(NamedTuple):
    """IDF1 in percent: of the tracker, and of what it would be if one part of it were perfect.

    Attributes:
        idf1: as it is.
        boxes: with the annotated boxes, and the model's embeddings of them.
        embedding: with an embedding that knows the identities, of the model's boxes.
        association: with the identities themselves, on the boxes that were tracked.
    """

    idf1: float
    boxes: float
    embedding: float
    association: float

    @property
    def gains(self) -> dict[str, float]:
        """What each part costs; the association is what a perfect embedding would not mend."""
        return {
            "detection": self.boxes - self.idf1,
            "embedding": self.embedding - self.idf1,
            "association": self.association - max(self.idf1, self.embedding),
        }

    @property
    def largest(self) -> str:
        """The part that costs most."""
        return max(self.gains, key=lambda name: self.gains[name])


def limits(sequences: Sequence[SeenSequence], config: TrackerConfig) -> Limits:
    """IDF1 of a tracker, as it is and with each of its parts perfect.

    Args:
        sequences: with the embeddings of the annotated boxes.
        config: of the tracker.
    """
    tracked = [each.track(config) for each in sequences]
    knowing = dataclasses.replace(config, mean_subtraction=0.0)
    return Limits(
        idf1=identity_f1(sequences, tracked),
        boxes=identity_f1(sequences, [_with_annotated_boxes(each).track(config) for each in sequences]),
        embedding=identity_f1(sequences, [_with_known_identities(each).track(knowing) for each in sequences]),
        association=identity_f1(
            sequences, [_renamed(each, frames) for each, frames in zip(sequences, tracked, strict=True)]
        ),
    )


def identity_f1(sequences: Sequence[SeenSequence], tracked: Sequence[Sequence[TrackedFrame]]) -> float:
    """IDF1 in percent (Ristani et al. 2016, by TrackEval) of tracks of annotated sequences, all classes together.

    Boxes that are ignored, or of unknown identity, count neither way.
    """
    metrics = Metrics()
    parts = []
    for sequence, frames in zip(sequences, tracked, strict=True):
        numbers = np.array([sample.frame for sample in sequence.samples], np.int64)
        for class_id in sorted({each for sample in sequence.samples for each in sample.classes.tolist()}):
            truth = [sample.take(sample.classes == class_id) for sample in sequence.samples]
            found = [(each.frame, each.detections.class_id == class_id, each) for each in frames]
            rows = _rows([(each.frame, each.identities, each.boxes) for each in truth])
            counted = np.concatenate([~each.ignore & (each.identities >= 0) for each in truth])
            mine = _rows([(frame, each.track_id[own], each.detections.xyxy[own]) for frame, own, each in found])
            matchup = Matchup(truth=rows, scored=counted, neutral=~counted, found=mine)
            parts.append(metrics.score(trackeval_data(matchup, numbers)))
    return summary(metrics.combine(parts))["IDF1"]


def _rows(frames: Sequence[tuple[int, Int64Array, Float32Array]]) -> TrackRows:
    counts = [len(identities) for _, identities, _ in frames]
    count = sum(counts)
    return TrackRows(
        frame=np.repeat(np.array([frame for frame, _, _ in frames], np.int64), counts),
        identity=np.concatenate([identities for _, identities, _ in frames]),
        xyxy=np.concatenate([boxes for _, _, boxes in frames]).astype(np.float64),
        counts=np.ones(count, np.bool_),
        class_id=np.zeros(count, np.int64),
        line=np.arange(count),
    )


def _identities_of(sample: Sample, found: Detections) -> Int64Array:
    """The identity [n] that each box shows, by the best one-to-one overlap within its class; -1 for none."""
    known = sample.take(~sample.ignore & (sample.identities >= 0))
    identities = np.full(len(found), -1, np.int64)
    overlap = iou(found.xyxy, known.boxes)
    overlap[(found.class_id[:, None] != known.classes) | (overlap < _MATCH_IOU)] = 0
    row, column = linear_sum_assignment(overlap, maximize=True)
    real = overlap[row, column] > 0
    identities[row[real]] = known.identities[column[real]]
    return identities


def _with_annotated_boxes(sequence: SeenSequence) -> SeenSequence:
    assert sequence.embeddings is not None
    found = []
    for sample, embedding in zip(sequence.samples, sequence.embeddings, strict=True):
        counted = ~sample.ignore & (sample.boxes[:, 2:] > sample.boxes[:, :2]).all(axis=1)
        found.append(
            Detections(
                xyxy=sample.boxes[counted],
                score=np.ones(int(counted.sum()), np.float32),
                class_id=sample.classes[counted],
                embedding=embedding[counted] if embedding.shape[1] else None,
            )
        )
    return dataclasses.replace(sequence, found=found)


def _with_known_identities(sequence: SeenSequence) -> SeenSequence:
    """Embeddings that are one direction an identity, and one for whatever shows none."""
    shown = [_identities_of(*each) for each in zip(sequence.samples, sequence.found, strict=True)]
    names = np.unique(np.concatenate([np.array([-1]), *shown]))
    directions = np.eye(len(names), dtype=np.float32)
    found = [
        dataclasses.replace(each, embedding=directions[np.searchsorted(names, identities)])
        for each, identities in zip(sequence.found, shown, strict=True)
    ]
    return dataclasses.replace(sequence, found=found)


def _renamed(sequence: SeenSequence, frames: Sequence[TrackedFrame]) -> list[TrackedFrame]:
    """The same boxes under the identities that they show; those that show none keep the ids of their tracks."""
    highest = 1 + max((int(sample.identities.max(initial=0)) for sample in sequence.samples), default=0)
    renamed = []
    for sample, tracked in zip(sequence.samples, frames, strict=True):
        identities = _identities_of(sample, tracked.detections)
        ids = np.where(identities >= 0, identities, highest + tracked.track_id)
        renamed.append(dataclasses.replace(tracked, track_id=ids))
    return renamed
