"""The online tracker: predict, associate, update, and the life of a track.

In each frame every track is moved on by its Kalman filter (and by the camera's motion, if asked for), then detections
are given to tracks (`clmot.tracking.association`). What is left of the confident detections starts tracks. A track is
confirmed, and gets its id, when it is seen in a second frame running (`confirm_frames`), or starts in the first frame
of the video. Unseen, an unconfirmed track ends at once, a confirmed one after `lost_seconds`.
"""

from __future__ import annotations

import copy
import functools
import logging
import numbers
import operator
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from clmot import boxes as box
from clmot.config.tracker import TrackerConfig
from clmot.errors import reason_of
from clmot.io.any_image import AnyImage, as_image
from clmot.io.box_input import count_left_out, require_chances
from clmot.row_data import rows_of
from clmot.structures import BoolArray, Detections, Float32Array, Image, Int64Array, TrackedFrame
from clmot.tracking import serialization as saved
from clmot.tracking.adapters import AnyDetections, Taken, take_detections
from clmot.tracking.association import DUPLICATE_IOU_DISTANCE, PIXEL, associate, starting
from clmot.tracking.candidates import overlapping
from clmot.tracking.clock import Clock
from clmot.tracking.decisions import Decisions
from clmot.tracking.explanation import Explainer
from clmot.tracking.mean_subtraction import RunningMean
from clmot.tracking.track_state import Found, Packed, Tracks, plain, to_boxes
from clmot.tracking.trust import Trust

if TYPE_CHECKING:
    from clmot.tracking.camera_motion import CameraMotion
    from clmot.tracking.compiled import Compiled

_log = logging.getLogger(__name__)
_STILL = np.eye(2, 3)
_LARGEST_FRAME = 2**53


class Checked(NamedTuple):
    """A frame that a tracker can take.

    Attributes:
        frame: its number.
        seconds: its time.
        taken: detections as they came.
        embedding: float32 [m, d], of the detections; d is 0 where appearance is not used.
        order: `Found.order`.
        found: the detections in that order; None where the tracker is compiled.
        image: if there is one.
    """

    frame: int
    seconds: float
    taken: Taken
    embedding: Float32Array
    order: Int64Array
    found: Found | None
    image: Image | None


class _Now(NamedTuple):
    """What a frame begins with: the first of its video or not, how time has passed, how long lost tracks live."""

    starting: bool
    passed: float
    steps: float
    life: float


class Tracker:
    """Joins the detections of one video over time.

    Each tracker counts its ids from 1. Memory is bounded by the tracks that are alive; no history is kept. The order of
    the detections in a frame does not matter.

    Args:
        config: constants of the association.
        camera: tells the camera's motion in place of the one that `config` asks for, as where it is known already.

    Raises:
        TypeError: one of them is something else.
        UserError: the file of the camera's motion cannot be read.

    Attributes:
        config: constants of the association.
        left_out: how many boxes were left out so far because they have no area or are not finite, by reason.

    Examples:
        >>> tracker = clmot.Tracker(clmot.TrackerConfig(frame_rate=25))
        >>> for boxes in ([[20, 40, 60, 120, 0.9]], [[22, 40, 62, 120, 0.9]]):
        ...     tracked = tracker.update(np.array(boxes))
        >>> tracked.frame, tracked.track_id.tolist()
        (2, [1])
    """

    def __init__(self, config: TrackerConfig | None = None, camera: CameraMotion | None = None) -> None:
        self.config = configuration(config)
        if camera is not None and not hasattr(camera, "estimate"):
            raise TypeError(f"camera is {camera!r}, not a CameraMotion; by name it is TrackerConfig(camera=...)")
        self._camera = camera or (_camera(self.config) if self.config.camera not in ("auto", "none") else None)
        self._compiled = compiled_for(self.config)
        if self._compiled is not None:
            self._settings = self._compiled.settings(self.config)
        self._uses_embeddings = self.config.uses_embeddings
        self._running_mean = RunningMean(self.config.mean_subtraction)
        self._trust = Trust(self.config.appearance_trust)
        self._clock = Clock(self.config.frame_rate)
        self._packed: Packed | None = None
        self.reset()

    @property
    def compiled(self) -> bool:
        """Whether its hot path is machine code (`clmot.tracking.compiled`)."""
        return self._compiled is not None

    def reset(self) -> None:
        """Forget everything: the next frame is the first of a video and ids start at 1."""
        self._in_numpy, self._packed = Tracks(self.config), None
        if self._camera is not None:
            self._camera.reset()
        self._frame = 0
        self._next_id = 1
        self._size: tuple[int, int] | None = None
        self._running_mean.reset()
        self._trust.reset()
        self._clock.reset()
        self._explainer = Explainer()
        self.left_out: Counter[str] = Counter()

    def update(
        self,
        detections: AnyDetections,
        image: AnyImage | None = None,
        *,
        frame: int | None = None,
        time: float | None = None,
        explain: bool = False,
    ) -> TrackedFrame:
        """Give the next frame's detections to tracks.

        Args:
            detections: all objects found in the frame, possibly none, as `clmot.Detections`, an array [n, 4..6] (xyxy,
                score, class), `supervision.Detections` or ultralytics' `Results` (`clmot.tracking.adapters`).
                Embeddings must have the same length throughout a video, or be missing throughout; they need not be
                normalised. Boxes without area, and boxes or scores that are not finite, are left out (`left_out`).
            image: the frame, uint8 [height, width, 3], RGB, or what `clmot.io.any_image.as_image` takes; used for the
                camera's motion and the image's border, as the configuration has it, and to notice that the frame's size
                has changed: tracks are then scaled to the new size.
            frame: frame number, 1-based; by default one more than before. May skip frames, never go back.
            time: seconds since whatever beginning; never goes back. By default what the frame number says at
                `TrackerConfig.frame_rate`. How far objects move, and how long lost tracks live, is measured by it.
            explain: note what was compared and what decided, for `explained`; the tracks are the same.

        Returns:
            The detections that belong to confirmed tracks, in their given order with their own scores and,
            unless `TrackerConfig.boxes` is "filter", boxes.

        Raises:
            TypeError: nobody knows how to read the detections or the image, the frame number is no whole number, or the
                time no number; the tracker is as it was before.
            ValueError: scores that are not in [0, 1], a frame number or time that does not grow, embeddings of another
                length than before, no image, or one of another shape; the tracker is as it was before.
        """
        return self.advance(self.check(detections, image, frame, time), explain)

    def explained(self) -> Decisions:
        """What the updates with `explain` decided since the last call, which empties it; memory grows until then.

        Why a track started is told once it has its id (`clmot.tracking.decisions`).
        """
        return self._explainer.take()

    def check(
        self,
        found: AnyDetections,
        image: AnyImage | None = None,
        frame: int | None = None,
        time: float | None = None,
    ) -> Checked:
        """Whether `update` could take these arguments, changing nothing: what `advance` wants.

        Raises:
            TypeError: as `update`.
            ValueError: as `update`.
        """
        number = self._frame + 1 if frame is None else _whole(frame)
        if not self._frame < number <= _LARGEST_FRAME:
            raise ValueError(f"frame {number} comes after frame {self._frame}; frames start at 1 and must grow")
        seconds = self._clock.at(number - self._frame, None if time is None else _seconds(time))
        if image is None and self.config.camera != "auto" and self._camera is not None and self._camera.needs_images:
            raise ValueError(f"tracker.camera={self._camera.method} needs the image of every frame: update(..., image)")
        image = None if image is None else as_image(image)
        taken = take_detections(found)
        embedding = self._embeddings(taken.detections)
        in_order = None
        if self._compiled is None:
            in_order = Found(taken.detections, embedding)
            order = in_order.order
        else:
            order = self._compiled.order(taken.detections)
        if len(order):
            score = taken.detections.score
            require_chances(score.item(order.item(-1)), score.item(order.item(0)))
        return Checked(number, seconds, taken, embedding, order, in_order, image)

    def advance(self, checked: Checked, explain: bool = False) -> TrackedFrame:
        """`update` with what `check` has just returned."""
        now = self._begin(checked, self._camera_motion(checked))  # first, as a camera of the user's may fail
        if self._compiled is not None and not explain:
            return self._advance_compiled(self._compiled, checked, now)
        return self._advance(checked, now, self._explainer if explain else None)

    @property
    def _tracks(self) -> Tracks:
        """As they are in NumPy."""
        if self._packed is not None:
            self._in_numpy.unpack(self._packed)
            self._packed = None
        return self._in_numpy

    @_tracks.setter
    def _tracks(self, tracks: Tracks) -> None:
        self._in_numpy, self._packed = tracks, None

    @property
    def _shape(self) -> tuple[int, int]:
        """How many tracks there are, in whatever form, and the length of their embeddings."""
        packed = self._packed
        return self._in_numpy.embedding.shape if packed is None else (packed.tracks, packed.embedding.shape[1])

    def _begin(self, checked: Checked, matrix: npt.NDArray[np.float64] | None) -> _Now:
        """The camera's motion, and the time that passed."""
        config = self.config
        if checked.taken.left_out:
            count_left_out(self.left_out, checked.taken.left_out, "tracker")
        n, known = self._shape
        if not n and known != checked.embedding.shape[1]:
            self._tracks = Tracks(config, checked.embedding.shape[1])
        if checked.image is not None or matrix is not None:
            self._move(checked.image, matrix)
        passed = self._clock.go(checked.seconds)
        extra = int(config.published_bookkeeping)  # frames that lost tracks live longer in the published code
        if passed > 1.5 * self._clock.step:  # what would have ended in the frames left out
            self._tracks.keep(self._tracks.unseen + passed < self._clock.life(config.lost_seconds, 1 + extra))
        starting, self._frame = self._frame == 0, checked.frame
        steps = round(passed * config.steps_a_second, 9)
        return _Now(starting, passed, steps, self._clock.life(config.lost_seconds, extra))

    def _advance(self, checked: Checked, now: _Now, explainer: Explainer | None) -> TrackedFrame:
        """From the camera's motion on, in NumPy."""
        config, tracks, taken, update = self.config, self._tracks, checked.taken, self._clock.updates
        found = checked.found if checked.found is not None else Found(taken.detections, checked.embedding)

        # 1. Appearance: running mean subtraction, and whether embeddings tell the objects apart.
        high, starting_score = found.count(config.high_score), max(config.high_score, config.new_track_score)
        known = found.count(starting_score) if now.starting else self._next_id - 1
        found.embedding = self._running_mean(found.embedding, high, known)
        if self._trust.due(found.embedding.shape[1]):
            self._trust.look(tracks.embedding[tracks.seen], found.embedding[:high])
        trusted = self._trust.given

        # 2. Prediction, and association in the stages of `associate`.
        tracks.age(now.passed)
        tracks.predict(now.steps)
        match, free, nearest = associate(tracks, found, config, update, trusted, explainer)
        new = starting(found, free, found.count(starting_score), config)
        if explainer:
            explainer.decide(checked.frame, update, tracks, found, match, new)

        # 3. Life of the tracks: update, end, start, confirm.
        directed = not (trusted and found.embedding.shape[1] and config.association == "fused")
        tracks.match(match, found, update, nearest, now.steps, directed)
        alive = tracks.unseen < now.life
        if config.published_bookkeeping:  # one frame more, but not twice
            alive &= (tracks.hits > 0) | (match >= 0)
        alive[tracks.confirmed :] &= match[tracks.confirmed :] >= 0
        tracks.keep(alive)
        tracks.start(found, new, update)
        self._end_duplicates()
        self._confirm(now.starting)
        if explainer:
            explainer.close(tracks)
        shown, row = self._seen(found.order)
        track_id = np.zeros(len(found), np.int64)
        track_id[row] = tracks.track_id.take(shown)
        rows = track_id.nonzero()[0]
        return self._shown(taken, found.order, track_id.take(rows), rows, taken.detections.take(rows))

    def _advance_compiled(self, compiled: Compiled, checked: Checked, now: _Now) -> TrackedFrame:
        """The same as machine code."""
        given, order, embedding = checked.taken.detections, checked.order, checked.embedding
        rows, looks, *tracks = self._packed or self._in_numpy.pack()
        total, count = self._running_mean.sums(embedding.shape[1])
        due = self._trust.due(embedding.shape[1])
        known = np.array((*tracks, *now, self._clock.updates, self._next_id, due, count), np.float64)
        columns = plain(given.xyxy), plain(given.score), plain(given.class_id), plain(embedding)
        rows, looks, shown, boxes, score = compiled.step(
            rows, looks, order, *columns, total, self._trust.sums, known, self._settings
        )
        n, confirmed, *_, self._next_id, _, count = map(int, known.tolist())
        self._packed = Packed(rows, looks, n, confirmed)
        self._running_mean.settle(total, count)
        track_id, row, class_id = shown
        visible = object.__new__(Detections)  # rows of what was checked
        embedding_shown = None if given.embedding is None else given.embedding.take(row, axis=0)
        vars(visible).update(xyxy=boxes, score=score, class_id=class_id, embedding=embedding_shown)
        vars(visible)["data"] = rows_of(given.data, row)
        return self._shown(checked.taken, order, track_id, row, visible)

    def _seen(self, order: Int64Array) -> tuple[Int64Array, Int64Array]:
        """Rows of the confirmed tracks that were seen, and of their detections as they came."""
        detection = self._tracks.detection[: self._tracks.confirmed]
        shown = (detection >= 0).nonzero()[0]
        return shown, order.take(detection.take(shown))

    def _shown(
        self, taken: Taken, order: Int64Array, track_id: Int64Array, rows: Int64Array, given: Detections
    ) -> TrackedFrame:
        """The confirmed tracks that the newest frame shows, in the order of its detections.

        Args:
            taken: the detections.
            order: of them in `Found`.
            track_id: int64 [k], the tracks.
            rows: int64 [k], of their detections.
            given: their detections; may be changed.
        """
        config = self.config
        if config.boxes == "filter":
            shown, row = self._seen(order)
            place = np.empty((len(order), 4), np.float32)
            place[row] = to_boxes(self._tracks.motion.position.take(shown, axis=0))
            place = place.take(rows, axis=0)  # the detection's own where the filter believes in none
            # rows of its own, of boxes that are well formed either way: what the constructor checks need no second look
            vars(given)["xyxy"] = np.where(box.well_formed(place)[:, None], place, given.xyxy)
        if config.max_aspect or config.min_area:
            width, height = (given.xyxy[:, 2:] - given.xyxy[:, :2]).T
            plausible = width * height > config.min_area
            if config.max_aspect:
                plausible &= width <= config.max_aspect * height
            given, rows, track_id = given[plausible], rows[plausible], track_id[plausible]
        tracked = object.__new__(TrackedFrame)  # of one length, as the constructor would check
        rows = rows if taken.rows is None else taken.rows.take(rows)
        vars(tracked).update(frame=self._frame, detections=given, track_id=track_id, rows=rows)
        return tracked

    def lost(self) -> TrackedFrame:
        """The tracks with an id that the last frame does not show, with the boxes where they are expected.

        Their scores are 0 and their rows -1; a box that has shrunk to nothing is left out.
        """
        tracks = self._tracks
        boxes = tracks.boxes()
        rows = ((tracks.track_id > 0) & (tracks.detection < 0) & box.well_formed(boxes)).nonzero()[0]
        found = Detections(xyxy=boxes[rows], score=np.zeros(len(rows), np.float32), class_id=tracks.class_id[rows])
        return TrackedFrame(frame=self._frame, detections=found, track_id=tracks.track_id[rows])

    def save(self, path: str | Path) -> None:
        """Write configuration and state to one file (safetensors), to go on later with `load`.

        Raises:
            UserError: it cannot be written.
        """
        saved.write_state(Path(path), self.config, self.state())

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """A tracker that goes on, bit for bit, as the one would that was saved.

        Raises:
            UserError: the file cannot be read, is cut short, or is something else.
        """
        config, state = saved.read_state(Path(path))
        with saved.named(Path(path)):
            return cls.from_state(config, state)

    @classmethod
    def from_state(cls, config: TrackerConfig, state: Mapping[str, npt.NDArray[Any]]) -> Self:
        """A tracker that goes on as the one with that configuration would whose `state` it was.

        Its camera's motion comes from where the other's did, as far as that is a `CameraMotion`; a file of it need not
        be there any more.

        Raises:
            ValueError: as `restore`.
        """
        camera = None
        if any(key.startswith("camera.") for key in state):
            from clmot.tracking.camera_motion import CameraMotion

            camera = CameraMotion("none")
        tracker = cls(config, camera)
        tracker.restore(state)
        return tracker

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """Everything that the tracker knows, as arrays by name.

        A tracker with the same configuration that is given it by `restore` goes on as this one would, bit for bit.
        """
        size = self._size or (0, 0)
        state = {f"tracks.{name}": value.copy() for name, value in self._tracks.arrays().items()}
        if self._camera is not None:
            state |= {f"camera.{name}": value for name, value in self._camera.state().items()}
        state |= {f"centring.{name}": value for name, value in self._running_mean.state().items()}
        state |= {f"trust.{name}": value for name, value in self._trust.state().items()}
        state["clock.time"] = self._clock.state()
        return state | {"clock": np.array([self._frame, self._next_id, *size], np.int64)}

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Go on from a state that `state` returned.

        Raises:
            ValueError: it comes from a tracker that keeps other things; the tracker is as it was before.
        """
        try:
            names = ("tracks", "centring", "trust", "camera", "clock")
            parts: dict[str, dict[str, npt.NDArray[Any]]] = {name: {} for name in names}
            for key, value in state.items():
                part, _, name = key.partition(".")
                parts[part][name] = np.asarray(value)
            tracks, centring = Tracks(self.config), RunningMean(self.config.mean_subtraction)
            camera = copy.deepcopy(self._camera)
            tracks.restore(parts["tracks"])
            centring.restore(parts["centring"])
            trust = Trust(self.config.appearance_trust)
            trust.restore(parts["trust"])
            clock = Clock(self.config.frame_rate)
            clock.restore(parts["clock"]["time"])
            if parts["camera"]:
                camera = camera or _camera(self.config)
                camera.restore(parts["camera"])
            elif camera is not None:
                camera.reset()
            frame, next_id, width, height = (int(number) for number in parts["clock"][""].tolist())
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise ValueError(
                f"this is not the state of a tracker with the same configuration: {reason_of(error)}"
            ) from error
        self._tracks, self._running_mean, self._trust, self._camera = tracks, centring, trust, camera
        self._clock = clock
        self._frame, self._next_id = frame, next_id
        self._size = (width, height) if width or height else None

    def _embeddings(self, detections: Detections) -> Float32Array:
        """Embeddings [m, d] of the detections; d is 0 where appearance is not used."""
        n, known = self._shape
        if not len(detections.score):  # a detector that found nothing need not know the length
            return np.empty((0, known), np.float32)
        if detections.embedding is None or not self._uses_embeddings:
            embedding = np.empty((len(detections.score), 0), np.float32)
        else:
            embedding = detections.embedding
        if embedding.shape[1] != known and n:
            raise ValueError(f"embeddings have length {embedding.shape[1]}, those of the tracks {known} (0: none)")
        return embedding

    def _camera_motion(self, checked: Checked) -> npt.NDArray[np.float64] | None:
        """How the camera moved, None where nothing tells."""
        image = checked.image
        if image is not None and self._camera is None and self.config.camera == "auto":
            self._camera = _camera(self.config)
        if self._camera is None or (image is None and self._camera.needs_images):
            return None
        matrix = np.asarray(self._camera.estimate(image, checked.taken.detections.xyxy, checked.frame))
        if matrix.shape != (2, 3) or matrix.dtype.kind not in "if" or not np.isfinite(matrix).all():
            raise ValueError(f"the camera's motion must be a finite [2, 3] matrix, got {matrix.dtype} {matrix.shape}")
        return matrix

    def _move(self, image: Image | None, matrix: npt.NDArray[np.float64] | None) -> None:
        """Move the tracks as the camera moved, and scale them where the frame's size has changed."""
        if image is not None:
            height, width = image.shape[:2]
            if self._size is not None and self._size != (width, height):
                self._tracks.move(np.array([[width / self._size[0], 0, 0], [0, height / self._size[1], 0]]))
            self._size = (width, height)
        if matrix is not None and not np.array_equal(matrix, _STILL):
            self._tracks.move(matrix)

    def _confirm(self, starting: bool) -> None:
        """Give ids to the tracks that have been seen often enough."""
        tracks = self._tracks
        before = tracks.confirmed
        if before == len(tracks):
            return
        hits = tracks.hits[before:]  # until then a track is seen in every frame: the older, the more often
        new = len(hits) if starting else int(np.count_nonzero(hits >= self.config.confirm_frames))
        if new:
            tracks.confirm(new, self._next_id)
            self._next_id += new

    def _end_duplicates(self) -> None:
        """Of a seen and a lost track in one place, forget the one that was followed for a shorter time, or the seen."""
        if not self.config.published_bookkeeping:
            return
        tracks = self._tracks
        seen, lost = (tracks.detection >= 0).nonzero()[0], (tracks.detection < 0).nonzero()[0]
        boxes = tracks.boxes() + PIXEL
        rows, columns, overlap = overlapping(boxes[seen], boxes[lost])
        same = 1 - overlap < DUPLICATE_IOU_DISTANCE
        same &= tracks.class_id[seen[rows]] == tracks.class_id[lost[columns]]
        rows, columns = rows[same], columns[same]
        if not len(rows):
            return
        first, second = seen[rows], lost[columns]
        followed = tracks.last_frame - tracks.first_frame
        unique: BoolArray = np.ones(len(tracks), np.bool_)
        unique[np.where(followed[first] > followed[second], second, first)] = False
        tracks.keep(unique)


def configuration(config: TrackerConfig | None) -> TrackerConfig:
    """The configuration that is given; the default where none is.

    Raises:
        TypeError: it is something else.
    """
    if config is not None and not isinstance(config, TrackerConfig):
        raise TypeError(f"config is {config!r:.60}, not a TrackerConfig; by name it is TrackerConfig.named('byte')")
    return config or TrackerConfig()


def compiled_for(config: TrackerConfig) -> Compiled | None:
    """The compiled form where numba is installed, the configuration is in it, and CLMOT_COMPILED is not 0."""
    if config.observation_reupdate or os.environ.get("CLMOT_COMPILED") == "0":
        return None
    return load_compiled()


@functools.cache
def load_compiled() -> Compiled | None:
    """Where it can be had; may compile."""
    try:
        from clmot.tracking.compiled import COMPILED
    except ImportError as error:
        _log.info("the tracker is not compiled: %s", reason_of(error))
        return None
    return COMPILED


def _whole(frame: Any) -> int:
    """A frame number as it was given.

    Raises:
        TypeError: it is no whole number.
    """
    if isinstance(frame, bool | np.bool_) or not hasattr(frame, "__index__"):
        raise TypeError(f"frame is {frame!r}, not a whole number")
    return operator.index(frame)


def _seconds(time: Any) -> float:
    """A time as it was given.

    Raises:
        TypeError: it is no number.
    """
    if isinstance(time, bool) or not isinstance(time, numbers.Real):
        raise TypeError(f"time is {time!r:.60}, not a number of seconds")
    return float(time)


def _camera(config: TrackerConfig) -> CameraMotion:
    """What tells the camera's motion; OpenCV and files are for those only who have a use for it."""
    from clmot.io.camera_motion_text import read_camera_motion
    from clmot.tracking.camera_motion import CameraMotion

    method = "sparse-flow" if config.camera == "auto" else config.camera
    return CameraMotion(method, read_camera_motion(Path(config.camera_file)) if config.camera_file else None)
