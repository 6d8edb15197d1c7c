"""From frames to tracks: source, network, association, and what is written of them.

Each stage is a generator over the one before. Decoding runs in a thread of its own; any other stage can, by
wrapping it in `clmot.io.prefetch.prefetch`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from clmot.config import Config, TrackerConfig
from clmot.errors import UserError
from clmot.io.mot import MotTextWriter
from clmot.io.sources import FrameSource, open_source
from clmot.io.video import VideoWriter
from clmot.io.window import Window
from clmot.report.draw import Trails, draw_tracks, fit
from clmot.report.progress import progress_bar
from clmot.tracking.tracker import Tracker
from clmot.types import Detections, Image, TrackedFrame

if TYPE_CHECKING:
    from rich.progress import Progress

TRAIL_SECONDS = 1.5
"""How far back the trails in videos go."""


class Detector(Protocol):
    """What tracking needs of a model; `clmot.Model` is one."""

    @property
    def config(self) -> Config:
        """The configuration, for its tracker section."""

    @property
    def classes(self) -> Sequence[str]:
        """Class names."""

    def detect_batch(self, images: list[Image]) -> list[Detections]:
        """The objects in each image (uint8 [height, width, 3], RGB)."""


@dataclass(frozen=True, kw_only=True)
class TrackingResult:
    """What tracking one sequence came to.

    Attributes:
        name: the sequence.
        frames: how many frames were tracked.
        tracks: how many tracks there are in them.
        seconds: time from the first frame asked for to the last one written.
        text_path: the MOTChallenge text file, None if nothing was to be written.
        video_path: the MP4, None if there is none.
    """

    name: str
    frames: int
    tracks: int
    seconds: float
    text_path: Path | None
    video_path: Path | None

    @property
    def frames_per_second(self) -> float:
        """Frames over seconds."""
        return self.frames / self.seconds if self.seconds > 0 else 0.0


def track(
    source: str | Path,
    model: Detector | str | Path,
    out: str | Path | None = None,
    *,
    tracker: TrackerConfig | None = None,
    video: bool = False,
    show: bool = False,
    batch_size: int = 1,
    progress: bool = True,
) -> list[TrackingResult]:
    """Track every sequence of a source.

    Files are complete whenever this returns or raises: after an interrupt or an unreadable frame in the middle they
    hold what was tracked before it.

    Args:
        source: a video file, an image folder, a MOTChallenge sequence folder or a folder of those, a webcam's number,
            or an rtsp:// or http(s):// address (`clmot.io.sources.open_source`).
        model: a model, or what `clmot.load_model` takes.
        out: folder for ``<sequence>.txt`` (MOTChallenge text, with a class column where the model has several classes)
            and ``<sequence>.mp4``; made if missing. None writes nothing.
        tracker: constants of the association; by default the model's. The frame rate is taken from the source where
            it says one.
        video: write a video with boxes, ids and trails.
        show: show the same in a window; q or Esc there ends tracking.
        batch_size: frames that go through the network together: more is faster on a GPU, and late on a camera.
        progress: show a progress bar on standard error.

    Raises:
        UserError: the source or model cannot be read (nothing is written then), `out` cannot be written, or there is
            no display to show frames on; or the video would replace the source.
        KeyboardInterrupt: as it came, the files being complete.
    """
    if batch_size < 1:
        raise UserError(f"batch size must be >= 1, got {batch_size}")
    if video and out is None:
        raise UserError("a video needs an output folder to be written to")
    folder = None if out is None else Path(out)
    sources = open_source(source)
    if folder is not None and video and any(_same_file(folder / f"{each.name}.mp4", source) for each in sources):
        raise UserError(f"{source}: the video written to {folder} would replace it; choose another output folder")
    detector = _load(model) if isinstance(model, str | Path) else model
    results: list[TrackingResult] = []
    with contextlib.ExitStack() as stack:
        window = stack.enter_context(Window("clmot")) if show else None
        if folder is not None:
            _make_folder(folder)
        bar = stack.enter_context(progress_bar(progress))
        for each in sources:
            config = tracker or detector.config.tracker
            if each.frame_rate is not None:
                config = dataclasses.replace(config, frame_rate=each.frame_rate)
            sinks = _Sinks(each.name, folder, video, window, config.frame_rate, detector.classes)
            result = _track_sequence(each, detector, Tracker(config), sinks, batch_size, bar)
            results.append(result)
            if sinks.asked_to_stop:
                break
    return results


def detect(
    frames: Iterator[tuple[int, Image]], model: Detector, batch_size: int = 1
) -> Generator[tuple[int, Image, Detections], None, None]:
    """The network's stage: frame number, image and what is in it, `batch_size` frames at a time."""
    while batch := list(itertools.islice(frames, batch_size)):
        found = model.detect_batch([image for _, image in batch])
        for (number, image), detections in zip(batch, found, strict=True):
            yield number, image, detections


def _track_sequence(
    source: FrameSource, model: Detector, tracker: Tracker, sinks: _Sinks, batch_size: int, bar: Progress
) -> TrackingResult:
    start = time.perf_counter()
    count = 0
    ids: set[int] = set()
    task = bar.add_task(source.name, total=source.length, note="")
    with sinks, contextlib.closing(iter(source)) as frames:
        for number, image, detections in detect(frames, model, batch_size):
            tracked = tracker.update(detections, number)
            sinks.write(image, tracked)
            ids.update(tracked.track_id.tolist())
            count += 1
            bar.update(task, advance=1, note=f"{count / (time.perf_counter() - start):.1f} frames/s")
            if sinks.asked_to_stop:
                break
    return TrackingResult(
        name=source.name,
        frames=count,
        tracks=len(ids),
        seconds=time.perf_counter() - start,
        text_path=sinks.text_path,
        video_path=sinks.video_path,
    )


class _Sinks:
    """Where the frames of one sequence go: text, video, window.

    Unlike the writers' own ``with`` blocks, this one finishes the files after an exception too: what was tracked before
    an interrupt is worth keeping.
    """

    def __init__(
        self,
        name: str,
        out: Path | None,
        video: bool,
        window: Window | None,
        frame_rate: float,
        classes: Sequence[str],
    ) -> None:
        self.text_path = out / f"{name}.txt" if out else None
        self.video_path = out / f"{name}.mp4" if out and video else None
        self.asked_to_stop = False
        self._window = window
        self._frame_rate = frame_rate
        self._classes = classes
        self._trails = Trails(max(1, round(TRAIL_SECONDS * frame_rate)))
        self._writers = contextlib.ExitStack()
        self._text_writer: MotTextWriter | None = None
        self._video_writer: VideoWriter | None = None

    def __enter__(self) -> _Sinks:
        if self.text_path:
            self._text_writer = MotTextWriter(self.text_path, with_classes=len(self._classes) > 1)
            self._writers.callback(self._text_writer.close)
        return self

    def __exit__(self, *exception: object) -> None:
        self._writers.close()

    def write(self, image: Image, tracked: TrackedFrame) -> None:
        if self._text_writer:
            self._text_writer.write(tracked)
        if not self.video_path and not self._window:
            return
        self._trails.update(tracked)
        drawn = draw_tracks(image, tracked, self._trails, self._classes)
        if self.video_path:
            if not self._video_writer:
                height, width = drawn.shape[:2]
                self._video_writer = VideoWriter(self.video_path, self._frame_rate, (width, height))
                self._writers.callback(self._video_writer.close)
            # images of a folder may differ in size, frames of a video may not
            self._video_writer.write(fit(drawn, *self._video_writer.size), tracked.frame)
        if self._window:
            self.asked_to_stop = not self._window.show(drawn)


def _load(path: str | Path) -> Detector:
    from clmot.inference import load_model

    return load_model(path)


def _same_file(path: Path, source: str | Path) -> bool:
    return path.resolve() == Path(source).resolve()


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder}: cannot make the output folder: {error.strerror}") from error
