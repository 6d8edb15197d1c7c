"""Decoding of videos and streams by FFmpeg through PyAV."""

from __future__ import annotations

import heapq
import math
import re
import time
from collections.abc import Generator, Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from clmot.errors import UserError, reason_of
from clmot.io.frame_choice import frames_in
from clmot.io.kinds import kind_of
from clmot.io.reading import Reading
from clmot.structures import Image

# PyAV is imported where it is used: training and tracking of image folders run without it
if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

CAMERA_SCHEMES = ("rtsp", "rtsps", "rtmp", "udp", "rtp", "srt")
SCHEMES = (*CAMERA_SCHEMES, "http", "https")
"""How addresses of streams begin."""

Frames = Generator[tuple[int, Image], None, None]
"""Frame numbers (1-based) and images, in order."""

_NETWORK_TIMEOUT = 10.0
_CREDIBLE_FRAME_RATES = (0.1, 1000.0)
_DEFAULT_FRAME_RATE = 25.0
_MOST_FAILURES = 10
"""A file that cannot be read on at so many places in a row has ended."""
_STATE_DURATION = ("matroska,webm", "flv", "asf")
"""Containers that do not count their frames, but say how long they are; of others FFmpeg estimates it."""
_NO_TIME_STAMPS = 0x80
"""FFmpeg's AVFMT_NOTIMESTAMPS."""


def credible_frame_rate(frame_rate: float | Fraction | None) -> float | None:
    """A frame rate where there is one: headers and cameras say 0, 90000 or nothing where they do not know."""
    rate = float(frame_rate or 0)
    low, high = _CREDIBLE_FRAME_RATES
    return rate if math.isfinite(rate) and low <= rate <= high else None


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


def is_address(text: str) -> bool:
    """Whether a text is the address of a stream; anything else is a path, whatever colons it has."""
    scheme, separator, _ = text.partition("://")
    return bool(separator) and scheme.lower() in SCHEMES


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
        with _open_container(address) as container:
            stream = _video_stream(container, shown)
            frame_rate = _stated_rate(container, stream)
            length = _stated_length(container, stream, frame_rate)
            endless = is_address(address) and (
                address.partition("://")[0].lower() in CAMERA_SCHEMES or container.format.name == "mpjpeg"
            )
            live = endless or (is_address(address) and length is None and container.size <= 0)
            stamps = (seconds for _, _, seconds in _Pass(container, stream, live=live))
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
            with _open_container(address) as container:
                stream = _video_stream(container, shown)
                decoded = _Pass(container, stream, reading, live=live, one_by_one=one_by_one, after=number)
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


class _Pass:
    """Frames of a video with their numbers and time stamps, once from the beginning.

    A frame's number counts the packets that come before it in the order of time, decodable or not. Where packets have
    no time stamps, each that cannot be decoded counts as one frame.

    Args:
        container: the video, at its beginning.
        stream: which of its streams.
        reading: is told of damage.
        live: it breaks off at the first error that is not about a single packet.
        one_by_one: decode one frame at a time.
        after: frames up to this number have been seen, and reported, before.

    Attributes:
        tail_lost: whether frames at the end went missing that would decode one by one.
    """

    def __init__(
        self,
        container: InputContainer,
        stream: VideoStream,
        reading: Reading | None = None,
        *,
        live: bool = False,
        one_by_one: bool = True,
        after: int = 0,
    ) -> None:
        stream.thread_type = "SLICE" if one_by_one else "AUTO"
        self.tail_lost = False
        self._container, self._stream, self._reading = container, stream, reading
        self._live, self._one_by_one, self._after = live, one_by_one, after
        self._rate = _stated_rate(container, stream) or _DEFAULT_FRAME_RATE
        self._waiting: list[int] = []  # time stamps of packets whose frames have not come yet
        self._failed = 0  # packets without a time stamp that could not be decoded
        self._why = ""  # the first of all damage
        self._number = self._packets = self._packets_of_frames = 0
        self._pts: int | None = None
        self._steady = True  # so far, one frame has followed the other at the frame rate
        self._seconds = -1 / self._rate
        self._origin: float | None = None

    def __iter__(self) -> Iterator[tuple[int, VideoFrame, float]]:
        import av

        for packet in self._demux():
            arrived = time.monotonic()
            is_last = packet.dts is None and packet.size == 0
            if not is_last and packet.size == 0:
                continue  # of AVI: the picture stays as it was
            if packet.is_corrupt:  # as where packets of a transport stream are missing
                self._why = self._why or "data is missing"
            if not is_last and not packet.is_discard:
                self._packets += 1
                if packet.pts is not None:
                    heapq.heappush(self._waiting, packet.pts)
            try:
                decoded = packet.decode()
            except av.error.InvalidDataError as error:
                self._why = self._why or reason_of(error)
                self._failed += packet.pts is None and not is_last
                self.tail_lost = is_last and not self._one_by_one
                continue
            for frame in decoded:
                before = max(self._number, self._after)
                self._number += self._step(frame.pts)
                seconds = self._time(frame, arrived)
                if self._number > self._after:
                    self._lose(self._number - before - 1, f"frame {before + 1} cannot be decoded ({self._why})")
                    yield self._number, frame, seconds

    def end(self) -> None:
        """Report what is missing at the end: undecodable frames, and what the header announced beyond the last one."""
        announced = _stated_length(self._container, self._stream, None)
        missing = len(self._waiting) + self._failed if self._why else 0
        if announced:
            missing = announced - self._number if self._why or self._packets < announced else 0
        elif len(self._container.streams) == 1 and self._container.format.name in _STATE_DURATION:
            total = round((self._container.duration or 0) / 1e6 * self._rate)
            cut_off = total - round(self._seconds * self._rate) - 1
            missing = cut_off if cut_off > max(missing, 3, 0.02 * total) else missing  # such headers are not exact
        self._lose(missing, f"ends after frame {self._number}" + (f" of {announced}" if announced else ""))

    def _lose(self, frames: int, why: str) -> None:
        if self._reading:
            self._reading.lose(frames, why)

    def _demux(self) -> Iterator[Packet[Any]]:
        """The packets; where a file has a bad place, those behind it as far as they are found."""
        import av

        failures = 0
        while True:
            try:
                for packet in self._container.demux(self._stream):
                    failures = 0
                    yield packet
                return
            except (av.FFmpegError, OSError) as error:
                failures += 1
                if self._live or not self._packets:
                    raise
                self._why = self._why or reason_of(error)
            if failures > _MOST_FAILURES:
                last = av.Packet()  # asks the decoder for what it still holds
                last.stream = self._stream
                yield last
                return

    def _step(self, pts: int | None) -> int:
        """By how much the number of the next frame is larger."""
        if pts is None:
            step, self._failed = 1 + self._failed, 0
            return step
        passed = 0
        while self._waiting and self._waiting[0] <= pts:
            heapq.heappop(self._waiting)
            passed += 1
        before, self._pts = self._pts, pts
        frames = 1.0 if before is None else float((pts - before) * (self._stream.time_base or 0)) * self._rate
        if not self._why:
            self._packets_of_frames += passed
            self._steady &= abs(frames - 1) < 0.25
            return 1
        # the two fields of an interlaced frame may have a packet each
        for_one = max(1, round(self._packets_of_frames / self._number)) if self._number else 1
        # of packets that are not there at all, time tells, if it ran steadily
        return max(1, round(passed / for_one), round(frames) if self._steady else 0)

    def _time(self, frame: VideoFrame, arrived: float) -> float:
        """Seconds since the beginning; they grow from frame to frame, whatever the stream says."""
        stamp: float | None = arrived if self._live and not _has_time_stamps(self._container) else frame.time
        if stamp is None:
            stamp = (self._number - 1) / self._rate
        if self._origin is None:
            start: int | None = self._stream.start_time
            base = self._stream.time_base
            self._origin = stamp
            if start is not None and base is not None and not self._live:
                self._origin = min(stamp, float(start * base))
        seconds = stamp - self._origin
        self._seconds = seconds if seconds > self._seconds else self._seconds + 1 / self._rate
        return self._seconds


def local_address(path: str | Path) -> str:
    """A path as FFmpeg opens it: without this, ``12:30:00.mp4`` would be of a protocol called 12."""
    return f"file:{path}"


def _open_container(address: str) -> InputContainer:
    import av

    if not is_address(address):
        return av.open(local_address(address))
    options = {"rtsp_transport": "tcp"} if address.lower().startswith("rtsp") else {}
    return av.open(address, options=options, timeout=_NETWORK_TIMEOUT)


def _reason(address: str, error: Exception) -> str:
    """Why a video cannot be opened: FFmpeg's reason, or what the file is where that is no video."""
    import av

    if is_address(address) or not isinstance(error, av.error.InvalidDataError):
        return reason_of(error)
    return f"it is {kind_of(Path(address))} ({reason_of(error)})"


def _video_stream(container: InputContainer, shown: str) -> VideoStream:
    """The first stream that moves: music and phones put a cover picture beside it, or before it."""
    from av.stream import Disposition

    videos = [each for each in container.streams.video if not each.disposition & Disposition.attached_pic]
    if not videos:
        raise UserError(f"{shown}: holds no video")
    return next((each for each in videos if each.frames != 1), videos[0])


def _has_time_stamps(container: InputContainer) -> bool:
    """False for bare MJPEG and the like, for which FFmpeg makes up 25 frames a second."""
    return not container.format.flags & _NO_TIME_STAMPS


def _stated_rate(container: InputContainer, stream: VideoStream) -> float | None:
    if not _has_time_stamps(container):
        return credible_frame_rate(stream.codec_context.framerate)
    return credible_frame_rate(stream.average_rate) or credible_frame_rate(stream.guessed_rate)


def _stated_length(container: InputContainer, stream: VideoStream, frame_rate: float | None) -> int | None:
    """Number of frames; where not stated, and a frame rate is given, as the duration has it."""
    if stream.frames:
        # an edit list of a trimmed video hides frames that are counted nevertheless
        entries = getattr(stream, "index_entries", ()) if "mp4" in container.format.name else ()
        return sum(not entry.is_discard for entry in entries) or stream.frames
    if frame_rate and container.duration:
        return frames_in(container.duration / 1e6, frame_rate)
    return None


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


def without_password(address: str) -> str:
    """The address for messages and logs."""
    return re.sub(r"://[^/@]*@", "://", address)
