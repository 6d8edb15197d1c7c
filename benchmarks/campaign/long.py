"""Trackers that run for long or follow many: memory and time an update stay flat, no id comes twice, no number ends.

Time is the processor's, so that others on the machine do not count.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from campaign.table import Kind, Table
from clmot import Detections, Tracker, TrackerConfig
from clmot.io.video_writer import VideoWriter
from clmot.tracking.multi_stream import Trackers

PERIOD = 600
"""Frames after which objects are where they were, each of them gone for a while in between: it gets a new id then."""
_GONE = 60
_CHUNKS = 20
_MEGABYTES, _SLOWER = 4.0, 1.25
"""How much memory the latter half may add to the former, and how much longer its updates may take."""


def scene(objects: int, seed: int) -> list[Detections]:
    """A period of objects that go round, each gone for `_GONE` frames."""
    random_of = np.random.default_rng(seed)
    wide = 60 * int(np.ceil(np.sqrt(objects)))
    middle, phase = random_of.uniform(40, wide, (objects, 2)), random_of.uniform(0, 2 * np.pi, objects)
    gone = random_of.integers(PERIOD, size=objects)
    frames = []
    for number in range(PERIOD):
        turn = phase + 2 * np.pi * number / PERIOD
        there = (number - gone) % PERIOD >= _GONE
        centre = (middle + 30 * np.stack([np.cos(turn), np.sin(turn)], axis=1))[there]
        half = np.array([8, 18])
        box = np.concatenate([centre - half, centre + half], axis=1).astype(np.float32)
        n = len(box)
        frames.append(Detections(xyxy=box, score=np.full(n, 0.9, np.float32), class_id=np.zeros(n, np.int64)))
    return frames


class Watch:
    """Memory and time over a run, and whether an id comes again after its track ended.

    Args:
        kind: gets what is wrong.
        lost: frames that a track may be unseen.
    """

    def __init__(self, kind: Kind, lost: int) -> None:
        self._kind, self._lost = kind, lost
        self._seen: list[dict[int, int]] = []
        self._highest: list[int] = []
        self._memory: list[float] = []
        self._times: list[float] = []
        self._began = time.process_time()

    def ids(self, stream: int, frame: int, track_id: np.ndarray) -> None:
        """Look at the ids of a frame."""
        while len(self._seen) <= stream:
            self._seen.append({})
            self._highest.append(0)
        seen, highest = self._seen[stream], self._highest[stream]
        for each in track_id.tolist():
            if each not in seen and each <= highest:
                self._kind.fail(f"id {each} comes again in frame {frame}")
            seen[each] = frame
        self._highest[stream] = max(highest, int(track_id.max(initial=0)))
        if frame % 100 == 0:
            self._seen[stream] = {each: last for each, last in seen.items() if frame - last <= self._lost + 2}

    def chunk(self, updates: int) -> None:
        """A share of the run is done."""
        now = time.process_time()
        self._times.append((now - self._began) / updates)
        self._memory.append(_resident(Path("/proc/self/statm")))
        self._began = time.process_time()

    def end(self) -> None:
        """Judge, and note the figures."""
        grown, slower = _latter_half(self._memory), np.median(self._times[10:]) / np.median(self._times[2:10])
        spread = float(np.std(self._memory[10:]))
        told = (
            f"{np.median(self._times) * 1000:.3f} ms an update, {slower:.2f} times that in the latter half; memory "
            f"{grown:+.2f} MB in it (scatter {spread:.2f} MB); ids up to {max(self._highest):,}"
        )
        if grown > _MEGABYTES or slower > _SLOWER:
            self._kind.fail(told)
        self._kind.note = told


def _latter_half(memory: list[float]) -> float:
    """By how much a straight line through the latter half of a run's memory rises, MB."""
    half = memory[len(memory) // 2 :]
    return float(np.polyfit(np.arange(len(half)), half, 1)[0] * (len(half) - 1))


def _resident(file: Path) -> float:
    return int(file.read_text().split()[1]) * 4096 / 1e6


def long(frames: int, seed: int, table: Table) -> None:
    """One row for each form.

    Args:
        frames: of one tracker with 50 objects; the other forms have a share of them.
        seed: of the objects.
        table: gets the rows.
    """
    forms: list[tuple[str, int, Callable[[int, int, Kind], None]]] = [
        ("{:,} frames, 50 objects", frames, lambda count, seed, kind: _one(count, 50, seed, kind)),
        ("{:,} frames, 2,000 objects", frames // 100, lambda count, seed, kind: _one(count, 2000, seed, kind)),
        ("64 streams of {:,} frames, 10 objects", frames // 50, _streams),
        ("ids and frames beyond 2^31 and 2^32, {:,} frames", max(frames // 500, 2 * PERIOD), _large_numbers),
        ("clmot track, a video of {:,} frames", frames // 10, _command),
    ]
    for name, count, form in forms:
        kind = table.kind(f"long: {name.format(count)}")
        if kind.attempts:
            continue
        form(count, seed, kind)
        kind.attempts += 1
        kind.done()
        table.save()


def _one(frames: int, objects: int, seed: int, kind: Kind) -> None:
    found, config = scene(objects, seed), TrackerConfig()
    tracker, watch = Tracker(config), Watch(kind, config.lost_frames)
    for number in range(1, frames + 1):
        tracked = tracker.update(found[number % PERIOD])
        watch.ids(0, number, tracked.track_id)
        if number % max(frames // _CHUNKS, 1) == 0:
            watch.chunk(frames // _CHUNKS)
    watch.end()


def _streams(frames: int, seed: int, kind: Kind) -> None:
    found, config = [scene(10, seed + stream) for stream in range(64)], TrackerConfig()
    trackers, watch = Trackers(config), Watch(kind, config.lost_frames)
    for number in range(1, frames + 1):
        for stream, tracked in trackers.update({i: each[number % PERIOD] for i, each in enumerate(found)}).items():
            watch.ids(stream, number, tracked.track_id)
        if number % max(frames // _CHUNKS, 1) == 0:
            watch.chunk(64 * (frames // _CHUNKS))
    watch.end()


def _large_numbers(frames: int, seed: int, kind: Kind) -> None:
    """A tracker whose numbers begin just below what 32 bits hold is the one that begins at 1, so much later."""
    found = scene(50, seed)
    for begin in (2**31, 2**32):
        ahead = begin - 200
        plain, far = Tracker(), Tracker()
        for tracker in (plain, far):
            tracker.update(found[0])
        state = far.state()
        state["clock"] = state["clock"] + [ahead, ahead, 0, 0]
        state["tracks.track_id"] = state["tracks.track_id"] + ahead
        state["clock.time"] = state["clock.time"] + [0, ahead, 0]
        for name in ("first_frame", "last_frame", "observed_frame"):
            if f"tracks.{name}" in state:
                state[f"tracks.{name}"] = state[f"tracks.{name}"] + ahead
        far.restore(state)
        for number in range(1, frames + 1):
            one, other = (tracker.update(found[number % PERIOD]) for tracker in (plain, far))
            same = np.array_equal(one.track_id + ahead, other.track_id) and one.frame + ahead == other.frame
            if not same or not np.array_equal(one.detections.xyxy, other.detections.xyxy):
                kind.fail(f"frame {other.frame}: {other.track_id[:5]} and not {one.track_id[:5] + ahead}")
                return
        kind.note += f"{begin:,}: ids up to {int(other.track_id.max()):,}, frame {other.frame:,}; "


_FINDER = """
import numpy as np


def find(image):
    bright = np.flatnonzero((image[..., 0] > 128).any(axis=0))
    if not len(bright):
        return np.empty((0, 6))
    return np.array([[bright[0], 20, bright[-1] + 1, 44, 0.9, 0]])
"""


def _command(frames: int, seed: int, kind: Kind) -> None:
    """A bright box that goes through the picture again and again, and is away in between."""
    with tempfile.TemporaryDirectory() as folder:
        video, out = Path(folder) / "long.mp4", Path(folder) / "out"
        (Path(folder) / "finder.py").write_text(_FINDER)
        with VideoWriter(video, 25.0, (96, 64)) as writer:
            for number in range(1, frames + 1):
                image = np.zeros((64, 96, 3), np.uint8)
                if number % PERIOD > 120:
                    left = (number % PERIOD) * 70 // PERIOD
                    image[20:44, left : left + 16] = 255
                writer.write(image, number)
        line = [sys.executable, "-m", "clmot", "track", str(video), "--out", str(out)]
        line += ["--model", f"python:{folder}/finder.py:find"]
        process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        memory = list(_sampled(process, out))
        said = process.communicate()[0]
        rows = [tuple(map(int, row.split(",")[:2])) for row in (out / "long.txt").read_text().splitlines()]
        tracks: dict[int, list[int]] = {}
        for frame, track in rows:
            tracks.setdefault(track, []).append(frame)
        grown = _latter_half(memory) if len(memory) > 9 else 0.0
        kind.note = f"{len(rows):,} rows, {len(tracks)} tracks, memory {grown:+.1f} MB in the latter half"
        expected = frames // PERIOD + (frames % PERIOD > 122)
        if process.returncode or len(tracks) != expected or grown > 5 * _MEGABYTES:
            kind.fail(f"{kind.note}, expected {expected} tracks; exit code {process.returncode}: {said[-300:]}")
        if any(each[-1] - each[0] + 1 != len(each) for each in tracks.values()):
            kind.fail("a track has holes")


def _sampled(process: subprocess.Popen[str], out: Path) -> Iterator[float]:
    """The memory of a process once it writes results, a few times a second."""
    while process.poll() is None:
        time.sleep(0.25)
        if any(out.glob("*.txt*")):
            try:
                yield _resident(Path(f"/proc/{process.pid}/statm"))
            except (FileNotFoundError, IndexError, ProcessLookupError):
                return
