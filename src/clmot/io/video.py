"""Decoding of videos and streams, encoding of H.264, both by FFmpeg through PyAV."""

from __future__ import annotations

import contextlib
import logging
import math
import re
from collections.abc import Generator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import cv2
import numpy as np

from clmot.errors import UserError, reason_of
from clmot.io.whole import partial_of, publish
from clmot.types import Image

# PyAV is imported where it is used: training and tracking of image folders run without it
if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame

Frames = Generator[tuple[int, Image], None, None]
"""Frame numbers (1-based) and images, in order."""

_NETWORK_TIMEOUT = 10.0
_CREDIBLE_FRAME_RATES = (0.1, 1000.0)
# FFmpeg's numbers for the BT.709 matrix, primaries and transfer function, and for luma of 16 to 235
_BT709 = 1
_LIMITED_RANGE = 1

_log = logging.getLogger(__name__)


def credible_frame_rate(frame_rate: float | Fraction | None) -> float | None:
    """A frame rate where there is one: headers and cameras say 0, 90000 or nothing where they do not know."""
    rate = float(frame_rate or 0)
    low, high = _CREDIBLE_FRAME_RATES
    return rate if math.isfinite(rate) and low <= rate <= high else None


def probe_video(address: str) -> tuple[float | None, int | None]:
    """Frame rate and number of frames of a video file or stream, as its header says (None where it does not).

    The first frame is decoded, so that a video that cannot be read fails here and not later.

    Raises:
        UserError: it cannot be opened, or holds no frame that can be decoded.
    """
    import av

    shown = without_password(address)
    try:
        with _open_container(address) as container:
            if not container.streams.video:
                raise UserError(f"{shown}: holds no video")
            stream = container.streams.video[0]
            if next(container.decode(stream), None) is None:
                raise UserError(f"{shown}: holds no frame that can be decoded")
            frame_rate = credible_frame_rate(stream.average_rate) or credible_frame_rate(stream.guessed_rate)
            length = stream.frames or None
            if length is None and container.duration and frame_rate:
                length = max(1, round(container.duration / av.time_base * frame_rate))
    except (av.FFmpegError, OSError) as error:
        raise UserError(f"{shown}: cannot be read as video: {reason_of(error)}") from error
    return frame_rate, length


def decode_video(address: str, *, live: bool = False) -> Frames:
    """The frames of a video file or stream, turned as they are meant to be seen.

    Where a file breaks in the middle, the frames before the break are yielded and the log warns of the rest. In a live
    stream, packets that cannot be decoded are passed over.

    Raises:
        UserError: not even the first frame can be read.
    """
    import av

    shown = without_password(address)
    number = announced = 0
    try:
        with _open_container(address) as container:
            stream = container.streams.video[0]
            # several frames at once are faster, and each delays the picture by a frame
            stream.thread_type = "SLICE" if live else "AUTO"
            announced = stream.frames
            for packet in container.demux(stream):
                try:
                    decoded = packet.decode()
                except av.error.InvalidDataError:
                    if live:
                        continue  # the next key frame mends the picture
                    raise
                for frame in decoded:
                    number += 1
                    yield number, _to_rgb(frame)
    except (av.FFmpegError, OSError) as error:
        if not number:
            raise UserError(f"{shown}: cannot be read as video: {reason_of(error)}") from error
        _log.warning("%s: breaks after frame %d (%s); the frames before it are kept", shown, number, reason_of(error))
    else:
        if number < announced:
            _log.warning("%s: ends after frame %d of %d; the frames before it are kept", shown, number, announced)


class VideoWriter:
    """Writes an H.264 MP4 that plays in browsers.

    Frames go to ``<path>.partial``, which gets its name when the writer is closed, and is removed after an exception
    inside the ``with`` block.

        with VideoWriter(path, 25, (width, height)) as writer:
            writer.write(image)

    Args:
        path: the file to write.
        frame_rate: frames a second; fractions such as 30000 / 1001 are kept.
        size: width and height of the images in pixels. Odd sizes are padded to even by repeating the last column or
            row: 4:2:0 video has one colour sample for two pixels.
        quality: x264's constant rate factor; lower is better and larger.

    Raises:
        UserError: the file cannot be written.
    """

    def __init__(self, path: Path, frame_rate: float, size: tuple[int, int], *, quality: float = 23) -> None:
        import av

        self.size = size
        self._path = path
        self._partial = partial_of(path)
        self._errors = (av.FFmpegError, OSError)
        self._first_frame: int | None = None
        self._next_frame = 1
        try:
            self._partial.touch()  # PyAV opens it with the first image, which is late to find out
            self._container = av.open(str(self._partial), "w", format="mp4", options={"movflags": "faststart"})
        except self._errors as error:
            raise self._failure(error) from error
        rate = Fraction(frame_rate).limit_denominator(1001)
        self._stream = self._container.add_stream(
            "libx264", rate=rate, options={"crf": f"{quality:g}", "preset": "veryfast"}
        )
        width, height = size
        self._stream.width, self._stream.height = width + width % 2, height + height % 2
        self._stream.pix_fmt = "yuv420p"
        # the colours of untagged video depend on who plays it
        context = self._stream.codec_context
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED_RANGE
        self._time_base = 1 / rate

    def write(self, image: Image, frame: int | None = None) -> None:
        """Append an image.

        Args:
            image: uint8 [height, width, 3], RGB, of the writer's size.
            frame: its frame number, larger than those before; where numbers are left out, the image before them stays
                longer. By default the next number.
        """
        import av

        width, height = self.size
        if image.shape != (height, width, 3):
            raise ValueError(f"expected an image of {[height, width, 3]}, got {list(image.shape)}")
        number = self._next_frame if frame is None else frame
        if self._first_frame is None:
            self._first_frame = number
        elif number < self._next_frame:
            raise ValueError(f"frame {number} comes after frame {self._next_frame - 1}")
        self._next_frame = number + 1
        if width % 2 or height % 2:
            image = cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)  # type: ignore[assignment]
        rgb = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        yuv = rgb.reformat(format="yuv420p", dst_colorspace=_BT709, dst_color_range=_LIMITED_RANGE)
        yuv.pts, yuv.time_base = number - self._first_frame, self._time_base
        self._encode(yuv)

    def close(self) -> None:
        """Finish the file and give it its name; without any frame there is no file."""
        if self._first_frame is None:
            self.abort()
            return
        try:
            self._encode(None)
            self._container.close()
            publish(self._path)
        except self._errors as error:
            raise self._failure(error) from error
        finally:
            self.abort()

    def abort(self) -> None:
        """Stop, and leave no file."""
        with contextlib.suppress(*self._errors):
            self._container.close()
        self._partial.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    def _encode(self, frame: VideoFrame | None) -> None:
        try:
            self._container.mux(self._stream.encode(frame))
        except self._errors as error:
            raise self._failure(error) from error

    def _failure(self, error: Exception) -> UserError:
        return UserError(f"{self._path}: cannot write the video: {reason_of(error)}")


def _open_container(address: str) -> InputContainer:
    import av

    if "://" not in address:
        return av.open(address)
    options = {"rtsp_transport": "tcp"} if address.lower().startswith("rtsp") else {}
    return av.open(address, options=options, timeout=_NETWORK_TIMEOUT)


def _to_rgb(frame: VideoFrame) -> Image:
    """The frame as it is meant to be seen: phones store upright video lying, with a note of the rotation."""
    image: Any = frame.to_ndarray(format="rgb24")
    quarter_turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(image, quarter_turns))


def without_password(address: str) -> str:
    """The address for messages and logs."""
    return re.sub(r"://[^/@]*@", "://", address)
