"""Videos for tests, with and without damage."""

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from clmot.io.reading import Reading
from clmot.io.video import decode_video
from clmot.io.video_writer import VideoWriter
from clmot.structures import Image


def make_frames(count: int, width: int = 96, height: int = 64, seed: int = 0) -> list[Image]:
    """Smooth coloured waves that move: every frame differs, and none is hard to compress."""
    y, x = np.mgrid[:height, :width]
    phase = np.random.default_rng(seed).uniform(0, 6, 3)
    waves = [np.stack([np.sin(x / 15 + y / 20 + p + n / 3) for p in phase], axis=2) for n in range(count)]
    return [(127 + 100 * wave).astype(np.uint8) for wave in waves]


def write(path: Path, frames: list[Image], frame_rate: float = 25) -> Path:
    height, width = frames[0].shape[:2]
    with VideoWriter(path, frame_rate, (width, height)) as writer:
        for frame in frames:
            writer.write(frame)
    return path


def moving_texture(count: int, seed: int = 0) -> list[Image]:
    """A texture that moves by 3 pixels a frame: what is missing is seen."""
    texture = np.random.default_rng(seed).integers(0, 256, (64, 96 + 3 * count, 3), np.uint8)
    texture = cv2.GaussianBlur(texture, (0, 0), 2)  # type: ignore[assignment]
    return [np.ascontiguousarray(texture[:, 3 * n : 3 * n + 96]) for n in range(count)]


def mux(
    path: Path, frames: list[Image], codec: str, times: list[int] | None = None, rate: int = 25, **options: str
) -> Path:
    """Any container and codec; `times` are in units of 1 / rate."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options=options)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for number, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=stream.pix_fmt)
            frame.pts, frame.time_base = number if times is None else times[number], Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def packets(path: Path) -> list[tuple[int, int, int]]:
    """Place, size and time stamp of each packet of a file, in its order."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return [(each.pos, each.size, each.pts) for each in container.demux(stream) if each.size]


def damage(path: Path, which: range) -> set[int]:
    """Overwrite some packets with zeros.

    Returns:
        The numbers of the frames in them.
    """
    content = bytearray(path.read_bytes())
    places = packets(path)
    for place, size, _ in (places[index] for index in which):
        content[place : place + size] = bytes(size)
    path.write_bytes(content)
    order = sorted(pts for _, _, pts in places)
    return {order.index(places[index][2]) + 1 for index in which}


def read(path: Path) -> tuple[dict[int, Image], list[float | None], Reading]:
    """Frames by number, their times, and what was found out."""
    reading = Reading(path.name)
    frames, times = {}, []
    for number, image in decode_video(str(path), reading=reading):
        frames[number] = image
        times.append(reading.seconds(number))
    return frames, times, reading


def mean_error(first: Image, second: Image) -> float:
    return float(np.abs(first.astype(int) - second.astype(int)).mean())
