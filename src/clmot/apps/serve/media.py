"""Pictures for the browser: the video as it is where any browser plays it, else made over once; or its images.

A page that is to show frame n needs to know when n is shown: times come from the packets of the very file that is
played, never from a frame rate.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from clmot.errors import UserError, reason_of
from clmot.io.atomic import make_folder, write_whole_json
from clmot.io.frame_source import FrameSource
from clmot.io.image import encoded_image, read_image
from clmot.io.video_headers import open_container, video_stream
from clmot.io.video_writer import VideoWriter
from clmot.structures import Float64Array, Image, Int64Array

SHOWN_AS_THEY_ARE = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"}
"""Images that browsers show, and what they are called there."""
_PROFILES = {"Constrained Baseline", "Baseline", "Main", "High"}
_KEY_EVERY = 0.5
"""Seconds between key frames of a video that is made: so far at most a browser decodes to show a frame."""
_KEPT = 48


@dataclass(frozen=True, kw_only=True)
class Media:
    """What the page shows under the boxes.

    Attributes:
        kind: a video that plays, images, or nothing.
        numbers: int64 [n], the frames there are.
        seconds: float64 [n], when each is shown.
        file: the video.
        type: of the video, for the browser.
    """

    kind: Literal["video", "images", "none"]
    numbers: Int64Array
    seconds: Float64Array
    file: Path | None = None
    type: str = "video/mp4"


def steady(kind: Literal["images", "none"], numbers: Int64Array, rate: float) -> Media:
    """Frames that follow each other at a frame rate, by their numbers."""
    return Media(kind=kind, numbers=numbers, seconds=(numbers - numbers[:1]) / rate)


class MediaMaker:
    """Finds or makes what a browser shows of a source, in a thread of its own.

    Args:
        source: the frames; None where they are not at hand.
        folder: where a video is made, and found again.
        frames: int64 [n], the frames with boxes, in place of a source.
        frame_rate: where the source does not say.

    Attributes:
        made: what there is to show; None until it is.
        share: how much of it is done.
        error: why there is none.
    """

    def __init__(self, source: FrameSource | None, folder: Path, frames: Int64Array, frame_rate: float) -> None:
        self._source, self._folder, self._frames, self._rate = source, folder, frames, frame_rate
        self.made: Media | None = None
        self.share, self.error = 0.0, ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def fault(self) -> str:
        """Why there is nothing to show; nothing while it is made, and where there is."""
        file = None if self.made is None else self.made.file
        return self.error if file is None or file.is_file() else f"{file}: is not there any more; put it back"

    def close(self) -> None:
        """Stop making it."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            self.made = self._find()
        except UserError as error:
            self.error = str(error)
        except Exception as error:  # a thread has nobody to raise to
            self.error = f"the video cannot be shown: {reason_of(error)}"

    def _find(self) -> Media | None:
        source = self._source
        if source is None:
            return steady("none", np.arange(1, int(self._frames[-1]) + 1), self._rate)
        if source.images:
            return steady("images", np.array(sorted(source.images), np.int64), source.frame_rate or self._rate)
        file = Path(source.origin)
        kept = self._folder / f"{source.name}.mp4"
        told = kept.with_suffix(".json")
        stamp = {"source": str(file.resolve()), "size": file.stat().st_size, "modified": file.stat().st_mtime_ns}
        with contextlib.suppress(OSError, ValueError, KeyError):
            content = json.loads(told.read_text(encoding="utf-8"))
            if content["of"] == stamp and kept.is_file():
                return Media(kind="video", numbers=np.array(content["numbers"]), seconds=frame_times(kept), file=kept)
        kind = played_everywhere(file)
        if kind:
            seconds = frame_times(file)
            return Media(kind="video", numbers=np.arange(1, len(seconds) + 1), seconds=seconds, file=file, type=kind)
        make_folder(self._folder)
        numbers = self._make(source, kept)
        if numbers is None:
            return None
        write_whole_json(told, {"of": stamp, "numbers": numbers}, "what the video was made of")
        return Media(kind="video", numbers=np.array(numbers, np.int64), seconds=frame_times(kept), file=kept)

    def _make(self, source: FrameSource, out: Path) -> list[int] | None:
        """H.264 of every frame at its time; the numbers of the frames, None when it was stopped."""
        rate = source.frame_rate or self._rate
        numbers: list[int] = []
        with contextlib.ExitStack() as stack:
            writer: VideoWriter | None = None
            for number, image in stack.enter_context(contextlib.closing(iter(source))):
                if writer is None:
                    size = (image.shape[1], image.shape[0])
                    key_every = max(1, round(_KEY_EVERY * rate))
                    writer = stack.enter_context(VideoWriter(out, rate, size, key_every=key_every))
                if self._stop.is_set():
                    writer.abort()
                    return None
                if image.shape[1::-1] == writer.size:
                    writer.write(image, number, source.reading.seconds(number))
                    numbers.append(number)
                self.share = len(numbers) / source.length if source.length else 0.0
        return numbers


def played_everywhere(file: Path) -> str:
    """The type of a video that every browser plays, and shows with the pixels that we read; else nothing."""
    with open_container(str(file)) as container:
        stream = video_stream(container, str(file))
        context = stream.codec_context
        if {"mp4", "mov"}.isdisjoint(container.format.name.split(",")):
            return ""
        plain = context.name == "h264" and context.profile in _PROFILES and context.pix_fmt in ("yuv420p", "yuvj420p")
        square = stream.sample_aspect_ratio in (None, 0, 1)
        begins = [each.start_time or 0 for each in container.streams if each.type in ("audio", "video")]
        if not (plain and square and not any(begins) and stream.index == container.streams.video[0].index):
            return ""
        from av.sidedata.sidedata import Type

        frame: Any = next(container.decode(stream), None)
        turned = frame is None or frame.side_data.get(Type.DISPLAYMATRIX) is not None
        return "" if turned or frame.interlaced_frame else "video/mp4"


def frame_times(file: Path) -> Float64Array:
    """When each frame of a video is shown, float64 [n], read off its packets."""
    with open_container(str(file)) as container:
        stream = video_stream(container, str(file))
        base = stream.time_base or 0
        stamps = [
            packet.pts
            for packet in container.demux(stream)
            if packet.size and packet.pts is not None and not packet.is_discard
        ]
    return np.asarray(np.sort(np.array(stamps, np.int64)) * float(base))


class Stills:
    """Single frames of a source, in any order; the last ones are kept.

    Args:
        source: the frames.
        media: what the browser shows of them, None while it is not there: videos are looked up by its times.
    """

    def __init__(self, source: FrameSource, media: Callable[[], Media | None]) -> None:
        self._source, self._media = source, media
        self._kept: OrderedDict[int, Image] = OrderedDict()
        self._lock = threading.Lock()

    def at(self, number: int) -> Image | None:
        """A frame, uint8 [height, width, 3]; None where there is none of that number.

        Raises:
            UserError: it cannot be read.
        """
        with self._lock:
            if number not in self._kept:
                image = self._read(number)
                if image is None:
                    return None
                self._kept[number] = image
                while len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(number)
            return self._kept[number]

    def _read(self, number: int) -> Image | None:
        if self._source.images:
            file = self._source.images.get(number)
            return None if file is None else read_image(file)
        media = self._media()
        if media is None or media.file is None:
            return None
        row = int(media.numbers.searchsorted(number))
        if row >= len(media.numbers) or media.numbers[row] != number:
            return None
        try:
            return _frame_at(media.file, media.seconds[row])
        except OSError as error:
            raise UserError(f"{media.file}: cannot be read: {reason_of(error)}") from error


def _frame_at(file: Path, seconds: float) -> Image | None:
    with open_container(str(file)) as container:
        stream = video_stream(container, str(file))
        base = float(stream.time_base or 1)
        container.seek(round(seconds / base), stream=stream)
        for frame in container.decode(stream):
            if frame.pts is not None and frame.pts * base >= seconds - base / 2:
                return np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
    return None


def shown_image(source: FrameSource, number: int, stills: Stills) -> tuple[bytes, str] | None:
    """A frame for the browser, and its type: the image itself where it is one that browsers show."""
    file = source.images.get(number)
    kind = SHOWN_AS_THEY_ARE.get(file.suffix.lower()) if file else None
    if file and kind:
        with contextlib.suppress(OSError):
            return file.read_bytes(), kind
    image = stills.at(number)
    return None if image is None else (encoded_image(image, ".jpg", 90), "image/jpeg")
