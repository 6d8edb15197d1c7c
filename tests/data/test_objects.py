import cv2
import numpy as np
import pytest

from clmot import boxes as box_ops
from clmot.data import objects
from clmot.data.objects import MIN_SIDE, erase, object_stretch, occlude, stretch_box, warp
from clmot.data.pixels import region_in

TRANSFORMS = {
    "erase": lambda picture, strength, rng, donor=None: erase(picture, strength, rng),
    "occlude": lambda picture, strength, rng, donor=None: occlude(picture, strength, rng, *filter(None, [donor])),
    "warp": lambda picture, strength, rng, donor=None: warp(picture, strength, rng),
    "object_stretch": lambda picture, strength, rng, donor=None: object_stretch(picture, 0.3 * strength, rng),
}
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


@pytest.mark.parametrize("name", sorted(TRANSFORMS))
class TestEveryTransform:
    def test_leaves_its_input_alone_and_keeps_what_boxes_are_called(self, make_picture, name):
        picture = make_picture(ROWS, identities=[4, -1, 7])
        image, boxes = picture.image.copy(), picture.boxes.copy()
        after = TRANSFORMS[name](picture, 1.0, np.random.default_rng(0))
        np.testing.assert_array_equal(picture.image, image)
        np.testing.assert_array_equal(picture.boxes, boxes)
        assert changed(picture, after).any()
        assert after.boxes.dtype == np.float32
        assert after.image.dtype == np.uint8
        for attribute in ("classes", "ignore", "object_index", "frame_index", "sequence_index", "identities"):
            np.testing.assert_array_equal(getattr(after, attribute), getattr(picture, attribute))

    def test_ignored_and_tiny_objects_and_empty_pictures_are_left_alone(self, make_picture, name):
        side = MIN_SIDE - 1
        rows = [[20, 10, 60, 90], [100, 10, 100 + side, 60], [150, 5, 190, 5 + side], [199, 10, 300, 90]]
        for picture in (make_picture([]), make_picture(rows, ignore=[True, False, False, False])):
            after = TRANSFORMS[name](picture, 1.0, np.random.default_rng(0))
            np.testing.assert_array_equal(after.image, picture.image)
            np.testing.assert_array_equal(after.boxes, picture.boxes)

    def test_boxes_beyond_the_image(self, make_picture, name):
        rows = [[-500, -500, 700, 700], [-60, 20, 30, 80], [150, 60, 400, 300]]
        for seed in range(5):
            after = TRANSFORMS[name](make_picture(rows), 1.0, np.random.default_rng(seed))
            assert np.isfinite(after.boxes).all()
            assert after.image.shape == (100, 200, 3)

    def test_zero_strength_changes_nothing(self, make_picture, name):
        picture = make_picture(ROWS)
        np.testing.assert_array_equal(TRANSFORMS[name](picture, 0.0, np.random.default_rng(0)).image, picture.image)


@pytest.mark.parametrize("name", ["erase", "occlude", "warp"])
def test_objects_are_chosen_each_with_the_probability(make_picture, name):
    picture, rng = make_picture(ROWS), np.random.default_rng(0)
    counts = np.zeros(3)
    joint = 0
    for _ in range(400):
        mask = changed(picture, TRANSFORMS[name](picture, 0.3, rng))
        hit = [region_in(box, picture.size) for box in picture.boxes]
        hit = np.array([mask[place.top : place.bottom, place.left : place.right].any() for place in hit])
        counts += hit
        joint += hit[0] and hit[1]
    np.testing.assert_allclose(counts / 400, 0.3, atol=0.08)
    assert joint / 400 == pytest.approx(0.09, abs=0.05)


class TestErase:
    def test_loses_a_share_of_the_box_to_noise_or_to_its_mean(self, make_picture):
        image = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8), (0, 0), 5)
        picture = make_picture([[50, 20, 150, 180]], image=image)
        shares, flat = [], 0
        for seed in range(300):
            after = erase(picture, 1.0, np.random.default_rng(seed))
            mask = changed(picture, after)
            assert not mask[outside(picture, [0])].any()
            y, x = np.nonzero(mask)
            shares.append(len(x) / (100 * 160))
            hole = after.image[y.min() : y.max() + 1, x.min() : x.max() + 1].reshape(-1, 3)
            assert len(hole) - len(x) < 0.05 * len(hole), "not a rectangle"
            if (hole == hole[0]).all():
                flat += 1
                mean = picture.image[20:180, 50:150].mean(axis=(0, 1))
                assert np.abs(hole[0] - mean).max() <= 0.5
            else:
                assert hole.std() == pytest.approx(256 / 12**0.5, rel=0.1)
        assert 0.08 < min(shares) < 0.13
        assert 0.35 < max(shares) <= 0.4
        assert 110 < flat < 190


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


class TestWarp:
    def stripe(self, make_picture):
        """A thin vertical line in the middle of a box."""
        image = np.zeros((300, 400, 3), np.uint8)
        image[:, 198:202] = 255
        return make_picture([[150, 50, 250, 250]], image=cv2.GaussianBlur(image, (0, 0), 2))

    @pytest.mark.parametrize("seed", range(6))
    def test_rows_move_sideways_along_a_smooth_wave_without_mean(self, make_picture, seed):
        picture = self.stripe(make_picture)
        after = warp(picture, 1.0, np.random.default_rng(seed))
        weight = after.image[..., 0].astype(float)
        line = (weight * (np.arange(400) + 0.5)).sum(axis=1) / weight.sum(axis=1) - 200
        inside = line[50:250]
        assert 2 < np.abs(inside).max() <= 2 * objects.WARP_AMPLITUDE * 100
        assert abs(inside.mean()) < 0.15
        assert np.abs(np.diff(line)).max() < 1.5, "torn"
        # above and below everything is where it was
        assert np.abs(line[:20]).max() == np.abs(line[-20:]).max() == 0

    def test_surroundings_give_way_and_far_away_nothing_moves(self, make_picture):
        y, x = np.mgrid[:300, :400]
        ramp = np.stack([x // 2, y // 2, x * 0], axis=2).astype(np.uint8)
        picture = make_picture([[150, 50, 250, 250]], image=ramp)
        for seed in range(6):
            after = warp(picture, 1.0, np.random.default_rng(seed))
            # still rising: nothing folds over
            assert (np.diff(after.image[..., 0].astype(int), axis=1) >= 0).all()
            np.testing.assert_array_equal(after.image[..., 1], ramp[..., 1])
            far = outside(picture, [0], margin=40)
            assert not changed(picture, after)[far].any()


def drawn(box, size=(400, 300)):
    """A soft-edged rectangle on black."""
    image = np.zeros((size[1], size[0], 3), np.uint8)
    left, top, right, bottom = box
    image[top:bottom, left:right] = 255
    return cv2.GaussianBlur(image, (0, 0), 2)


def measured(image):
    """Centre and area of what is drawn."""
    weight = image[..., 0] / 255
    y, x = np.mgrid[: image.shape[0], : image.shape[1]] + 0.5
    return (weight * x).sum() / weight.sum(), (weight * y).sum() / weight.sum(), weight.sum()


class TestStretch:
    @pytest.mark.parametrize("x", [0.75, 1.0, 1.3])
    @pytest.mark.parametrize("y", [0.8, 1.0, 1.25])
    def test_the_box_moves_with_the_pixels(self, x, y):
        # the object lies well inside its box, as a person does
        image, box = drawn((170, 100, 230, 220)), np.array([160.0, 90, 240, 230])
        stretched = stretch_box(image, box, x, y)
        np.testing.assert_allclose(stretched, [200 - 40 * x, 230 - 140 * y, 200 + 40 * x, 230])
        middle_x, middle_y, area = measured(image)
        assert middle_x == pytest.approx(200, abs=0.2)
        assert middle_y == pytest.approx(230 - 70 * y, abs=0.3)
        assert area == pytest.approx(60 * 120 * x * y, rel=0.01)

    def test_the_inverse_returns_box_and_pixels(self):
        original = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8), (0, 0), 6)
        box = np.array([150.0, 80, 230, 220])
        image = original.copy()
        back = stretch_box(image, stretch_box(image, box, 1.2, 0.85), 1 / 1.2, 1 / 0.85)
        np.testing.assert_allclose(back, box)
        inside = np.abs(image[80:220, 150:230].astype(int) - original[80:220, 150:230])
        assert inside.mean() < 1
        assert inside.max() < 10

    @pytest.mark.parametrize(("x", "y"), [(0.7, 0.7), (1.4, 1.4), (0.7, 1.4)])
    def test_nothing_folds_over_or_moves_far_away(self, x, y):
        v, u = np.mgrid[:300, :400]
        image = np.stack([u // 2, v // 2, u * 0], axis=2).astype(np.uint8)
        before = image.copy()
        stretch_box(image, np.array([150.0, 80, 230, 220]), x, y)
        middle = image[:, 160:220, 1].astype(int)
        assert (np.diff(middle, axis=0) >= 0).all()
        assert (np.diff(image[100:210, :, 0].astype(int), axis=1) >= 0).all()
        np.testing.assert_array_equal(image[:, :90], before[:, :90])
        np.testing.assert_array_equal(image[:, 290:], before[:, 290:])
        np.testing.assert_array_equal(image[250:], before[250:])

    def test_draws_over_the_whole_range(self, make_picture):
        picture, rng = make_picture(ROWS), np.random.default_rng(0)
        sizes = [(lambda b: b[:, 2:] - b[:, :2])(object_stretch(picture, 0.25, rng).boxes) for _ in range(200)]
        ratio = np.log(np.stack(sizes) / (picture.boxes[:, 2:] - picture.boxes[:, :2])).reshape(-1, 2)
        limit = np.log(1.25)
        assert (np.abs(ratio) <= limit + 1e-4).all()
        np.testing.assert_allclose(ratio.std(axis=0), limit / 3**0.5, rtol=0.08)
        assert abs(np.corrcoef(ratio.T)[0, 1]) < 0.1

    def test_objects_that_share_pixels_keep_their_boxes(self, make_picture):
        rows = [[20, 10, 60, 90], [30, 10, 70, 90], [150, 5, 190, 80]]
        assert box_ops.iou(np.array(rows[:1], float), np.array(rows[1:2], float)) > objects.MAX_STRETCH_OVERLAP
        after = object_stretch(make_picture(rows), 0.3, np.random.default_rng(0))
        np.testing.assert_array_equal(after.boxes[:2], np.array(rows[:2], np.float32))
        assert (after.boxes[2] != rows[2]).any()
