"""Dense heads on the stride-4 map: heatmap, size, offset, embedding."""

import math

import torch
from torch import Tensor, nn

from clmot.models.necks import ConvBlock

HEATMAP_PRIOR = 0.1
"""Score that an untrained heatmap gives everywhere: bias log(p / (1 - p)) = -2.19 (RetinaNet, CenterNet)."""


class DenseHead(nn.Module):
    """3x3 convolution, then 1x1 to the output channels.

    The last convolution runs in float32 whatever the rest does: neighbouring heatmap cells that differ by less than
    bfloat16 can tell would all count as peaks.
    """

    def __init__(self, width: int, channels_out: int, bias: float = 0.0) -> None:
        super().__init__()
        self.body = ConvBlock(width, width)
        self.out = nn.Conv2d(width, channels_out, 1)
        nn.init.normal_(self.out.weight, std=0.01)
        nn.init.constant_(self.out.bias, bias)  # type: ignore[arg-type]

    def forward(self, features: Tensor) -> Tensor:
        """[v, width, h, w] to [v, channels_out, h, w], float32."""
        features = self.body(features)
        with torch.autocast(features.device.type, enabled=False):
            return self.out(features.float())  # type: ignore[no-any-return]


def heatmap_head(width: int, classes: int) -> DenseHead:
    """Head of centre logits, starting at `HEATMAP_PRIOR` everywhere."""
    return DenseHead(width, classes, bias=math.log(HEATMAP_PRIOR / (1 - HEATMAP_PRIOR)))


class CenterEmbeddingHead(nn.Module):
    """One embedding in each cell, as published: 3x3 convolution, then 1x1 to the embedding's length."""

    def __init__(self, width: int, dimension: int) -> None:
        super().__init__()
        self.body = ConvBlock(width, width)
        self.out = nn.Conv2d(width, dimension, 1)

    def forward(self, shallow: Tensor, deep: Tensor) -> tuple[Tensor, ...]:
        """The deep map [v, width, h, w] to one map [v, dimension, h, w]; the shallow map is not used."""
        return (self.out(self.body(deep)),)


class LevelEmbeddingHead(nn.Module):
    """A thin map from a shallow and a deep level each, for a read-out that pools over the box.

    The shallow level still holds colour and texture, the deep one what belongs to the object.
    """

    def __init__(self, shallow_channels: int, width: int) -> None:
        super().__init__()
        self.shallow = ConvBlock(shallow_channels, width, kernel=1)
        self.deep = ConvBlock(width, width)

    def forward(self, shallow: Tensor, deep: Tensor) -> tuple[Tensor, ...]:
        """Encoder map [v, shallow_channels, h, w] and neck map [v, width, h, w] to two maps [v, width, h, w]."""
        return self.shallow(shallow), self.deep(deep)
