"""A webcam's frames, taken by OpenCV."""

from __future__ import annotations

import itertools
import time
from functools import partial

import cv2

from clmot.errors import UserError
from clmot.io.frame_source import FrameSource
from clmot.io.image import quiet_opencv
from clmot.io.live import stay_connected
from clmot.io.reading import Reading
from clmot.io.video import Frames
from clmot.io.video_headers import credible_frame_rate


def webcam(index: int) -> FrameSource:
    """The source of a webcam by its number.

    Raises:
        UserError: it cannot be opened.
    """
    camera = _open_webcam(index)
    frame_rate = credible_frame_rate(camera.get(cv2.CAP_PROP_FPS))
    camera.release()
    reading = Reading(f"webcam {index}")
    return FrameSource(
        name=f"webcam{index}",
        frame_rate=frame_rate,
        length=None,
        live=True,
        decode=partial(stay_connected, partial(_film, index), reading, frame_rate=frame_rate),
        origin=str(index),
        reading=reading,
    )


def _film(index: int, reading: Reading) -> Frames:
    camera = _open_webcam(index)
    start = time.monotonic()
    try:
        for number in itertools.count(1):
            taken, image = camera.read()
            if not taken:
                return
            reading.note(number, time.monotonic() - start)
            yield number, cv2.cvtColor(image, cv2.COLOR_BGR2RGB)  # type: ignore[misc]
    finally:
        camera.release()


def _open_webcam(index: int) -> cv2.VideoCapture:
    with quiet_opencv():
        camera = cv2.VideoCapture(index)
    if not camera.isOpened():
        raise UserError(f"webcam {index}: cannot be opened; is it connected, and free?")
    return camera
