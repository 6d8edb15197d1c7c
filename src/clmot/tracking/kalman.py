"""Constant-velocity Kalman filter over (centre x, centre y, aspect, height) for all tracks at once.

With diagonal noise and a diagonal start, as in DeepSORT and FairMOT, the usual 8-state filter splits exactly into four
independent filters with two states each, a coordinate and its velocity. So the covariance of a track is three numbers
for each coordinate, and every step is elementwise over arrays [n, 4]; no matrix is inverted.

Source: Wojke, Bewley, Paulus, "Simple online and realtime tracking with a deep association metric", 2017, for the state
and the noise, which grows with the object's height.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

GATE = 9.4877
"""95 % quantile of the chi-squared distribution with four degrees of freedom: measurements beyond are implausible."""

_POSITION = 1 / 20
_VELOCITY = 1 / 160
_ASPECT_MOTION = 1e-2
_ASPECT_MEASUREMENT = 1e-1
_ASPECT_VELOCITY = 1e-5
_HEIGHT = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class KalmanState:
    """Gaussian beliefs about n objects; columns are centre x, centre y, aspect, height.

    Attributes:
        position: float64 [n, 4], means of the coordinates (pixels; aspect is width / height).
        velocity: float64 [n, 4], means of their change in one frame.
        position_variance: float64 [n, 4].
        covariance: float64 [n, 4], between a coordinate and its velocity.
        velocity_variance: float64 [n, 4].
    """

    position: Float[np.ndarray, "n 4"]
    velocity: Float[np.ndarray, "n 4"]
    position_variance: Float[np.ndarray, "n 4"]
    covariance: Float[np.ndarray, "n 4"]
    velocity_variance: Float[np.ndarray, "n 4"]

    def __len__(self) -> int:
        return len(self.position)

    def __getitem__(self, index: Any) -> "KalmanState":
        """The chosen objects (a slice, mask or index array)."""
        return KalmanState(**{name: value[index] for name, value in vars(self).items()})

    @staticmethod
    def concatenate(states: Sequence["KalmanState"]) -> "KalmanState":
        """Several states' objects one after the other."""
        names = vars(states[0])
        return KalmanState(**{name: np.concatenate([vars(state)[name] for state in states]) for name in names})


def initiate(measurement: Float[np.ndarray, "n 4"]) -> KalmanState:
    """States of objects seen for the first time: at rest, with wide velocities.

    Args:
        measurement: centre x, centre y, aspect, height.
    """
    position = measurement.astype(np.float64)
    height = position[:, _HEIGHT]
    return KalmanState(
        position=position,
        velocity=np.zeros_like(position),
        position_variance=_variance(2 * _POSITION * height, _ASPECT_MOTION),
        covariance=np.zeros_like(position),
        velocity_variance=_variance(10 * _VELOCITY * height, _ASPECT_VELOCITY),
    )


def predict(state: KalmanState, lost: Bool[np.ndarray, " n"]) -> KalmanState:
    """States one frame later.

    Args:
        state: states now.
        lost: True for objects that were not seen lately: their height stops changing, since an extrapolated height
            soon makes no sense.
    """
    height = state.position[:, _HEIGHT]
    velocity = state.velocity.copy()
    velocity[lost, _HEIGHT] = 0.0
    return KalmanState(
        position=state.position + velocity,
        velocity=velocity,
        position_variance=state.position_variance
        + 2 * state.covariance
        + state.velocity_variance
        + _variance(_POSITION * height, _ASPECT_MOTION),
        covariance=state.covariance + state.velocity_variance,
        velocity_variance=state.velocity_variance + _variance(_VELOCITY * height, _ASPECT_VELOCITY),
    )


def update(state: KalmanState, measurement: Float[np.ndarray, "n 4"]) -> KalmanState:
    """States after each object was measured.

    Args:
        state: predicted states.
        measurement: centre x, centre y, aspect, height of each object, in the same order.
    """
    innovation_variance = _innovation_variance(state)
    position_gain = state.position_variance / innovation_variance
    velocity_gain = state.covariance / innovation_variance
    innovation = measurement - state.position
    return KalmanState(
        position=state.position + position_gain * innovation,
        velocity=state.velocity + velocity_gain * innovation,
        position_variance=state.position_variance * (1 - position_gain),
        covariance=state.covariance * (1 - position_gain),
        velocity_variance=state.velocity_variance - velocity_gain * state.covariance,
    )


def mahalanobis(state: KalmanState, measurement: Float[np.ndarray, "m 4"]) -> Float[np.ndarray, "n m"]:
    """Squared Mahalanobis distance of every measurement to every object's expected one; compare with `GATE`."""
    variance = _innovation_variance(state)
    distance = np.zeros((len(state), len(measurement)))
    for k in range(4):  # one coordinate at a time keeps memory at [n, m]
        distance += np.square(measurement[None, :, k] - state.position[:, None, k]) / variance[:, None, k]
    return distance


def _variance(deviation: Float[np.ndarray, " n"], aspect: float) -> Float[np.ndarray, "n 4"]:
    """Variances from the standard deviation of x, y, height and that of the aspect."""
    columns = [deviation, deviation, np.full_like(deviation, aspect), deviation]
    return np.asarray(np.square(np.stack(columns, axis=1)))


def _innovation_variance(state: KalmanState) -> Float[np.ndarray, "n 4"]:
    """Variance of measurement minus expectation."""
    return np.asarray(state.position_variance + _variance(_POSITION * state.position[:, _HEIGHT], _ASPECT_MEASUREMENT))
