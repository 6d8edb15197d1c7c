"""From frames to tracks: source, network, association, and what is written of them.

Each stage is a generator over the one before. Decoding and the network each run in a thread of their own, a few frames
ahead of association and writing, which stay in the caller's: the slowest stage sets the pace, where there are
processors for all of them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import logging
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from clmot.apps.track.external_boxes import Embed, GivenBoxes, box_files
from clmot.apps.track.outputs import Sinks
from clmot.apps.track.result_folder import RESERVED, claim, recorded
from clmot.apps.track.summary import SequenceSummary
from clmot.config import Config, RefineConfig
from clmot.config.tracker import Family, TrackerConfig
from clmot.errors import UserError
from clmot.io.frame_choice import FrameChoice
from clmot.io.mot_text import MotTextWriter
from clmot.io.progress import progress_bar
from clmot.io.reading import PATIENCE
from clmot.io.sources import FrameSource, open_sources
from clmot.io.window import Window
from clmot.structures import Detections, Image, TrackedFrame
from clmot.tracking.continued import ContinuedTracker
from clmot.tracking.tracker import Tracker

if TYPE_CHECKING:
    from rich.progress import Progress


_log = logging.getLogger(__name__)


class Detector(Protocol):
    """What tracking needs of a model; `clmot.Model` is one."""

    @property
    def config(self) -> Config:
        """The configuration, for its sections tracker and refine."""

    @property
    def classes(self) -> Sequence[str]:
        """Class names."""

    def detect_batch(self, images: list[Image]) -> list[Detections]:
        """The objects in each image (uint8 [height, width, 3], RGB)."""


Finder = Callable[[Sequence[tuple[int, Image]]], list[Detections]]
"""Numbered frames to what is in them."""

FoundFrames = Generator[tuple[int, Image, Detections], None, None]
"""Frame numbers, images and what is in them, in order."""


@dataclass(frozen=True, kw_only=True)
class TrackingResult:
    """What tracking one sequence came to.

    Attributes:
        name: the sequence.
        frames: how many frames were tracked.
        undecodable: how many more could not be decoded.
        tracks: how many tracks there are in them.
        seconds: time from the first frame asked for to the last one written.
        text_path: the MOTChallenge text file, None if nothing was to be written.
        video_path: the MP4, None if there is none.
    """

    name: str
    frames: int
    undecodable: int
    tracks: int
    seconds: float
    text_path: Path | None
    video_path: Path | None

    @property
    def frames_per_second(self) -> float:
        """Frames over seconds."""
        return self.frames / self.seconds if self.seconds > 0 else 0.0


def track(
    source: int | str | Path | Sequence[str | Path],
    model: Detector | str | Path,
    out: str | Path | None = None,
    *,
    tracker: TrackerConfig | None = None,
    refine: RefineConfig | None = None,
    frames: FrameChoice | None = None,
    boxes: str | Path | None = None,
    detector: Detector | None = None,
    video: bool = False,
    times: bool = False,
    frame_rate: float | None = None,
    state: str | Path | None = None,
    reconnect: float = PATIENCE,
    show: bool = False,
    overwrite: bool = False,
    text_format: Literal["mot", "kitti"] = "mot",
    batch_size: int = 1,
    overlap: bool = True,
    progress: bool = True,
) -> list[TrackingResult]:
    """Track every sequence of a source.

    Files are complete whenever this returns or raises: after an interrupt they hold what was tracked before it. Frames
    that cannot be decoded are left out.

    Args:
        source: a video file, a folder of images or of videos, a MOTChallenge sequence folder or a folder of those, a
            webcam's number, or an rtsp:// or http(s):// address; or several of them (`clmot.io.sources.open_sources`,
            which names their results apart).
        model: a model, or what `clmot.load_model` takes.
        out: folder for ``<sequence>.txt`` (MOTChallenge text, with a class column where the model has several classes)
            and ``<sequence>.mp4``, and ``run.json``, which says how they came about; made if missing. None writes
            nothing.
        tracker: constants of the association; by default the model's, with scores that suit given boxes or a detector
            of others where the model's are those of a family (`TrackerConfig.suited`). The frame rate is taken from the
            source where it says one.
        refine: what is done to the tracks of a sequence after its last frame; by default what the model's
            configuration says. The results are then kept in memory until they are written, and a video is drawn from
            a second pass over the source, not at all after an interrupt.
        frames: track these frames only; their numbers stay those of the source.
        boxes: find these in place of what the model detects, and read embeddings at them (where the tracker uses
            appearance, or tracks are joined by it): ``gt`` or ``det`` of the source's own MOTChallenge folders, a
            folder of ``<sequence>.txt``, or one such file (`clmot.apps.track.external_boxes`).
        detector: what finds the boxes in place of the model, which reads embeddings at them as with `boxes`; it has the
            model's classes.
        video: write a video with boxes, ids and trails, each frame at its time.
        times: write ``<sequence>.times.csv`` as well: frame number, and seconds since the beginning.
        frame_rate: frames a second, where the source is wrong about them or does not say.
        state: file to go on from, where it exists, so that objects of an earlier recording, or of the time before a
            restart, keep their ids; written at the end, also after an error or an interrupt.
        reconnect: seconds after which a camera that has dropped out is given up; until then its tracks go on.
        show: show the same in a window, before anything is refined; q or Esc there ends tracking.
        overwrite: results of the same names in `out` may be replaced.
        text_format: of ``<sequence>.txt``: MOTChallenge, or KITTI tracking with its types of objects.
        batch_size: frames that go through the network together: more is faster on a GPU, and late on a camera.
        overlap: decode, and run the model, in threads of their own. False does one thing after the other in the
            calling thread, with the same results, for a model that only works in the thread that made it.
        progress: show a progress bar on standard error.

    Raises:
        UserError: the source or model cannot be read (nothing is written then), `out` cannot be written, or there is
            no display to show frames on; or results of the same names are there; or the video would replace a source;
            or more than half of the frames cannot be decoded; a camera is gone; `state` cannot be read or written, or
            there are several sources for it; or a camera's tracks are to be refined, or joined without
            embeddings.
        KeyboardInterrupt: as it came, the files being complete.
    """
    if batch_size < 1:
        raise UserError(f"batch size must be >= 1, got {batch_size}")
    if video and out is None:
        raise UserError("a video needs an output folder to be written to")
    folder = None if out is None else Path(out)
    sources = open_sources(source, RESERVED)
    if frame_rate is not None:
        sources = [each.at_rate(frame_rate) for each in sources]
    sources = [each.only(frames) if frames else each for each in (each.patient(reconnect) for each in sources)]
    if state is not None and len(sources) > 1:
        raise UserError(f"--state {state}: is for one source, and there are {len(sources)}; track one after the other")
    named = str(model) if isinstance(model, str | Path) else None
    model = _load(model) if isinstance(model, str | Path) else model
    if not hasattr(model, "detect_batch"):
        raise TypeError(f"model is {model!r:.60}: give a clmot.Model, or what clmot.load_model takes")
    refine = model.config.refine if refine is None else refine
    live = [each.origin for each in sources if each.live]
    if refine and live:
        raise UserError(f"{live[0]}: tracks are refined after the last frame, and a camera has none; leave that out")
    constants = tracker or model.config.tracker
    embeds = (constants.uses_embeddings or refine.join) and getattr(model, "embeds", True)
    embed = getattr(model, "embed", None) if embeds else None
    find = {each.name: _detect_with(detector or model, embed if detector else None) for each in sources}
    if boxes is not None:
        find = {
            name: GivenBoxes(file, embed, model.classes, is_truth=str(boxes) == "gt")
            for name, file in box_files(boxes, {each.name: each.origin for each in sources}).items()
        }
    facts = {
        **_facts(named, model, frames),
        "boxes from": None if boxes is None else str(boxes),
        "detector": None if detector is None else detector.config.detector.name,
    }
    results: list[TrackingResult] = []
    scores: tuple[float, ...] = ()
    with contextlib.ExitStack() as stack:
        window = stack.enter_context(Window("clmot")) if show else None
        old_videos: dict[str, Path] = {}
        if folder is not None:
            origins = {each.name: each.origin for each in sources}
            old_videos = claim(folder, origins, model.classes, video=video, overwrite=overwrite)
        bar = stack.enter_context(progress_bar(progress))
        for each in sources:
            config = constants.at(each.frame_rate)
            family: Family | None = getattr(find[each.name], "family", "detector" if detector else None)
            if family and tracker is None:
                config = config.suited(family)
            if config.scores != scores:
                scores = config.scores
                _log.info("tracking with scores of at least %g, to continue a track %g, to start one %g", *scores)
            old_video = old_videos.get(each.name)
            sinks = Sinks(
                each,
                folder,
                video,
                window,
                config.frame_rate,
                model.classes,
                refine,
                old_video,
                times,
                kitti=text_format == "kitti",
            )
            summary = SequenceSummary()
            found = summary.observe(find_in(each, find[each.name], batch_size, overlap))
            settings = {
                "detect": asdict((detector or model).config.detect),
                "tracker": asdict(config),
                "refine": asdict(refine),
            }
            told = {"source": each.origin, **facts, "settings": settings}
            with recorded([sinks.text_path, sinks.video_path, sinks.times_path], each.name, told, summary.as_dict):
                tracker_of_all = ContinuedTracker(Tracker(config), each.live, None if state is None else Path(state))
                result = _track_sequence(each, found, tracker_of_all, sinks, summary, bar)
            results.append(result)
            if not result.tracks:
                reason = summary.explain_no_tracks(detector or model, config, from_file=boxes is not None)
                _log.warning("%s: %s", each.name, reason)
            elif doubt := summary.doubt_scores(config):
                _log.warning("%s: %s", each.name, doubt)
            if sinks.asked_to_stop:
                break
    return results


def write_detections(
    source: str | Path | Sequence[str | Path],
    model: Detector,
    out: str | Path,
    *,
    frames: FrameChoice | None = None,
    overwrite: bool = False,
    batch_size: int = 1,
    progress: bool = True,
) -> dict[Path, int]:
    """Find the objects in every sequence of a source, for `track` and `clmot.apps.tune` to take as ``boxes``.

    Args:
        source: as `track`.
        model: finds them.
        out: folder for ``<sequence>.txt`` (MOTChallenge detections, with a class column where there are several
            classes), each of which is there only when it is whole; made if missing.
        frames: look at these frames only.
        overwrite: files of the same names in `out` may be replaced.
        batch_size: frames that go through the network together.
        progress: show a progress bar on standard error.

    Returns:
        The files, and how many boxes are in each.

    Raises:
        UserError: the source cannot be read, or `out` cannot be written.
    """
    folder, written = Path(out), {}
    sources = [each.only(frames) if frames else each for each in open_sources(source, RESERVED)]
    claim(folder, {each.name: each.origin for each in sources}, model.classes, overwrite=overwrite)
    facts = {**_facts(None, model, frames), "settings": {"detect": asdict(model.config.detect)}}
    with progress_bar(progress) as bar:
        for each in sources:
            file, summary = folder / f"{each.name}.txt", SequenceSummary()
            task = bar.add_task(each.name, total=each.length, note="")
            found = summary.observe(find_in(each, _detect_with(model), batch_size))
            with (
                recorded([file], each.name, {"source": each.origin, **facts}, summary.as_dict),
                MotTextWriter(file, len(model.classes) > 1) as writer,
                contextlib.closing(found),
            ):
                for number, _, detections in found:
                    nobody = np.full(len(detections), -1)
                    writer.write(TrackedFrame(frame=number, detections=detections, track_id=nobody))
                    bar.update(task, advance=1)
            written[file] = summary.boxes
    return written


def find_in(source: FrameSource, find: Finder, batch_size: int = 1, overlap: bool = True) -> FoundFrames:
    """Number, image and objects of each frame of a source. Closing it closes the source.

    Args:
        source: the frames.
        find: the network's stage; called in one thread from first to last, which is not this one if stages overlap.
        batch_size: frames that are found together.
        overlap: decode and find in threads of their own, each a batch of frames ahead, or four.
    """
    ahead = max(4, batch_size)

    def found() -> FoundFrames:
        with contextlib.closing(source.ahead(ahead) if overlap else source.decode()) as frames:
            yield from detect(frames, find, batch_size)

    # a camera's frames shall not wait here as well: its source drops those that there is no time for
    return source.prefetched(found(), batch_size if source.live else ahead) if overlap else found()


def detect(frames: Iterator[tuple[int, Image]], find: Finder, batch_size: int = 1) -> FoundFrames:
    """The network's stage: frame number, image and what is in it, `batch_size` frames at a time."""
    while batch := list(itertools.islice(frames, batch_size)):
        for (number, image), detections in zip(batch, find(batch), strict=True):
            yield number, image, detections


def _track_sequence(
    source: FrameSource,
    found: FoundFrames,
    tracker: ContinuedTracker,
    sinks: Sinks,
    summary: SequenceSummary,
    bar: Progress,
) -> TrackingResult:
    start = time.perf_counter()
    count = 0
    ids: set[int] = set()
    task = bar.add_task(source.name, total=source.length, note="")
    with tracker, sinks, contextlib.closing(found):
        for number, image, detections in found:
            tracked = tracker.update(detections, image, number, source.reading.seconds(number))
            sinks.write(image, tracked)
            ids.update(tracked.track_id.tolist())
            summary.follow(tracked)
            count += 1
            bar.update(task, advance=1, note=f"{count / (time.perf_counter() - start):.1f} frames/s")
            if sinks.asked_to_stop:
                break
    undecodable = source.reading.lost
    if sinks.refined is not None:
        ids = {track_id for tracked in sinks.refined for track_id in tracked.track_id.tolist()}
        sinks.draw_refined(bar)
    return TrackingResult(
        name=source.name,
        frames=count,
        undecodable=undecodable,
        tracks=len(ids),
        seconds=time.perf_counter() - start,
        text_path=sinks.text_path,
        video_path=sinks.video_path,
    )


def _detect_with(model: Detector, embed: Embed | None = None) -> Finder:
    """The model's objects, with embeddings of another one if need be."""

    def find(batch: Sequence[tuple[int, Image]]) -> list[Detections]:
        images = [image for _, image in batch]
        found = model.detect_batch(images)
        if embed is None:
            return found
        return [
            dataclasses.replace(each, embedding=embed(image, each.xyxy)) if len(each) else each
            for image, each in zip(images, found, strict=True)
        ]

    return find


def _facts(named: str | None, model: Detector, frames: FrameChoice | None) -> dict[str, Any]:
    """For the record of results: which model saw which frames."""
    return {
        "model": named,
        "fingerprint": getattr(model, "fingerprint", ""),
        "classes": list(model.classes),
        "frame choice": asdict(frames or FrameChoice()),
    }


def _load(path: str | Path) -> Detector:
    from clmot.inference.model import load_model

    return load_model(path)
