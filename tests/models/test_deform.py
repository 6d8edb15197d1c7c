import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torchvision.ops import deform_conv2d

from clmot.models.deform import ConvBlock, DeformableConv, deform_conv_by_sampling


def arguments(channels_in, channels_out, height, width, spread=3.0, dtype=torch.float32, images=2):
    generator = torch.Generator().manual_seed(height * 100 + width)

    def random(*shape):
        return torch.randn(*shape, generator=generator, dtype=dtype)

    return {
        "input": random(images, channels_in, height, width),
        "offset": random(images, 18, height, width) * spread,
        "weight": random(channels_out, channels_in, 3, 3) / (9 * channels_in) ** 0.5,
        "bias": random(channels_out),
        "mask": random(images, 9, height, width).sigmoid(),
    }


def value_and_gradients(convolve, given):
    leaves = {name: value.clone().requires_grad_() for name, value in given.items()}
    result = convolve(**leaves, padding=1)
    downstream = torch.randn(result.shape, generator=torch.Generator().manual_seed(1), dtype=result.dtype)
    (result * downstream).sum().backward()
    return result.detach(), {name: leaf.grad for name, leaf in leaves.items()}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(3, 5, 9, 13), (8, 4, 20, 7), (2, 2, 1, 6), (1, 1, 1, 1)])
@pytest.mark.parametrize("spread", [0.3, 3.0, 30.0])  # the last throws most taps beyond the border
def test_sampling_equals_torchvision(shape, spread, dtype):
    given = arguments(*shape, spread, dtype)
    expected, expected_gradients = value_and_gradients(deform_conv2d, given)
    actual, actual_gradients = value_and_gradients(deform_conv_by_sampling, given)
    torch.testing.assert_close(actual, expected, atol=1e-4, rtol=1e-4)
    for name, gradient in expected_gradients.items():
        torch.testing.assert_close(actual_gradients[name], gradient, atol=1e-4, rtol=1e-3, msg=lambda m, n=name: n + m)


def test_far_taps_see_nothing_and_the_border_fades():
    given = arguments(1, 1, 4, 4, images=1)
    given |= {"weight": torch.zeros(1, 1, 3, 3), "bias": torch.tensor([0.5]), "input": torch.ones(1, 1, 4, 4)}
    given["weight"][0, 0, 1, 1] = 1
    given["mask"] = torch.ones_like(given["mask"])

    def right_by(cells):
        offset = torch.zeros(1, 18, 4, 4)
        offset[:, 9] = cells  # x of the middle tap
        return deform_conv_by_sampling(**{**given, "offset": offset}, padding=1)[0, 0, 0]

    torch.testing.assert_close(right_by(100.0), torch.full((4,), 0.5))
    torch.testing.assert_close(right_by(0.25), torch.tensor([1.5, 1.5, 1.5, 1.25]))
    torch.testing.assert_close(right_by(-1.0), torch.tensor([0.5, 1.5, 1.5, 1.5]))


def test_starts_as_a_plain_convolution_at_half_weight():
    torch.manual_seed(0)
    layer = DeformableConv(4, 6)
    values = torch.randn(2, 4, 8, 10)
    assert layer.weight is not None
    torch.testing.assert_close(layer(values), F.conv2d(values, layer.weight, padding=1) / 2, atol=1e-5, rtol=1e-5)


def test_channels_are_offsets_then_mask():
    """As in the published checkpoints: y and x of tap 0, 1, ..., then the logits."""
    layer = DeformableConv(1, 1)
    nn.init.zeros_(layer.weight)
    layer.weight.data[0, 0, 2, 0] = 1  # tap 6
    layer.offset_mask.bias.data[2 * 6] = 1.0  # one row down
    layer.offset_mask.bias.data[2 * 6 + 1] = 2.0  # two columns right
    layer.offset_mask.bias.data[18 + 6] = 50.0  # full weight
    values = torch.randn(1, 1, 7, 7, generator=torch.Generator().manual_seed(0))
    expected = F.pad(values, (1, 1, 2, 2))[:, :, 4:, 2:]  # tap 6 is one down, one left
    torch.testing.assert_close(layer(values)[:, :, :5, :5], expected[:, :, :5, :5], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_precisions_are_close_to_float32(dtype):
    torch.manual_seed(0)
    layer, values = DeformableConv(4, 4), torch.randn(1, 4, 6, 300)
    nn.init.normal_(layer.offset_mask.weight, std=0.1)
    expected = layer(values)
    actual = layer.to(dtype)(values.to(dtype))
    assert actual.dtype == dtype
    tolerance = 0.05 if dtype == torch.bfloat16 else 1e-4
    assert (actual.float() - expected).abs().mean() < tolerance
    with torch.autocast("cpu", torch.bfloat16):
        rough = layer.float()(values)
    assert (rough - expected).abs().mean() < 0.05


def test_exports_with_sampling_and_any_size():
    layer = DeformableConv(3, 4).eval()
    nn.init.normal_(layer.offset_mask.weight, std=0.3)
    height, width = torch.export.Dim("height", min=2, max=64), torch.export.Dim("width", min=2, max=64)
    exported = torch.export.export(layer, (torch.randn(1, 3, 8, 12),), dynamic_shapes=({2: height, 3: width},))
    assert any("grid_sampler" in str(node.target) for node in exported.graph.nodes)
    other = torch.randn(1, 3, 5, 20)
    torch.testing.assert_close(exported.module()(other), layer(other))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_gpu_equals_cpu():
    torch.manual_seed(0)
    layer, values = DeformableConv(8, 8), torch.randn(2, 8, 20, 30)
    nn.init.normal_(layer.offset_mask.weight, std=0.2)
    expected = layer(values)
    torch.testing.assert_close(layer.cuda()(values.cuda()).cpu(), expected, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("deformable", [False, True])
def test_block(deformable):
    block = ConvBlock(3, 5, deformable=deformable)
    assert isinstance(block[0], DeformableConv) == deformable
    result = block(torch.randn(2, 3, 6, 8))
    assert result.shape == (2, 5, 6, 8)
    assert result.min() == 0
