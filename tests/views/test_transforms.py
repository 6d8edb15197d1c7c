import colorsys
from fractions import Fraction

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clmot import boxes
from clmot.config import ViewsConfig
from clmot.views.transforms import (
    PADDING,
    blur,
    colour_matrix,
    input_of_longer_side,
    input_size,
    jitter_colour,
    jitter_hsv,
    letterbox_matrix,
    random_affine,
    warp_image,
)

STILL = ViewsConfig(scale=(1, 1), aspect=0, shift=0, rotate=0, mirror=0, colour=0)
LUMA = np.array([0.299, 0.587, 0.114])

picture_sides = st.integers(1, 5000)
coordinates = st.floats(-300, 300, allow_nan=False, width=32)
sides = st.floats(1, 200, allow_nan=False, width=32)


@st.composite
def some_boxes(draw):
    rows = draw(st.lists(st.tuples(coordinates, coordinates, sides, sides), max_size=5))
    return boxes.ltwh_to_xyxy(np.array(rows, np.float64).reshape(-1, 4))


def affine(angle=0.0, scale=(1.0, 1.0), shift=(0.0, 0.0)):
    cos, sin = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    matrix = np.eye(3)
    matrix[:2, :2] = np.array([[cos, -sin], [sin, cos]]) @ np.diag(scale)
    matrix[:2, 2] = shift
    return matrix


@st.composite
def similarities(draw):
    scale = draw(st.floats(0.2, 4))
    mirror = draw(st.sampled_from([-1, 1]))
    return affine(draw(st.floats(-180, 180)), (mirror * scale, scale), (draw(coordinates), draw(coordinates)))


class TestLetterbox:
    @pytest.mark.parametrize(
        ("size_in", "size_out", "scale", "left", "top"),
        [
            ((960, 540), (512, 288), 512 / 960, 0, 0),
            ((640, 480), (512, 288), 0.6, (512 - 384) / 2, 0),
            ((100, 300), (96, 96), 0.32, 32, 0),
            ((300, 100), (96, 96), 0.32, 0, 32),
            ((10, 10), (32, 64), 3.2, 0, 16),
        ],
    )
    def test_is_the_largest_centred_copy(self, size_in, size_out, scale, left, top):
        expected = [[scale, 0, left], [0, scale, top], [0, 0, 1]]
        np.testing.assert_allclose(letterbox_matrix(*size_in, size_out), expected, atol=1e-12)


class TestRandomAffine:
    def test_is_the_letterbox_at_zero_strength(self):
        matrix = random_affine(STILL, (640, 480), (512, 288), np.random.default_rng(0))
        np.testing.assert_allclose(matrix, letterbox_matrix(640, 480, (512, 288)), atol=1e-12)

    def test_mirrors_left_and_right_only(self):
        mirrored = random_affine(
            ViewsConfig(**{**vars(STILL), "mirror": 1.0}), (100, 50), (100, 50), np.random.default_rng(0)
        )
        np.testing.assert_allclose(mirrored, [[-1, 0, 100], [0, 1, 0], [0, 0, 1]], atol=1e-12)

    @pytest.mark.parametrize("seed", range(20))
    def test_zooming_in_crops_within_the_image(self, seed):
        config = ViewsConfig(**{**vars(STILL), "scale": (1.0, 3.0), "mirror": 0.5})
        matrix = random_affine(config, (640, 360), (512, 288), np.random.default_rng(seed))
        corners = np.array([[0, 0, 1], [512, 288, 1]]).T
        source = (np.linalg.inv(matrix) @ corners)[:2]
        assert (source >= -1e-9).all()
        assert (source <= np.array([[640], [360]]) + 1e-9).all()

    @pytest.mark.parametrize("seed", range(20))
    def test_zooming_out_keeps_the_image_inside(self, seed):
        config = ViewsConfig(**{**vars(STILL), "scale": (0.3, 1.0), "mirror": 0.5})
        matrix = random_affine(config, (480, 480), (512, 288), np.random.default_rng(seed))
        view = (matrix @ np.array([[0, 0, 1], [480, 480, 1]]).T)[:2]
        assert (view >= -1e-9).all()
        assert (view <= np.array([[512], [288]]) + 1e-9).all()

    def test_draws_over_the_whole_of_every_range_and_not_beyond(self):
        config = ViewsConfig(scale=(0.5, 2.0), aspect=0.2, shift=0, rotate=10, mirror=0.25)
        rng = np.random.default_rng(0)
        matrices = [random_affine(config, (64, 64), (64, 64), rng) for _ in range(2000)]
        linear = np.stack([matrix[:2, :2] for matrix in matrices])
        determinant = np.linalg.det(linear)
        log_zoom = np.log(np.abs(determinant)) / 2
        width, height = np.linalg.norm(linear, axis=1).T
        angle = np.rad2deg(np.arctan2(-linear[:, 0, 1], linear[:, 1, 1]))
        for values, low, high in (
            (log_zoom, np.log(0.5), np.log(2)),
            (np.log(width / height), -np.log(1.2), np.log(1.2)),
            (angle, -10, 10),
        ):
            assert low - 1e-9 <= values.min() < low + 0.02 * (high - low)
            assert high - 0.02 * (high - low) < values.max() <= high + 1e-9
            # uniform: mean and spread of each
            assert abs(values.mean() - (low + high) / 2) < 0.03 * (high - low)
            assert values.std() == pytest.approx((high - low) / 12**0.5, rel=0.05)
        assert (determinant < 0).mean() == pytest.approx(0.25, abs=0.03)

    @pytest.mark.parametrize("mirrored", [True, False])
    def test_can_be_told_to_mirror_and_draws_all_else_the_same(self, mirrored):
        for seed in range(8):
            drawn = random_affine(ViewsConfig(rotate=0), (64, 32), (64, 32), np.random.default_rng(seed))
            told = random_affine(ViewsConfig(rotate=0), (64, 32), (64, 32), np.random.default_rng(seed), mirrored)
            assert (np.linalg.det(told) < 0) == mirrored
            np.testing.assert_allclose(np.abs(told[:2, :2]), np.abs(drawn[:2, :2]))

    def test_number_of_draws_does_not_depend_on_the_ranges(self):
        still, moving = np.random.default_rng(0), np.random.default_rng(0)
        image = np.zeros((8, 8, 3), np.uint8)
        for config, rng in ((STILL, still), (ViewsConfig(), moving)):
            random_affine(config, (8, 8), (8, 8), rng)
            jitter_colour(image, config, rng)
            blur(image, config, rng)
        assert still.random() == moving.random()


class TestWarpedBoxes:
    @settings(deadline=None, max_examples=100)
    @given(some_boxes(), similarities(), similarities())
    def test_two_similarities_are_their_product(self, these, first, second):
        step_by_step = boxes.warp(boxes.warp(these, first), second)
        np.testing.assert_allclose(boxes.warp(these, second @ first), step_by_step, atol=1e-7)

    @settings(deadline=None, max_examples=100)
    @given(some_boxes(), sides, sides, coordinates, coordinates)
    def test_stretch_and_shift_move_the_corners(self, these, x_scale, y_scale, x, y):
        moved = boxes.warp(these, affine(scale=(x_scale, y_scale), shift=(x, y)))
        corners = these * np.tile([x_scale, y_scale], 2) + np.tile([x, y], 2)
        np.testing.assert_allclose(moved, corners, rtol=1e-9, atol=1e-7)


class TestWarpImage:
    @pytest.mark.parametrize(
        ("matrix", "size_in"),
        [
            (affine(), (100, 80)),
            (affine(shift=(3.25, -1.5)), (100, 80)),
            (affine(scale=(0.55, 0.55)), (161, 101)),
            (affine(scale=(-1, 1), shift=(100, 0)), (100, 80)),
            (affine(scale=(-0.7, 0.7), shift=(80, 3)), (100, 80)),
            (affine(scale=(2.5, 2.2), shift=(-70, -60)), (100, 80)),
            (affine(angle=4, scale=(0.8, 0.8), shift=(9, 2)), (100, 80)),
            (affine(angle=-30, scale=(0.9, 0.7), shift=(5, 40)), (100, 80)),
            (affine(scale=(0.31, 0.31), shift=(2.2, 1.7)), (321, 203)),
            (affine(scale=(0.6, 0.24)), (161, 301)),
            (affine(angle=5, scale=(-0.2, 0.22), shift=(90, 5)), (403, 299)),
        ],
    )
    def test_a_drawn_rectangle_lands_where_its_box_says(self, matrix, size_in):
        width, height = size_in
        box = np.array([[0.35 * width, 0.4 * height, 0.6 * width, 0.7 * height]]).round()
        blank = np.zeros((height, width, 3), np.uint8)
        drawn = blank.copy()
        left, top, right, bottom = box[0].astype(int)
        drawn[top:bottom, left:right] = 255
        # soft edges have the same centre and mass, and no aliasing to hide half a pixel behind
        drawn = cv2.GaussianBlur(drawn, (0, 0), 2)
        size = (110, 90)
        shown = warp_image(drawn, matrix, size).astype(float) - warp_image(blank, matrix, size)
        weight = shown[..., 0] / 255
        y, x = np.mgrid[: size[1], : size[0]] + 0.5
        moved = boxes.warp(box, matrix)
        centre = [(weight * x).sum() / weight.sum(), (weight * y).sum() / weight.sum()]
        np.testing.assert_allclose(centre, (moved[0, :2] + moved[0, 2:]) / 2, atol=0.02)
        assert weight.sum() == pytest.approx(boxes.area(moved)[0], rel=0.01)

    def test_identity_and_whole_pixel_shifts_are_exact(self):
        image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
        np.testing.assert_array_equal(warp_image(image, affine(), (30, 20)), image)
        moved = warp_image(image, affine(shift=(4, 3)), (30, 20))
        np.testing.assert_array_equal(moved[3:, 4:], image[:-3, :-4])
        assert (moved[:3] == PADDING).all()
        assert (moved[:, :4] == PADDING).all()

    def test_mirror_is_exact(self):
        image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
        moved = warp_image(image, affine(scale=(-1, 1), shift=(30, 0)), (30, 20))
        np.testing.assert_array_equal(moved, image[:, ::-1])

    def test_shrinking_averages_fine_stripes(self):
        image = np.zeros((200, 200, 3), np.uint8)
        image[:, ::2] = 200
        small = warp_image(image, affine(scale=(0.24, 0.24)), (48, 48))
        assert np.abs(small[2:-2, 2:-2].astype(float) - 100).max() < 20

    def test_letterbox_pads_with_grey(self):
        image = np.zeros((100, 100, 3), np.uint8)
        boxed = warp_image(image, letterbox_matrix(100, 100, (64, 32)), (64, 32))
        assert (boxed[:, :15] == PADDING).all()
        assert (boxed[:, 17:47] == 0).all()
        assert (boxed[:, 49:] == PADDING).all()


class TestColour:
    def test_identity_at_zero_strength(self):
        np.testing.assert_allclose(colour_matrix(1, 1, 1, 0), np.eye(3, 4), atol=1e-12)
        image = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
        np.testing.assert_array_equal(jitter_colour(image, STILL, np.random.default_rng(0)), image)

    @settings(deadline=None, max_examples=50)
    @given(st.floats(0, 2), st.floats(-180, 180), st.tuples(*[st.floats(0, 255)] * 3))
    def test_saturation_and_hue_keep_luma(self, saturation, hue, colour):
        matrix = colour_matrix(1, 1, saturation, hue)
        assert LUMA @ (matrix[:, :3] @ np.array(colour) + matrix[:, 3]) == pytest.approx(LUMA @ colour, abs=1e-9)

    def test_each_factor_alone(self):
        colour = np.array([200.0, 90.0, 30.0])
        grey = LUMA @ colour
        for matrix, expected in (
            (colour_matrix(1.2, 1, 1, 0), 1.2 * colour),
            (colour_matrix(1, 0.8, 1, 0), 127.5 + 0.8 * (colour - 127.5)),
            (colour_matrix(1, 1, 0.5, 0), grey + 0.5 * (colour - grey)),
            (colour_matrix(1, 1, 0, 0), np.full(3, grey)),
        ):
            np.testing.assert_allclose(matrix[:, :3] @ colour + matrix[:, 3], expected, atol=1e-9)

    def test_strength_scales_all_of_it_and_results_saturate(self):
        image = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
        for seed in range(20):
            u = np.random.default_rng(seed).uniform(-1, 1, 4)
            matrix = colour_matrix(*(1 + 2 * 0.15 * u[:3]), 2 * 4.0 * u[3])
            expected = (image @ matrix[:, :3].T + matrix[:, 3]).clip(0, 255)
            found = jitter_colour(image, ViewsConfig(colour=2, hsv=0.5), np.random.default_rng(seed))
            assert np.abs(found - expected).max() < 1  # OpenCV sums in single precision
        off = jitter_colour(image, ViewsConfig(colour=0), np.random.default_rng(5))
        np.testing.assert_array_equal(off, image)

    def test_hsv_jitter_scales_saturation_and_value(self):
        rng = np.random.default_rng(0)
        image = rng.integers(0, 256, (32, 32, 3), np.uint8)
        for seed in range(8):
            saturation, value = 1 + np.random.default_rng(seed).uniform(-0.5, 0.5, 2)
            expected = np.empty((32, 32, 3))
            for row in range(32):
                for column in range(32):
                    h, s, v = colorsys.rgb_to_hsv(*(image[row, column] / 255))
                    expected[row, column] = colorsys.hsv_to_rgb(h, min(1, saturation * s), min(1, value * v))
            found = jitter_hsv(image, ViewsConfig(hsv=0.5), np.random.default_rng(seed))
            # eight bits of hue, saturation and value on the way
            assert np.abs(found - 255 * expected).max() < 10
            assert np.abs(found - 255 * expected).mean() < 1

    def test_leaves_its_input_alone(self):
        image = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
        before = image.copy()
        jitter_colour(image, ViewsConfig(), np.random.default_rng(0))
        jitter_hsv(image, ViewsConfig(hsv=0.5), np.random.default_rng(0))
        blur(image, ViewsConfig(), np.random.default_rng(3))
        np.testing.assert_array_equal(image, before)


class TestBlur:
    def test_happens_with_its_probability(self):
        image = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
        rng = np.random.default_rng(0)
        blurred = sum(blur(image, ViewsConfig(), rng) is not image for _ in range(1000))
        assert 150 < blurred < 250
        assert blur(image, STILL, rng) is image

    def test_is_gaussian(self):
        image = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
        rng = np.random.default_rng(3)
        rng.random()
        sigma = rng.uniform(0, 1.5)
        expected = cv2.GaussianBlur(image, (0, 0), sigma)
        np.testing.assert_array_equal(blur(image, ViewsConfig(), np.random.default_rng(3)), expected)
        assert expected.std() < image.std()


class TestInputSize:
    @given(picture_sides, picture_sides, st.integers(2, 12), st.integers(2, 12))
    def test_no_other_input_of_so_many_pixels_shows_the_picture_larger_or_pads_it_less(self, width, height, c, r):
        """Against all of them; a picture counts as shown no larger than 0.7 of its size, or as when letterboxed."""
        most = max(Fraction(7, 10), min(Fraction(32 * c, width), Fraction(32 * r, height)))

        def order(shape: tuple[int, int]) -> tuple[Fraction, int]:
            return -min(Fraction(shape[0], width), Fraction(shape[1], height), most), shape[0] * shape[1]

        cells = c * r
        shapes = [(32 * x, 32 * y) for x in range(2, cells + 1) for y in range(2, cells + 1) if x * y <= cells]
        found = input_size(width, height, (32 * c, 32 * r))
        is_input = (width, height) in shapes and (width > 32 * c or height > 32 * r)
        assert order(found) == order(min(shapes, key=order)) or (is_input and found == (width, height))

    @given(picture_sides, picture_sides, st.integers(2, 40), st.integers(2, 40))
    def test_a_view_of_that_size_keeps_it(self, width, height, columns, rows):
        size = input_size(width, height, (32 * columns, 32 * rows))
        assert input_size(*size, (32 * columns, 32 * rows)) == size

    @given(st.integers(2, 40), st.integers(2, 40), st.integers(1, 9))
    def test_a_picture_of_the_model_s_shape_fills_the_model_s_size(self, columns, rows, share):
        """As it was before inputs had the picture's shape."""
        trained = (32 * columns, 32 * rows)
        assert input_size(columns * share, rows * share, trained) == trained

    def test_streets(self):
        pictures = ((640, 480), (1920, 1080), (1224, 370), (1080, 1920))
        assert [input_size(*each, (448, 320)) for each in pictures] == [(448, 320), (480, 288), (640, 224), (288, 480)]

    def test_small_pictures_are_not_enlarged_beyond_what_training_saw(self):
        """Cuts of 640x480, which was shown at 0.7 of its size, are shown so too; tiny ones fill the input as before."""
        pictures = ((640, 213), (270, 480), (64, 64))
        assert [input_size(*each, (448, 320)) for each in pictures] == [(448, 160), (192, 352), (320, 320)]

    @given(st.integers(1, 2000), st.integers(1, 2000), st.integers(2, 40))
    @settings(max_examples=30, deadline=None)
    def test_a_longer_side_is_imgsz_of_ultralytics(self, width, height, units):
        augment = pytest.importorskip("ultralytics.data.augment")
        image = np.zeros((height, width, 3), np.uint8)
        theirs = augment.LetterBox((32 * units, 32 * units), auto=True, stride=32)(image=image).shape
        ours = input_of_longer_side(width, height, 32 * units)
        # which rounds the shorter side to whole pixels first
        assert np.abs(np.subtract(ours, theirs[1::-1])).max() <= (32 if min(theirs[:2]) > 32 else 64)
        assert max(ours) == 32 * units
        scale = 32 * units / max(width, height)
        assert all(side >= 64 and side - 64 < scale * of for side, of in zip(ours, (width, height), strict=True))
