import numpy as np
import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st

from clmot import boxes

coordinates = st.floats(-1000, 1000, allow_nan=False, width=32)
sides = st.floats(0.125, 500, allow_nan=False, width=32)


@st.composite
def some_boxes(draw, max_size=6):
    """Float64 xyxy boxes with area."""
    rows = draw(st.lists(st.tuples(coordinates, coordinates, sides, sides), max_size=max_size))
    left, top, width, height = np.array(rows, np.float64).reshape(-1, 4).T
    return np.stack([left, top, left + width, top + height], axis=1)


class TestConversions:
    def test_ltwh_closed_form(self):
        np.testing.assert_array_equal(boxes.ltwh_to_xyxy(np.array([[1.0, 2, 30, 40]])), [[1, 2, 31, 42]])
        np.testing.assert_array_equal(boxes.xyxy_to_ltwh(np.array([[1.0, 2, 31, 42]])), [[1, 2, 30, 40]])

    def test_cxcyah_closed_form(self):
        np.testing.assert_array_equal(boxes.xyxy_to_cxcyah(np.array([[10.0, 20, 30, 60]])), [[20, 40, 0.5, 40]])
        np.testing.assert_array_equal(boxes.cxcyah_to_xyxy(np.array([[20.0, 40, 0.5, 40]])), [[10, 20, 30, 60]])

    @settings(deadline=None, max_examples=100)
    @given(some_boxes())
    def test_there_and_back(self, these):
        np.testing.assert_allclose(boxes.ltwh_to_xyxy(boxes.xyxy_to_ltwh(these)), these, atol=1e-9)
        np.testing.assert_allclose(boxes.cxcyah_to_xyxy(boxes.xyxy_to_cxcyah(these)), these, atol=1e-9)

    @pytest.mark.parametrize(
        "convert", [boxes.ltwh_to_xyxy, boxes.xyxy_to_ltwh, boxes.xyxy_to_cxcyah, boxes.cxcyah_to_xyxy]
    )
    def test_float32_stays_float32_and_no_boxes_stay_none(self, convert):
        assert convert(np.ones((3, 4), np.float32) * [1, 1, 2, 2]).shape == (3, 4)
        empty = convert(np.empty((0, 4), np.float32))
        assert empty.shape == (0, 4)
        assert empty.dtype == np.float32


class TestIou:
    @settings(deadline=None, max_examples=100)
    @given(some_boxes(), some_boxes())
    def test_equals_torchvision(self, first, second):
        expected = torchvision.ops.box_iou(torch.from_numpy(first), torch.from_numpy(second)).numpy()
        np.testing.assert_allclose(boxes.iou(first, second), expected, atol=1e-9)

    @settings(deadline=None, max_examples=50)
    @given(some_boxes())
    def test_every_box_is_itself(self, these):
        np.testing.assert_allclose(np.diag(boxes.iou(these, these)), 1, atol=1e-9)

    def test_empty_boxes_overlap_nothing(self):
        points = np.array([[5.0, 5, 5, 5], [0, 0, 10, 10], [8, 8, 2, 2]])
        overlap = boxes.iou(points, points)
        np.testing.assert_array_equal(overlap, np.diag([0, 1, 0]))

    @pytest.mark.filterwarnings("error")
    @pytest.mark.parametrize("side", range(4))
    def test_boxes_that_are_not_numbers_overlap_nothing(self, side):
        these = np.array([[0.0, 0, 10, 10], [0, 0, 10, 10]])
        these[1, side] = np.nan
        np.testing.assert_array_equal(boxes.iou(these, these), [[1, 0], [0, 0]])

    def test_touching_boxes_do_not_overlap(self):
        assert boxes.iou(np.array([[0.0, 0, 1, 1]]), np.array([[1.0, 0, 2, 1]])) == 0


class TestInsideAnImage:
    def test_area_is_zero_for_inverted_boxes(self):
        these = np.array([[0.0, 0, 2, 3], [2, 0, 0, 3], [2, 3, 0, 0]])
        np.testing.assert_array_equal(boxes.area(these), [6, 0, 0])

    def test_clip_by_example(self):
        these = np.array([[-5.0, -5, 5, 5], [2, 3, 4, 5], [8, 8, 30, 30], [20, 20, 30, 30]])
        expected = [[0, 0, 5, 5], [2, 3, 4, 5], [8, 8, 10, 9], [10, 9, 10, 9]]
        np.testing.assert_array_equal(boxes.clip(these, 10, 9), expected)

    @settings(deadline=None, max_examples=50)
    @given(st.lists(st.tuples(*[st.integers(-6, 14)] * 2, *[st.integers(1, 12)] * 2), min_size=1, max_size=5))
    def test_visible_share_equals_counted_pixels(self, rows):
        these = boxes.ltwh_to_xyxy(np.array(rows, np.float64))
        share = boxes.visible_share(these, 10, 8)
        for (left, top, width, height), value in zip(rows, share, strict=True):
            inside = [0 <= x < 10 and 0 <= y < 8 for x in range(left, left + width) for y in range(top, top + height)]
            assert value == pytest.approx(np.mean(inside))

    def test_visible_share_of_an_empty_box_is_zero(self):
        np.testing.assert_array_equal(boxes.visible_share(np.array([[3.0, 3, 3, 6]]), 10, 10), [0])


class TestWellFormed:
    @pytest.mark.parametrize(
        ("box", "expected"),
        [
            ([0, 0, 1, 1], True),
            ([-5, -5, -1, -1], True),
            ([0, 0, 0, 1], False),
            ([0, 0, 1, 0], False),
            ([2, 0, 1, 1], False),
            ([np.nan, 0, 1, 1], False),
            ([0, 0, np.inf, 1], False),
            ([-np.inf, 0, np.inf, 1], False),
        ],
    )
    def test_by_example(self, box, expected):
        assert boxes.well_formed(np.array([box], np.float64)).tolist() == [expected]


class TestWarp:
    def test_scale_and_shift_move_corners(self):
        matrix = np.array([[2.0, 0, 10], [0, 3, -5], [0, 0, 1]])
        np.testing.assert_allclose(boxes.warp(np.array([[1.0, 2, 3, 4]]), matrix), [[12, 1, 16, 7]])

    def test_mirror_keeps_left_left(self):
        matrix = np.array([[-1.0, 0, 100], [0, 1, 0], [0, 0, 1]])
        np.testing.assert_allclose(boxes.warp(np.array([[10.0, 0, 30, 5]]), matrix), [[70, 0, 90, 5]])

    def test_quarter_turn_moves_the_centre_and_keeps_the_objects_own_size(self):
        matrix = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
        np.testing.assert_allclose(boxes.warp(np.array([[10.0, 20, 14, 30]]), matrix), [[-27, 7, -23, 17]], atol=1e-12)

    def test_keeps_float32(self):
        assert boxes.warp(np.ones((2, 4), np.float32), np.eye(3)).dtype == np.float32
