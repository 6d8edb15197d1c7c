"""Necks: maps of several strides to one map of stride 4."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from clmot.config import ModelConfig
from clmot.models.concat_neck import ConcatNeck
from clmot.models.deconvolution_neck import DeconvolutionNeck
from clmot.models.dla_neck import DlaNeck


class ConvBlock(nn.Sequential):
    """3x3 (or other) convolution, batch normalisation, ReLU."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int = 3) -> None:
        super().__init__(
            nn.Conv2d(channels_in, channels_out, kernel, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(channels_out),
            nn.ReLU(inplace=True),
        )


class TopDownNeck(nn.Module):
    """A light feature pyramid: each level is projected, added to the level above and smoothed (Lin et al. 2017).

    Args:
        channels: channels of the encoder's maps, finest first.
        width: channels of the output.
    """

    def __init__(self, channels: Sequence[int], width: int) -> None:
        super().__init__()
        self.width = width
        self.lateral = nn.ModuleList(ConvBlock(count, width, kernel=1) for count in channels)
        self.smooth = nn.ModuleList(ConvBlock(width, width) for _ in channels[:-1])

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Maps finest first, each half the size of the one before, to one map [v, width, h, w] of the finest size."""
        merged: Tensor = self.lateral[-1](maps[-1])
        for level in reversed(range(len(maps) - 1)):
            finer = self.lateral[level](maps[level])
            merged = self.smooth[level](finer + F.interpolate(merged, scale_factor=2.0, mode="nearest"))
        return merged


Neck = TopDownNeck | DlaNeck | DeconvolutionNeck | ConcatNeck
"""Maps at strides 4, 8, 16, 32 to one map of `width` channels at stride 4."""


def make_neck(config: ModelConfig, channels: Sequence[int]) -> Neck:
    """The configured neck.

    Args:
        config: the network's configuration.
        channels: channels of the encoder's maps at strides 4, 8, 16, 32.
    """
    match config.neck:
        case "top-down":
            return TopDownNeck(channels, config.width)
        case "dla":
            return DlaNeck(channels, config.deformable)
        case "deconvolution":
            return DeconvolutionNeck(channels, config.deformable)
        case "deconvolution-last":
            return DeconvolutionNeck(channels, config.deformable, pyramid=False)
        case "concat":
            return ConcatNeck(channels)
        case "concat-mixed":
            return ConcatNeck(channels, mixed=64)
