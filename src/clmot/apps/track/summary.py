"""What tracking got to see of a sequence, and why there are no tracks, or no boxes, where there are none."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from clmot.config.tracker import TrackerConfig
from clmot.errors import plural
from clmot.structures import Detections, Image, TrackedFrame

if TYPE_CHECKING:
    from clmot.apps.track.detection import FoundFrames
    from clmot.protocols import ConfiguredDetector

_KEPT_IMAGES = 5
_BINS = 100
_LOWEST_SCORE = 1e-4
_ENOUGH_TRACKS = 10
_TOO_MANY_SHORT = 0.4
"""Share of tracks that live less than a second: 0.1 to 0.3 with scores that suit the detector, else up to 0.5."""
FILTERS = ("max_aspect", "min_area")
"""Constants of the tracker that keep tracks out of the results."""
_NOISE = 0.1
"""Scores below it are no reason to lower a threshold."""


class SequenceSummary:
    """Counts frames and detections as they pass.

    Attributes:
        frames: how many frames passed.
        boxes: how many detections there were in them.
        best_score: the highest score of these.
        complete: whether the last frame of the source has passed.
    """

    def __init__(self) -> None:
        self.frames = self.boxes = 0
        self.best_score = 0.0
        self.complete = False
        self._images: list[Image] = []
        self._last: Image | None = None
        self._scores = np.zeros(_BINS, np.int64)
        self._lives: dict[int, tuple[int, int]] = {}

    def observe(self, found: FoundFrames) -> FoundFrames:
        """The same frames, counted."""
        with contextlib.closing(found):
            for number, image, detections in found:
                self._count(image, detections)
                yield number, image, detections
        self.complete = True

    def follow(self, tracked: TrackedFrame) -> None:
        """Notes how long tracks live."""
        for track_id in tracked.track_id.tolist():
            self._lives[track_id] = (self._lives.get(track_id, (tracked.frame,))[0], tracked.frame)

    def doubt_scores(self, tracker: TrackerConfig) -> str:
        """Why the tracker's scores may not fit these detections, in one line; empty where nothing speaks for it."""
        short = sum(last - first < tracker.frame_rate for first, last in self._lives.values())
        if len(self._lives) < _ENOUGH_TRACKS or short < _TOO_MANY_SHORT * len(self._lives):
            return ""
        low, high = (int(_BINS * score) for score in (tracker.low_score, tracker.new_track_score))
        too_low = self._scores[low:high].sum() / max(1, self._scores[low:].sum())
        return (
            f"{short} of {len(self._lives)} tracks live less than a second, and {too_low:.0%} of the boxes in use "
            f"score too low to start one (tracker.low_score={tracker.low_score:g}, "
            f"tracker.new_track_score={tracker.new_track_score:g}); "
            "the scores may not suit this detector: look at the video, or let clmot tune choose them"
        )

    @property
    def tracks(self) -> int:
        """How many tracks there were."""
        return len(self._lives)

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """What of it is told at the end; `restore` takes it back."""
        lives = np.array([(track, *ends) for track, ends in self._lives.items()], np.int64).reshape(-1, 3)
        best = np.array(self.best_score)
        return {"counts": np.array([self.frames, self.boxes]), "best": best, "scores": self._scores, "lives": lives}

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Go on from where `state` was taken."""
        self.frames, self.boxes = state["counts"].tolist()
        self.best_score, self._scores = float(state["best"]), np.array(state["scores"])
        self._lives = {track: (first, last) for track, first, last in state["lives"].tolist()}

    def as_dict(self) -> dict[str, Any]:
        """For the record of the results."""
        return {
            "frames": self.frames,
            "boxes": self.boxes,
            "best score": round(self.best_score, 4),
            "complete": self.complete,
        }

    def explain_nothing(
        self, detector: ConfiguredDetector, tracker: TrackerConfig | None, *, from_file: bool = False
    ) -> str:
        """Why there are no tracks, and what to try, in one line.

        Args:
            detector: what found the boxes.
            tracker: the constants in use; None where nothing is tracked, and there are no boxes.
            from_file: the boxes come from a file.
        """
        missing = "no tracks" if tracker else "no boxes"
        if not self.frames:
            return f"{missing}, as no frame could be read"
        if from_file and not self.boxes:
            return "no tracks, as the file has no boxes in these frames; look at its frame numbers and classes"
        needed = max(tracker.high_score, tracker.new_track_score) if tracker else 0.0
        if tracker and self.boxes and self.best_score >= needed:
            filters = [f"tracker.{name}={value:g}" for name in FILTERS if (value := getattr(tracker, name))]
            hidden = f", or {' and '.join(filters)} hid what was" if filters else ""
            return (
                f"no tracks, though {plural(self.boxes, 'box', 'boxes')} scored up to {self.best_score:.2f}: nothing "
                f"was seen in tracker.confirm_frames={tracker.confirm_frames} consecutive frames{hidden}; try "
                f"tracker.confirm_frames=1{' or other filters' if filters else ''}"
            )
        best = self.best_score or self._best_score_below_threshold(detector)
        lower = best * 0.8
        trials = [f"tracker.high_score={lower:.2g} tracker.new_track_score={lower:.2g}" * bool(tracker)]
        trials = trials if best >= _NOISE else []
        if self.boxes:
            what = (
                f"the best of {plural(self.boxes, 'box', 'boxes')} scored {best:.2g}, and tracks start at {needed:g} "
                "(tracker.high_score, tracker.new_track_score)"
            )
        else:
            threshold = detector.config.detect.score_threshold
            what = f"nothing scored detect.score_threshold={threshold:g}"
            if best:
                what += f", the best in {plural(len(self._images), 'frame')} looked at again {best:.2g}"
            if trials:
                trials = [f"detect.score_threshold={best / 2:.2g} {trials[0]}".strip()]
        if from_file:
            return f"no tracks: {what}; try {' or '.join(trials) or 'other boxes'}"
        classes = ", ".join(list(detector.classes)[:8]) + ", ..." * (len(detector.classes) > 8)
        size = ""
        if getattr(detector, "any_size", False) and self._last is not None:
            width, height = detector.input_size(*self._last.shape[1::-1])  # type: ignore[attr-defined]
            size = f"; input: {width}x{height}"
            trials.append(f"--size {2 * max(width, height)} where objects are small")
        trials.append("a model of such objects")
        return f"{missing}: {what}; classes: {classes}{size}; try {', or '.join(trials)}"

    def _count(self, image: Image, detections: Detections) -> None:
        self.frames += 1
        self._last = image
        if len(detections):
            self.boxes += len(detections)
            self.best_score = max(self.best_score, float(detections.score.max()))
            self._scores += np.histogram(detections.score, _BINS, (0, 1))[0]
            self._images.clear()
        elif not self.boxes and self.frames & (self.frames - 1) == 0:
            # frames 1, 2, 4, 8, ...: from all of the sequence, however long it is
            self._images = [*self._images, image][-_KEPT_IMAGES:]

    def _best_score_below_threshold(self, detector: ConfiguredDetector) -> float:
        """The highest score in the images kept, with hardly any threshold; 0 if the detector has none to set."""
        config = detector.config
        try:
            detector.config = config.updated({"detect": {"score_threshold": _LOWEST_SCORE}})  # type: ignore[misc]
        except AttributeError:
            return 0.0
        try:
            found = [detector.detect([image])[0] for image in self._images]
        finally:
            detector.config = config  # type: ignore[misc]
        return max((float(each.score.max(initial=0)) for each in found), default=0.0)
