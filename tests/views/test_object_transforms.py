import numpy as np
import pytest

from clmot.views.object_transforms import MIN_SIDE, occlude
from clmot.views.pixels import region_in

ROWS = [[20, 10, 50, 90], [80, 20, 120, 95], [150, 5, 190, 80]]


def changed(before, after):
    return (before.image != after.image).any(axis=2)


def outside(picture, rows, margin=0):
    """Pixels in none of the boxes."""
    free = np.ones(picture.image.shape[:2], bool)
    for box in picture.boxes[rows]:
        region = region_in(box + margin * np.array([-1, -1, 1, 1]), picture.size)
        free[region.top : region.bottom, region.left : region.right] = False
    return free


class TestChosenObjects:
    def test_leaves_its_input_alone_and_keeps_what_boxes_are_called(self, make_picture):
        picture = make_picture(ROWS, identities=[4, -1, 7])
        image, boxes = picture.image.copy(), picture.boxes.copy()
        after = occlude(picture, 1.0, np.random.default_rng(0))
        np.testing.assert_array_equal(picture.image, image)
        np.testing.assert_array_equal(picture.boxes, boxes)
        assert changed(picture, after).any()
        assert after.boxes.dtype == np.float32
        assert after.image.dtype == np.uint8
        for attribute in ("classes", "ignore", "object_index", "frame_index", "sequence_index", "identities"):
            np.testing.assert_array_equal(getattr(after, attribute), getattr(picture, attribute))

    def test_ignored_and_tiny_objects_and_empty_pictures_are_left_alone(self, make_picture):
        side = MIN_SIDE - 1
        rows = [[20, 10, 60, 90], [100, 10, 100 + side, 60], [150, 5, 190, 5 + side], [199, 10, 300, 90]]
        for picture in (make_picture([]), make_picture(rows, ignore=[True, False, False, False])):
            after = occlude(picture, 1.0, np.random.default_rng(0))
            np.testing.assert_array_equal(after.image, picture.image)
            np.testing.assert_array_equal(after.boxes, picture.boxes)

    def test_boxes_beyond_the_image(self, make_picture):
        rows = [[-500, -500, 700, 700], [-60, 20, 30, 80], [150, 60, 400, 300]]
        for seed in range(5):
            after = occlude(make_picture(rows), 1.0, np.random.default_rng(seed))
            assert np.isfinite(after.boxes).all()
            assert after.image.shape == (100, 200, 3)

    def test_zero_strength_changes_nothing(self, make_picture):
        picture = make_picture(ROWS)
        np.testing.assert_array_equal(occlude(picture, 0.0, np.random.default_rng(0)).image, picture.image)


def test_objects_are_chosen_each_with_the_probability(make_picture):
    picture, rng = make_picture(ROWS), np.random.default_rng(0)
    counts = np.zeros(3)
    joint = 0
    for _ in range(400):
        mask = changed(picture, occlude(picture, 0.3, rng))
        hit = [region_in(box, picture.size) for box in picture.boxes]
        hit = np.array([mask[place.top : place.bottom, place.left : place.right].any() for place in hit])
        counts += hit
        joint += hit[0] and hit[1]
    np.testing.assert_allclose(counts / 400, 0.3, atol=0.08)
    assert joint / 400 == pytest.approx(0.09, abs=0.05)


class TestOcclude:
    def test_pastes_pixels_of_another_object_inside_the_box(self, make_picture):
        image = np.full((100, 200, 3), 40, np.uint8)
        image[10:90, 20:50] = (200, 0, 0)
        image[20:95, 80:120] = (0, 0, 200)
        picture = make_picture(ROWS[:2], image=image)
        for seed in range(20):
            after = occlude(picture, 1.0, np.random.default_rng(seed))
            mask = changed(picture, after)
            assert not mask[outside(picture, [0, 1])].any()
            first, second = after.image[10:90, 20:50], after.image[20:95, 80:120]
            # the middle of each piece is the other's colour, untouched
            assert (first == (0, 0, 200)).all(axis=2).any()
            assert (second == (200, 0, 0)).all(axis=2).any()
            share = mask[10:90, 20:50].mean()
            assert 0.03 < share <= 0.42
            # soft: between the two colours there are others
            assert ((first[..., 0] > 5) & (first[..., 0] < 195)).any()

    def test_the_edges_of_a_piece_are_soft_on_all_sides(self, make_picture):
        # black over white, and the box is so far from square that pieces are not cut short by it
        image = np.full((100, 200, 3), 255, np.uint8)
        image[:, 120:] = 0
        picture = make_picture([[10, 5, 90, 95], [130, 5, 190, 95]], image=image, ignore=[False, False])
        for seed in range(10):
            dark = 255 - occlude(picture, 1.0, np.random.default_rng(seed)).image[:, :100, 0].astype(int)
            y, x = np.nonzero(dark)
            piece = dark[y.min() : y.max() + 1, x.min() : x.max() + 1]
            assert piece.max() == 255
            for ring in (piece[0], piece[-1], piece[:, 0], piece[:, -1]):
                assert ring.max() < 90
            np.testing.assert_array_equal(piece, piece[::-1, ::-1])

    def test_a_single_object_is_hidden_by_one_of_the_donor(self, make_picture):
        picture = make_picture(ROWS[:1], image=np.zeros((100, 200, 3), np.uint8))
        other = make_picture(ROWS[1:2], image=np.full((100, 200, 3), 255, np.uint8))
        calls = []

        def donor(rng):
            calls.append(rng)
            return other

        assert changed(picture, occlude(picture, 1.0, np.random.default_rng(0), donor)).any()
        assert len(calls) == 1
        # and by nobody where there is none
        for nobody in (
            lambda rng: None,
            lambda rng: make_picture([]),
            lambda rng: make_picture(ROWS, ignore=[True] * 3),
        ):
            assert occlude(picture, 1.0, np.random.default_rng(0), nobody) is picture

    def test_the_donor_is_not_read_without_need(self, make_picture):
        def donor(rng):
            raise AssertionError("read for nothing")

        occlude(make_picture(ROWS), 1.0, np.random.default_rng(0), donor)
        occlude(make_picture(ROWS[:1]), 0.0, np.random.default_rng(0), donor)
        occlude(make_picture([]), 1.0, np.random.default_rng(0), donor)
