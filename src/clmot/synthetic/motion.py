"""Where a walker is at every frame: stops joined by walks at a human pace, and the gait that goes with them."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from clmot.synthetic.paint import FloatArray


@dataclass(frozen=True)
class Camera:
    """A camera that looks level along a flat ground.

    Attributes:
        horizon: image row of the horizon, pixels.
        height: height of the camera above the ground, metres.
    """

    horizon: float
    height: float

    def scale(self, ground: float | FloatArray) -> float | FloatArray:
        """Pixels a metre for something that stands on that image row."""
        return (ground - self.horizon) / self.height


class Stop(NamedTuple):
    """A point on the way: panorama column and image row of the feet, and how many frames to wait there."""

    x: float
    ground: float
    wait: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Trajectory:
    """A walker's way; arrays hold one value a frame, from frame `start` on.

    Attributes:
        start: frame of the first value (0-based).
        x: panorama column of the feet, pixels.
        ground: image row of the feet, pixels.
        heading: radians, see `clmot.synthetic.figure.Pose`.
        phase: gait phase, radians.
        swing: gait amplitude, in [0, 1].
    """

    start: int
    x: FloatArray
    ground: FloatArray
    heading: FloatArray
    phase: FloatArray
    swing: FloatArray

    def __len__(self) -> int:
        return len(self.x)

    def cropped(self, first: int, last: int) -> "Trajectory":
        """The part within the frames from `first` to `last` (excluded)."""
        low = min(max(first - self.start, 0), len(self))
        high = max(min(last - self.start, len(self)), low)
        parts = {name: getattr(self, name)[low:high] for name in ("x", "ground", "heading", "phase", "swing")}
        return Trajectory(start=self.start + low, **parts)


FORESHORTENING = 2.5
"""Pixels of ground row count this much more than pixels of column: depth is seen at a flat angle."""

_BRISK = 0.75
"""Body heights a second at which the gait has its full amplitude."""


def walk(
    camera: Camera,
    stops: list[Stop],
    *,
    speed: float,
    frame_rate: float,
    body_height: float,
    phase: float,
    meet: tuple[int, int],
) -> Trajectory:
    """Walk from stop to stop at a constant pace, slowing down and turning smoothly.

    Args:
        camera: gives the pace in pixels.
        stops: at least one.
        speed: body heights a second.
        frame_rate: frames a second.
        body_height: metres.
        phase: gait phase at the first stop, radians.
        meet: (index of a stop, frame at which the walker arrives there).
    """
    x, ground, arrival = [np.array([stops[0].x])], [np.array([stops[0].ground])], [0]
    length = 1
    for number, stop in enumerate(stops):
        if number:
            last = stops[number - 1]
            pixels = float(camera.scale((last.ground + stop.ground) / 2)) * body_height
            distance = np.hypot(stop.x - last.x, FORESHORTENING * (stop.ground - last.ground))
            steps = max(round(distance / (speed * pixels / frame_rate)), 1)
            share = np.arange(1, steps + 1) / steps
            x.append(last.x + share * (stop.x - last.x))
            ground.append(last.ground + share * (stop.ground - last.ground))
            length += steps
            arrival.append(length - 1)
        x.append(np.full(stop.wait, stop.x))
        ground.append(np.full(stop.wait, stop.ground))
        length += stop.wait
    smooth_x, smooth_ground = _smooth(np.concatenate(x), 4), _smooth(np.concatenate(ground), 4)

    pixels_at = np.asarray(camera.scale(smooth_ground)) * body_height
    step_x, step_ground = np.gradient(smooth_x), FORESHORTENING * np.gradient(smooth_ground)
    pace = np.hypot(step_x, step_ground) / pixels_at
    heading = np.arctan2(step_ground, step_x)
    moving = pace * frame_rate > 0.08
    if moving.any():
        held = np.maximum.accumulate(np.where(moving, np.arange(length), np.argmax(moving)))
        heading = heading[held]
    heading = _smooth(np.unwrap(heading), 5)
    swing = np.clip(pace * frame_rate / _BRISK, 0, 1)
    stride = 0.62 + 0.28 * swing
    gait = phase + 2 * np.pi * np.cumsum(pace / stride)
    stop_number, frame = meet
    return Trajectory(
        start=frame - arrival[stop_number], x=smooth_x, ground=smooth_ground, heading=heading, phase=gait, swing=swing
    )


def _smooth(values: FloatArray, radius: int) -> FloatArray:
    """A Hann-weighted moving average that continues the line at both ends."""
    if len(values) < 3:
        return values
    weights = np.hanning(2 * radius + 3)[1:-1]
    steps = np.arange(1, radius + 1)
    before = values[0] - (values[1] - values[0]) * steps[::-1]
    after = values[-1] + (values[-1] - values[-2]) * steps
    return np.convolve(np.concatenate([before, values, after]), weights / weights.sum(), mode="valid")
