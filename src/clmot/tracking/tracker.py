"""The online tracker: FairMOT's stages of association, and ByteTrack's association of low scores.

In each frame, every track is predicted by its Kalman filter, then detections are given to tracks in this order, each
stage working on what the stages before it left over:

1. confident detections to confirmed tracks, also lost ones, by appearance fused with motion (by overlap where there
   are no embeddings);
2. confident detections to confirmed tracks seen in the last frame, by overlap;
3. unsure detections to the same tracks, by overlap (ByteTrack);
4. confident detections to unconfirmed tracks, by overlap.

What is left of the confident detections starts tracks. A track is confirmed, and gets its id, when it is seen in a
second frame running, or starts in the first frame of the video. An object's class never changes.

Sources: Zhang et al., "FairMOT: on the fairness of detection and re-identification in multiple object tracking", 2021;
Zhang et al., "ByteTrack: multi-object tracking by associating every detection box", 2022.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from clmot.boxes import cxcyah_to_xyxy, xyxy_to_cxcyah
from clmot.config import TrackerConfig
from clmot.tracking import costs, kalman
from clmot.tracking.assignment import assign
from clmot.tracking.kalman import KalmanState
from clmot.types import BoolArray, Detections, Float32Array, Int64Array, TrackedFrame


class Tracker:
    """Joins the detections of one video over time.

    Each tracker counts its ids from 1. Memory is bounded by the tracks that are alive; no history is kept. The order of
    the detections in a frame does not matter.

    Attributes:
        config: constants of the association.
    """

    def __init__(self, config: TrackerConfig | None = None) -> None:
        self.config = config or TrackerConfig()
        self.reset()

    def reset(self) -> None:
        """Forget everything: the next frame is the first of a video and ids start at 1."""
        self._tracks = _Tracks.none()
        self._frame = 0
        self._next_id = 1

    def update(self, detections: Detections, frame: int | None = None) -> TrackedFrame:
        """Give the next frame's detections to tracks.

        Args:
            detections: all objects found in the frame, possibly none. Embeddings must have the same length throughout
                a video, or be missing throughout; they need not be normalised.
            frame: frame number, 1-based; by default one more than before. May skip frames, never go back.

        Returns:
            The detections that belong to confirmed tracks, in their given order with their own boxes and scores.

        Raises:
            ValueError: a frame number that does not grow, or embeddings of another length than before.
        """
        frame = self._frame + 1 if frame is None else frame
        if frame <= self._frame:
            raise ValueError(f"frame {frame} comes after frame {self._frame}; frames start at 1 and must grow")
        # one order for equal sets of detections: the result then cannot depend on how they were listed
        order = np.lexsort((*detections.xyxy.T, detections.class_id, -detections.score))
        found = detections[order]
        embedding = self._embeddings(found)
        starting = self._frame == 0

        tracks = self._tracks.predicted() if len(self._tracks) else _Tracks.none(embedding.shape[1])
        match = self._associate(tracks, found, embedding)
        high = found.score >= self.config.high_score
        new = high & (found.score >= self.config.new_track_score)
        new[match[match >= 0]] = False
        kept = (match < 0) & (tracks.track_id > 0) & (frame - tracks.last_frame <= self._buffer)
        seen = match >= 0
        tracks = _Tracks.concatenate(
            [
                tracks[seen].updated(found, embedding, match[seen], high, frame, self.config.embedding_momentum),
                tracks[kept].unseen(),
                _Tracks.start(found[new], embedding[new], frame),
            ]
        )
        match = np.concatenate([match[seen], match[kept], np.flatnonzero(new)])

        unique = ~self._duplicates(tracks)
        tracks, match = tracks[unique], match[unique]
        confirmed = (tracks.track_id == 0) & ((tracks.first_frame < frame) | starting)
        count = int(np.count_nonzero(confirmed))
        tracks.track_id[confirmed] = np.arange(self._next_id, self._next_id + count)
        self._next_id += count
        self._tracks, self._frame = tracks, frame

        shown = tracks.seen & (tracks.track_id > 0)
        rows = order[match[shown]]
        as_given = np.argsort(rows)
        return TrackedFrame(
            frame=frame, detections=detections[rows[as_given]], track_id=tracks.track_id[shown][as_given]
        )

    @property
    def _buffer(self) -> int:
        """Frames that a track is kept unseen."""
        return int(self.config.lost_seconds * self.config.frame_rate)

    def _embeddings(self, found: Detections) -> Float32Array:
        """Unit embeddings [m, d] of the detections; d is 0 where appearance is not used."""
        known = self._tracks.embedding.shape[1]
        if not len(found):  # a detector that found nothing need not know the length
            return np.empty((0, known), np.float32)
        if found.embedding is None or not self.config.appearance:
            embedding = np.empty((len(found), 0), np.float32)
        else:
            embedding = _unit(found.embedding)
        if embedding.shape[1] != known and len(self._tracks):
            raise ValueError(f"embeddings have length {embedding.shape[1]}, those of the tracks {known} (0: none)")
        return embedding

    def _associate(self, tracks: _Tracks, found: Detections, embedding: Float32Array) -> Int64Array:
        """Row of the detection that each predicted track gets, -1 for none."""
        config = self.config
        match = np.full(len(tracks), -1, np.int64)
        if not len(found) or not len(tracks):
            return match
        free = np.ones(len(found), np.bool_)

        def stage(cost: npt.NDArray[np.float64], candidates: BoolArray, offered: BoolArray, limit: float) -> None:
            rows, columns = np.flatnonzero(candidates & (match < 0)), np.flatnonzero(offered & free)
            pairs = assign(cost[np.ix_(rows, columns)], limit)
            match[rows[pairs.rows]] = columns[pairs.columns]
            free[columns[pairs.columns]] = False

        overlap = costs.iou_distance(tracks.boxes, found.xyxy)
        overlap = costs.forbid_class_change(overlap, tracks.class_id, found.class_id)
        high = found.score >= config.high_score
        low = ~high & (found.score >= config.low_score)
        confirmed = tracks.track_id > 0
        if embedding.shape[1]:
            gating = kalman.mahalanobis(tracks.motion, xyxy_to_cxcyah(found.xyxy))
            fused = costs.fuse_motion(
                costs.cosine_distance(tracks.embedding, embedding), gating, config.appearance_weight
            )
            fused = costs.forbid_class_change(fused, tracks.class_id, found.class_id)
            stage(fused, confirmed, high, config.appearance_threshold)
        else:
            stage(overlap, confirmed, high, config.motion_only_iou_threshold)
        stage(overlap, confirmed & tracks.seen, high, config.iou_threshold)
        stage(overlap, confirmed & tracks.seen, low, config.low_score_iou_threshold)
        stage(overlap, ~confirmed, high, config.unconfirmed_iou_threshold)
        return match

    def _duplicates(self, tracks: _Tracks) -> BoolArray:
        """True for the younger of a seen and a lost track in one place (the lost one if they are of an age)."""
        duplicate = np.zeros(len(tracks), np.bool_)
        seen, lost = np.flatnonzero(tracks.seen), np.flatnonzero(~tracks.seen)
        if not len(seen) or not len(lost):
            return duplicate
        boxes = tracks.boxes
        distance = costs.iou_distance(boxes[seen], boxes[lost])
        distance = costs.forbid_class_change(distance, tracks.class_id[seen], tracks.class_id[lost])
        rows, columns = np.nonzero(distance < self.config.duplicate_iou_threshold)
        first, second = seen[rows], lost[columns]
        lost_is_older = tracks.first_frame[second] < tracks.first_frame[first]
        duplicate[np.where(lost_is_older, first, second)] = True
        return duplicate


@dataclass(frozen=True, kw_only=True, eq=False)
class _Tracks:
    """The tracks that are alive, as arrays.

    Attributes:
        motion: Kalman states of n boxes.
        embedding: float32 [n, d], moving average of unit length.
        class_id: int64 [n].
        track_id: int64 [n], 0 for unconfirmed tracks.
        first_frame: int64 [n], frame in which the track started.
        last_frame: int64 [n], frame in which it was last seen.
        seen: bool [n], whether it was seen in the last frame; the rest are lost.
    """

    motion: KalmanState
    embedding: Float32Array
    class_id: Int64Array
    track_id: Int64Array
    first_frame: Int64Array
    last_frame: Int64Array
    seen: BoolArray

    def __len__(self) -> int:
        return len(self.track_id)

    def __getitem__(self, index: Any) -> Self:
        """The chosen tracks (a mask or index array)."""
        return type(self)(**{name: value[index] for name, value in vars(self).items()})

    @classmethod
    def concatenate(cls, parts: Sequence[_Tracks]) -> Self:
        """Several parts' tracks one after the other."""
        names = [name for name in vars(parts[0]) if name != "motion"]
        arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
        return cls(motion=KalmanState.concatenate([part.motion for part in parts]), **arrays)

    @classmethod
    def none(cls, dimensions: int = 0) -> Self:
        """No tracks, with embeddings of that length."""
        nothing = np.empty(0, np.int64)
        found = Detections(xyxy=np.empty((0, 4), np.float32), score=np.empty(0, np.float32), class_id=nothing)
        return cls.start(found, np.empty((0, dimensions), np.float32), 0)

    @classmethod
    def start(cls, found: Detections, embedding: Float32Array, frame: int) -> Self:
        """One unconfirmed track for each detection."""
        n = len(found)
        return cls(
            motion=kalman.initiate(xyxy_to_cxcyah(found.xyxy.astype(np.float64))),
            embedding=embedding,
            class_id=found.class_id,
            track_id=np.zeros(n, np.int64),
            first_frame=np.full(n, frame, np.int64),
            last_frame=np.full(n, frame, np.int64),
            seen=np.ones(n, np.bool_),
        )

    @property
    def boxes(self) -> npt.NDArray[np.float64]:
        """Where the filters believe the objects are: float64 [n, 4], xyxy."""
        return cxcyah_to_xyxy(self.motion.position)

    def predicted(self) -> Self:
        """The tracks one frame later."""
        return replace(self, motion=kalman.predict(self.motion, ~self.seen))

    def unseen(self) -> Self:
        """The tracks after a frame in which they got no detection."""
        return replace(self, seen=np.zeros(len(self), np.bool_))

    def updated(
        self,
        found: Detections,
        embedding: Float32Array,
        match: Int64Array,
        high: BoolArray,
        frame: int,
        momentum: float,
    ) -> Self:
        """The tracks after track i got detection ``match[i]``; unsure detections do not touch the embedding."""
        sure = high[match]
        average = self.embedding.copy()
        average[sure] = _unit(momentum * average[sure] + (1 - momentum) * embedding[match][sure])
        return replace(
            self,
            motion=kalman.update(self.motion, xyxy_to_cxcyah(found.xyxy[match].astype(np.float64))),
            embedding=average,
            last_frame=np.full(len(self), frame, np.int64),
            seen=np.ones(len(self), np.bool_),
        )


def _unit(vectors: Float32Array) -> Float32Array:
    """Rows scaled to unit length; a row of zeros stays."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(length, 1e-12), np.float32)
