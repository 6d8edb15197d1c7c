import colorsys

import numpy as np
import torch

from clmot.models.color_histogram import ColourCells, colour_code


def loop_code(red, green, blue):
    """Shares of one colour in the 8 x 4 x 4 bins, one bin at a time."""
    hue, saturation, value = colorsys.rgb_to_hsv(red / 255, green / 255, blue / 255)
    code = np.zeros((8, 4, 4))
    for i in range(8):
        turn = abs(hue * 8 - i)
        for j in range(4):
            for k in range(4):
                parts = [max(0.0, 1 - min(turn, 8 - turn))]
                for number, centre in ((saturation, j), (value, k)):
                    parts.append(max(0.0, 1 - abs(min(max(number * 4 - 0.5, 0), 3) - centre)))
                code[i, j, k] = np.prod(parts)
    return code.ravel()


def test_equals_a_loop_over_bins():
    rng = np.random.default_rng(0)
    colours = np.concatenate([rng.integers(0, 256, (30, 3)), [[0, 0, 0], [255, 255, 255], [255, 0, 0], [90, 90, 90]]])
    cells = torch.from_numpy(colours.T.reshape(1, 3, 2, 17).astype(np.uint8))
    images = cells.repeat_interleave(4, dim=2).repeat_interleave(4, dim=3)
    code = colour_code(ColourCells(4)(images))
    assert code.shape == (1, 128, 2, 17)
    expected = np.stack([loop_code(*colour) for colour in colours], axis=1).reshape(128, 2, 17)
    np.testing.assert_allclose(code[0].numpy(), expected, atol=2e-5)


def test_shares_sum_to_one_and_a_cell_is_the_mean_of_its_pixels():
    images = torch.randint(0, 256, (2, 3, 32, 48), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    code = colour_code(ColourCells(8)(images))
    torch.testing.assert_close(code.sum(dim=1), torch.ones(2, 4, 6))
    mean = images.float().view(2, 3, 4, 8, 6, 8).mean(dim=(3, 5))
    torch.testing.assert_close(code, colour_code(mean / 255))


def test_a_little_less_light_moves_little():
    images = torch.randint(
        20, 236, (1, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(2)
    ).float()
    moved = (colour_code(images * (0.98 / 255)) - colour_code(images / 255)).abs().sum(dim=1)
    assert moved.max() < 0.25
