"""Modulated deformable convolution (DCNv2, Zhu et al. 2019, "Deformable ConvNets v2")."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import deform_conv2d


class DeformableConv(nn.Conv2d):
    """3x3 convolution whose nine taps are moved and weighed at every cell, as a convolution of its own says.

    That convolution starts at zero: taps on the regular grid, each at half weight. Its 27 channels are, in the order
    of CenterNet's and FairMOT's checkpoints, 18 offsets (y and x of each tap, row by row) and 9 weights' logits.

    A GPU runs torchvision's kernel. The CPU and exported graphs run `deform_conv_by_sampling`, which says the same in
    operations that every runtime knows.

    Args:
        channels_in: channels of the map it reads.
        channels_out: channels of its map.
    """

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__(channels_in, channels_out, 3, padding=1)
        self.offset_mask = nn.Conv2d(channels_in, 27, 3, padding=1)
        for start in (self.bias, self.offset_mask.weight, self.offset_mask.bias):
            nn.init.zeros_(start)  # type: ignore[arg-type]

    def forward(self, input: Tensor) -> Tensor:
        """[v, channels_in, h, w] to [v, channels_out, h, w]."""
        # positions need float32: bfloat16 cannot tell cells apart beyond the 256th
        exact = torch.promote_types(input.dtype, torch.float32)
        offset, mask = self.offset_mask(input).to(exact).split([18, 9], dim=1)
        convolve = deform_conv2d if input.is_cuda and not _exporting() else deform_conv_by_sampling
        weight, bias = self.weight.to(exact), self.bias.to(exact)  # type: ignore[union-attr]
        moved = convolve(input.to(exact), offset, weight, bias, padding=1, mask=mask.sigmoid())
        return moved.to(input.dtype)


class ConvBlock(nn.Sequential):
    """Convolution, batch normalisation, ReLU.

    Args:
        channels_in: channels of the map it reads.
        channels_out: channels of its map.
        kernel: side of a plain kernel.
        deformable: a `DeformableConv` instead.
    """

    def __init__(self, channels_in: int, channels_out: int, kernel: int = 3, deformable: bool = False) -> None:
        super().__init__(
            DeformableConv(channels_in, channels_out)
            if deformable
            else nn.Conv2d(channels_in, channels_out, kernel, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(channels_out),
            nn.ReLU(inplace=True),
        )


def deform_conv_by_sampling(
    input: Float[Tensor, "v c h w"],
    offset: Float[Tensor, "v 18 h w"],
    weight: Float[Tensor, "o c 3 3"],
    bias: Float[Tensor, " o"],
    padding: int,
    mask: Float[Tensor, "v 9 h w"],
) -> Float[Tensor, "v o h w"]:
    """`torchvision.ops.deform_conv2d` for 3x3 kernels and padding 1, as bilinear sampling and a matrix product.

    torchvision's CPU kernel is slower, several times so with the gradient, and few runtimes of exported graphs have a
    deformable convolution (ONNX: opset 19), where sampling and products are in all.

    Args:
        input: the map.
        offset: how far each tap is moved, y and x for each of the nine, in cells; beyond the border the map is zero.
        weight: of the convolution.
        bias: of the convolution.
        padding: 1; there for the likeness.
        mask: factor on each tap.
    """
    if padding != 1:
        raise ValueError(f"padding must be 1, got {padding}")
    images, _, height, width = input.shape
    down, right = offset.reshape(images, 9, 2, height, width).unbind(dim=2)
    tap = torch.arange(9, device=offset.device)
    row = torch.arange(height, device=offset.device).view(-1, 1) + (tap // 3 - 1).view(-1, 1, 1)
    column = torch.arange(width, device=offset.device) + (tap % 3 - 1).view(-1, 1, 1)
    x, y = column + right, row + down
    # with corners not aligned, -1 and 1 are the outer edges of the first and last cell
    grid = torch.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], dim=-1)
    taps = F.grid_sample(input, grid.flatten(1, 2), align_corners=False) * mask.flatten(1, 2)[:, None]
    product = weight.flatten(1) @ taps.reshape(images, -1, height * width) + bias[:, None]
    return product.reshape(images, -1, height, width)


def _exporting() -> bool:
    return torch.compiler.is_exporting() or torch.onnx.is_in_onnx_export()
