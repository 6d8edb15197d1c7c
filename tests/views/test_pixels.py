import numpy as np
import pytest

from clmot.views.pixels import Region, region_in


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
        assert clipped.of(np.zeros((10, 20, 3), np.uint8)).size == 0
