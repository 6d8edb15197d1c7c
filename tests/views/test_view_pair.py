import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clmot import boxes
from clmot.config import ViewsConfig
from clmot.views.view_pair import make_view, make_view_pair, place_boxes
from clmot.visualize.view_sheets import UNCHANGED

KEPT, IGNORED, DROPPED = "kept", "ignored", "dropped"

NEW = {
    "hsv": 0.5,
}
EVERYTHING = ViewsConfig(**NEW)


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
    def test_the_matrix_moves_the_boxes_and_rows_keep_their_attributes(self, make_picture):
        rng = np.random.default_rng(0)
        corner = rng.uniform(-20, 180, (60, 2))
        rows = np.concatenate([corner, corner + rng.uniform(2, 40, (60, 2))], axis=1)
        ignore = rng.random(60) < 0.3
        identities = rng.integers(-1, 9, 60)
        picture = make_picture(rows, ignore=ignore, frame=7, sequence=3, identities=identities)
        view = make_view(picture, ViewsConfig(), (128, 64), rng)
        index = view.object_index
        assert 0 < len(index) < 60
        assert (np.diff(index) > 0).all()
        np.testing.assert_array_equal(view.boxes, boxes.warp(picture.boxes, view.matrix)[index])
        np.testing.assert_array_equal(view.classes, picture.classes[index])
        np.testing.assert_array_equal(view.identities, identities[index])
        assert set(view.frame_index) == {7}
        assert set(view.sequence_index) == {3}
        assert (view.ignore >= ignore[index]).all()
        assert view.image.shape == (64, 128, 3)
        assert view.boxes.dtype == np.float32
        assert view.object_index.dtype == np.int64

    def test_clipped_boxes_are_what_is_inside(self, make_picture):
        """CL-MOT cuts boxes at the border: size and centre are of the rest."""
        corner = np.random.default_rng(0).uniform(-20, 180, (60, 2))
        picture = make_picture(np.concatenate([corner, corner + 30], axis=1))
        whole, cut = (
            make_view(picture, ViewsConfig(published=cut), (128, 64), np.random.default_rng(1)) for cut in (False, True)
        )
        np.testing.assert_array_equal(cut.boxes, np.clip(whole.boxes, 0, [128, 64, 128, 64]))
        assert (cut.boxes != whole.boxes).any()

    @pytest.mark.parametrize("seed", range(12))
    def test_a_drawn_rectangle_lies_in_its_box_in_both_views(self, make_picture, seed):
        image = np.full((300, 400, 3), 40, np.uint8)
        image[100:180, 150:220] = (250, 60, 60)
        picture = make_picture([[150, 100, 220, 180]], image=image)
        config = ViewsConfig(rotate=10, scale=(0.4, 1.4), shift=0, mirror=0.5)
        pair = make_view_pair(picture, picture, config, (256, 192), np.random.default_rng(seed))
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

    @pytest.mark.parametrize("config", [ViewsConfig(), EVERYTHING])
    def test_equal_generators_give_equal_views(self, make_picture, config):
        picture = make_picture([[10, 10, 50, 90]])
        first, second = (make_view_pair(picture, picture, config, (64, 32), np.random.default_rng(5)) for _ in range(2))
        for one, other in zip(first.views, second.views, strict=True):
            for name in vars(one):
                np.testing.assert_array_equal(getattr(one, name), getattr(other, name))

    def test_padding_keeps_its_grey(self, make_picture):
        picture = make_picture([], image=np.zeros((100, 100, 3), np.uint8))
        config = ViewsConfig(scale=(0.5, 0.5), shift=0, colour=4, hsv=0.5)
        view = make_view(picture, config, (200, 100), np.random.default_rng(0))
        assert (view.image == 128).all(axis=2).mean() > 0.7

    def test_the_second_is_mirrored_exactly_if_the_first_is_not(self, make_picture):
        picture, config = make_picture([]), ViewsConfig(published=True)
        plain = ViewsConfig()
        firsts = set()
        for seed in range(12):
            pair = make_view_pair(picture, picture, config, (64, 32), np.random.default_rng(seed))
            first, second = (bool(np.linalg.det(view.matrix) < 0) for view in pair.views)
            assert first != second
            firsts.add(first)
            # all else stays as it was drawn
            other = make_view_pair(picture, picture, plain, (64, 32), np.random.default_rng(seed))
            np.testing.assert_array_equal(pair.views[0].matrix, other.views[0].matrix)
            linear = [np.abs(each.views[1].matrix[:2, :2]) for each in (pair, other)]
            np.testing.assert_allclose(linear[0].diagonal(), linear[1].diagonal())
        assert firsts == {True, False}

    def test_the_second_view_shows_the_second_picture(self, make_picture):
        black, white = (make_picture([], image=np.full((100, 200, 3), level, np.uint8)) for level in (0, 255))
        pair = make_view_pair(black, white, UNCHANGED, (200, 100), np.random.default_rng(0))
        assert pair.views[0].image.max() == 0
        assert pair.views[1].image.min() == 255


class TestStreams:
    """Switching a transform on changes what it does, and nothing else."""

    def pair(self, make_picture, config):
        rows = [[10, 10, 50, 90], [80, 20, 120, 95], [150, 5, 190, 80]]
        picture = make_picture(rows)
        return make_view_pair(picture, picture, config, (128, 64), np.random.default_rng(3))

    @pytest.mark.parametrize("name", sorted(NEW))
    def test_geometry_stays(self, make_picture, name):
        before = self.pair(make_picture, ViewsConfig())
        after = self.pair(make_picture, ViewsConfig(**{name: NEW[name]}))
        for one, other in zip(before.views, after.views, strict=True):
            np.testing.assert_array_equal(one.matrix, other.matrix)
            np.testing.assert_array_equal(one.boxes, other.boxes)
            assert not np.array_equal(one.image, other.image), "the transform did nothing"

    def test_the_two_views_draw_apart(self, make_picture):
        for name in sorted(NEW):
            pair = self.pair(make_picture, dataclasses.replace(UNCHANGED, **{name: NEW[name]}))
            one, other = pair.views
            assert not np.array_equal(one.image, other.image), name
