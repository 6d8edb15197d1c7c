"""A video of one red object, and a model that finds it."""

import threading
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from clmot.config import Config
from clmot.io.reading import Reading
from clmot.io.video import decode_video
from clmot.io.video_writer import VideoWriter
from clmot.structures import Detections, Image

WIDTH, HEIGHT = 160, 96


def object_box(frame: int) -> tuple[float, float, float, float]:
    """Where the scene's one object is: it moves right by 3 pixels a frame."""
    return (10 + 3.0 * frame, 20, 34 + 3.0 * frame, 80)


def make_frame(frame: int) -> Image:
    image = np.full((HEIGHT, WIDTH, 3), 60, np.uint8)
    left, top, right, bottom = map(int, object_box(frame))
    image[top:bottom, left:right] = (230, 40, 40)
    return image


class RedThings:
    """A model that finds the red object by its colour, so that it needs no frame numbers."""

    classes = ("thing",)

    def __init__(self, fail_at: int | None = None, failure: type[BaseException] = KeyboardInterrupt) -> None:
        self.config = Config()
        self.batches: list[int] = []
        self._fail_at, self._failure = fail_at, failure

    def detect(self, images: list[Image]) -> list[Detections]:
        self.batches.append(len(images))
        if self._fail_at is not None and sum(self.batches) >= self._fail_at:
            raise self._failure
        return [self._find(image) for image in images]

    def _find(self, image: Image) -> Detections:
        rows, columns = np.nonzero(image[..., 0].astype(int) - image[..., 1] > 100)
        if not len(rows):
            return Detections(xyxy=np.empty((0, 4)), score=np.empty(0), class_id=np.empty(0))
        box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        return Detections(xyxy=np.array([box]), score=np.array([0.9]), class_id=np.array([0]))


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    yield
    assert not any(thread.name == "prefetch" for thread in threading.enumerate())


@pytest.fixture
def video(tmp_path: Path) -> Path:
    with VideoWriter(tmp_path / "street.mp4", 12.5, (WIDTH, HEIGHT)) as writer:
        for frame in range(1, 31):
            writer.write(make_frame(frame))
    return tmp_path / "street.mp4"


def make_sequence(folder: Path, frames: range) -> Path:
    (folder / "img1").mkdir(parents=True)
    for frame in frames:
        cv2.imwrite(str(folder / "img1" / f"{frame:06d}.png"), make_frame(frame)[..., ::-1])
    (folder / "seqinfo.ini").write_text(f"[Sequence]\nname={folder.name}\nframeRate=7\n")
    return folder


def video_times(path: Path) -> list[float]:
    reading = Reading(path.name)
    return [reading.seconds(number) or 0.0 for number, _ in decode_video(str(path), reading=reading)]


def files(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())
