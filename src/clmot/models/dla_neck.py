"""The decoder of DLA-34 in CenterNet and FairMOT: iterative deep aggregation.

Yu et al. 2018, "Deep Layer Aggregation"; Zhou et al. 2019, "Objects as Points", made the convolutions deformable and
the result one of stride 4.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from clmot.models.bilinear import BilinearUp
from clmot.models.deform import DeformBlock


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
        self.project = nn.ModuleList(DeformBlock(count, width, deformable) for count in channels[1:])
        self.up = nn.ModuleList(BilinearUp(width, factor, depthwise=True) for factor in factors[1:])
        self.node = nn.ModuleList(DeformBlock(width, width, deformable) for _ in channels[1:])

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """The first map, then each further one merged with all before it, at the first one's size and width."""
        merged = [maps[0]]
        for project, up, node, coarser in zip(self.project, self.up, self.node, maps[1:], strict=True):
            merged.append(node(up(project(coarser)) + merged[-1]))
        return merged


class DlaNeck(nn.Module):
    """Aggregates ever more maps, from the two coarsest to all, and at last the results of strides 4, 8 and 16.

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
