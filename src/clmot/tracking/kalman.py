"""Constant-velocity Kalman filter over (centre x, centre y, aspect, height) for all tracks at once.

With diagonal noise and a diagonal start, as in DeepSORT and FairMOT, the usual 8-state filter splits exactly into four
independent filters with two states each, a coordinate and its velocity. So the covariance of a track is three numbers
for each coordinate, and every step is elementwise over arrays [n, 4]; no matrix is inverted.

Source: Wojke, Bewley, Paulus, "Simple online and realtime tracking with a deep association metric", 2017, for the state
and the noise, which grows with the object's height.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int64

from clmot.tracking.candidates import within

GATE = 9.4877
"""95 % quantile of the chi-squared distribution with four degrees of freedom: measurements beyond are implausible."""

_HEIGHT = 3
_HEIGHTS = np.full(4, _HEIGHT)
_ONES = np.ones(4)


class _Noise(NamedTuple):
    """Standard deviations, of x, y and height as a share of the height, and of the aspect, which has no scale."""

    share: float
    aspect: float

    def variance(self, squared: Float[np.ndarray, "n 4"]) -> Float[np.ndarray, "n 4"]:
        """Of objects with these squared heights."""
        variance = squared * self.share**2
        variance[:, 2] = self.aspect**2
        return np.asarray(variance)


START = _Noise(2 / 20, 1e-2)
START_VELOCITY = _Noise(10 / 160, 1e-5)
MOTION = _Noise(1 / 20, 1e-2)
MOTION_VELOCITY = _Noise(1 / 160, 1e-5)
MEASUREMENT = _Noise(1 / 20, 1e-1)


class KalmanState:
    """Gaussian beliefs about n objects; columns are centre x, centre y, aspect, height.

    Args:
        values: float64 [5, n, 4]: the five attributes below, in their order.

    Attributes:
        position: float64 [n, 4], means of the coordinates (pixels; aspect is width / height).
        velocity: float64 [n, 4], means of their change in one frame.
        position_variance: float64 [n, 4].
        covariance: float64 [n, 4], between a coordinate and its velocity.
        velocity_variance: float64 [n, 4].
    """

    __slots__ = ("_innovation", "values")

    def __init__(self, values: Float[np.ndarray, "5 n 4"]) -> None:
        self.values = values
        self._innovation: Float[np.ndarray, "n 4"] | None = None

    position = property(lambda self: self.values[0])
    velocity = property(lambda self: self.values[1])
    position_variance = property(lambda self: self.values[2])
    covariance = property(lambda self: self.values[3])
    velocity_variance = property(lambda self: self.values[4])

    @property
    def innovation_variance(self) -> Float[np.ndarray, "n 4"]:
        """Of what a measurement may differ from the position; worked out once, so `values` must not change after."""
        if self._innovation is None:
            self._innovation = MEASUREMENT.variance(_squared_heights(self.position))
            self._innovation += self.position_variance
        return self._innovation

    def __len__(self) -> int:
        return int(self.values.shape[1])

    def __getitem__(self, index: Any) -> "KalmanState":
        """The chosen objects (a slice, mask or index array)."""
        return KalmanState(self.values[:, index])

    @staticmethod
    def concatenate(states: Sequence["KalmanState"]) -> "KalmanState":
        """Several states' objects one after the other."""
        return KalmanState(np.concatenate([state.values for state in states], axis=1))


def initiate(measurement: Float[np.ndarray, "n 4"]) -> KalmanState:
    """States of objects seen for the first time: at rest, with wide velocities.

    Args:
        measurement: centre x, centre y, aspect, height.
    """
    values = np.zeros((5, len(measurement), 4))
    values[0] = measurement
    squared = _squared_heights(measurement)
    values[2] = START.variance(squared)
    values[4] = START_VELOCITY.variance(squared)
    return KalmanState(values)


def predict(state: KalmanState, lost: Bool[np.ndarray, " n"], steps: float = 1.0) -> KalmanState:
    """States some steps later: one, as published, or what several in a row come to, or a part of one.

    Args:
        state: states now.
        lost: True for objects that were not seen lately: their height stops changing, since an extrapolated height
            soon makes no sense.
        steps: how many. Two predictions of a and b steps are one of a + b, as far as heights stay.
    """
    later = state.values.copy()
    np.copyto(later[1, :, _HEIGHT], 0.0, where=lost)
    squared = _squared_heights(state.position)
    noise, velocity = MOTION.variance(squared), MOTION_VELOCITY.variance(squared)
    if steps == 1:  # nearly always, and in half the time
        later[2] += later[3]
        later[0] += later[1]
        later[3] += later[4]
        later[2] += later[3]
        later[2] += noise
        later[4] += velocity
        return KalmanState(later)
    later[0] += steps * later[1]
    later[2] += steps * later[3]
    later[3] += steps * later[4]
    later[2] += steps * later[3]
    later[2] += steps * noise
    later[4] += steps * velocity
    # the noise of velocities in all but the last step has moved the object already
    later[3] += steps * (steps - 1) / 2 * velocity
    later[2] += steps * (steps - 1) * (2 * steps - 1) / 6 * velocity
    return KalmanState(later)


def update(
    state: KalmanState,
    measurement: Float[np.ndarray, "n 4"],
    unseen: Int64[np.ndarray, " k"] | None = None,
) -> KalmanState:
    """States after each object was measured.

    Args:
        state: predicted states.
        measurement: centre x, centre y, aspect, height of each object, in the same order.
        unseen: objects that were not measured; they stay as they are, whatever stands in their rows.
    """
    means, uncertainty = state.values[:2], state.values[2:4]  # of position, and between position and velocity
    variance = state.innovation_variance
    if unseen is not None and len(unseen):
        variance = variance.copy()
        variance[unseen] = np.inf
    gain = uncertainty / variance
    after = np.empty_like(state.values)
    np.multiply(gain, measurement - means[0], out=after[:2])
    after[:2] += means
    np.multiply(uncertainty, 1 - gain[0], out=after[2:4])
    np.multiply(gain[1], uncertainty[1], out=after[4])
    np.subtract(state.values[4], after[4], out=after[4])
    return KalmanState(after)


def warp(state: KalmanState, matrix: Float[np.ndarray, "2 3"]) -> KalmanState:
    """States seen from a camera that has moved.

    Centres and their velocities move, turn and zoom with the picture, sizes and theirs as those of `clmot.boxes.warp`.

    A rotation makes x and y depend on each other, which four filters apart cannot hold: the covariance between x and
    y is dropped. Nothing is lost as long as the matrix is a similarity and x and y are equally uncertain, as this
    filter's noise keeps them.

    Args:
        state: beliefs in the pixels of one frame.
        matrix: from those pixels to another frame's (`clmot.tracking.camera_motion`).
    """
    linear, scale = matrix[:, :2], _size_scale(matrix)
    after = KalmanState(state.values.copy())
    after.values[:2, :, :2] = state.values[:2, :, :2] @ linear.T
    after.position[:, :2] += matrix[:, 2]
    after.values[2:, :, :2] = state.values[2:, :, :2] @ np.square(linear).T
    after.values[:2, :, 2:] *= scale
    after.values[2:, :, 2:] *= np.square(scale)
    return after


def mahalanobis(state: KalmanState, measurement: Float[np.ndarray, "n 4"]) -> Float[np.ndarray, " n"]:
    """Squared Mahalanobis distance of each object's measurement to what is expected of it; compare with `GATE`."""
    return np.asarray((np.square(measurement - state.position) / state.innovation_variance).sum(axis=1))


def within_gate(
    state: KalmanState, measurement: Float[np.ndarray, "m 4"], variance: Float[np.ndarray, "n 4"]
) -> tuple[Int64[np.ndarray, " k"], Int64[np.ndarray, " k"], Float[np.ndarray, " k"]]:
    """The pairs of object and measurement within the `GATE`, and their squared Mahalanobis distance.

    Args:
        state: expected states.
        measurement: centre x, centre y, aspect, height.
        variance: of the measurements that are expected: `innovation_variance`, or more.

    Returns:
        Positions of objects, ascending, and of measurements, and the distance of the measurement from what is expected
        of the object.
    """
    reach = np.sqrt(GATE * variance[:, 0])
    x = state.position[:, 0]
    rows, columns = within(x - reach, x + reach, measurement[:, 0])
    difference = measurement.take(columns, axis=0)
    difference -= state.position.take(rows, axis=0)
    np.square(difference, out=difference)
    difference /= variance.take(rows, axis=0)
    distance = difference @ _ONES
    near = (distance <= GATE).nonzero()[0]
    return rows.take(near), columns.take(near), distance.take(near)


def warp_measurement(
    measurement: Float[np.ndarray, "n 4"], matrix: Float[np.ndarray, "2 3"]
) -> Float[np.ndarray, "n 4"]:
    """Centres, aspects and heights where `warp` takes them."""
    moved = measurement.copy()
    moved[:, :2] = moved[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    moved[:, 2:] *= _size_scale(matrix)
    return moved


def _squared_heights(position: Float[np.ndarray, "n 4"]) -> Float[np.ndarray, "n 4"]:
    """Once for each coordinate: what all noise but the aspect's grows with."""
    heights = position.take(_HEIGHTS, axis=1)
    heights *= heights
    return np.asarray(heights)


def _size_scale(matrix: Float[np.ndarray, "2 3"]) -> Float[np.ndarray, "2"]:
    """What aspects and heights are multiplied by."""
    wider, taller = np.hypot(matrix[0, :2], matrix[1, :2])  # what becomes of a step to the right and of one down
    return np.array([wider / taller, taller])
