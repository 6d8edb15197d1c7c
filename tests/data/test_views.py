from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clmot import boxes
from clmot.config import ViewsConfig
from clmot.data.views import make_view, make_view_pair, place_boxes, plain_view
from clmot.errors import UserError
from clmot.report.views import views_sheet
from clmot.types import Sample

KEPT, IGNORED, DROPPED = "kept", "ignored", "dropped"


def sample_of(rows, size=(200, 100), ignore=None):
    these = np.array(rows, np.float32).reshape(-1, 4)
    return Sample(
        image=Path("none.png"),
        width=size[0],
        height=size[1],
        sequence="s",
        frame=1,
        boxes=these,
        classes=np.arange(len(these)) % 3,
        ignore=np.zeros(len(these), bool) if ignore is None else np.array(ignore),
        identities=np.full(len(these), -1),
    )


def fate(box, share, matrix=None, size_in=(100, 100), size_out=(100, 100)):
    matrix = np.eye(3) if matrix is None else matrix
    placed = place_boxes(np.array([box], np.float32), size_in, matrix, size_out, share)
    if not len(placed.boxes):
        return DROPPED
    return IGNORED if placed.ignore[0] else KEPT


class TestPlaceBoxes:
    @pytest.mark.parametrize(
        ("box", "expected"),
        [
            ((20, 20, 40, 60), KEPT),  # wholly inside
            ((-10, 20, 30, 60), KEPT),  # centre inside
            ((-20, 20, 10, 60), IGNORED),  # a third shows, centre outside
            ((-20, 20, 14, 60), KEPT),  # 14/34 = 0.41 shows, centre outside
            ((-20, 20, 20, 60), KEPT),  # centre on the border
            ((80, 20, 120.5, 60), KEPT),  # centre just outside, almost half shows
            ((95, 20, 120, 60), IGNORED),  # a fifth shows
            ((100, 20, 120, 60), DROPPED),  # touches from outside
            ((20, 101, 40, 160), DROPPED),  # wholly below
            ((-500, -500, 600, 600), KEPT),  # larger than the view, centre inside
            ((-500, -500, 101, 600), IGNORED),  # centre outside, little shows
            ((20, 70, 40, 170), IGNORED),  # 30 % shows
            ((20, 60, 40, 160), KEPT),  # 40 % shows
        ],
    )
    def test_kept_ignored_or_dropped(self, box, expected):
        assert fate(box, share=0.35) == expected

    def test_the_share_is_the_configured_one(self):
        assert fate((90, 0, 120, 10), share=0.3) == KEPT
        assert fate((90, 0, 120, 10), share=0.4) == IGNORED
        assert fate((95, 0, 115, 10), share=0.25) == KEPT  # exactly the share
        assert fate((99, 0, 120, 10), share=0) == KEPT

    def test_padding_hides_as_the_border_does(self):
        # a wide view of a small image: the box's outer part lies in the padding, within the view
        shift = np.array([[1, 0, 50], [0, 1, 0], [0, 0, 1.0]])
        assert fate((-20, 20, 10, 60), share=0.35, matrix=shift, size_out=(200, 100)) == IGNORED
        assert fate((-20, 20, -1, 60), share=0.0, matrix=shift, size_out=(200, 100)) == DROPPED

    def test_boxes_are_not_clipped(self):
        placed = place_boxes(np.array([[-10, -5, 300, 90]], np.float32), (100, 100), np.eye(3), (100, 100), 0)
        np.testing.assert_array_equal(placed.boxes, [[-10, -5, 300, 90]])
        assert placed.boxes.dtype == np.float32

    def test_boxes_without_area_are_dropped(self):
        assert fate((10, 10, 10, 20), share=0) == DROPPED

    @settings(deadline=None, max_examples=100)
    @given(
        st.lists(
            st.tuples(st.integers(-15, 25), st.integers(-15, 25), st.integers(1, 20), st.integers(1, 20)), max_size=6
        ),
        st.integers(-8, 8),
        st.integers(-8, 8),
        st.sampled_from([0.0, 0.1, 0.25, 0.35, 0.5, 1.0]),
        st.booleans(),
    )
    def test_agrees_with_counting_pixels(self, rows, x, y, share, mirror):
        width, height = 20, 16
        these = boxes.ltwh_to_xyxy(np.array(rows, np.float32).reshape(-1, 4))
        matrix = np.array([[-1, 0, width + x], [0, 1, y], [0, 0, 1]] if mirror else [[1, 0, x], [0, 1, y], [0, 0, 1]])
        placed = place_boxes(these, (width, height), matrix.astype(float), (width, height), share)
        kept, ignored = [], []
        for row, (left, top, right, bottom) in enumerate(these.astype(int)):
            shows = total = 0
            for v in range(top, bottom):
                for u in range(left, right):
                    p, q, _ = matrix @ [u + 0.5, v + 0.5, 1]
                    shows += 0 <= u < width and 0 <= v < height and 0 < p < width and 0 < q < height
                    total += 1
            centre = np.array([(left + right) / 2, (top + bottom) / 2, 1])
            centre_shows = all((0 <= c[0] < width and 0 <= c[1] < height) for c in (centre, matrix @ centre))
            if shows:
                (kept if centre_shows or shows / total >= share else ignored).append(row)
        assert placed.object_index[~placed.ignore].tolist() == kept
        assert placed.object_index[placed.ignore].tolist() == ignored


class TestMakeView:
    def test_the_matrix_moves_the_boxes_and_rows_keep_their_attributes(self):
        rng = np.random.default_rng(0)
        corner = rng.uniform(-20, 180, (60, 2))
        rows = np.concatenate([corner, corner + rng.uniform(2, 40, (60, 2))], axis=1)
        ignore = rng.random(60) < 0.3
        sample = sample_of(rows, ignore=ignore)
        image = np.zeros((100, 200, 3), np.uint8)
        view = make_view(image, sample, ViewsConfig(), (128, 64), rng)
        index = view.object_index
        assert 0 < len(index) < 60
        assert (np.diff(index) > 0).all()
        np.testing.assert_array_equal(view.boxes, boxes.warp(sample.boxes, view.matrix)[index])
        np.testing.assert_array_equal(view.classes, sample.classes[index])
        assert (view.ignore >= ignore[index]).all()
        assert view.image.shape == (64, 128, 3)
        assert view.boxes.dtype == np.float32
        assert view.object_index.dtype == np.int64

    @pytest.mark.parametrize("seed", range(12))
    def test_a_drawn_rectangle_lies_in_its_box_in_both_views(self, seed):
        image = np.full((300, 400, 3), 40, np.uint8)
        image[100:180, 150:220] = (250, 60, 60)
        sample = sample_of([[150, 100, 220, 180]], size=(400, 300))
        config = ViewsConfig(rotate=10, scale=(0.4, 1.4), shift=0, mirror=0.5, blur=0.5)
        pair = make_view_pair(image, sample, 7, 3, config, (256, 192), np.random.default_rng(seed))
        assert (pair.sample_index, pair.sequence_index) == (7, 3)
        assert np.abs(pair.views[0].matrix - pair.views[1].matrix).max() > 1e-3
        for view in pair.views:
            # greys cancel, so the difference of two channels is the rectangle alone
            red = np.clip(view.image[..., 0].astype(float) - view.image[..., 1], 0, None)
            red /= red.max()
            y, x = np.nonzero(red > 0.1)
            if x.min() == 0 or y.min() == 0 or x.max() == 255 or y.max() == 191:
                continue
            v, u = np.mgrid[:192, :256] + 0.5
            centre = [(red * u).sum() / red.sum(), (red * v).sum() / red.sum()]
            np.testing.assert_allclose(centre, (view.boxes[0, :2] + view.boxes[0, 2:]) / 2, atol=0.15)
            assert red.sum() == pytest.approx(boxes.area(view.boxes)[0], rel=0.03)

    def test_equal_generators_give_equal_views(self):
        image = np.random.default_rng(0).integers(0, 256, (100, 200, 3), np.uint8)
        sample = sample_of([[10, 10, 50, 90]])
        first, second = (
            make_view_pair(image, sample, 0, 0, ViewsConfig(), (64, 32), np.random.default_rng(5)) for _ in range(2)
        )
        for one, other in zip(first.views, second.views, strict=True):
            for name in vars(one):
                np.testing.assert_array_equal(getattr(one, name), getattr(other, name))

    def test_padding_keeps_its_grey(self):
        image = np.zeros((100, 100, 3), np.uint8)
        config = ViewsConfig(scale=(0.5, 0.5), shift=0, brightness=0.9, blur=0)
        view = make_view(image, sample_of([], size=(100, 100)), config, (200, 100), np.random.default_rng(0))
        assert (view.image == 128).all(axis=2).mean() > 0.7

    def test_a_frame_without_boxes_is_a_view_without_boxes(self):
        view = make_view(
            np.zeros((100, 200, 3), np.uint8), sample_of([]), ViewsConfig(), (64, 32), np.random.default_rng(0)
        )
        assert view.boxes.shape == (0, 4)
        assert view.object_index.shape == (0,)

    def test_five_hundred_boxes(self):
        rng = np.random.default_rng(0)
        corner = rng.uniform(0, 180, (500, 2)) * [1, 0.4]
        sample = sample_of(np.concatenate([corner, corner + 15], axis=1))
        view = plain_view(np.zeros((100, 200, 3), np.uint8), sample, (64, 32))
        assert len(view.boxes) == 500


class TestPlainView:
    def test_is_the_letterboxed_image_with_every_box_that_shows(self):
        image = np.random.default_rng(0).integers(0, 256, (100, 200, 3), np.uint8)
        rows = [[0, 0, 200, 100], [-39, 0, 1, 100], [201, 0, 240, 100], [50, 10, 60, 30]]
        view = plain_view(image, sample_of(rows, ignore=[False, False, False, True]), (100, 100))
        np.testing.assert_allclose(view.boxes, [[0, 25, 100, 75], [-19.5, 25, 0.5, 75], [25, 30, 30, 40]])
        assert view.object_index.tolist() == [0, 1, 3]
        assert view.ignore.tolist() == [False, False, True]
        expected = image.reshape(50, 2, 100, 2, 3).mean(axis=(1, 3))
        np.testing.assert_allclose(view.image[25:75], expected, atol=1)


class TestViewsSheet:
    def pairs(self):
        sample = sample_of([[20, 10, 60, 90], [100, 10, 140, 90]], ignore=[False, True])
        image = np.full((100, 200, 3), 50, np.uint8)
        rng = np.random.default_rng(0)
        still = ViewsConfig(scale=(1, 1), aspect=0, shift=0, rotate=0, mirror=0, brightness=0, contrast=0, blur=0)
        return [make_view_pair(image, sample, 0, 0, still, (200, 100), rng) for _ in range(3)]

    def test_one_row_a_frame_with_matched_boxes_in_one_colour(self, tmp_path):
        views_sheet(self.pairs(), tmp_path / "views.png")
        sheet = cv2.imread(str(tmp_path / "views.png"))
        gap = 4
        assert sheet.shape == (3 * (100 + gap) + gap, 2 * (200 + gap) + gap, 3)
        left, right = sheet[gap : gap + 100, gap : gap + 200], sheet[gap : gap + 100, 2 * gap + 200 : 2 * gap + 400]
        np.testing.assert_array_equal(left, right)
        inner = left.astype(int)
        saturated = np.ptp(inner, axis=2) > 60
        assert saturated[:, 15:65].any()
        # the ignored one is grey, and dashed: some of its side is drawn and some is not
        assert not saturated[:, 95:145].any()
        side = inner[12:88, 100, 0]
        assert (side == 50).any()
        assert (side > 100).any()

    def test_an_unwritable_file_is_a_clear_error(self, tmp_path):
        with pytest.raises(UserError, match="cannot write the picture"):
            views_sheet(self.pairs(), tmp_path / "missing" / "views.png")
