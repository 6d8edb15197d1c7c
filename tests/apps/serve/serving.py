"""`clmot serve` as a user starts it, and a video in which every frame shows its own number."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from clmot.io.video_writer import VideoWriter

WIDTH, HEIGHT, LENGTH = 320, 180, 60
BITS, BIT = 8, 16
"""The number stands in the upper left corner, as squares that are black or white."""


def place(track: int, frame: int) -> tuple[int, int, int, int]:
    """Left, top, width and height of a track's box; the two walk in opposite directions."""
    left = 10 + 4 * frame if track == 1 else 280 - 4 * frame
    return left, 40 if track == 1 else 105, 24, 60


def numbered(frame: int) -> np.ndarray:
    image = np.full((HEIGHT, WIDTH, 3), 70, np.uint8)
    for bit in range(BITS):
        image[:BIT, bit * BIT : (bit + 1) * BIT] = 255 * (frame >> bit & 1)
    for track in (1, 2):
        left, top, width, height = place(track, frame)
        cv2.rectangle(image, (left, top), (left + width - 1, top + height - 1), (130, 120, 110), cv2.FILLED)
    return image


def seconds(frame: int) -> float:
    """When a frame is shown: at no steady rate."""
    return (frame - 1) * 0.05 + 0.15 * (frame // 10)


def write_video(path: Path) -> Path:
    with VideoWriter(path, 20.0, (WIDTH, HEIGHT)) as writer:
        for frame in range(1, LENGTH + 1):
            writer.write(numbered(frame), frame, seconds(frame))
    return path


def rows(ids: Any = lambda track, _: track) -> list[str]:
    found = []
    for frame in range(1, LENGTH + 1):
        for track in (1, 2):
            left, top, width, height = place(track, frame)
            if ids(track, frame) is not None:
                found.append(f"{frame},{ids(track, frame)},{left + 1},{top + 1},{width},{height},0.9,-1,-1,-1\n")
    return found


@dataclass
class Served:
    """A server that runs."""

    process: subprocess.Popen[str]
    address: str

    @property
    def token(self) -> str:
        return self.address.partition("token=")[2]

    @property
    def origin(self) -> str:
        return self.address.partition("/?")[0]

    def kill(self) -> None:
        """As `kill -9` does."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@contextlib.contextmanager
def serving(*arguments: Any, folder: Path) -> Iterator[Served]:
    command = [sys.executable, "-m", "clmot", "serve", *map(str, arguments)]
    environment = {**os.environ, "CLMOT_COMPILED": "0"}  # compiling takes longer than what is tracked here
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=folder, env=environment
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline().strip()
        assert line.startswith("http://"), line + process.stdout.read()
        yield Served(process, line)
    finally:
        process.terminate()
        rest = process.communicate(timeout=20)[0]
    assert "Traceback" not in rest, rest
    assert process.returncode in (0, -signal.SIGKILL), rest
