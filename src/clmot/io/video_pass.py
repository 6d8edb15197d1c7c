"""One pass through a video: numbers and times of its frames, also where packets are damaged."""

from __future__ import annotations

import heapq
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from clmot.errors import reason_of
from clmot.io.reading import Reading
from clmot.io.threads import thread_limit
from clmot.io.video_headers import has_time_stamps, stated_length, stated_rate

# PyAV is imported where it is used: training and tracking of image folders run without it
if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream


_DEFAULT_FRAME_RATE = 25.0

_MOST_FAILURES = 10
"""A file that cannot be read on at so many places in a row has ended."""

_STATE_DURATION = ("matroska,webm", "flv", "asf")
"""Containers that do not count their frames, but say how long they are; of others FFmpeg estimates it."""


class VideoPass:
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
        stream.thread_count = thread_limit()
        self.tail_lost = False
        self._container, self._stream, self._reading = container, stream, reading
        self._live, self._one_by_one, self._after = live, one_by_one, after
        self._rate = stated_rate(container, stream) or _DEFAULT_FRAME_RATE
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
        announced = stated_length(self._container, self._stream, None)
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
        stamp: float | None = arrived if self._live and not has_time_stamps(self._container) else frame.time
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
