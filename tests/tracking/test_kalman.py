import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from clmot.tracking import kalman

F = np.block([[np.eye(4), np.eye(4)], [np.zeros((4, 4)), np.eye(4)]])
H = np.hstack([np.eye(4), np.zeros((4, 4))])


class MatrixFilter:
    """One object's textbook filter over 8 states, with full covariance algebra."""

    def __init__(self, z):
        h = z[3]
        self.mean = np.concatenate([z, np.zeros(4)])
        std = [h / 10, h / 10, 1e-2, h / 10, h / 16, h / 16, 1e-5, h / 16]
        self.cov = np.diag(np.square(std))

    def predict(self, lost):
        h = self.mean[3]
        if lost:
            self.mean[7] = 0
        std = [h / 20, h / 20, 1e-2, h / 20, h / 160, h / 160, 1e-5, h / 160]
        self.mean = F @ self.mean
        self.cov = F @ self.cov @ F.T + np.diag(np.square(std))

    def projected(self):
        h = self.mean[3]
        noise = np.diag(np.square([h / 20, h / 20, 1e-1, h / 20]))
        return H @ self.mean, H @ self.cov @ H.T + noise

    def update(self, z):
        mean, innovation = self.projected()
        gain = self.cov @ H.T @ np.linalg.inv(innovation)
        self.mean = self.mean + gain @ (z - mean)
        self.cov = self.cov - gain @ innovation @ gain.T

    def distance(self, z):
        mean, innovation = self.projected()
        return (z - mean) @ np.linalg.solve(innovation, z - mean)


def measurements(rng, n):
    return np.stack(
        [rng.uniform(-50, 2000, n), rng.uniform(-50, 1100, n), rng.uniform(0.2, 3, n), rng.uniform(5, 500, n)], axis=1
    )


def assert_equal(state, oracles):
    means = np.array([oracle.mean for oracle in oracles])
    covariances = np.array([oracle.cov for oracle in oracles])
    i, j = np.arange(4), np.arange(4, 8)
    for value, expected in (
        (state.position, means[:, :4]),
        (state.velocity, means[:, 4:]),
        (state.position_variance, covariances[:, i, i]),
        (state.covariance, covariances[:, i, j]),
        (state.velocity_variance, covariances[:, j, j]),
    ):
        np.testing.assert_allclose(value, expected, rtol=1e-8, atol=1e-8)
    off = covariances.copy()
    off[:, i, i] = off[:, i, j] = off[:, j, i] = off[:, j, j] = 0
    np.testing.assert_allclose(off, 0, atol=1e-8)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 6))
def test_equals_the_matrix_filter(seed, n):
    rng = np.random.default_rng(seed)
    z = measurements(rng, n)
    state, oracles = kalman.initiate(z), [MatrixFilter(row) for row in z]
    assert_equal(state, oracles)
    for _ in range(30):
        lost = rng.random(n) < 0.3
        state = kalman.predict(state, lost)
        for oracle, flag in zip(oracles, lost, strict=True):
            oracle.predict(flag)
        assert_equal(state, oracles)

        others = state.position[rng.integers(0, n, 8)] * (1 + rng.uniform(0, 0.5) * rng.normal(size=(8, 4)))
        expected = {(i, j): oracle.distance(z) for i, oracle in enumerate(oracles) for j, z in enumerate(others)}
        rows, columns, distance = kalman.within_gate(state, others, state.innovation_variance)
        found = dict(zip(zip(rows.tolist(), columns.tolist(), strict=True), distance, strict=True))
        assert found == pytest.approx({pair: value for pair, value in expected.items() if value <= kalman.GATE})
        assert (np.diff(rows) >= 0).all()
        every = np.array([list(expected.values())]).reshape(n, 8)
        np.testing.assert_allclose(kalman.mahalanobis(state, others[:1].repeat(n, 0)), every[:, 0], rtol=1e-6)

        z = state.position * (1 + 0.05 * rng.normal(size=(n, 4)))
        seen = np.flatnonzero(rng.random(n) < 0.7)
        parts = [kalman.update(state[seen], z[seen]), state[np.setdiff1d(np.arange(n), seen)]]
        order = np.argsort(np.concatenate([seen, np.setdiff1d(np.arange(n), seen)]))
        state = kalman.KalmanState.concatenate(parts)[order]
        for k in seen:
            oracles[k].update(z[k])
        assert_equal(state, oracles)


def test_works_on_no_objects():
    nothing = np.empty((0, 4))
    state = kalman.update(kalman.predict(kalman.initiate(nothing), np.empty(0, bool)), nothing)
    assert len(state) == 0
    three = kalman.initiate(np.ones((3, 4)))
    for expected, measured in ((state, np.ones((3, 4))), (three, nothing)):
        found = kalman.within_gate(expected, measured, expected.innovation_variance)
        assert [len(part) for part in found] == [0, 0, 0]


def test_gate_is_the_chi_squared_quantile():
    assert kalman.GATE == pytest.approx(chi2.ppf(0.95, df=4), abs=1e-4)


def test_inputs_stay_as_they_are():
    z = measurements(np.random.default_rng(0), 4)
    state = kalman.update(kalman.predict(kalman.initiate(z), np.zeros(4, bool)), z + 1)
    before = state.values.copy()
    kalman.update(kalman.predict(state, np.ones(4, bool)), z)
    np.testing.assert_array_equal(state.values, before)


def test_objects_that_were_not_measured_stay_as_they_are():
    rng = np.random.default_rng(5)
    state = kalman.predict(kalman.initiate(measurements(rng, 5)), np.zeros(5, bool))
    measured = measurements(rng, 5)
    after = kalman.update(state, measured, unseen=np.array([1, 4]))
    np.testing.assert_array_equal(after.values[:, [1, 4]], state.values[:, [1, 4]])
    np.testing.assert_array_equal(after[[0, 2, 3]].values, kalman.update(state[[0, 2, 3]], measured[[0, 2, 3]]).values)


@pytest.mark.parametrize(("first", "second"), [(1.0, 1.0), (3.0, 4.0), (0.5, 0.5), (1.2, 2.55)])
def test_predictions_add_up(first, second):
    """Some steps and then some more are all of them at once, as long as heights stay; whole ones are steps in a row."""
    rng = np.random.default_rng(2)
    state = kalman.update(kalman.predict(kalman.initiate(measurements(rng, 6)), np.ones(6, bool)), measurements(rng, 6))
    lost = np.ones(6, bool)
    together = kalman.predict(state, lost, first + second)
    np.testing.assert_allclose(
        kalman.predict(kalman.predict(state, lost, first), lost, second).values, together.values, rtol=1e-9
    )
    one_by_one = state
    for _ in range(5):
        one_by_one = kalman.predict(one_by_one, lost)
    np.testing.assert_allclose(one_by_one.values, kalman.predict(state, lost, 5.0).values, rtol=1e-9)
