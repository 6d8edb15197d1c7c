"""The online tracker: predict, associate, update, and the life of a track.

In each frame every track is moved on by its Kalman filter (and by the camera's motion, if asked for), then detections
are given to tracks (`clmot.tracking.association`). What is left of the confident detections starts tracks. A track is
confirmed, and gets its id, when it is seen in a second frame running (`confirm_frames`), or starts in the first frame
of the video. Unseen, an unconfirmed track ends at once, a confirmed one after `lost_seconds`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from clmot.tracking import saved
from clmot.tracking.adapters import AnyDetections, as_detections
from clmot.tracking.association import associate
from clmot.tracking.centring import Centring
from clmot.tracking.config import TrackerConfig
from clmot.tracking.pairs import overlapping
from clmot.tracking.tracks import Found, Tracks, unit
from clmot.types import BoolArray, Detections, Float32Array, Image, TrackedFrame

if TYPE_CHECKING:
    from clmot.tracking.camera import CameraMotion

_STILL = np.eye(2, 3)


class Checked(NamedTuple):
    """A frame that a tracker can take: its number, detections, their unit embeddings [m, d], and the image."""

    frame: int
    detections: Detections
    embedding: Float32Array
    image: Image | None


class Tracker:
    """Joins the detections of one video over time.

    Each tracker counts its ids from 1. Memory is bounded by the tracks that are alive; no history is kept. The order of
    the detections in a frame does not matter.

    Args:
        config: constants of the association.
        camera: tells the camera's motion in place of the one that `config` asks for, as where it is known already.

    Attributes:
        config: constants of the association.
    """

    def __init__(self, config: TrackerConfig | None = None, camera: CameraMotion | None = None) -> None:
        self.config = config or TrackerConfig()
        self._camera = camera or (_camera(self.config) if self.config.camera not in ("auto", "none") else None)
        self._centring = Centring(self.config.centring)
        self.reset()

    def reset(self) -> None:
        """Forget everything: the next frame is the first of a video and ids start at 1."""
        self._tracks = Tracks(self.config)
        if self._camera is not None:
            self._camera.reset()
        self._frame = 0
        self._next_id = 1
        self._size: tuple[int, int] | None = None
        self._centring.reset()

    def update(
        self, detections: AnyDetections, image: Image | None = None, *, frame: int | None = None
    ) -> TrackedFrame:
        """Give the next frame's detections to tracks.

        Args:
            detections: all objects found in the frame, possibly none, as `clmot.Detections`, an array [n, 4..6] (xyxy,
                score, class), `supervision.Detections` or ultralytics' `Results` (`clmot.tracking.adapters`).
                Embeddings must have the same length throughout a video, or be missing throughout; they need not be
                normalised.
            image: the frame, uint8 [height, width, 3], RGB; used for the camera's motion, as the configuration
                has it, and to notice that the frame's size has changed: tracks are then scaled to the new size.
            frame: frame number, 1-based; by default one more than before. May skip frames, never go back.

        Returns:
            The detections that belong to confirmed tracks, in their given order with their own boxes and scores.

        Raises:
            TypeError: nobody knows how to read the detections; the tracker is as it was before.
            ValueError: a box or score that is not finite, a box without area, a frame number that does not grow,
                embeddings of another length than before, or no image; the tracker is as it was before.
        """
        return self.advance(self.check(detections, image, frame))

    def check(self, found: AnyDetections, image: Image | None = None, frame: int | None = None) -> Checked:
        """Whether `update` could take these arguments, changing nothing: what `advance` wants.

        Raises:
            TypeError: as `update`.
            ValueError: as `update`.
        """
        detections = as_detections(found)
        frame = self._frame + 1 if frame is None else frame
        if frame <= self._frame:
            raise ValueError(f"frame {frame} comes after frame {self._frame}; frames start at 1 and must grow")
        if image is not None and (image.ndim != 3 or image.dtype != np.uint8):
            raise ValueError(f"image must be uint8 [height, width, 3], got {image.dtype} {list(image.shape)}")
        if image is None and self.config.camera != "auto" and self._camera is not None and self._camera.needs_images:
            raise ValueError(f"tracker.camera={self._camera.method} needs the image of every frame: update(..., image)")
        return Checked(frame, detections, self._embeddings(detections), image)

    def advance(self, checked: Checked) -> TrackedFrame:
        """`update` with what `check` has just returned."""
        frame, detections, embedding, image = checked
        found = Found(detections, embedding)
        starting = self._frame == 0
        starters = found.count(max(self.config.high_score, self.config.new_track_score))
        individuals = starters if starting else self._next_id - 1
        found.embedding = self._centring(found.embedding, found.count(self.config.high_score), individuals)

        tracks = self._tracks
        if not len(tracks) and tracks.embedding.shape[1] != found.embedding.shape[1]:
            tracks = self._tracks = Tracks(self.config, found.embedding.shape[1])
        self._see(image, detections.xyxy, frame)
        if frame > self._frame + 1:  # what would have ended in the frames left out
            tracks.keep(frame - tracks.last_frame <= self.config.lost_frames + 1)
        tracks.predict(min(frame - self._frame, self.config.lost_frames + 1))
        match, free = associate(tracks, found, self.config, frame)
        tracks.match(match, found, frame)
        alive = tracks.last_frame >= frame - self.config.lost_frames
        alive[tracks.confirmed :] &= match[tracks.confirmed :] >= 0
        tracks.keep(alive)
        tracks.start(found, free[:starters].nonzero()[0], frame)
        self._end_duplicates()
        self._confirm(starting)
        self._frame = frame

        detection = tracks.detection[: tracks.confirmed]
        shown = (detection >= 0).nonzero()[0]
        track_id = np.zeros(len(found), np.int64)
        track_id[found.order.take(detection.take(shown))] = tracks.track_id.take(shown)
        rows = track_id.nonzero()[0]
        if self.config.max_aspect or self.config.min_area:
            width, height = (detections.xyxy[rows, 2:] - detections.xyxy[rows, :2]).T
            plausible = width * height > self.config.min_area
            if self.config.max_aspect:
                plausible &= width <= self.config.max_aspect * height
            rows = rows[plausible]
        return TrackedFrame(frame=frame, detections=detections[rows], track_id=track_id.take(rows))

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
        tracker = cls(config)
        with saved.named(Path(path)):
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
        state |= {f"centring.{name}": value for name, value in self._centring.state().items()}
        return state | {"clock": np.array([self._frame, self._next_id, *size], np.int64)}

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Go on from a state that `state` returned.

        Raises:
            ValueError: it comes from a tracker that keeps other things; the tracker is as it was before.
        """
        parts: dict[str, dict[str, npt.NDArray[Any]]] = {"tracks": {}, "centring": {}, "camera": {}}
        for key, value in state.items():
            part, _, name = key.partition(".")
            if part in parts:
                parts[part][name] = value
        tracks = Tracks(self.config)
        wanted = tracks.arrays().keys(), self._centring.state().keys()
        if "clock" not in state or (parts["tracks"].keys(), parts["centring"].keys()) != wanted:
            raise ValueError("this is not the state of a tracker with the same configuration")
        tracks.restore(parts["tracks"])
        self._tracks = tracks
        self._centring.restore(parts["centring"])
        if parts["camera"]:
            self._camera = self._camera or _camera(self.config)
            self._camera.restore(parts["camera"])
        elif self._camera is not None:
            self._camera.reset()
        self._frame, self._next_id, *size = (int(value) for value in state["clock"])
        self._size = (size[0], size[1]) if any(size) else None

    def _embeddings(self, detections: Detections) -> Float32Array:
        """Unit embeddings [m, d] of the detections; d is 0 where appearance is not used."""
        known = self._tracks.embedding.shape[1]
        if not len(detections):  # a detector that found nothing need not know the length
            return np.empty((0, known), np.float32)
        if detections.embedding is None or not self.config.appearance:
            embedding = np.empty((len(detections), 0), np.float32)
        else:
            embedding = unit(detections.embedding)
        if embedding.shape[1] != known and len(self._tracks):
            raise ValueError(f"embeddings have length {embedding.shape[1]}, those of the tracks {known} (0: none)")
        return embedding

    def _see(self, image: Image | None, boxes: Float32Array, frame: int) -> None:
        """Move the tracks as the camera moved, and scale them where the frame's size has changed."""
        if image is not None:
            height, width = image.shape[:2]
            if self._size is not None and self._size != (width, height):
                self._tracks.move(np.array([[width / self._size[0], 0, 0], [0, height / self._size[1], 0]]))
            self._size = (width, height)
            if self._camera is None and self.config.camera == "auto":
                self._camera = _camera(self.config)
        if self._camera is not None and (image is not None or not self._camera.needs_images):
            matrix = self._camera.estimate(image, boxes, frame)
            if not np.array_equal(matrix, _STILL):
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
            tracks.track_id[before : before + new] = np.arange(self._next_id, self._next_id + new)
            self._next_id += new

    def _end_duplicates(self) -> None:
        """Forget the younger of a seen and a lost track in one place (the lost one if they are of an age)."""
        if not self.config.duplicate_iou_threshold:
            return
        tracks = self._tracks
        seen, lost = (tracks.detection >= 0).nonzero()[0], (tracks.detection < 0).nonzero()[0]
        boxes = tracks.boxes()
        rows, columns, overlap = overlapping(boxes[seen], boxes[lost])
        same = 1 - overlap < self.config.duplicate_iou_threshold
        same &= tracks.class_id[seen[rows]] == tracks.class_id[lost[columns]]
        rows, columns = rows[same], columns[same]
        if not len(rows):
            return
        first, second = seen[rows], lost[columns]
        lost_is_older = tracks.first_frame[second] < tracks.first_frame[first]
        unique: BoolArray = np.ones(len(tracks), np.bool_)
        unique[np.where(lost_is_older, first, second)] = False
        tracks.keep(unique)


def _camera(config: TrackerConfig) -> CameraMotion:
    """What tells the camera's motion; OpenCV and files are for those only who have a use for it."""
    from clmot.io.camera_motion import read_camera_motion
    from clmot.tracking.camera import CameraMotion

    method = "sparse-flow" if config.camera == "auto" else config.camera
    return CameraMotion(method, read_camera_motion(Path(config.camera_file)) if config.camera_file else None)
