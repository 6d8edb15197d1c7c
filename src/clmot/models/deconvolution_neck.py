"""The decoders of ResNet in CenterNet and FairMOT: maps enlarged by transposed convolution, alone or as a pyramid.

After Xiao et al. 2018, "Simple Baselines for Human Pose Estimation and Tracking" and Lin et al. 2017, "Feature Pyramid
Networks for Object Detection".
"""

from collections.abc import Sequence

from torch import Tensor, nn

from clmot.models.bilinear import BilinearUp
from clmot.models.deform import DeformBlock


class DeconvolutionNeck(nn.Module):
    """The last map enlarged in three steps; in a pyramid each finer map is projected and added, and the sum smoothed.

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
                *DeformBlock(count, width, deformable),
                BilinearUp(width, 2, depthwise=False),
                nn.BatchNorm2d(width),
                nn.ReLU(inplace=True),
            )
            for count, width in zip(above, self.widths, strict=True)
        )
        if pyramid:
            self.project = nn.ModuleList(
                DeformBlock(count, width, deformable)
                for count, width in zip(channels[-2::-1], self.widths, strict=True)
            )
            self.smooth = nn.ModuleList(DeformBlock(width, width, deformable) for width in self.widths)

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
