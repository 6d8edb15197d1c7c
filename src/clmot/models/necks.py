"""Necks: maps of several strides to one map of stride 4."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from clmot.config import ModelConfig
from clmot.models.deform import ConvBlock
from clmot.models.yolox import Pyramid


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


class BilinearUp(nn.ConvTranspose2d):
    """Transposed convolution that enlarges a map by an even factor; starts as bilinear interpolation.

    Long et al. 2015, "Fully Convolutional Networks for Semantic Segmentation".

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


class IterativeAggregation(nn.Module):
    """Maps merged one after the other, from the first on: each is projected, enlarged, added and smoothed.

    Args:
        channels: channels of the maps.
        factors: how many times smaller than the first map each of them is.
        width: channels of the merged maps; the first map must have as many.
        deformable: deformable convolutions instead of plain ones.
    """

    def __init__(self, channels: Sequence[int], factors: Sequence[int], width: int, deformable: bool) -> None:
        super().__init__()
        self.project = nn.ModuleList(ConvBlock(count, width, deformable=deformable) for count in channels[1:])
        self.up = nn.ModuleList(BilinearUp(width, factor, depthwise=True) for factor in factors[1:])
        self.node = nn.ModuleList(ConvBlock(width, width, deformable=deformable) for _ in channels[1:])

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """The first map, then each further one merged with all before it, at the first one's size and width."""
        merged = [maps[0]]
        for project, up, node, coarser in zip(self.project, self.up, self.node, maps[1:], strict=True):
            merged.append(node(up(project(coarser)) + merged[-1]))
        return merged


class DlaNeck(nn.Module):
    """DLA-34's decoder in CenterNet and FairMOT (Yu et al. 2018, "Deep Layer Aggregation"; Zhou et al. 2019).

    Aggregates ever more maps, from the two coarsest to all, and at last the results of strides 4, 8 and 16.

    Args:
        channels: channels of the encoder's maps at strides 4, 8, 16, 32.
        deformable: deformable convolutions instead of plain ones.

    Attributes:
        width: channels of the output, those of the encoder's map of stride 4.
        stages: aggregation from stride 16, 8 and 4 on.
        last: aggregation of the stages' results.
    """

    def __init__(self, channels: Sequence[int], deformable: bool) -> None:
        super().__init__()
        self.width = channels[0]
        self.stages = nn.ModuleList()
        for level in reversed(range(len(channels) - 1)):
            # what is coarser than the next map was brought to its size and width by the stage before
            coarser = len(channels) - 1 - level
            inputs = [channels[level]] + [channels[level + 1]] * coarser
            self.stages.append(IterativeAggregation(inputs, [1] + [2] * coarser, channels[level], deformable))
        factors = [2**level for level in range(len(channels) - 1)]
        self.last = IterativeAggregation(channels[:-1], factors, self.width, deformable)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Maps finest first, each half the size of the one before, to one map [v, width, h, w] of the finest size."""
        merged = [maps[-1]]
        results = []
        for stage, finer in zip(self.stages, reversed(maps[:-1]), strict=True):
            merged = stage([finer, *merged])
            results.append(merged[-1])
        return self.last(results[::-1])[-1]  # type: ignore[no-any-return]


class DeconvolutionNeck(nn.Module):
    """ResNet's decoders in CenterNet (Xiao et al. 2018, "Simple Baselines") and FairMOT, which makes it a pyramid.

    The last map is enlarged in three steps; in a pyramid each finer map is projected and added, and the sum smoothed.

    Args:
        channels: channels of the encoder's maps at strides 4, 8, 16, 32.
        deformable: deformable convolutions instead of plain ones.
        pyramid: use the finer maps too (FairMOT), or the last one alone (CenterNet).

    Attributes:
        width: channels of the output.
        up: for each of `widths`, coarsest first; in a pyramid `project` and `smooth` likewise.
    """

    widths = (256, 128, 64)
    """Channels of the merged maps at strides 16, 8, 4."""

    def __init__(self, channels: Sequence[int], deformable: bool, pyramid: bool = True) -> None:
        super().__init__()
        self.width = self.widths[-1]
        self.pyramid = pyramid
        above = (channels[-1], *self.widths[:-1])
        self.up = nn.ModuleList(
            nn.Sequential(
                *ConvBlock(count, width, deformable=deformable),
                BilinearUp(width, 2, depthwise=False),
                nn.BatchNorm2d(width),
                nn.ReLU(inplace=True),
            )
            for count, width in zip(above, self.widths, strict=True)
        )
        if pyramid:
            self.project = nn.ModuleList(
                ConvBlock(count, width, deformable=deformable)
                for count, width in zip(channels[-2::-1], self.widths, strict=True)
            )
            self.smooth = nn.ModuleList(ConvBlock(width, width, deformable=deformable) for width in self.widths)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Maps finest first, each half the size of the one before, to one map [v, width, h, w] of the finest size."""
        merged = maps[-1]
        if not self.pyramid:
            for up in self.up:
                merged = up(merged)
            return merged
        for up, project, smooth, finer in zip(self.up, self.project, self.smooth, maps[-2::-1], strict=True):
            merged = smooth(up(merged) + project(finer))
        return merged


class ConcatNeck(nn.Module):
    """HRNet's decoder (Sun et al. 2019): all maps enlarged to the finest one's size, side by side.

    Args:
        channels: channels of the encoder's maps, finest first.
        mixed: mix them into this many channels by a 1x1 convolution (as in CL-MOT's code); 0: leave them as they are.
    """

    def __init__(self, channels: Sequence[int], mixed: int = 0) -> None:
        super().__init__()
        total = sum(channels)
        self.width = mixed or total
        self.mix = (
            nn.Sequential(nn.Conv2d(total, mixed, 1), nn.BatchNorm2d(mixed), nn.ReLU(inplace=True))
            if mixed
            else nn.Identity()
        )

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Maps finest first to one map [v, width, h, w] of the finest size."""
        larger = [
            F.interpolate(each, scale_factor=2.0**level, mode="bilinear", align_corners=False)
            for level, each in enumerate(maps[1:], start=1)
        ]
        return self.mix(torch.cat([maps[0], *larger], dim=1))  # type: ignore[no-any-return]


Neck = Pyramid | TopDownNeck | DlaNeck | DeconvolutionNeck | ConcatNeck
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
        case "yolox":
            return Pyramid(config.classes)
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
