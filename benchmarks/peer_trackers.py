"""Other people's trackers, and ours, behind one face, for the benchmarks of speed and of quality.

Every tracker takes its own kind of detections. `Entry.make` starts one for a video; `prepare` turns ours into its kind,
and is not part of what is timed; `update` is; `tracks` reads ids and boxes out of what it answers.

The peers run with the defaults of their classes, and of ultralytics with its own configuration files; where they take
the frame rate they get it. Norfair has no default distance: it gets its own IoU distance with the threshold of its
examples. Peers that can be handed embeddings with the detections are, where there are any.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from clmot import Detections, Tracker, TrackerConfig
from clmot.config.tracker import Family
from clmot.structures import Image, TrackedFrame

os.environ.setdefault("YOLO_VERBOSE", "false")
Tracks = tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]
"""Ids [n] and xyxy boxes [n, 4]."""


class Running(Protocol):
    """A tracker in the middle of a video."""

    def prepare(self, detections: Detections) -> Any:
        """Detections as this tracker wants them."""

    def update(self, prepared: Any, image: Image | None) -> Any:
        """The next frame; the image is BGR."""

    def tracks(self, answer: Any) -> Tracks:
        """What `update` answered."""


@dataclass(frozen=True)
class Entry:
    """A tracker to be compared.

    Attributes:
        name: as in tables.
        package: what must be installed; empty for our own.
        make: starts one for a video of some frame rate.
        needs_images: whether `update` must get them.
        embeds: which embeddings detections are to have, if any.
        config: of our own.
    """

    name: str
    package: str
    make: Callable[[float], Running]
    needs_images: bool = False
    embeds: str = ""
    config: TrackerConfig | None = None

    def suited(self, family: Family) -> Entry:
        """With the scores of such detections, as `clmot track` has them, where it is ours and has those of a family."""
        if self.config is None:
            return self
        config = self.config.suited(family)
        return replace(self, make=lambda rate: _Ours(replace(config, frame_rate=rate)))

    def missing(self) -> str:
        """Why it cannot take part, empty if it can."""
        if not self.package:
            return ""
        if importlib.util.find_spec(self.package) is None:
            return "not installed"
        try:
            self.make(30.0)
        except (ImportError, AttributeError) as error:
            return f"not in {self.package} {version(self.package)}: {error}"
        return ""


def version(package: str) -> str:
    """The installed version of a package."""
    return importlib.metadata.version(importlib.metadata.packages_distributions()[package][0])


class _Ours:
    """`clmot.Tracker`."""

    def __init__(self, config: TrackerConfig, compiled: bool = True) -> None:
        with in_numpy() if not compiled else contextlib.nullcontext():
            self._tracker = Tracker(config)
        self._with_images = config.camera in ("auto", "sparse-flow", "ecc")

    def prepare(self, detections: Detections) -> Detections:
        return detections

    def update(self, prepared: Detections, image: Image | None) -> TrackedFrame:
        if image is None or not self._with_images:
            return self._tracker.update(prepared)
        return self._tracker.update(prepared, cv2.cvtColor(image, cv2.COLOR_BGR2RGB))

    def tracks(self, answer: TrackedFrame) -> Tracks:
        return answer.track_id, answer.detections.xyxy


class _Rows:
    """Peers that take rows of x1, y1, x2, y2, score (and class) and give rows that begin with box and id."""

    _with_class = False

    def __init__(self, tracker: Any) -> None:
        self._tracker = tracker

    def prepare(self, detections: Detections) -> npt.NDArray[np.float64]:
        columns = [detections.xyxy, detections.score[:, None]]
        if self._with_class:
            columns.append(detections.class_id[:, None])
        return np.concatenate(columns, axis=1).astype(np.float64)

    def update(self, prepared: Any, image: Image | None) -> Any:
        return self._tracker.update(prepared)

    def tracks(self, answer: Any) -> Tracks:
        if not len(answer):
            return np.empty(0, np.int64), np.empty((0, 4), np.float32)
        rows = np.asarray(answer, np.float64)
        return rows[:, 4].astype(np.int64), rows[:, :4].astype(np.float32)


class _VisionTrack:
    """In C++; by motion alone."""

    def __init__(self, tracker: Any) -> None:
        self._tracker = tracker

    def prepare(self, detections: Detections) -> Any:
        return detections.xyxy.astype(np.float64), detections.score.astype(np.float64)

    def update(self, prepared: Any, image: Image | None) -> Any:
        return self._tracker.update(*prepared)

    def tracks(self, answer: Any) -> Tracks:
        return answer[0], answer[1].astype(np.float32)


class _BoxMot(_Rows):
    """Ids count from 0."""

    _with_class = True

    def update(self, prepared: Any, image: Image | None) -> Any:
        return self._tracker.update(prepared, image)

    def tracks(self, answer: Any) -> Tracks:
        ids, boxes = super().tracks(answer)
        return ids + 1, boxes


class _Handed:
    """In place of a re-identification model: the embeddings that came with the detections."""

    embedding: npt.NDArray[np.float32]

    def get_features(self, boxes: Any, image: Image) -> npt.NDArray[np.float32]:
        assert len(boxes) == len(self.embedding)
        return self.embedding


class _BoxMotEmbedding(_BoxMot):
    def __init__(self, make: Any, **options: Any) -> None:
        self._model = _Handed()
        super().__init__(make(reid_model=self._model, **options))

    def prepare(self, detections: Detections) -> Any:
        return super().prepare(detections), detections.embedding

    def update(self, prepared: Any, image: Image | None) -> Any:
        rows, self._model.embedding = prepared
        return super().update(rows, image)


class _Ultralytics(_Rows):
    _with_class = True

    def prepare(self, detections: Detections) -> Any:
        from ultralytics.engine.results import Boxes

        return Boxes(super().prepare(detections), (1080, 1920)), detections.embedding

    def update(self, prepared: Any, image: Image | None) -> Any:
        rows, embedding = prepared
        return self._tracker.update(rows, image, embedding)


class _Supervision:
    """Trackers on `supervision.Detections`; ids count from 0, -1 is no track yet."""

    def __init__(self, tracker: Any, with_images: bool = False) -> None:
        self._tracker, self._with_images = tracker, with_images

    def prepare(self, detections: Detections) -> Any:
        import supervision

        return supervision.Detections(
            xyxy=detections.xyxy, confidence=detections.score, class_id=detections.class_id.astype(int)
        )

    def update(self, prepared: Any, image: Image | None) -> Any:
        return self._tracker.update(prepared, image) if self._with_images else self._tracker.update(prepared)

    def tracks(self, answer: Any) -> Tracks:
        if answer.tracker_id is None:
            return np.empty(0, np.int64), np.empty((0, 4), np.float32)
        known = answer.tracker_id >= 0
        return answer.tracker_id[known].astype(np.int64) + 1, answer.xyxy[known].astype(np.float32)


class _OldSupervision(_Supervision):
    """Before it left for the package trackers."""

    def update(self, prepared: Any, image: Image | None) -> Any:
        return self._tracker.update_with_detections(prepared)


class _Norfair:
    def __init__(self, tracker: Any) -> None:
        self._tracker = tracker

    def prepare(self, detections: Detections) -> Any:
        from norfair import Detection

        corners = detections.xyxy.reshape(-1, 2, 2).astype(np.float64)
        return [
            Detection(points, scores=np.array([score, score]))
            for points, score in zip(corners, detections.score, strict=True)
        ]

    def update(self, prepared: Any, image: Image | None) -> Any:
        return self._tracker.update(prepared)

    def tracks(self, answer: Any) -> Tracks:
        boxes = np.array([each.estimate.ravel() for each in answer], np.float32).reshape(-1, 4)
        return np.array([each.id for each in answer], np.int64), boxes


@contextlib.contextmanager
def in_numpy() -> Iterator[None]:
    """Trackers made meanwhile do without what is compiled."""
    before = os.environ.get("CLMOT_COMPILED", "1")
    os.environ["CLMOT_COMPILED"] = "0"
    yield
    os.environ["CLMOT_COMPILED"] = before


def ours(name: str, config: TrackerConfig, camera: bool = False, embeds: str = "", compiled: bool = True) -> Entry:
    """One of our own configurations.

    Args:
        name: as in tables.
        config: its constants.
        camera: leave the camera's motion as configured (which takes images); otherwise it is off.
        embeds: with embeddings of that name.
        compiled: where numba is installed.
    """
    if not camera:
        config = replace(config, camera="none")
    images = config.camera != "none"
    return Entry(name, "", lambda rate: _Ours(replace(config, frame_rate=rate), compiled), images, embeds, config)


def peers(camera: bool = False, embeds: str = "") -> list[Entry]:
    """Everybody else.

    Args:
        camera: those that estimate its motion from images.
        embeds: those that take embeddings, with those of that name; with images, for the camera's motion, where their
            defaults have it.
    """
    if embeds:
        boxmot = [
            ("BotSort", {}),
            ("DeepOcSort", {}),
            ("StrongSort", {}),
            ("HybridSort", {}),
            ("BoostTrack", {"use_embeddings": True}),
        ]
        return [
            *(
                Entry(f"boxmot {name}, {embeds}", "boxmot", partial(_boxmot_embedding, name, options), True, embeds)
                for name, options in boxmot
            ),
            Entry(
                f"ultralytics BOTSORT, {embeds}",
                "ultralytics",
                lambda rate: _ultralytics_botsort(True, True),
                True,
                embeds,
            ),
        ]
    if camera:
        return [
            Entry("boxmot BotSort, camera", "boxmot", lambda rate: _botsort(rate, True), True),
            Entry("trackers BoT-SORT, camera", "trackers", lambda rate: _trackers_botsort(rate, True), True),
            Entry("ultralytics BOTSORT, camera", "ultralytics", lambda rate: _ultralytics_botsort(True), True),
        ]
    return [
        Entry("boxmot ByteTrack", "boxmot", lambda rate: _BoxMot(_boxmot().ByteTrack(frame_rate=round(rate)))),
        Entry("boxmot BotSort", "boxmot", lambda rate: _botsort(rate, False)),
        Entry("boxmot OcSort", "boxmot", lambda rate: _BoxMot(_boxmot().OcSort())),
        Entry("trackers ByteTrack", "trackers", lambda rate: _trackers("ByteTrackTracker", rate)),
        Entry("trackers SORT", "trackers", lambda rate: _trackers("SORTTracker", rate)),
        Entry("trackers OC-SORT", "trackers", lambda rate: _trackers("OCSORTTracker", rate)),
        Entry("trackers BoT-SORT", "trackers", lambda rate: _trackers_botsort(rate, False)),
        Entry("norfair", "norfair", lambda rate: _norfair()),
        Entry("visiontrack-cpp ByteTrack", "visiontrack_cpp", lambda rate: _visiontrack()),
        Entry("pyxtrackers BYTE", "pyxtrackers", _pyx_byte),
        Entry("pyxtrackers OCSort", "pyxtrackers", lambda rate: _pyx_ocsort()),
        Entry("supervision ByteTrack", "supervision", _supervision),
        Entry("ultralytics BYTETracker", "ultralytics", lambda rate: _ultralytics_byte()),
        Entry("ultralytics BOTSORT", "ultralytics", lambda rate: _ultralytics_botsort(False)),
    ]


def _boxmot() -> Any:
    import boxmot
    import boxmot.utils  # sets its logger up, which then tells of every tracker

    logging.getLogger("boxmot").setLevel(logging.WARNING)
    return boxmot


def _botsort(rate: float, camera: bool) -> Running:
    return _BoxMot(_boxmot().BotSort(use_embeddings=False, use_cmc=camera, frame_rate=round(rate)))


def _boxmot_embedding(name: str, options: dict[str, Any], rate: float) -> Running:
    if name == "BotSort":
        options = {**options, "frame_rate": round(rate)}
    return _BoxMotEmbedding(getattr(_boxmot(), name), **options)


def _trackers(name: str, rate: float, **options: Any) -> Running:
    import trackers

    return _Supervision(getattr(trackers, name)(frame_rate=rate, **options), options.get("enable_cmc", False))


def _trackers_botsort(rate: float, camera: bool) -> Running:
    return _trackers("BoTSORTTracker", rate, enable_cmc=camera)


def _norfair() -> Running:
    import norfair

    return _Norfair(norfair.Tracker("iou", distance_threshold=0.7))


def _visiontrack() -> Running:
    import visiontrack_cpp

    return _VisionTrack(visiontrack_cpp.ByteTracker())


def _pyx_byte(rate: float) -> Running:
    import pyxtrackers

    return _Rows(pyxtrackers.BYTETracker(frame_rate=round(rate)))


def _pyx_ocsort() -> Running:
    import pyxtrackers

    return _Rows(pyxtrackers.OCSort(det_thresh=0.6))  # no default of its own: the paper's


def _supervision(rate: float) -> Running:
    import supervision

    return _OldSupervision(supervision.ByteTrack(frame_rate=round(rate)))


def _ultralytics_options(file: str) -> Any:
    from ultralytics.utils import YAML, IterableSimpleNamespace
    from ultralytics.utils.checks import check_yaml

    return IterableSimpleNamespace(**YAML.load(check_yaml(file)))


def _ultralytics_byte() -> Running:
    from ultralytics.trackers.byte_tracker import BYTETracker

    return _Ultralytics(BYTETracker(_ultralytics_options("bytetrack.yaml")))


def _ultralytics_botsort(camera: bool, embeds: bool = False) -> Running:
    from ultralytics.trackers.bot_sort import BOTSORT

    options = _ultralytics_options("botsort.yaml")
    options.with_reid = embeds  # its model "auto" takes what it is handed
    if not camera:
        options.gmc_method = "none"
    return _Ultralytics(BOTSORT(options))
