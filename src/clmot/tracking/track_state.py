"""The tracks that are alive, as a structure of arrays: one row for each track in every array.

No history is kept beyond what the configuration asks for, so memory is bounded by the tracks that are alive.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clmot import boxes as box
from clmot.config.tracker import TrackerConfig
from clmot.structures import BoolArray, Detections, Float32Array, Int64Array
from clmot.tracking import kalman
from clmot.tracking.kalman import KalmanState

_CERTAIN = np.float32(1)
_SHORTEST = np.float32(1e-12)
NEW_SHARE = 1 - 0.9
"""Of a sure detection in the moving average of a track's embedding (FairMOT)."""
DIRECTION_FRAMES = 3
"""Over which the direction of a track's motion is taken (OC-SORT)."""
ENDED = -(2**40)
_STATES = ("motion", "anchor")
_NUMBERS = ("class_id", "track_id", "first_frame", "last_frame", "hits", "detection")
_PLACES = 20
"""Of a track's Kalman state."""


class Packed(NamedTuple):
    """Tracks as one row each, for compiled code; `Tracks.pack` makes it.

    Attributes:
        rows: float64 [n or more, 27 + 5 k]: Kalman state [5, 4], `unseen`, six whole numbers as bits, `observed`
            [k, 4], and as bits `observed_frame` [k].
        embedding: float32 [n or more, d].
        tracks: n.
        confirmed: how many have an id.
    """

    rows: npt.NDArray[np.float64]
    embedding: Float32Array
    tracks: int
    confirmed: int


class Found:
    """The detections of a frame as the association wants them: the highest scores first.

    Args:
        detections: as they come.
        embedding: float32 [m, d], of the detections as they come, of any length.

    Attributes:
        falling: float32 [m], scores as they came, negative.
        order: int64 [m], their rows as they come; one order for equal sets of detections, so that nothing depends on
            how they were listed.
        xyxy: float32 [m, 4].
        measurement: float64 [m, 4], centre x, centre y, aspect, height.
        score: float32 [m], at most 1 (those of half precision may come a little above).
        class_id: int64 [m].
        embedding: float32 [m, d] of unit length; d is 0 where appearance is not used.
    """

    __slots__ = ("_counts", "class_id", "embedding", "falling", "measurement", "order", "score", "xyxy")

    def __init__(self, detections: Detections, embedding: Float32Array) -> None:
        self._counts: dict[float, int] = {}
        falling = -detections.score
        order: Int64Array = falling.argsort()
        self.falling = falling.take(order)
        if np.count_nonzero(self.falling[1:] == self.falling[:-1]):
            order = np.lexsort((*detections.xyxy.T, detections.class_id, falling))
        self.order = order
        self.xyxy = detections.xyxy.take(order, axis=0)
        self.measurement = box.xyxy_to_cxcyah(self.xyxy.astype(np.float64))
        self.score = np.minimum(-self.falling, _CERTAIN)
        self.class_id = detections.class_id.take(order)
        self.embedding = embedding.take(order, axis=0)
        unit(self.embedding, out=self.embedding)

    def __len__(self) -> int:
        return len(self.score)

    def count(self, least: float) -> int:
        """How many have at least that score; they are the first ones."""
        known = self._counts.get(least)
        if known is None:
            known = self._counts[least] = int(self.falling.searchsorted(np.float32(-least), side="right"))
        return known


class Tracks:
    """Arrays over n tracks, the oldest first; methods change them in place.

    A track without an id ends as soon as it is not seen, so those that have one come first.

    Args:
        config: which of the optional arrays are kept.
        dimensions: length of the embeddings.

    Attributes:
        confirmed: how many have an id; they are the first ones.
        motion: Kalman states.
        embedding: float32 [n, d], moving average of unit length.
        unseen: float64 [n], seconds since it was last seen.
        class_id: int64 [n].
        track_id: int64 [n], 0 for unconfirmed tracks.
        first_frame: int64 [n], update in which the track started.
        last_frame: int64 [n], update in which it was last seen.
        hits: int64 [n], frames in which it was seen; negative after it was found again although it had ended (with
            `published_bookkeeping`).
        detection: int64 [n], row of `Found` it was given in the last frame, -1 where it was not seen.
        observed: float64 [n, k, 4], cx, cy, aspect, height as seen last, newest last; moved with the camera (with
            `recovery_iou_threshold`, `direction_weight` or `observation_reupdate`).
        observed_frame: int64 [n, k], when.
        anchor: Kalman states as they were after the last observation (with `observation_reupdate`).
    """

    motion: KalmanState
    embedding: Float32Array
    unseen: npt.NDArray[np.float64]
    observed: npt.NDArray[np.float64]
    observed_frame: Int64Array
    anchor: KalmanState

    def __init__(self, config: TrackerConfig, dimensions: int = 0) -> None:
        self._config = config
        self.motion = KalmanState(np.empty((5, 0, 4)))
        self.embedding = np.empty((0, dimensions), np.float32)
        self._numbers = np.empty((len(_NUMBERS), 0), np.int64)
        self.unseen = np.empty(0)
        self.confirmed = 0
        names = ["motion", "embedding", "unseen"]
        if config.observation_reupdate or config.recovery_iou_threshold or config.direction_weight:
            appearance_only = dimensions and config.association == "fused" and not config.appearance_trust
            directed = config.direction_weight and not appearance_only
            past = DIRECTION_FRAMES + 1 if directed else 1
            self.observed = np.empty((0, past, 4))
            self.observed_frame = np.empty((0, past), np.int64)
            names += ["observed", "observed_frame"]
        if config.observation_reupdate:
            self.anchor = KalmanState(np.empty((5, 0, 4)))
            names.append("anchor")
        self._names = tuple(names)

    # one array for all of them: forgetting and starting tracks then takes one step instead of six
    class_id = property(lambda self: self._numbers[0])
    track_id = property(lambda self: self._numbers[1])
    first_frame = property(lambda self: self._numbers[2])
    last_frame = property(lambda self: self._numbers[3])
    hits = property(lambda self: self._numbers[4])
    detection = property(lambda self: self._numbers[5])

    def __len__(self) -> int:
        return self._numbers.shape[1]

    @property
    def seen(self) -> BoolArray:
        """Whether each track was seen in the last frame: bool [n]; the rest are lost."""
        return np.asarray(self.detection >= 0)

    def boxes(self) -> Float32Array:
        """Where the filters believe the objects are: float32 [n, 4], xyxy."""
        return to_boxes(self.motion.position)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Everything that is known of the tracks, by name."""
        return {name: self._values(name) for name in self._names} | dict(zip(_NUMBERS, self._numbers, strict=True))

    def restore(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        """Take the place of the tracks that `arrays` was called on.

        Raises:
            ValueError: another array is missing or too many, or has another shape; nothing has changed.
        """
        embedding = arrays["embedding"] if "embedding" in arrays else np.empty(0)
        n, d = embedding.shape if embedding.ndim == 2 else (0, 0)
        empty = Tracks(self._config, d).arrays()
        for name in empty.keys() | arrays.keys():
            there = list(arrays[name].shape) if name in arrays else None
            expected = list(empty[name].shape) if name in empty else None
            if expected:
                expected[1 if name in _STATES else 0] = n
            if there != expected:
                raise ValueError(f"tracks.{name} is {there}, expected {expected}")
        for name in self._names:
            self._set(name, np.array(arrays[name], empty[name].dtype, order="C"))
        self._numbers = np.array([arrays[name] for name in _NUMBERS], np.int64)
        self.confirmed = int(np.count_nonzero(self.track_id))

    def keep(self, chosen: BoolArray) -> None:
        """Forget all tracks but these."""
        rows = chosen.nonzero()[0]
        if len(rows) == len(chosen):
            return
        for name in self._names:
            self._set(name, self._values(name).take(rows, axis=1 if name in _STATES else 0))
        self._numbers = self._numbers.take(rows, axis=1)
        self.confirmed = int(rows.searchsorted(self.confirmed))

    def start(self, found: Found, new: Int64Array, frame: int) -> None:
        """Append one unconfirmed track for each of the detections `new`."""
        n = len(new)
        if not n:
            return
        measurement, embedding = found.measurement.take(new, axis=0), found.embedding.take(new, axis=0)
        motion = kalman.initiate(measurement).values
        begun: dict[str, Any] = {"motion": motion, "embedding": embedding, "anchor": motion, "unseen": np.zeros(n)}
        if "observed" in self._names:
            begun["observed"] = measurement[:, None].repeat(self.observed.shape[1], axis=1)
            begun["observed_frame"] = np.full((n, self.observed_frame.shape[1]), frame)
        for name in self._names:
            self._set(name, np.concatenate([self._values(name), begun[name]], axis=1 if name in _STATES else 0))
        numbers = np.zeros((len(_NUMBERS), n), np.int64)  # no id yet
        numbers[0], numbers[2:4], numbers[4], numbers[5] = found.class_id.take(new), frame, 1, new
        self._numbers = np.concatenate([self._numbers, numbers], axis=1)

    def confirm(self, count: int, first_id: int) -> None:
        """Give ids, from that one on, to so many of those without, the oldest."""
        self.track_id[self.confirmed : self.confirmed + count] = np.arange(first_id, first_id + count)
        self.confirmed += count

    def pack(self) -> Packed:
        """The same in one array and that of the embeddings."""
        n, past = len(self), self.observed.shape[1] if "observed" in self._names else 0
        rows = np.empty((n, _PLACES + 1 + len(_NUMBERS) + 5 * past))
        whole, first = rows.view(np.int64), _PLACES + 1
        rows[:, :_PLACES] = self.motion.values.swapaxes(0, 1).reshape(n, _PLACES)
        rows[:, _PLACES] = self.unseen
        whole[:, first : first + len(_NUMBERS)] = self._numbers.T
        if past:
            rows[:, -5 * past : -past] = self.observed.reshape(n, 4 * past)
            whole[:, -past:] = self.observed_frame
        return Packed(rows, self.embedding.copy(), n, self.confirmed)

    def unpack(self, packed: Packed) -> None:
        """Take the place of the tracks that `pack` was called on, of the same configuration."""
        rows, embedding, n, self.confirmed = packed
        rows, self.embedding, first = rows[:n], embedding[:n].copy(), _PLACES + 1
        whole = rows.view(np.int64)
        self.motion = KalmanState(rows[:, :_PLACES].reshape(n, 5, 4).swapaxes(0, 1).copy())
        self.unseen = rows[:, _PLACES].copy()
        self._numbers = whole[:, first : first + len(_NUMBERS)].T.copy()
        past = (rows.shape[1] - first - len(_NUMBERS)) // 5
        if past:
            self.observed = rows[:, -5 * past : -past].reshape(n, past, 4).copy()
            self.observed_frame = whole[:, -past:].copy()

    def age(self, seconds: float) -> None:
        """Time passes."""
        self.unseen = self.unseen + seconds

    def predict(self, steps: float) -> None:
        """Move all tracks on by some steps of their filters; with `published_bookkeeping` those with an id only."""
        before = self.motion.values
        self.motion = kalman.predict(self.motion, self.detection < 0, steps)
        if self._config.published_bookkeeping:
            confirmed = self.confirmed
            self.motion.values[:, confirmed:] = before[:, confirmed:]

    def move(self, matrix: npt.NDArray[np.float64]) -> None:
        """Move all tracks, and what they remember of places, with the camera.

        Args:
            matrix: float64 [2, 3], takes pixels of the frame before to this frame's.
        """
        self.motion = kalman.warp(self.motion, matrix)
        if "anchor" in self._names:
            self.anchor = kalman.warp(self.anchor, matrix)
        if "observed" in self._names:
            n, past, _ = self.observed.shape
            self.observed = kalman.warp_measurement(self.observed.reshape(-1, 4), matrix).reshape(n, past, 4)

    def match(
        self,
        match: Int64Array,
        found: Found,
        frame: int,
        nearest: Int64Array | None = None,
        steps: float = 1.0,
        directed: bool = True,
    ) -> None:
        """Give track i the detection ``match[i]``, -1 for none.

        Args:
            match: int64 [n].
            found: the detections.
            frame: of this update.
            nearest: rows of tracks that may have moved as their filters would not have it; those begin anew, with the
                speed they were seen at, as do those not yet confirmed.
            steps: of the filters since the last update.
            directed: remember places for directions.
        """
        self.detection[:] = match
        seen = match >= 0
        if not np.count_nonzero(seen):
            return
        # all tracks alike, and what comes of those not seen is not used: faster than to pick the others out
        config = self._config
        measurement, score = found.measurement.take(match, axis=0), found.score.take(match)
        if config.observation_reupdate:
            self._reupdate(seen, measurement, frame)
        motion = kalman.update(self.motion, measurement, (~seen).nonzero()[0])
        if nearest is not None and len(nearest):
            surprising = kalman.mahalanobis(self.motion[nearest], measurement[nearest]) > kalman.GATE
            far = nearest[surprising | (nearest >= self.confirmed)]
            begun = kalman.initiate(measurement[far])
            if "observed" in self._names:
                begun.velocity[:, :2] = (measurement[far] - self.observed[far, -1])[:, :2] / steps
            motion.values[:, far] = begun.values
        self.motion = motion
        rows = seen[:, None]
        if config.observation_reupdate:
            np.copyto(self.anchor.values, motion.values, where=rows)
        if "observed" in self._names:
            if directed and self.observed.shape[1] > 1:
                np.copyto(self.observed[:, :-1], self.observed[:, 1:], where=rows[:, None])
                np.copyto(self.observed_frame[:, :-1], self.observed_frame[:, 1:], where=rows)
            np.copyto(self.observed[:, -1], measurement, where=rows)
            np.copyto(self.observed_frame[:, -1], frame, where=seen)
        if config.published_bookkeeping:
            self.hits[seen & (frame - self.last_frame > config.lost_frames + 1)] = ENDED
        np.copyto(self.last_frame, frame, where=seen)
        np.copyto(self.unseen, 0.0, where=seen)
        np.add(self.hits, seen, out=self.hits)
        self._learn(seen, match, score, found)

    def direction_origin(self, frame: int) -> npt.NDArray[np.float64]:
        """The oldest remembered place not older than `DIRECTION_FRAMES`, else the newest: float64 [n, 2], centres."""
        recent = self.observed_frame >= frame - DIRECTION_FRAMES
        recent[:, -1] = True
        first = np.argmax(recent, axis=1)
        return np.asarray(self.observed[np.arange(len(self)), first, :2])

    def _learn(self, seen: BoolArray, match: Int64Array, score: Float32Array, found: Found) -> None:
        """Move the average embeddings towards those of high-score detections."""
        config = self._config
        if not self.embedding.shape[1]:
            return
        new = found.embedding.take(match, axis=0)
        share = NEW_SHARE
        if not config.published_bookkeeping:  # all of the share at score 1, nothing at `high_score`
            slope = share / max(1 - config.high_score, 1e-6)
            weight = score * slope
            weight += share - slope
            np.maximum(weight, 0, out=weight)
            weight *= seen
        else:
            weight = np.float32(share) * (seen & (score >= config.high_score))
        new -= self.embedding
        new *= weight[:, None]
        new += self.embedding
        self.embedding = unit(new, out=new)

    def _reupdate(self, seen: BoolArray, measurement: npt.NDArray[np.float64], frame: int) -> None:
        """Observation-centric re-update (OC-SORT): filters of tracks found again walk a straight line there."""
        gap = frame - self.last_frame
        again = (seen & (gap > 1)).nonzero()[0]
        if not len(again):
            return
        gap, start, end = gap[again], self.observed[again, -1], measurement[again]
        state = self.anchor[again]
        for step in range(1, int(gap.max()) + 1):
            walking = (step <= gap).nonzero()[0]
            later = kalman.predict(state[walking], np.zeros(len(walking), np.bool_))
            share = (step / gap[walking])[:, None]
            between = kalman.update(later, (1 - share) * start[walking] + share * end[walking])
            # the last step is predicted only: the measurement itself follows
            last = np.equal(gap[walking], step)
            state.values[:, walking] = np.where(last[:, None], later.values, between.values)
        motion = self.motion.values.copy()
        motion[:, again] = state.values
        self.motion = KalmanState(motion)

    def _values(self, name: str) -> npt.NDArray[Any]:
        value = getattr(self, name)
        return np.asarray(value.values if name in _STATES else value)

    def _set(self, name: str, value: npt.NDArray[Any]) -> None:
        setattr(self, name, KalmanState(value) if name in _STATES else value)


def plain(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The array itself, or a copy where it can't be handed to compiled code."""
    return array if array.flags.carray else array.copy()


def to_boxes(places: npt.NDArray[np.float64]) -> Float32Array:
    """Centre x, centre y, aspect, height to float32 xyxy, which is precise enough to compare overlaps."""
    return box.cxcyah_to_xyxy(places.astype(np.float32))


def unit(vectors: Float32Array, out: Float32Array | None = None) -> Float32Array:
    """Rows scaled to unit length; a row of zeros stays.

    Args:
        vectors: [n, d].
        out: takes the result; may be `vectors`.
    """
    length = np.sqrt(np.vecdot(vectors, vectors))
    np.maximum(length, _SHORTEST, out=length)
    return np.asarray(np.divide(vectors, length[:, None], out=out), np.float32)
