import numpy as np
import pytest

from clmot.views.pixels import (
    Region,
    blend_into,
    region_in,
    resize,
    soft_box,
    window,
)


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


class TestRegions:
    def test_pixels_count_by_their_centres(self):
        box = np.array([2.4, -3.0, 7.6, 5.6])
        inside = [(x, y) for y in range(8) for x in range(7) if 2.4 < x + 0.5 < 7.6 and y + 0.5 < 5.6]
        region = region_in(box, (7, 8))
        assert inside == [(x, y) for y in range(region.top, region.bottom) for x in range(region.left, region.right)]

    @pytest.mark.parametrize("region", [(-9, -9, -2, -1), (30, 2, 40, 5), (3, 50, 6, 60), (8, 8, 3, 3)])
    def test_clipping_leaves_an_empty_region_empty(self, region):
        clipped = Region(*region).clip((20, 10))
        assert clipped.width == 0 or clipped.height == 0
        assert clipped.of(noise(10, 20)).size == 0


class TestWindow:
    def test_is_one_inside_zero_outside_and_monotone_between(self):
        x = np.linspace(-10, 30, 400)
        weight = window(x, 5, 12, 4)
        assert (weight[(x >= 5) & (x <= 12)] == 1).all()
        assert (weight[(x <= 1) | (x >= 16)] == 0).all()
        assert (np.diff(weight[x < 5]) >= 0).all()
        assert (np.diff(weight[x > 12]) <= 0).all()
        assert np.abs(np.diff(weight)).max() < 0.05

    def test_a_soft_box_is_the_product_of_its_axes(self):
        region, box = Region(3, -2, 40, 30), np.array([10.5, 4.0, 30.0, 20.0])
        weight = soft_box(region, box, 5)
        for row, column in ((0, 0), (10, 20), (4, 3), (27, 30)):
            x, y = column + 3.5, row - 1.5
            expected = window(np.array([x]), 10.5, 30, 5)[0] * window(np.array([y]), 4, 20, 5)[0]
            assert weight[row, column] == pytest.approx(expected)


class TestBlend:
    def test_is_the_weighted_mean_and_touches_nothing_else(self):
        canvas, patch = noise(30, 40), noise(10, 12, seed=1)
        before, region = canvas.copy(), Region(5, 8, 17, 18)
        weight = np.random.default_rng(2).random((10, 12), np.float32)
        weight[0], weight[1] = 0, 1
        blend_into(canvas, region, patch, weight)
        expected = weight[..., None] * patch + (1 - weight[..., None]) * region.of(before)
        assert np.abs(region.of(canvas) - expected).max() <= 0.51
        np.testing.assert_array_equal(region.of(canvas)[0], region.of(before)[0])
        np.testing.assert_array_equal(region.of(canvas)[1], patch[1])
        region.of(canvas)[:] = region.of(before)
        np.testing.assert_array_equal(canvas, before)


class TestResize:
    @pytest.mark.parametrize("size", [(40, 20), (160, 61), (13, 9), (7, 90), (1, 1), (79, 39), (20, 10)])
    def test_has_the_size_and_keeps_a_ramp(self, size):
        y, x = np.mgrid[:40, :80]
        ramp = np.stack([3 * x, 6 * y, 0 * x], axis=2).astype(np.uint8)
        small = resize(ramp, size)
        assert small.shape == (size[1], size[0], 3)
        expected = 3 * ((np.arange(size[0]) + 0.5) * 80 / size[0] - 0.5)
        inner = slice(1, -1) if size[0] > 2 else slice(None)
        assert np.abs(small[size[1] // 2, inner, 0] - expected[inner]).max() < 2.6

    def test_shrinking_averages_fine_stripes(self):
        image = np.zeros((90, 90, 3), np.uint8)
        image[:, ::2] = 200
        assert np.abs(resize(image, (20, 20)).astype(int) - 100).max() < 30
