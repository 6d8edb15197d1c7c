"""Learned enlargement of a map that starts as bilinear interpolation (Long et al. 2015)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class BilinearUp(nn.ConvTranspose2d):
    """Transposed convolution that enlarges a map by an even factor.

    Args:
        channels: channels of the map.
        factor: how many times larger the result is.
        depthwise: each channel has its own kernel and sees no other; else they are mixed (and start unmixed).
    """

    def __init__(self, channels: int, factor: int, depthwise: bool) -> None:
        groups = channels if depthwise else 1
        super().__init__(channels, channels, 2 * factor, stride=factor, padding=factor // 2, groups=groups, bias=False)
        own = torch.ones(channels, 1) if depthwise else torch.eye(channels)
        row = bilinear_kernel(factor)
        with torch.no_grad():
            self.weight.copy_(own[:, :, None, None] * torch.outer(row, row))


def bilinear_kernel(factor: int) -> Float[Tensor, " k"]:
    """Weights of linear interpolation by an even factor, as a transposed convolution of length 2 x factor."""
    return 1 - ((torch.arange(2 * factor) + 0.5) / factor - 1).abs()
