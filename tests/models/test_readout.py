import numpy as np
import pytest
import torch
from torch.nn import functional as F

from clmot.models.readout import CenterPointReadOut, StripeReadOut, bilinear


def ramp(height: int, width: int) -> torch.Tensor:
    """A map whose value at (x, y) is x and y, at cell centres i + 0.5."""
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    return torch.stack([x, y])


def test_bilinear_gives_back_a_ramp():
    points = torch.rand(50, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([18.0, 8.0]) + 0.75
    values = bilinear(torch.stack([ramp(10, 20) * 0, ramp(10, 20)]), points, torch.ones(50, dtype=torch.int64))
    torch.testing.assert_close(values, points)


def test_bilinear_equals_grid_sample():
    generator = torch.Generator().manual_seed(1)
    values = torch.randn(3, 5, 8, 12, generator=generator)
    points = torch.rand(3, 7, 2, generator=generator) * torch.tensor([14.0, 10.0]) - 1
    grid = points[:, None] / torch.tensor([12.0, 8.0]) * 2 - 1
    expected = F.grid_sample(values, grid, padding_mode="border", align_corners=False)[:, :, 0].transpose(1, 2)
    actual = bilinear(values, points.flatten(0, 1), torch.arange(3).repeat_interleave(7))
    torch.testing.assert_close(actual, expected.flatten(0, 1), atol=1e-5, rtol=1e-5)


def test_center_point_is_the_map_at_the_box_centre():
    maps = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(2))
    boxes = torch.tensor([[18.0, 8, 26, 12]])  # centre (22, 10): the centre of cell (5, 2) at stride 4
    actual = CenterPointReadOut(4)((maps,), boxes, torch.tensor([1]))
    torch.testing.assert_close(actual, F.normalize(maps[1, :, 2, 5], dim=0)[None])


def test_stripes_see_only_their_part_of_the_box():
    read_out = StripeReadOut((3, 3), (4, 4), stripes=4, dimension=64)
    maps = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(3))
    boxes, image = torch.tensor([[32.0, 0, 64, 128]]), torch.tensor([0])
    changed = maps.clone()
    changed[:, :, 24:] += 1.0  # rows of the lowest stripe
    before, after = (read_out((m, m), boxes, image).view(2, 4, 8) for m in (maps, changed))
    torch.testing.assert_close(before[:, :3], after[:, :3])
    assert (before[:, 3] - after[:, 3]).abs().max() > 0.01


def test_stripes_pool_the_average_of_a_flat_region():
    """On a map that is constant in each stripe, the read-out is the projection of that constant."""
    read_out = StripeReadOut((2,), (4,), stripes=2, dimension=6)
    values = torch.zeros(1, 2, 16, 16)
    values[0, :, :8] = torch.tensor([1.0, 2.0]).view(2, 1, 1)
    values[0, :, 8:] = torch.tensor([-3.0, 0.5]).view(2, 1, 1)
    actual = read_out((values,), torch.tensor([[8.0, 4, 40, 60]]), torch.tensor([0]))
    projection = read_out.projection[0].detach()
    parts = [F.normalize(torch.tensor(v) @ projection[i], dim=0) for i, v in enumerate(([1.0, 2.0], [-3.0, 0.5]))]
    torch.testing.assert_close(actual[0], torch.cat(parts) / 2**0.5, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", ["center", "stripes"])
def test_unit_length_packed_order_and_no_boxes(kind):
    generator = torch.Generator().manual_seed(4)
    maps = torch.randn(3, 8, 24, 40, generator=generator)
    read_out = CenterPointReadOut(4) if kind == "center" else StripeReadOut((8, 8), (4, 4), 3, 24)
    levels = (maps,) if kind == "center" else (maps, maps.flip(1))
    left_top = torch.rand(20, 2, generator=generator) * 100 - 10  # some boxes reach beyond the image
    boxes = torch.cat([left_top, left_top + 5 + 60 * torch.rand(20, 2, generator=generator)], dim=1)
    image_index = torch.randint(0, 3, (20,), generator=generator)
    embeddings = read_out(levels, boxes, image_index)
    np.testing.assert_allclose(embeddings.detach().norm(dim=1).numpy(), 1, atol=1e-5)
    order = torch.randperm(20, generator=generator)
    torch.testing.assert_close(read_out(levels, boxes[order], image_index[order]), embeddings[order])
    assert read_out(levels, boxes[:0], image_index[:0]).shape == (0, embeddings.shape[1])
