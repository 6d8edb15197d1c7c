"""Dense heads on the stride-4 map, and the identity classifier behind the embedding, for training only."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from clmot.models.color_histogram import ColourCells
from clmot.models.deform import ConvBlock
from clmot.models.encoder import STRIDES

HEATMAP_PRIOR = 0.1
"""Score that an untrained heatmap gives everywhere: bias log(p / (1 - p)) = -2.19 (RetinaNet, CenterNet)."""


class DenseHead(nn.Module):
    """3x3 convolution, then 1x1 to the output channels.

    The last convolution runs in float32 whatever the rest does: neighbouring heatmap cells that differ by less than
    bfloat16 can tell would all count as peaks.

    Args:
        channels_in: channels of the map it reads.
        width: channels inside.
        norm: batch normalisation inside; without, the 3x3 convolution has a bias (FairMOT).
        channels_out: channels of its map.
        bias: start value of the output.
    """

    def __init__(self, channels_in: int, width: int, norm: bool, channels_out: int, bias: float = 0.0) -> None:
        super().__init__()
        self.body = head_body(channels_in, width, norm)
        self.out = nn.Conv2d(width, channels_out, 1)
        nn.init.normal_(self.out.weight, std=0.01)
        nn.init.constant_(self.out.bias, bias)  # type: ignore[arg-type]

    def forward(self, features: Tensor) -> Tensor:
        """[v, channels_in, h, w] to [v, channels_out, h, w], float32."""
        features = self.body(features)
        with torch.autocast(features.device.type, enabled=False):
            return self.out(features.float())  # type: ignore[no-any-return]


class ExtentHead(DenseHead):
    """Width and height, given as equal distances to left and right, top and bottom (CL-MOT, first FairMOT)."""

    def __init__(self, channels_in: int, width: int, norm: bool) -> None:
        super().__init__(channels_in, width, norm, 2, bias=4.0)

    def forward(self, features: Tensor) -> Tensor:
        """[v, channels_in, h, w] to [v, 4, h, w], float32: half the width and half the height, twice."""
        return (super().forward(features) / 2).repeat(1, 2, 1, 1)


class Channels(nn.Module):
    """The head of a neck whose map holds what heads say: some of its channels."""

    def __init__(self, start: int, stop: int | None) -> None:
        super().__init__()
        self.start, self.stop = start, stop

    def forward(self, values: Tensor) -> Tensor:
        """[v, c, h, w] to some of c."""
        return values[:, self.start : self.stop]


def heatmap_head(channels_in: int, width: int, norm: bool, classes: int) -> DenseHead:
    """Head of centre logits, starting at `HEATMAP_PRIOR` everywhere."""
    return DenseHead(channels_in, width, norm, classes, bias=math.log(HEATMAP_PRIOR / (1 - HEATMAP_PRIOR)))


def joint_head(heatmap: nn.Module, size: nn.Module, offset: nn.Module) -> DenseHead | None:
    """Three heads without normalisation as one, whose map is theirs side by side; None for others.

    Args:
        heatmap: a head.
        size: a head, whose map has four channels.
        offset: a head.
    """
    heads = [head for head in (heatmap, size, offset) if isinstance(head, DenseHead)]
    inside: list[Any] = [head.body[0] for head in heads]
    if len(heads) < 3 or any(type(each) is not nn.Conv2d or each.bias is None for each in inside):
        return None
    rest = {tuple(type(step) for step in [*head.body][1:] if type(step) is not nn.Identity) for head in heads}
    if rest != {(nn.ReLU,)}:
        return None
    weights, biases = [], []
    for head in heads:
        weight, bias = head.out.weight.flatten(1), head.out.bias
        assert bias is not None
        if isinstance(head, ExtentHead):
            weight, bias = (each.repeat(2, *[1] * (each.ndim - 1)) / 2 for each in (weight, bias))
        weights.append(weight)
        biases.append(bias)
    channels = [len(each) for each in biases]
    with torch.random.fork_rng(devices=[]):
        joint = DenseHead(inside[0].in_channels, sum(each.out_channels for each in inside), False, sum(channels))
    first: Any = joint.body[0]
    first.weight = nn.Parameter(torch.cat([each.weight for each in inside]))
    first.bias = nn.Parameter(torch.cat([each.bias for each in inside]))
    joint.out.weight = nn.Parameter(torch.block_diag(*weights)[..., None, None])  # type: ignore[no-untyped-call]
    joint.out.bias = nn.Parameter(torch.cat(biases))
    return joint


def head_body(channels_in: int, width: int, norm: bool) -> nn.Sequential:
    """3x3 convolution and ReLU, with batch normalisation or a bias between them."""
    if norm:
        return ConvBlock(channels_in, width)
    return nn.Sequential(nn.Conv2d(channels_in, width, 3, padding=1), nn.ReLU(inplace=True))


class PointEmbeddingHead(nn.Module):
    """One embedding in each cell, as published: 3x3 convolution, then 1x1 to the embedding's length."""

    def __init__(self, channels_in: int, width: int, norm: bool, dimension: int) -> None:
        super().__init__()
        self.body = head_body(channels_in, width, norm)
        self.out = nn.Conv2d(width, dimension, 1)

    def forward(self, images: Tensor, encoded: Sequence[Tensor], merged: Tensor) -> tuple[Tensor, ...]:
        """The neck's map [v, channels_in, h, w] to one map [v, dimension, h, w]; the others are not used."""
        return (self.out(self.body(merged)),)


class LevelEmbeddingHead(nn.Module):
    """The maps of several levels that a pooling pools over the box.

    Shallow levels still hold colour and texture, deep ones what belongs to the object. The encoder's maps are read as
    they are: what pretraining put into them is worth more than a thin map learned in between (docs/experiments.md). The
    neck's, which detection shapes, gets a layer of its own.

    Args:
        levels: of `clmot.config.LEVELS`.
        neck_channels: channels of the neck's map.
        width: channels of the map made of it.
    """

    def __init__(self, levels: Sequence[str], neck_channels: int, width: int) -> None:
        super().__init__()
        self.levels = tuple(levels)
        self.bodies = nn.ModuleList()
        for level in levels:
            if level == "colour":
                self.bodies.append(ColourCells(STRIDES[0]))
            elif level == "neck":
                self.bodies.append(ConvBlock(neck_channels, width))
            else:
                self.bodies.append(nn.Identity())

    @staticmethod
    def _source(level: str) -> int:
        return STRIDES.index(int(level.removeprefix("stride")))

    def forward(self, images: Tensor, encoded: Sequence[Tensor], merged: Tensor) -> tuple[Tensor, ...]:
        """Images, encoder maps [v, c_l, h_l, w_l] and the neck's [v, c, h, w] to a map for each level."""
        sources = {"colour": images, "neck": merged}
        return tuple(
            body(sources[level] if level in sources else encoded[self._source(level)])
            for level, body in zip(self.levels, self.bodies, strict=True)
        )


class IdentityClassifier(nn.Module):
    """Logits of every identity, from the embedding scaled by ``sqrt(2) ln(n - 1)`` (FairMOT; AdaCos' fixed scale).

    Learned with the network and saved with it; tracking does not use it.

    Args:
        dimension: length of the embedding.
        identities: n.
    """

    def __init__(self, dimension: int, identities: int) -> None:
        super().__init__()
        self.scale = math.sqrt(2) * math.log(max(identities - 1, 2))
        self.linear = nn.Linear(dimension, identities)

    def forward(self, embeddings: Float[Tensor, "m d"]) -> Float[Tensor, "m identities"]:
        """Unit vectors to logits, float32."""
        with torch.autocast(embeddings.device.type, enabled=False):
            return F.linear(self.scale * embeddings.float(), self.linear.weight.float(), self.linear.bias.float())
