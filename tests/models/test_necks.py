import pytest
import torch
from torch import nn
from torch.nn import functional as F

from clmot.config import ModelConfig
from clmot.models.deform import DeformableConv
from clmot.models.necks import BilinearUp, ConcatNeck, DeconvolutionNeck, DlaNeck, make_neck

CHANNELS = (6, 8, 12, 16)


def maps_of(channels, height=64, width=96):
    generator = torch.Generator().manual_seed(0)
    return [
        torch.randn(2, count, height // stride, width // stride, generator=generator)
        for count, stride in zip(channels, (4, 8, 16, 32), strict=True)
    ]


@pytest.mark.parametrize(
    ("neck", "width"),
    [
        ("top-down", 10),
        ("dla", CHANNELS[0]),
        ("deconvolution", 64),
        ("deconvolution-last", 64),
        ("concat", sum(CHANNELS)),
        ("concat-mixed", 64),
    ],
)
@pytest.mark.parametrize("deformable", [False, True])
@pytest.mark.parametrize("size", [(64, 96), (32, 32)])
def test_shape_and_width(neck, width, deformable, size):
    made = make_neck(ModelConfig(neck=neck, deformable=deformable, width=10), CHANNELS)
    assert made.width == width
    assert made(maps_of(CHANNELS, *size)).shape == (2, width, size[0] // 4, size[1] // 4)
    has_deformable = any(isinstance(module, DeformableConv) for module in made.modules())
    assert has_deformable == (deformable and neck in ("dla", "deconvolution", "deconvolution-last"))


@pytest.mark.parametrize("neck", ["top-down", "dla", "deconvolution", "concat", "concat-mixed"])
def test_every_level_is_seen(neck):
    torch.manual_seed(0)
    made = make_neck(ModelConfig(neck=neck), CHANNELS)
    maps = [each.requires_grad_() for each in maps_of(CHANNELS)]
    made(maps).square().sum().backward()
    assert all(each.grad is not None and each.grad.abs().sum() > 0 for each in maps)


@pytest.mark.parametrize("factor", [2, 4, 8])
@pytest.mark.parametrize("depthwise", [False, True])
def test_enlargement_starts_bilinear(factor, depthwise):
    values = torch.randn(1, 3, 7, 5, generator=torch.Generator().manual_seed(0))
    expected = F.interpolate(values, scale_factor=factor, mode="bilinear", align_corners=False)
    actual = BilinearUp(3, factor, depthwise)(values)
    inside = slice(factor, -factor)  # beyond the border one takes zero, the other the edge
    torch.testing.assert_close(actual[..., inside, inside], expected[..., inside, inside])


def test_dla_merges_in_the_published_order():
    """With convolutions that pass their input on, the result is a sum in which maps count once for every way to it."""
    neck = DlaNeck((1, 1, 1, 1), deformable=False).double()
    for stage in (*neck.stages, neck.last):
        stage.project = nn.ModuleList(nn.Identity() for _ in stage.project)
        stage.node = nn.ModuleList(nn.Identity() for _ in stage.node)
    a, b, c, d = 1.0, 1e2, 1e4, 1e6  # of strides 4, 8, 16, 32: the digits of the sum tell them apart
    sides = {64: a, 32: b, 16: c, 8: d}
    maps = [torch.full((1, 1, side, side), value, dtype=torch.float64) for side, value in sides.items()]
    at_16 = [c, c + d]
    at_8 = [b, b + c, (b + c) + (c + d)]
    at_4 = [a, a + b, (a + b) + (b + c), (a + 2 * b + c) + (b + 2 * c + d)]
    middle = neck(maps)[0, 0, 30:34, 30:34]
    torch.testing.assert_close(middle, torch.full_like(middle, at_4[-1] + at_8[-1] + at_16[-1]))


def test_dla_channels_of_the_published_network():
    """Channels in and out of every block and the factors of DLA-34's decoder."""
    neck = DlaNeck((64, 128, 256, 512), deformable=True)
    blocks = [[(b[0].in_channels, b[0].out_channels) for b in stage.project] for stage in (*neck.stages, neck.last)]
    assert blocks == [[(512, 256)], [(256, 128)] * 2, [(128, 64)] * 3, [(128, 64), (256, 64)]]
    assert [[up.stride[0] for up in stage.up] for stage in (*neck.stages, neck.last)] == [[2], [2] * 2, [2] * 3, [2, 4]]
    assert [up.weight.shape for up in neck.last.up] == [(64, 1, 4, 4), (64, 1, 8, 8)]


def test_deconvolution_channels_of_the_published_network():
    neck = DeconvolutionNeck((256, 512, 1024, 2048), deformable=True)
    assert [(up[0].in_channels, up[3].out_channels) for up in neck.up] == [(2048, 256), (256, 128), (128, 64)]
    assert [(p[0].in_channels, p[0].out_channels) for p in neck.project] == [(1024, 256), (512, 128), (256, 64)]
    assert [s[0].in_channels for s in neck.smooth] == [256, 128, 64]


def test_concat_keeps_the_finest_and_enlarges_the_rest():
    maps = maps_of(CHANNELS)
    maps[2] = torch.full_like(maps[2], 7.0)
    result = ConcatNeck(CHANNELS)(maps)
    torch.testing.assert_close(result[:, :6], maps[0])
    torch.testing.assert_close(result[:, 14:26], torch.full((2, 12, 16, 24), 7.0))
