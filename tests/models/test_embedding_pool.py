import copy

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torchvision.ops import roi_align

from clmot.models.embedding_pool import CenterPointPool, StripePool
from clmot.models.levels import COLUMNS, Level


def test_center_point_is_the_cell_that_holds_the_box_centre():
    maps = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(2))
    # centres (22, 10), (23.9, 8.1): both in cell (5, 2) at stride 4; (-3, 70): beyond the map, nearest cell (0, 15)
    boxes = torch.tensor([[18.0, 8, 26, 12], [19.9, 6.1, 27.9, 10.1], [-10, 60, 4, 80]])
    actual = CenterPointPool(4)((maps,), boxes, torch.tensor([1, 1, 0]))
    expected = torch.stack([maps[1, :, 2, 5], maps[1, :, 2, 5], maps[0, :, 15, 0]])
    torch.testing.assert_close(actual, F.normalize(expected, dim=1))


LEVELS = [Level(5, 4, share=0.3), Level(4, 4, share=0.5, histogram=True), Level(2, 8, share=0.2)]
"""Longer than the width of 3, all of its bins, shorter than that."""


def test_parts_are_where_the_levels_that_learn_lie():
    read_out = StripePool(LEVELS, stripes=2, width=3)
    assert read_out.dimension == 2 * (3 + 4 + 2)
    assert read_out.parts == (slice(0, 3), slice(3, 6), slice(14, 16), slice(16, 18))
    assert {name: tuple(each.shape) for name, each in read_out.projection.items()} == {"0": (2, 5, 3), "2": (2, 2, 2)}
    assert [name for name, _ in read_out.named_parameters()] == ["projection.0", "projection.2"]
    generator = torch.Generator().manual_seed(10)
    maps = tuple(
        torch.rand(1, level.channels, 96 // level.stride, 96 // level.stride, generator=generator) for level in LEVELS
    )
    boxes, image = torch.tensor([[10.0, 8, 50, 90], [30, 20, 60, 80]]), torch.zeros(2, dtype=torch.int64)
    embeddings = read_out(maps, boxes, image)
    assert embeddings.shape == (2, read_out.dimension)
    for index, part in enumerate(read_out.parts):
        # a part's projection of one level and stripe moves that part alone
        changed = copy.deepcopy(read_out)
        with torch.no_grad():
            changed.projection["0" if index < 2 else "2"][index % 2] += 1
        differs = (changed(maps, boxes, image) - embeddings).abs().amax(dim=0) > 1e-5
        assert differs.any()
        differs[part] = False
        assert not differs.any()


@pytest.mark.parametrize(("stripes", "same"), [(1, True), (6, False)])
def test_a_body_that_turns_round_looks_the_same_in_one_part_and_not_in_stripes(stripes, same):
    """A map turned by 180 degrees, and mirrored, with the box where it then is."""
    read_out = StripePool(LEVELS[:1], stripes=stripes, width=5)
    seen = torch.rand(1, 5, 24, 24, generator=torch.Generator().manual_seed(12))
    left, top, right, bottom = 10.0, 8.0, 50.0, 90.0
    image = torch.zeros(1, dtype=torch.int64)
    before = read_out((seen,), torch.tensor([[left, top, right, bottom]]), image)
    turned = read_out((seen.flip(2, 3),), torch.tensor([[96 - right, 96 - bottom, 96 - left, 96 - top]]), image)
    mirrored = read_out((seen.flip(2),), torch.tensor([[left, 96 - bottom, right, 96 - top]]), image)
    for other in (turned, mirrored):
        assert torch.allclose(before, other, atol=1e-6) == same


def test_parts_of_several_lengths_count_by_their_levels_shares():
    """The embedding against a loop over boxes, levels and stripes, one after the other."""
    read_out = StripePool(LEVELS, stripes=3, width=3)
    generator = torch.Generator().manual_seed(11)
    maps = tuple(
        torch.rand(2, level.channels, 96 // level.stride, 96 // level.stride, generator=generator) for level in LEVELS
    )
    boxes, image = torch.tensor([[10.0, 8, 50, 89], [30, 20, 60, 80]]), torch.tensor([1, 0])
    embeddings = []
    for box, number in zip(boxes, image, strict=True):
        pieces = []
        for index, level in enumerate(LEVELS):
            cells = roi_align(maps[index][number : number + 1], [box[None]], (3, 5), 1 / level.stride, 2, aligned=True)
            for stripe in range(3):
                pooled = sum(weight * cells[0, :, stripe, k] for k, weight in enumerate(COLUMNS))
                read = pooled.sqrt() if level.histogram else read_out.projection[str(index)][stripe].T @ pooled
                pieces.append(read / read.norm() * (level.share / 3) ** 0.5)
        embeddings.append(torch.cat(pieces))
    torch.testing.assert_close(read_out(maps, boxes, image), torch.stack(embeddings))


def test_a_projection_starts_as_the_identity_where_it_is_long_enough():
    for width in (5, 40):
        projection = StripePool([Level(5, 4)], stripes=3, width=width).projection["0"]
        assert torch.equal(projection, torch.eye(5).expand(3, 5, 5))


def test_a_shortening_projection_starts_as_orthonormal_directions_the_same_for_every_stripe():
    torch.manual_seed(0)
    first, second = (StripePool([Level(40, 4)], stripes=3, width=7).projection["0"].detach() for _ in range(2))
    torch.testing.assert_close(first[0].T @ first[0], torch.eye(7))
    assert torch.equal(first, first[:1].expand(3, 40, 7))
    assert not torch.allclose(first, second)


READ_OUTS = {
    "center": lambda: CenterPointPool(4),
    "stripes": lambda: StripePool([Level(8, 4)] * 2, 3, 4),
}


@pytest.mark.parametrize("kind", READ_OUTS)
def test_unit_length_packed_order_and_no_boxes(kind):
    generator = torch.Generator().manual_seed(4)
    maps = torch.randn(3, 8, 24, 40, generator=generator)
    read_out = READ_OUTS[kind]()
    levels = (maps, maps.flip(1)) if "stripes" in kind else (maps,)
    left_top = torch.rand(20, 2, generator=generator) * 100 - 10  # some boxes reach beyond the image
    boxes = torch.cat([left_top, left_top + 5 + 60 * torch.rand(20, 2, generator=generator)], dim=1)
    image_index = torch.randint(0, 3, (20,), generator=generator)
    embeddings = read_out(levels, boxes, image_index)
    np.testing.assert_allclose(embeddings.detach().norm(dim=1).numpy(), 1, atol=1e-5)
    order = torch.randperm(20, generator=generator)
    torch.testing.assert_close(read_out(levels, boxes[order], image_index[order]), embeddings[order])
    assert read_out(levels, boxes[:0], image_index[:0]).shape == (0, embeddings.shape[1])


def test_levels_of_several_strides_see_the_same_place():
    read_out = StripePool([Level(2, 4), Level(2, 8)], stripes=2, width=2)
    fine = torch.zeros(1, 2, 16, 16)
    fine[:, :, :8], fine[:, :, 8:] = 1.0, -2.0
    coarse = F.avg_pool2d(fine, 2)
    maps, boxes, image = (fine, coarse), torch.tensor([[8.0, 8, 40, 56]]), torch.tensor([0])
    one, two = read_out(maps, boxes, image).view(2, 2, 2)  # both projections are the identity
    torch.testing.assert_close(one, two)
    with torch.no_grad():
        read_out.projection["1"][:, 0] *= 3
    one, two = read_out(maps, boxes, image).view(2, 2, 2)
    assert not torch.allclose(one, two)


def test_a_histogram_level_compares_by_the_bhattacharyya_coefficient():
    read_out = StripePool([Level(4, 4, histogram=True)], stripes=1, width=2)  # which histograms do not heed
    shares = torch.tensor([[0.5, 0.3, 0.2, 0.0], [0.1, 0.4, 0.0, 0.5]])
    maps = shares[:, :, None, None].expand(2, 4, 20, 20)
    boxes = torch.tensor([[10.0, 10, 50, 60]] * 2)
    first, second = read_out((maps,), boxes, torch.tensor([0, 1]))
    torch.testing.assert_close(first @ second, (shares[0] * shares[1]).sqrt().sum())
