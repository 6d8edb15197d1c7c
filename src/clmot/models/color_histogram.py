"""What colour a place has, as a soft histogram cell: the one cue that needs no learning to be found."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clmot.models.levels import COLOUR_BINS


class ColourCells(nn.Module):
    """The mean colour of every cell; no gradient flows.

    Args:
        stride: input pixels a cell.
    """

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """RGB images [v, 3, height, width] from 0 to 255, to float32 [v, 3, height / stride, width / stride] to 1."""
        with torch.autocast(images.device.type, enabled=False):
            return F.avg_pool2d(images.float(), self.stride) / 255


@torch.no_grad()
def colour_code(cells: Tensor) -> Tensor:
    """Hue, saturation and value of every cell, shared out softly among 8 x 4 x 4 bins.

    The mean over a region is its colour histogram. A cell's share in a bin falls linearly with the distance from the
    bin's centre to nothing at the next one, so that a small change of light moves a little weight instead of all.
    Nothing here is learned, and no gradient flows.

    Args:
        cells: float32 [v, 3, h, w], RGB in [0, 1].

    Returns:
        float32 [v, 128, h, w].
    """
    value = cells.amax(dim=1, keepdim=True)
    chroma = value - cells.amin(dim=1, keepdim=True)
    saturation = chroma / value.clamp(min=1e-6)
    hues, saturations, values = COLOUR_BINS
    code = _circular_shares(_hue(cells, value, chroma), hues)
    for shares in (_shares(saturation, saturations), _shares(value, values)):
        code = (code[:, :, None] * shares[:, None]).flatten(1, 2)
    return code


def _hue(cells: Tensor, value: Tensor, chroma: Tensor) -> Tensor:
    """Hue [v, 1, h, w] in turns, in [0, 1); 0 for greys."""
    red, green, blue = cells.chunk(3, dim=1)
    width = chroma.clamp(min=1e-6)
    sixth = torch.where(
        value == red,
        (green - blue) / width,
        torch.where(value == green, (blue - red) / width + 2, (red - green) / width + 4),
    )
    return torch.where(chroma > 0, sixth / 6, 0.0) % 1


def _shares(values: Tensor, bins: int) -> Tensor:
    """Values [v, 1, h, w] in [0, 1] to shares [v, bins, h, w] that sum to one; bins are centred in equal parts."""
    centre = torch.arange(bins, device=values.device).view(1, -1, 1, 1)
    place = (values * bins - 0.5).clamp(0, bins - 1)
    return (1 - (place - centre).abs()).clamp(min=0)


def _circular_shares(values: Tensor, bins: int) -> Tensor:
    """As `_shares`, for values whose ends meet; the first bin is centred at 0."""
    centre = torch.arange(bins, device=values.device).view(1, -1, 1, 1)
    distance = (values * bins - centre).abs()
    return (1 - torch.minimum(distance, bins - distance)).clamp(min=0)
