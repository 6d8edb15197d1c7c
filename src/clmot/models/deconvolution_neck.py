"""The decoder of ResNet in FairMOT: a top-down pyramid whose levels are enlarged by transposed convolution.

After Xiao et al. 2018, "Simple Baselines for Human Pose Estimation and Tracking" and Lin et al. 2017, "Feature Pyramid
Networks for Object Detection".
"""

from collections.abc import Sequence

from torch import Tensor, nn

from clmot.models.bilinear import BilinearUp
from clmot.models.deform import DeformBlock


class DeconvolutionNeck(nn.Module):
    """Each map is projected and added to the enlarged one above it, and the sum smoothed.

    Args:
        channels: channels of the encoder's maps at strides 4, 8, 16, 32.
        deformable: deformable convolutions instead of plain ones.

    Attributes:
        width: channels of the output.
        up, project, smooth: for each of `widths`, coarsest first.
    """

    widths = (256, 128, 64)
    """Channels of the merged maps at strides 16, 8, 4."""

    def __init__(self, channels: Sequence[int], deformable: bool) -> None:
        super().__init__()
        self.width = self.widths[-1]
        above = (channels[-1], *self.widths[:-1])
        self.up = nn.ModuleList(
            nn.Sequential(
                *DeformBlock(count, width, deformable),
                BilinearUp(width, 2, depthwise=False),
                nn.BatchNorm2d(width),
                nn.ReLU(inplace=True),
            )
            for count, width in zip(above, self.widths, strict=True)
        )
        self.project = nn.ModuleList(
            DeformBlock(count, width, deformable) for count, width in zip(channels[-2::-1], self.widths, strict=True)
        )
        self.smooth = nn.ModuleList(DeformBlock(width, width, deformable) for width in self.widths)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Maps finest first, each half the size of the one before, to one map [v, width, h, w] of the finest size."""
        merged = maps[-1]
        for up, project, smooth, finer in zip(self.up, self.project, self.smooth, maps[-2::-1], strict=True):
            merged = smooth(up(merged) + project(finer))
        return merged
