"""Where tracking results go: text, video, window."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from clmot.apps.track.checkpoint import pack_frames, unpack_frames
from clmot.config import RefineConfig
from clmot.errors import UserError
from clmot.io.atomic import GrowingText
from clmot.io.frame_choice import frames_in
from clmot.io.frame_source import FrameSource
from clmot.io.interrupts import undivided
from clmot.io.kitti import kitti_rows
from clmot.io.mot_writer import TrackWriter, mot_rows
from clmot.io.track_table import TrackTable
from clmot.io.video_writer import VideoWriter
from clmot.io.window import Window
from clmot.structures import Image, TrackedFrame
from clmot.tracking.decisions import Decisions, relabelled, write_decisions
from clmot.tracking.postprocess.refine import refine as refine_tracks
from clmot.visualize.draw import Trails, draw_tracks, fit, track_colour
from clmot.visualize.draw_data import draw_data

if TYPE_CHECKING:
    from rich.progress import Progress

TextFormat = Literal["mot", "kitti", "csv", "json"]

Rows = Callable[[TrackedFrame], str]

TRAIL_SECONDS = 1.5
"""How far back the trails in videos go."""


class Outputs:
    """Where the frames of one sequence go: text, video, window.

    Unlike the writers' own ``with`` blocks, this one finishes the files after an exception too: what was tracked before
    an interrupt is worth keeping. What is to be refined is kept until then, and only the window shows it before.

    Args:
        source: the sequence.
        out: folder of the files, None for none.
        frame_rate: frames a second.
        classes: class names.
        refine: what is done to the tracks when the last frame has come; None: nothing.
        video: write a video as well.
        times: write the time of each frame as well.
        explain: write what `explained` is given as well.
        text_format: of the text file; ``csv`` and ``json`` are beside MOTChallenge text.
        window: where to show frames, None for nowhere.
        old_video: of results that these replace: removed when the new text is there, as it shows other tracks.

    Attributes:
        text_path: the text file, None if there is none.
        video_path: the MP4, None if there is none.
        explain_path: why each track got its boxes, as NumPy columns, None if there is none.
        times_path: frame numbers and seconds as CSV, None if there is none.
        asked_to_stop: whether the window was closed.
        refined: the refined tracks, from the end of the ``with`` block on; None if nothing is to be refined.
    """

    def __init__(
        self,
        source: FrameSource,
        out: Path | None,
        *,
        frame_rate: float,
        classes: Sequence[str],
        refine: RefineConfig | None = None,
        video: bool = False,
        times: bool = False,
        explain: bool = False,
        text_format: TextFormat = "mot",
        window: Window | None = None,
        old_video: Path | None = None,
    ) -> None:
        self.text_path = out / f"{source.name}.txt" if out else None
        self.video_path = out / f"{source.name}.mp4" if out and video else None
        self.times_path = out / f"{source.name}.times.csv" if out and times else None
        self.explain_path = out / f"{source.name}.explain.npz" if out and explain else None
        self._decisions: list[Decisions] = []
        self._source = source
        self._old_video = old_video
        self.asked_to_stop = False
        self.refined: list[TrackedFrame] | None = None
        self._refine = refine or RefineConfig()
        self._kept: list[TrackedFrame] = []
        self._window = window
        self._frame_rate = frame_rate
        self._classes = classes
        self._trails = Trails(frames_in(TRAIL_SECONDS, frame_rate))
        self._writers = contextlib.ExitStack()
        kitti = text_format == "kitti"
        rows: Rows = partial(kitti_rows, classes=classes) if kitti else partial(mot_rows, with_classes=len(classes) > 1)
        self._files: dict[Path, Rows] = {self.text_path: rows} if self.text_path else {}
        if out and text_format in ("csv", "json"):
            self._files[out / f"{source.name}.{text_format}"] = TrackTable(text_format, classes, self._seconds)
        self._text_writers: list[TrackWriter] = []
        self._times_writer: GrowingText[str] | None = None
        self._video_writer: VideoWriter | None = None

    @property
    def paths(self) -> list[Path | None]:
        """Text, table, video, times and explanation."""
        return [*self._files, self.video_path, self.times_path, self.explain_path]

    def __enter__(self) -> Outputs:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None and self.text_path and not self._refine:
            self._open_texts()  # which a sequence without frames has too
        self._writers.close()
        if self._refine:
            self.refined = refine_tracks(self._kept, self._refine, self._frame_rate)
            # what fails at its first frame leaves nothing that a second attempt would have to overwrite
            if self.text_path and (kind is None or self._kept):
                for path, rows in self._files.items():
                    with TrackWriter(path, rows) as writer:
                        for tracked in self.refined:
                            writer.write(tracked)
        if self.explain_path and (kind is None or self._decisions):
            write_decisions([relabelled(each, self.refined) for each in self._decisions], self.explain_path)
        replaced = kind is None or self._kept or self._text_writers
        if self._old_video is not None and self._video_writer is None and replaced:
            self._old_video.unlink(missing_ok=True)

    @property
    def can_go_on(self) -> bool:
        """Whether `state` is all that is needed to go on in the middle of the video: there is text alone."""
        plain = all(not isinstance(rows, TrackTable) for rows in self._files.values())
        return plain and not (self.video_path or self.explain_path or self._window)

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """What `restore` goes on from: how much is written, and what is not yet."""
        growing = [writer for writer in (*self._text_writers, self._times_writer) if writer]
        return {"bytes": np.array([each.written() for each in growing], np.int64), **pack_frames(self._kept)}

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Go on from where `state` was taken, in the files that are there.

        Raises:
            UserError: they are not, or not whole.
        """
        self._kept, sizes = unpack_frames(state), state["bytes"].tolist()
        if self.times_path:
            self._open_times(self.times_path, sizes.pop())
        if sizes:
            self._open_texts(sizes)

    def explained(self, decisions: Decisions) -> None:
        """Take what was decided about some frames; it is written at the end."""
        self._decisions.append(decisions)

    def write(self, image: Image, tracked: TrackedFrame) -> None:
        """Take the next frame and its tracks; text and video both get them, or neither."""
        with undivided():
            self._write(image, tracked)

    def _write(self, image: Image, tracked: TrackedFrame) -> None:
        if self.times_path:
            self._write_time(self.times_path, tracked.frame)
        if self._refine:
            self._keep(tracked)
        elif self.text_path:
            for writer in self._open_texts():
                writer.write(tracked)
        to_video = self.video_path is not None and not self._refine
        if not to_video and not self._window:
            return
        drawn = self._draw(image, tracked)
        if to_video:
            self._write_video(drawn, tracked.frame)
        if self._window:
            self.asked_to_stop = not self._window.show(drawn)

    def draw_refined(self, bar: Progress) -> None:
        """Write the video of what was tracked, refined, from a second pass over the source."""
        if not self.video_path or not self._kept or self.refined is None:
            return
        refined = {tracked.frame: tracked for tracked in self.refined}
        self._trails = Trails(self._trails.length)
        task = bar.add_task(f"{self._source.name}: video", total=len(self._kept), note="")
        with self._writers, contextlib.closing(iter(self._source)) as frames:
            for number, image in frames:
                self._write_video(self._draw(image, refined[number]), number)
                bar.update(task, advance=1)
                if number >= self._kept[-1].frame:
                    break

    def _write_time(self, path: Path, frame: int) -> None:
        writer = self._times_writer or self._open_times(path)
        writer.write(f"{frame},{self._seconds(frame):.6f}\n")

    def _open_times(self, path: Path, keep: int | None = None) -> GrowingText[str]:
        self._times_writer = GrowingText(path, "time stamps", str, keep)
        self._writers.callback(self._times_writer.close)
        if keep is None:
            self._times_writer.write("frame,seconds\n")
        return self._times_writer

    def _seconds(self, frame: int) -> float:
        """When a frame was taken; by the frame rate where the source does not say."""
        seconds = self._source.reading.seconds(frame)
        return (frame - 1) / self._frame_rate if seconds is None else seconds

    def _open_texts(self, keep: Sequence[int] = ()) -> list[TrackWriter]:
        if not self._text_writers:
            sizes: Sequence[int | None] = keep or [None] * len(self._files)
            files = zip(self._files.items(), sizes, strict=True)
            self._text_writers = [TrackWriter(path, rows, size) for (path, rows), size in files]
            for writer in self._text_writers:
                self._writers.callback(writer.close)
        return self._text_writers

    def _keep(self, tracked: TrackedFrame) -> None:
        found = tracked.detections
        if self._refine.join and len(found) and found.embedding is None:
            raise UserError("tracks are joined by embedding, and the detections have none; leave --join out")
        if not (self._refine.join or self._refine.individuals):
            found = dataclasses.replace(found, embedding=None)  # many times the size of the rest
        self._kept.append(dataclasses.replace(tracked, detections=found))

    def _draw(self, image: Image, tracked: TrackedFrame) -> Image:
        self._trails.update(tracked)
        drawn = draw_tracks(image, tracked, self._trails, self._classes if len(self._classes) > 1 else ())
        draw_data(drawn, tracked.detections, [track_colour(each) for each in tracked.track_id.tolist()])
        return drawn

    def _write_video(self, drawn: Image, frame: int) -> None:
        if not self.video_path:
            return
        if not self._video_writer:
            height, width = drawn.shape[:2]
            self._video_writer = VideoWriter(self.video_path, self._frame_rate, (width, height))
            self._writers.callback(self._video_writer.close)
        # images of a folder may differ in size, frames of a video may not
        self._video_writer.write(fit(drawn, *self._video_writer.size), frame, self._seconds(frame))
