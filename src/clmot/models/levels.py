"""The maps that embeddings are pooled from, by the names in `model.levels`; without torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from clmot.config import ModelConfig

STRIDE = 4
"""Input pixels a cell of the output maps."""

COLOUR_BINS = (8, 4, 4)
"""Of hue, saturation and value."""

COLOUR_SHARE = 0.35
"""Of the colour level in the cosine of two embeddings, where it is read; other levels share the rest equally."""

COLUMNS = (0.05, 0.2, 0.5, 0.2, 0.05)
"""Weights of equal parts across a stripe: towards its sides a box shows more of what is behind the person."""


class Level(NamedTuple):
    """A map that stripes are read from.

    Attributes:
        channels: of what is pooled.
        stride: input pixels a cell.
        share: of the level in the cosine of two embeddings.
        histogram: the map holds colours (older exports: shares of bins), of which the histogram is pooled
            (`clmot.models.color_histogram`). The square root is taken of that, so that common bins do not drown the
            others (the Hellinger distance).
    """

    channels: int
    stride: int
    share: float = 1.0
    histogram: bool = False


def pool_levels(config: ModelConfig, channels: Mapping[int, int]) -> list[Level]:
    """The configured levels.

    Args:
        config: of the model.
        channels: of the encoder's maps, by stride; 0 where not given.
    """
    return [_level(name, config, channels) for name in config.levels]


def _level(name: str, config: ModelConfig, channels: Mapping[int, int]) -> Level:
    if name == "colour":
        hues, saturations, values = COLOUR_BINS
        return Level(hues * saturations * values, STRIDE, COLOUR_SHARE, histogram=True)
    others = sum(level != "colour" for level in config.levels)
    share = (1 - COLOUR_SHARE if "colour" in config.levels else 1.0) / others
    if name == "neck":
        return Level(config.width, STRIDE, share)
    stride = int(name.removeprefix("stride"))
    return Level(channels.get(stride, 0), stride, share)
