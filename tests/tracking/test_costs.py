import numpy as np
import pytest
from scipy.spatial.distance import cdist

from clmot.tracking.costs import cosine_distance, forbid_class_change, fuse_motion, iou_distance
from clmot.tracking.kalman import GATE


def unit(rng, n, d=16):
    vectors = rng.normal(size=(n, d)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_cosine_distance_equals_scipy_and_is_never_negative():
    rng = np.random.default_rng(0)
    first, second = unit(rng, 7), unit(rng, 5)
    np.testing.assert_allclose(cosine_distance(first, second), cdist(first, second, "cosine"), atol=1e-6)
    many = unit(rng, 200)
    assert np.diag(cosine_distance(many, many)).min() >= 0


def test_iou_distance_of_known_boxes():
    boxes = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [50, 50, 60, 60]], np.float64)
    np.testing.assert_allclose(iou_distance(boxes[:1], boxes), [[0, 2 / 3, 1]])


def test_fused_cost_pair_by_pair():
    rng = np.random.default_rng(1)
    appearance, motion = rng.uniform(0, 2, (6, 8)), rng.uniform(0, 2 * GATE, (6, 8))
    fused = fuse_motion(appearance, motion, 0.98)
    for i in range(6):
        for j in range(8):
            if motion[i, j] > GATE:
                assert np.isinf(fused[i, j])
            else:
                assert fused[i, j] == pytest.approx(0.98 * appearance[i, j] + 0.02 * motion[i, j])
    assert 0 < np.isinf(fused).sum() < fused.size


def test_other_classes_are_out_of_reach():
    cost = np.full((2, 3), 0.5)
    forbidden = forbid_class_change(cost, np.array([0, 4]), np.array([4, 0, 1]))
    np.testing.assert_array_equal(forbidden, [[np.inf, 0.5, np.inf], [0.5, np.inf, np.inf]])
