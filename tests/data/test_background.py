import numpy as np
import pytest

from clmot.data.background import covering_crop, replace_background

ROWS = [[20, 20, 50, 80], [120, 10, 160, 90]]


def flat(level, size=(200, 100)):
    return np.full((size[1], size[0], 3), level, np.uint8)


class TestReplaceBackground:
    def test_keeps_all_boxes_and_replaces_the_rest_softly(self, make_picture):
        picture = make_picture(ROWS, ignore=[False, True])
        after = replace_background(picture, make_picture([], image=flat(7)), np.random.default_rng(0))
        for left, top, right, bottom in ROWS:
            np.testing.assert_array_equal(after.image[top:bottom, left:right], picture.image[top:bottom, left:right])
        replaced = (after.image == 7).all(axis=2)
        assert replaced[:, :15].all()
        assert replaced[:, 60:110].all()
        # between kept and replaced there is an edge of mixed pixels
        np.testing.assert_array_equal(after.boxes, picture.boxes)
        on_white = make_picture(ROWS, image=flat(255))
        edge = replace_background(on_white, make_picture([], image=flat(0)), np.random.default_rng(0)).image[
            50, 50:54, 0
        ]
        assert 255 > edge[0] > edge[1] > edge[2] >= 0

    def test_where_boxes_overlap_nothing_of_the_donor_shows(self, make_picture):
        picture = make_picture([[20, 20, 60, 80], [50, 10, 90, 90]])
        after = replace_background(picture, make_picture([], image=flat(7)), np.random.default_rng(0))
        np.testing.assert_array_equal(after.image[20:80, 20:90], picture.image[20:80, 20:90])

    @pytest.mark.parametrize("size", [(200, 100), (320, 240), (90, 120), (800, 200)])
    def test_people_of_the_donor_are_ignored_where_they_show(self, make_picture, size):
        width, height = size
        # a red rectangle in the middle of the donor
        row = [0.45 * width, 0.4 * height, 0.55 * width, 0.6 * height]
        image = flat(0, size)
        left, top, right, bottom = (round(side) for side in row)
        image[top:bottom, left:right] = (255, 0, 0)
        donor = make_picture([[left, top, right, bottom]], image=image, frame=9, sequence=4, identities=[3])
        picture = make_picture([[0, 0, 12, 30]], frame=2, image=flat(0))
        seen = 0
        for seed in range(10):
            after = replace_background(picture, donor, np.random.default_rng(seed))
            red = after.image[..., 0] > 128
            area = (right - left) * (bottom - top) * max(200 / width, 100 / height) ** 2
            if red.sum() < 0.07 * area:
                continue  # nothing, or a sliver at the border
            assert after.boxes.shape == (2, 4)
            assert after.boxes.dtype == np.float32
            assert after.object_index.tolist() == [0, -1]
            assert after.ignore.tolist() == [False, True]
            assert after.frame_index.tolist() == [2, 9]
            assert after.sequence_index.tolist() == [0, 4]
            assert after.identities.tolist() == [-1, -1]
            y, x = np.nonzero(red)
            if x.min() > 12 and x.max() < 199 and y.min() > 0 and y.max() < 99:
                seen += 1
                np.testing.assert_allclose(
                    after.boxes[1], [x.min(), y.min(), x.max() + 1, y.max() + 1], atol=1.01 * max(200 / width, 1)
                )
        assert seen

    def test_people_of_the_donor_behind_a_kept_box_are_left_out(self, make_picture):
        donor = make_picture([[70, 30, 80, 60], [30, 30, 40, 60], [180, 60, 240, 160]], frame=1)
        picture = make_picture([[60, 20, 90, 80]])
        after = replace_background(picture, donor, np.random.default_rng(0))
        np.testing.assert_array_equal(after.boxes[1:], donor.boxes[[1, 2]])

    def test_without_boxes_it_is_the_donor(self, make_picture):
        donor = make_picture([[30, 30, 40, 60]], frame=1)
        after = replace_background(make_picture([]), donor, np.random.default_rng(0))
        np.testing.assert_array_equal(after.image, donor.image)
        assert after.ignore.all()

    def test_the_order_of_the_boxes_does_not_matter(self, make_picture):
        rows = [[20, 20, 60, 80], [55, 10, 90, 90], [150, 30, 170, 50]]
        image = make_picture([]).image
        first, second = (
            replace_background(
                make_picture(these, image=image), make_picture(rows[:1], frame=1), np.random.default_rng(0)
            )
            for these in (rows, rows[::-1])
        )
        # soft edges of neighbours multiply in either order, but are rounded in between
        assert np.abs(first.image.astype(int) - second.image).max() <= 1
        np.testing.assert_array_equal(first.boxes[3:], second.boxes[3:])


class TestCoveringCrop:
    @pytest.mark.parametrize("source", [(640, 480), (100, 300), (7, 5), (1, 1)])
    @pytest.mark.parametrize("target", [(200, 100), (33, 77)])
    def test_is_the_largest_part_of_that_shape_anywhere(self, source, target):
        corners = set()
        for seed in range(20):
            crop = covering_crop(source, target, np.random.default_rng(seed))
            assert 0 <= crop.left <= crop.right <= source[0]
            assert 0 <= crop.top <= crop.bottom <= source[1]
            assert crop.width == source[0] or crop.height == source[1]
            assert abs(crop.width - crop.height * target[0] / target[1]) <= max(1, target[0] / target[1])
            corners.add((crop.left, crop.top))
        assert len(corners) > 5 or min(source) < 10

    def test_zoom_takes_less(self):
        crop = covering_crop((640, 480), (200, 100), np.random.default_rng(0), zoom=2)
        assert (crop.width, crop.height) == (320, 160)
