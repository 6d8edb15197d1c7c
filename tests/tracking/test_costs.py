import numpy as np
import pytest
from scipy.spatial.distance import cdist

from clmot.tracking.candidates import all_pairs
from clmot.tracking.costs import cosine_distance, direction_agreement, fuse_motion, gate


def unit(rng, n, d=16):
    vectors = rng.normal(size=(n, d)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("share", [0.02, 1.0])  # few pairs and all of them go different ways
def test_cosine_distance_equals_scipy_and_is_never_negative(share):
    rng = np.random.default_rng(0)
    first, second = unit(rng, 30), unit(rng, 25)
    rows, columns = all_pairs(30, 25)
    some = rng.random(len(rows)) < share
    rows, columns = rows[some], columns[some]
    expected = cdist(first, second, "cosine")[rows, columns]
    np.testing.assert_allclose(cosine_distance(first, second, rows, columns), expected, atol=1e-6)
    many = unit(rng, 200)
    assert cosine_distance(many, many, np.arange(200), np.arange(200)).min() >= 0


def test_fused_cost_pair_by_pair():
    rng = np.random.default_rng(1)
    appearance, motion = rng.uniform(0, 2, 20), rng.uniform(0, 9, 20)
    for i, cost in enumerate(fuse_motion(appearance, motion, 0.98)):
        assert cost == pytest.approx(0.98 * appearance[i] + 0.02 * motion[i])


def test_appearance_has_a_say_only_near_and_below_the_limit():
    appearance, near = np.array([0.1, 0.2, 0.3, 0.1]), np.array([True, True, True, False])
    np.testing.assert_array_equal(gate(appearance, near, 0.2), [0.1, 0.2, 1, 1])


@pytest.mark.parametrize(
    ("target", "expected"),
    [([20, 0], 0.5), ([10, 10], 0.25), ([0, 10], 0), ([0, -3], 0), ([-5, 0], -0.5), ([0, 0], 0)],
)
def test_direction_agreement_of_known_angles(target, expected):
    def agreement(last):
        return direction_agreement(np.zeros((1, 2)), np.array([last]), np.array([target], np.float64))[0]

    assert agreement([4.0, 0.0]) == pytest.approx(expected)
    assert agreement([0.0, 0.0]) == 0  # not moving: no direction to agree with
