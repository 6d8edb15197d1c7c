"""The decoder of HRNet (Sun et al. 2019, "High-Resolution Representations for Labeling Pixels and Regions")."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ConcatNeck(nn.Module):
    """All maps enlarged to the finest one's size, side by side. HRNet's branches have exchanged what they know before.

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
