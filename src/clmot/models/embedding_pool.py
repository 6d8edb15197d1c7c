"""Embedding pooling: maps and boxes to one vector a box.

The same module serves training boxes and decoded detections. Boxes come packed, with the image each lies in.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from clmot.models.color_histogram import colour_code
from clmot.models.levels import COLUMNS, Level


def unit_length(values: Tensor, dim: int) -> Tensor:
    """`F.normalize`, whose exported graph asks for no shape: not every runtime can say it (OpenCV 4)."""
    length: Tensor = values.norm(dim=dim, keepdim=True)
    return values / length.clamp(min=1e-12)


class CenterPointPool(nn.Module):
    """The embedding of the cell that holds the box's centre, normalised to unit length (CL-MOT, FairMOT).

    A centre outside the map takes the nearest cell. Of the network's own detections it is the cell of the heatmap's
    peak (`embed_peaks`), which need not hold the centre of the box: offset and sides move that away from the peak.

    Args:
        stride: input pixels a cell.
    """

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(
        self,
        maps: tuple[Tensor, ...],
        boxes: Float[Tensor, "m 4"],
        image_index: Int64[Tensor, " m"],
    ) -> Float[Tensor, "m d"]:
        """One map [v, d, h, w], boxes in xyxy input pixels and their image, to unit vectors [m, d]."""
        (values,) = maps
        height, width = values.shape[-2:]
        centre = ((boxes[:, :2] + boxes[:, 2:]) / 2 / self.stride).long()
        column, row = centre[:, 0].clamp(0, width - 1), centre[:, 1].clamp(0, height - 1)
        return unit_length(values[image_index, :, row, column].float(), dim=1)


def embed_peaks(
    read_out: nn.Module,
    maps: tuple[Tensor, ...],
    boxes: Float[Tensor, "m 4"],
    cells: Float[Tensor, "m 4"],
    image_index: Int64[Tensor, " m"],
) -> Float[Tensor, "m d"]:
    """Embeddings of decoded detections: read where the pooling looks at objects that the heatmap found.

    Args:
        read_out: of the network.
        maps: the network's embedding maps.
        boxes: xyxy input pixels.
        cells: the peaks' cells, as xyxy input pixels.
        image_index: image of each box.
    """
    places = cells if isinstance(read_out, CenterPointPool) else boxes
    return read_out(maps, places, image_index)  # type: ignore[no-any-return]


class StripePool(nn.Module):
    """RoIAlign over horizontal stripes of the box from several levels, each stripe normalised by itself.

    A standing person differs from top to bottom (hair, shirt, trousers, shoes): every stripe of every level becomes a
    part of the embedding, with its own projection and unit length, so that no part drowns the others. Towards its sides
    a box shows more of what is behind the person: the middle of a stripe counts most.

    A projection starts as the identity, so that nothing of what pretrained maps know is lost before anything is
    learned; where a map has more channels than a part shall be long, as random orthonormal directions. Histograms have
    none: nothing better than all of their bins was found (docs/experiments.md).

    The embedding is the parts side by side, scaled to unit length: the cosine of two embeddings is the mean cosine of
    their parts, weighted by the levels' shares.

    Args:
        levels: the maps.
        stripes: stripes a box, top to bottom.
        width: largest length of a part that is projected.

    Attributes:
        dimension: length of the embedding.
        parts: where the parts that learn lie in the embedding.
    """

    def __init__(self, levels: Sequence[Level], stripes: int, width: int) -> None:
        super().__init__()
        self.levels = tuple(levels)
        self.stripes = stripes
        self.projection = nn.ParameterDict()
        parts = []
        start = 0
        for index, level in enumerate(levels):
            length = level.channels
            if not level.histogram:
                length = min(length, width)
                self.projection[str(index)] = nn.Parameter(_first_projection(level.channels, length, stripes))
                parts += [slice(start + stripe * length, start + (stripe + 1) * length) for stripe in range(stripes)]
            start += stripes * length
        self.dimension = start
        self.parts = tuple(parts)

    def mapped(self, index: int, values: Float[Tensor, "v c h w"]) -> Tensor:
        """What is pooled of a level's map: it, or the bins of its colours where it holds those."""
        return colour_code(values) if self.levels[index].histogram and values.shape[1] == 3 else values

    def part(self, index: int, pooled: Float[Tensor, "s m c"]) -> Float[Tensor, "m sd"]:
        """What is read of a level's stripes, each of unit length times the level's share, side by side."""
        level = self.levels[index]
        values = pooled.clamp(min=0).sqrt() if level.histogram else pooled @ self.projection[str(index)]
        part: Tensor = unit_length(values, dim=2) * level.share**0.5
        return part.transpose(0, 1).flatten(1)

    def forward(
        self,
        maps: tuple[Tensor, ...],
        boxes: Float[Tensor, "m 4"],
        image_index: Int64[Tensor, " m"],
    ) -> Float[Tensor, "m d"]:
        """One map [v, c_l, h_l, w_l] a level, boxes in xyxy input pixels and their image, to unit vectors [m, d]."""
        from torchvision.ops import roi_align  # which takes a second, and tracking on a processor does without

        rois = torch.cat([image_index[:, None].to(boxes.dtype), boxes], dim=1).float()
        parts = []
        with torch.autocast(boxes.device.type, enabled=False):
            across = boxes.new_tensor(COLUMNS, dtype=torch.float32)
            for index, (values, level) in enumerate(zip(maps, self.levels, strict=True)):
                pooled = roi_align(
                    self.mapped(index, values.float()),
                    rois,
                    (self.stripes, len(COLUMNS)),
                    spatial_scale=1 / level.stride,
                    sampling_ratio=2,
                    aligned=True,
                )
                parts.append(self.part(index, (pooled * across).sum(dim=3).permute(2, 0, 1)))
        # a stripe wholly outside the image has no direction and does not count
        return unit_length(torch.cat(parts, dim=1), dim=1)


def _first_projection(channels: int, length: int, stripes: int) -> Float[Tensor, "s c d"]:
    """The identity, or random orthonormal directions, the same for every stripe."""
    start = torch.eye(channels) if length == channels else nn.init.orthogonal_(torch.empty(channels, length))
    return start.repeat(stripes, 1, 1)
