"""Camera motion on Kalman states, against full 8 x 8 covariances."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from clmot import boxes
from clmot.tracking import kalman
from clmot.tracking.kalman import KalmanState


def some_states(rng, n=5):
    """States a few frames old, as a tracker has them."""
    z = np.stack([*rng.uniform(0, 900, (2, n)), rng.uniform(0.2, 3, n), rng.uniform(20, 300, n)], axis=1)
    state = kalman.initiate(z)
    for _ in range(4):
        state = kalman.predict(state, rng.random(n) < 0.3)
        state = kalman.update(state, state.position + rng.normal(size=(n, 4)) * (3, 3, 0.01, 3))
    return state


def similarity(zoom, turn, x, y):
    c, s = zoom * np.cos(turn), zoom * np.sin(turn)
    return np.array([[c, -s, x], [s, c, y]])


def inverse(matrix):
    return np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))[:2]


def covariance(state, i):
    """[8, 8] of object i: x, y, aspect, height, then their velocities."""
    between = np.diag(state.covariance[i])
    return np.block([[np.diag(state.position_variance[i]), between], [between, np.diag(state.velocity_variance[i])]])


def full_warp(state, i, matrix):
    """The textbook's: mean and covariance of object i under a linear map of all 8 states."""
    wider, taller = np.linalg.norm(matrix[:, :2], axis=0)
    block = np.diag([0, 0, wider / taller, taller])
    block[:2, :2] = matrix[:, :2]
    whole = np.kron(np.eye(2), block)
    mean = whole @ np.concatenate([state.position[i], state.velocity[i]])
    mean[:2] += matrix[:, 2]
    return mean, whole @ covariance(state, i) @ whole.T


similarities = st.builds(
    similarity, st.floats(0.5, 2), st.floats(-np.pi, np.pi), st.floats(-300, 300), st.floats(-300, 300)
)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), matrix=similarities)
def test_under_a_similarity_the_split_filter_is_the_full_one(seed, matrix):
    state = some_states(np.random.default_rng(seed))
    warped = kalman.warp(state, matrix)
    for i in range(len(state)):
        mean, cov = full_warp(state, i, matrix)
        np.testing.assert_allclose(np.concatenate([warped.position[i], warped.velocity[i]]), mean, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(covariance(warped, i), cov, rtol=1e-9, atol=1e-6)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), shear=st.floats(-0.3, 0.3), stretch=st.floats(0.7, 1.4))
def test_under_any_affine_map_only_what_links_x_to_y_is_dropped(seed, shear, stretch):
    state = some_states(np.random.default_rng(seed))
    matrix = np.array([[stretch, shear, 7.0], [0.1, 1.1, -4.0]])
    warped = kalman.warp(state, matrix)
    for i in range(len(state)):
        mean, cov = full_warp(state, i, matrix)
        for row, column in ((0, 1), (0, 5), (1, 4), (4, 5)):
            cov[row, column] = cov[column, row] = 0
        np.testing.assert_allclose(np.concatenate([warped.position[i], warped.velocity[i]]), mean, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(covariance(warped, i), cov, rtol=1e-9, atol=1e-6)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), matrix=similarities)
def test_there_and_back_is_where_it_was(seed, matrix):
    state = some_states(np.random.default_rng(seed))
    before = state.values.copy()
    back = kalman.warp(kalman.warp(state, matrix), inverse(matrix))
    np.testing.assert_allclose(back.values, before, rtol=1e-7, atol=1e-7)
    np.testing.assert_array_equal(state.values, before)


def test_a_pan_is_a_shift_and_nothing_else():
    state = some_states(np.random.default_rng(0))
    panned = kalman.warp(state, np.array([[1.0, 0, 12.5], [0, 1, -3]]))
    np.testing.assert_array_equal(panned.position, state.position + np.array([12.5, -3, 0, 0]))
    np.testing.assert_array_equal(panned.values[1:], state.values[1:])


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), shear=st.floats(-0.3, 0.3), stretch=st.floats(0.5, 2))
def test_expected_boxes_go_where_boxes_go(seed, shear, stretch):
    state = some_states(np.random.default_rng(seed))
    matrix = np.array([[stretch, shear, 7.0], [0.1, 1.1, -4.0]])
    moved = boxes.warp(boxes.cxcyah_to_xyxy(state.position), np.vstack([matrix, [0, 0, 1]]))
    np.testing.assert_allclose(boxes.cxcyah_to_xyxy(kalman.warp(state, matrix).position), moved, atol=1e-9)
    np.testing.assert_allclose(boxes.cxcyah_to_xyxy(kalman.warp_measurement(state.position, matrix)), moved, atol=1e-9)


def test_prediction_and_motion_of_the_camera_commute_on_means():
    state = some_states(np.random.default_rng(1))
    matrix, seen = similarity(1.2, 0.4, 9, -5), np.zeros(len(state), bool)
    first = kalman.predict(kalman.warp(state, matrix), seen)
    second = kalman.warp(kalman.predict(state, seen), matrix)
    np.testing.assert_allclose(first.values[:2], second.values[:2], rtol=1e-9)


def test_no_objects():
    assert len(kalman.warp(KalmanState(np.empty((5, 0, 4))), np.eye(2, 3))) == 0
