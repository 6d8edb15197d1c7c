"""Decoding of videos and streams by FFmpeg through PyAV."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from clmot.errors import UserError, reason_of
from clmot.io.kinds import kind_of
from clmot.io.reading import Reading
from clmot.io.video_headers import (
    CAMERA_SCHEMES,
    credible_frame_rate,
    is_address,
    open_container,
    stated_length,
    stated_rate,
    video_stream,
    without_password,
)
from clmot.io.video_pass import VideoPass
from clmot.structures import Image

# PyAV is imported where it is used: training and tracking of image folders run without it
if TYPE_CHECKING:
    from av.video.frame import VideoFrame


Frames = Generator[tuple[int, Image], None, None]
"""Frame numbers (1-based) and images, in order."""


class VideoInfo(NamedTuple):
    """What is known of a video before it is read.

    Attributes:
        frame_rate: frames a second, as the time stamps have it; None where there are none.
        length: number of frames; None where the header does not say.
        live: whether it is a camera, or anything else at an address whose end is not known.
        endless: whether it is live and no end is to be expected.
    """

    frame_rate: float | None
    length: int | None
    live: bool = False
    endless: bool = False


def probe_video(address: str) -> VideoInfo:
    """Look at a video file or stream without reading all of it.

    The first frame is decoded, so that a video that cannot be read fails here and not later. Of a live stream so much
    is read that its time stamps tell the frame rate: headers of cameras are not reliable.

    Raises:
        UserError: it cannot be opened, or holds no frame that can be decoded.
    """
    import av

    shown = without_password(address)
    try:
        with open_container(address) as container:
            stream = video_stream(container, shown)
            frame_rate = stated_rate(container, stream)
            length = stated_length(container, stream, frame_rate)
            endless = is_address(address) and (
                address.partition("://")[0].lower() in CAMERA_SCHEMES or container.format.name == "mpjpeg"
            )
            live = endless or (is_address(address) and length is None and container.size <= 0)
            stamps = (seconds for _, _, seconds in VideoPass(container, stream, live=live))
            if next(stamps, None) is None:
                raise UserError(f"{shown}: holds no frame that can be decoded")
            if live:
                frame_rate, length = _measured_rate(stamps, frame_rate), None
    except (av.FFmpegError, OSError) as error:
        raise UserError(f"{shown}: cannot be read as video: {_reason(address, error)}") from error
    return VideoInfo(frame_rate, length, live, endless)


def decode_video(address: str, reading: Reading | None = None, *, live: bool = False) -> Frames:
    """The frames of a video file or stream, turned as they are meant to be seen.

    Packets that cannot be decoded are passed over; the frames after them keep the numbers that they have in the file.

    Args:
        address: a path or an address.
        reading: is told the time of each frame, and how many are missing.
        live: a stream that is watched as it comes: the delay is kept small.

    Raises:
        UserError: not even the first frame can be read; at the end, as `Reading.check`; or a live stream breaks off.
    """
    import av

    shown = without_password(address)
    reading = reading or Reading(shown)
    reading.restart()
    number = 0
    try:
        # several frames at once are faster, but each delays the picture by a frame, and damage at the end of a file
        # takes intact frames with it: then they are fetched in a second pass
        for one_by_one in (True,) if live else (False, True):
            with open_container(address) as container:
                stream = video_stream(container, shown)
                decoded = VideoPass(container, stream, reading, live=live, one_by_one=one_by_one, after=number)
                for number, frame, seconds in decoded:
                    reading.note(number, seconds)
                    yield number, _to_rgb(frame)
                if one_by_one or not decoded.tail_lost:
                    if not live:
                        decoded.end()
                    break
    except (av.FFmpegError, OSError) as error:
        raise UserError(f"{shown}: cannot be read as video: {reason_of(error)}") from error
    if live:
        return
    if not number:
        raise UserError(f"{shown}: holds no frame that can be decoded")
    reading.check()


def _reason(address: str, error: Exception) -> str:
    """Why a video cannot be opened: FFmpeg's reason, or what the file is where that is no video."""
    import av

    if is_address(address) or not isinstance(error, av.error.InvalidDataError):
        return reason_of(error)
    return f"it is {kind_of(Path(address))} ({reason_of(error)})"


def _measured_rate(stamps: Iterator[float], stated: float | None) -> float | None:
    """Frames a second of a live stream by its time stamps, which are read for 1.5 seconds, or longer if it is slow."""
    start = time.monotonic()
    taken: list[float] = []
    for seconds in stamps:
        taken.append(seconds)
        elapsed = time.monotonic() - start
        if len(taken) > 60 or elapsed > 6 or (elapsed > 1.5 and len(taken) > 4):
            break
    if len(taken) < 3:
        return stated
    # the first ones come at once, from a buffer
    measured = credible_frame_rate(1 / float(np.median(np.diff(taken))))
    return stated if stated and measured and abs(measured - stated) < 0.1 * stated else measured


def _to_rgb(frame: VideoFrame) -> Image:
    """The frame as it is meant to be seen: phones store video lying or mirrored, with a matrix that says so."""
    from av.sidedata.sidedata import Type

    image: Any = frame.to_ndarray(format="rgb24")
    found: Any = frame.side_data.get(Type.DISPLAYMATRIX)  # type: ignore[call-overload]
    if found is not None:
        # x' = a x + c y, y' = b x + d y (ISO 14496-12, 8.3.2)
        a, b, _, c, d = np.frombuffer(found, np.int32)[:5].tolist()
        lying = abs(b) + abs(c) > abs(a) + abs(d)
        if lying:
            image = image.transpose(1, 0, 2)
        image = image[:: -1 if (b if lying else d) < 0 else 1, :: -1 if (c if lying else a) < 0 else 1]
    return np.ascontiguousarray(image)
