"""Encoding of H.264 by FFmpeg through PyAV."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from clmot.errors import UserError, reason_of
from clmot.io.atomic import WholeWriter, partial_of, publish
from clmot.io.locks import alone
from clmot.io.video_headers import local_address
from clmot.structures import Image

_LEAST_TICKS = 10_000
"""Parts of a second that times are rounded to, at least."""
# FFmpeg's numbers for the BT.709 matrix, primaries and transfer function, and for luma of 16 to 235
_BT709 = 1
_LIMITED_RANGE = 1


class VideoWriter(WholeWriter):
    """Writes an H.264 MP4 that plays in browsers.

    Frames go to ``<path>.partial``, which gets its name when the writer is closed; `abort` removes it.

        with VideoWriter(path, 25, (width, height)) as writer:
            writer.write(image)

    Args:
        path: the file to write.
        frame_rate: frames a second; fractions such as 30000 / 1001 are kept.
        size: width and height of the images in pixels. Odd sizes are padded to even by repeating the last column or
            row: 4:2:0 video has one colour sample for two pixels.
        key_every: frames from one that decodes alone to the next, for those who jump about; 0: as the encoder likes.

    Raises:
        UserError: the file cannot be written.
    """

    def __init__(self, path: Path, frame_rate: float, size: tuple[int, int], *, key_every: int = 0) -> None:
        import av  # here: tracking without a video to write runs without it

        self.size = size
        self._path = path
        self._partial = partial_of(path)
        self._errors = (av.FFmpegError, OSError)
        self._first_frame: int | None = None
        self._next_frame = 1
        self._lock = contextlib.ExitStack()
        with self._named():
            self._lock.enter_context(alone(self._partial))
            self._partial.touch()  # PyAV opens it with the first image, which is late to find out
            self._container = av.open(
                local_address(self._partial), "w", format="mp4", options={"movflags": "faststart"}
            )
        rate = Fraction(frame_rate).limit_denominator(1001)
        # so fine that times between two frames have a place, and that frames of a steady rate keep theirs exactly
        self._ticks = rate.numerator * math.ceil(_LEAST_TICKS / rate.numerator)  # in a second
        self._rate = rate
        self._stream = self._container.add_stream("libx264", rate=rate, options={"crf": "23", "preset": "superfast"})
        width, height = size
        self._stream.width, self._stream.height = width + width % 2, height + height % 2
        self._stream.pix_fmt = "yuv420p"
        # the colours of untagged video depend on who plays it
        context = self._stream.codec_context
        if key_every:
            context.gop_size, context.max_b_frames = key_every, 0  # browsers seek badly among frames out of order
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED_RANGE
        context.time_base = Fraction(1, self._ticks)

    def write(self, image: Image, frame: int | None = None, seconds: float | None = None) -> None:
        """Append an image.

        Args:
            image: uint8 [height, width, 3], RGB, of the writer's size.
            frame: its frame number, larger than those before; where numbers are left out, the image before them stays
                longer. By default the next number.
            seconds: when it is shown, counted from any beginning; by default as its number and the frame rate have it.
        """
        import av

        width, height = self.size
        if image.shape != (height, width, 3):
            raise ValueError(f"expected an image of {[height, width, 3]}, got {list(image.shape)}")
        number = self._next_frame if frame is None else frame
        if seconds is None:
            tick = round(number * self._ticks / self._rate)
        else:
            tick = round(seconds * self._ticks)
        if self._first_frame is None:
            self._first_frame, self._first_tick, self._tick = number, tick, -1
        elif number < self._next_frame:
            raise ValueError(f"frame {number} comes after frame {self._next_frame - 1}")
        self._next_frame = number + 1
        if width % 2 or height % 2:
            image = cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)  # type: ignore[assignment]
        rgb = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        yuv = rgb.reformat(format="yuv420p", dst_colorspace=_BT709, dst_color_range=_LIMITED_RANGE)
        self._tick = max(tick - self._first_tick, self._tick + 1)
        yuv.pts, yuv.time_base = self._tick, Fraction(1, self._ticks)
        with self._named():
            self._container.mux(self._stream.encode(yuv))

    def close(self) -> None:
        """Finish the file and give it its name; without any frame there is no file."""
        if self._first_frame is None:
            self.abort()
            return
        try:
            with self._named():
                self._container.mux(self._stream.encode(None))
                self._container.close()
                publish(self._path)
        finally:
            self.abort()

    def abort(self) -> None:
        """Stop, and leave no file."""
        with contextlib.suppress(*self._errors):
            self._container.close()
        with self._lock:
            self._partial.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except self._errors as error:
            raise UserError(f"{self._path}: cannot write the video: {reason_of(error)}") from error
