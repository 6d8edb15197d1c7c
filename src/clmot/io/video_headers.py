"""Opening videos and streams with FFmpeg through PyAV, and what their headers say."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from clmot.errors import UserError
from clmot.io.frame_choice import frames_in

# PyAV is imported where it is used: training and tracking of image folders run without it
if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream


CAMERA_SCHEMES = ("rtsp", "rtsps", "rtmp", "udp", "rtp", "srt")

SCHEMES = (*CAMERA_SCHEMES, "http", "https")
"""How addresses of streams begin."""

_NETWORK_TIMEOUT = 10.0

_CREDIBLE_FRAME_RATES = (0.1, 1000.0)

_NO_TIME_STAMPS = 0x80
"""FFmpeg's AVFMT_NOTIMESTAMPS."""


def credible_frame_rate(frame_rate: float | Fraction | None) -> float | None:
    """A frame rate where there is one: headers and cameras say 0, 90000 or nothing where they do not know."""
    rate = float(frame_rate or 0)
    low, high = _CREDIBLE_FRAME_RATES
    return rate if math.isfinite(rate) and low <= rate <= high else None


def is_address(text: str) -> bool:
    """Whether a text is the address of a stream; anything else is a path, whatever colons it has."""
    scheme, separator, _ = text.partition("://")
    return bool(separator) and scheme.lower() in SCHEMES


def local_address(path: str | Path) -> str:
    """A path as FFmpeg opens it: without this, ``12:30:00.mp4`` would be of a protocol called 12."""
    return f"file:{path}"


def open_container(address: str) -> InputContainer:
    """A file or stream, opened by FFmpeg."""
    import av

    if not is_address(address):
        return av.open(local_address(address), metadata_errors="replace")
    options = {"rtsp_transport": "tcp"} if address.lower().startswith("rtsp") else {}
    return av.open(address, options=options, timeout=_NETWORK_TIMEOUT, metadata_errors="replace")


def video_stream(container: InputContainer, shown: str) -> VideoStream:
    """The stream that players show: music and phones put a cover picture beside it, or before it."""
    from av.stream import Disposition

    videos = [each for each in container.streams.video if not each.disposition & Disposition.attached_pic]
    if not videos:
        raise UserError(f"{shown}: holds no video")
    moving = [each for each in videos if each.frames != 1] or videos
    best = container.streams.best("video")  # by FFmpeg's rule, which looks at frames where nobody counted them
    return next((each for each in moving if best is not None and each.index == best.index), moving[0])


def has_time_stamps(container: InputContainer) -> bool:
    """False for bare MJPEG and the like, for which FFmpeg makes up 25 frames a second."""
    return not container.format.flags & _NO_TIME_STAMPS


def stated_rate(container: InputContainer, stream: VideoStream) -> float | None:
    """Frames a second, None where the header does not say."""
    if not has_time_stamps(container):
        return credible_frame_rate(stream.codec_context.framerate)
    return credible_frame_rate(stream.average_rate) or credible_frame_rate(stream.guessed_rate)


def stated_length(container: InputContainer, stream: VideoStream, frame_rate: float | None) -> int | None:
    """Number of frames; where not stated, and a frame rate is given, as the duration has it."""
    if stream.frames:
        # an edit list of a trimmed video hides frames that are counted nevertheless
        entries = getattr(stream, "index_entries", ()) if "mp4" in container.format.name else ()
        return sum(not entry.is_discard for entry in entries) or stream.frames
    if frame_rate and container.duration:
        return frames_in(container.duration / 1e6, frame_rate)
    return None


def without_password(address: str) -> str:
    """The address for messages and logs."""
    return re.sub(r"://[^/@]*@", "://", address)
