import pytest
import torch
from torch.nn import functional as F

from clmot.models.color_histogram import ColourCells
from clmot.models.heads import (
    DenseHead,
    ExtentHead,
    LevelEmbeddingHead,
    heatmap_head,
)


def test_a_head_without_norm_is_two_convolutions_with_bias():
    head = DenseHead(6, 10, norm=False, channels_out=3).eval()
    features = torch.randn(2, 6, 5, 7, generator=torch.Generator().manual_seed(0))
    names = [name for name, _ in head.named_parameters()]
    assert names == ["body.0.weight", "body.0.bias", "out.weight", "out.bias"]
    inside = F.relu(F.conv2d(features, head.body[0].weight, head.body[0].bias, padding=1))
    torch.testing.assert_close(head(features), F.conv2d(inside, head.out.weight, head.out.bias))


def test_extent_is_half_of_width_and_height_on_each_side():
    head = ExtentHead(4, 8, norm=True).eval()
    left, top, right, bottom = head(torch.randn(1, 4, 3, 3, generator=torch.Generator().manual_seed(1))).unbind(1)
    assert torch.equal(left, right)
    assert torch.equal(top, bottom)
    assert not torch.equal(left, top)
    # before training, boxes of four cells either way
    assert left.mean().item() == pytest.approx(2, abs=0.1)


def test_an_untrained_heatmap_gives_the_prior():
    scores = heatmap_head(4, 8, True, 2).eval()(torch.zeros(1, 4, 3, 3)).sigmoid()
    torch.testing.assert_close(scores, torch.full((1, 2, 3, 3), 0.1), atol=1e-3, rtol=0)


def test_levels_are_taken_from_where_their_names_say():
    head = LevelEmbeddingHead(("stride16", "neck", "stride4", "colour"), 7, 2).eval()
    encoded = [torch.randn(1, c, 32 // s, 32 // s) for c, s in zip((3, 4, 5, 6), (4, 8, 16, 32), strict=True)]
    images = torch.randint(0, 256, (1, 3, 32, 32), dtype=torch.uint8)
    neck = torch.randn(1, 7, 8, 8)
    maps = head(images, encoded, neck)
    assert torch.equal(maps[0], encoded[2])
    torch.testing.assert_close(maps[1], head.bodies[1](neck))
    assert maps[1].shape == (1, 2, 8, 8)
    assert torch.equal(maps[2], encoded[0])
    torch.testing.assert_close(maps[3], ColourCells(4)(images))
    assert maps[3].shape == (1, 3, 8, 8)


def test_only_the_necks_level_has_something_to_learn():
    head = LevelEmbeddingHead(("colour", "stride4", "neck", "stride8"), 7, 2)
    assert {name.split(".")[1] for name, _ in head.named_parameters()} == {"2"}
    assert not list(LevelEmbeddingHead(("colour", "stride4", "stride16"), 0, 2).parameters())
