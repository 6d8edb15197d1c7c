"""Tracks of a detector that confuses classes: association across classes, and a vote on the class of each track."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from clmot.boxes import iou
from clmot.structures import Detections, Float64Array, Int64Array, TrackedFrame

SAME_IOU = 0.7
"""Boxes of different classes that overlap by more show one object; the one with the higher score stays."""


class ClassVotes:
    """The class of a track is that with the highest sum of scores among its boxes so far; the first of equals.

    Args:
        classes: how many there are.
    """

    def __init__(self, classes: int) -> None:
        self._number = classes
        self._votes: dict[int, Float64Array] = defaultdict(lambda: np.zeros(classes))
        self._classes: Int64Array = np.empty(0, np.int64)

    def hide(self, found: Detections) -> Detections:
        """The objects of a frame for the tracker: all of one class, each once."""
        order = np.argsort(-found.score, kind="stable")
        overlap = iou(found.xyxy[order], found.xyxy[order])
        other = found.class_id[order][:, None] != found.class_id[order]
        kept = np.ones(len(found), np.bool_)
        for row in range(len(found)):
            if kept[row]:
                kept[row + 1 :] &= ~((overlap[row] > SAME_IOU) & other[row])[row + 1 :]
        chosen = found.take(np.sort(order[kept]))
        self._classes = chosen.class_id
        return dataclasses.replace(chosen, class_id=np.zeros(len(chosen), np.int64))

    def count(self, tracked: TrackedFrame) -> TrackedFrame:
        """The tracks of the same frame with the classes of their tracks."""
        seen = tracked.rows >= 0
        shown = self._classes[tracked.rows[seen]].tolist()
        scores = tracked.detections.score[seen].tolist()
        for track, class_id, score in zip(tracked.track_id[seen].tolist(), shown, scores, strict=True):
            self._votes[track][class_id] += score
        voted = np.array([int(np.argmax(self._votes[track])) for track in tracked.track_id.tolist()], np.int64)
        return dataclasses.replace(tracked, detections=dataclasses.replace(tracked.detections, class_id=voted))

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """The sums so far, as arrays by name."""
        tracks = np.array(list(self._votes), np.int64)
        return {"track": tracks, "sums": np.array(list(self._votes.values())).reshape(len(tracks), self._number)}

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Go on from a state that `state` returned.

        Raises:
            ValueError: it is of another number of classes, or of tracks without votes.
        """
        tracks, sums = state.get("track"), state.get("sums")
        if tracks is None or sums is None:
            raise ValueError("it was written without --vote-classes")
        if sums.shape != (len(tracks), self._number):
            raise ValueError(f"votes on {sums.shape[-1]} classes, and the model has {self._number}")
        self._votes.update(zip(tracks.tolist(), sums.copy(), strict=True))
