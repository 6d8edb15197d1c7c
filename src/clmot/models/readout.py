"""Embedding read-out: maps and boxes to one vector a box.

The same module serves training boxes and decoded detections. Boxes come packed, with the image each lies in.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import roi_align


class CenterPointReadOut(nn.Module):
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
        return F.normalize(values[image_index, :, row, column].float(), dim=1)


def embed_peaks(
    read_out: nn.Module,
    maps: tuple[Tensor, ...],
    boxes: Float[Tensor, "m 4"],
    cells: Float[Tensor, "m 4"],
    image_index: Int64[Tensor, " m"],
) -> Float[Tensor, "m d"]:
    """Embeddings of decoded detections: read where the read-out looks at objects that the heatmap found.

    Args:
        read_out: of the network.
        maps: the network's embedding maps.
        boxes: xyxy input pixels.
        cells: the peaks' cells, as xyxy input pixels.
        image_index: image of each box.
    """
    places = cells if isinstance(read_out, CenterPointReadOut) else boxes
    return read_out(maps, places, image_index)  # type: ignore[no-any-return]


class PointsReadOut(nn.Module):
    """The mean of the embedding map at a grid of points in the box, each normalised, scaled to unit length.

    Several points see what one at the centre misses, and a covered one is outvoted.

    Args:
        stride: input pixels a cell.
        grid: rows and columns of points, in the middles of as many equal cells of the box.
    """

    def __init__(self, stride: int, grid: tuple[int, int] = (4, 2)) -> None:
        super().__init__()
        self.stride = stride
        self.grid = grid

    def forward(
        self,
        maps: tuple[Tensor, ...],
        boxes: Float[Tensor, "m 4"],
        image_index: Int64[Tensor, " m"],
    ) -> Float[Tensor, "m d"]:
        """One map [v, d, h, w], boxes in xyxy input pixels and their image, to unit vectors [m, d]."""
        (values,) = maps
        rows, columns = ((torch.arange(n, device=boxes.device) + 0.5) / n for n in self.grid)
        places = torch.cartesian_prod(columns, rows)
        points = boxes[:, None, :2] + places * (boxes[:, 2:] - boxes[:, :2])[:, None]
        each = bilinear(values, points.flatten(0, 1) / self.stride, image_index.repeat_interleave(len(places)))
        return F.normalize(
            F.normalize(each, dim=1).view(boxes.shape[0], len(places), values.shape[1]).sum(dim=1), dim=1
        )


def bilinear(
    values: Float[Tensor, "v c h w"], points: Float[Tensor, "m 2"], image_index: Int64[Tensor, " m"]
) -> Float[Tensor, "m c"]:
    """A map's value at continuous points, where cell i covers [i, i + 1); points outside take the nearest edge cell.

    Args:
        values: the map.
        points: x and y in cells.
        image_index: which image of the map each point lies in.
    """
    height, width = values.shape[-2:]
    last = points.new_tensor([width - 1, height - 1])
    position = torch.minimum((points - 0.5).clamp(min=0), last)
    low = position.floor()
    share = (position - low).to(torch.float32)
    high = torch.minimum(low + 1, last).long()
    low = low.long()

    def at(x: Tensor, y: Tensor) -> Tensor:
        return values[image_index, :, y, x].float()

    top = torch.lerp(at(low[:, 0], low[:, 1]), at(high[:, 0], low[:, 1]), share[:, :1])
    bottom = torch.lerp(at(low[:, 0], high[:, 1]), at(high[:, 0], high[:, 1]), share[:, :1])
    return torch.lerp(top, bottom, share[:, 1:])


class Level(NamedTuple):
    """A map that stripes are read from.

    Attributes:
        channels: of the map.
        stride: input pixels a cell.
        share: of the level in the cosine of two embeddings.
        histogram: the map holds shares of bins: the square root is taken of what is pooled, so that common bins do not
            drown the others (the Hellinger distance).
    """

    channels: int
    stride: int
    share: float = 1.0
    histogram: bool = False


class StripeReadOut(nn.Module):
    """RoIAlign over horizontal stripes of the box from several levels, each stripe normalised by itself.

    A standing person differs from top to bottom (hair, shirt, trousers, shoes): every stripe of every level becomes a
    part of the embedding, with its own projection and unit length, so that no part drowns the others. Towards its sides
    a box shows more of what is behind the person: the middle of a stripe counts most.

    A projection starts as the identity, so that nothing of what pretrained maps know is lost before anything is
    learned; where a map has more channels than a part shall be long, as random orthonormal directions. Histograms have
    none: nothing better than all of their bins was found (docs/experiments.md).

    The embedding is the parts side by side, scaled to unit length: the cosine of two embeddings is the mean cosine of
    their parts, weighted by the levels' shares. With `visible_parts`, part i is scaled by the square root of its
    visible share w_i first. The cosine of two boxes is then the mean of their parts' cosines weighted by
    ``sqrt(w_i w'_i)``: what is hidden in either counts less.

    Args:
        levels: the maps.
        stripes: stripes a box, top to bottom.
        width: largest length of a part that is projected.
        visible_parts: weigh the stripes by how much of them is not behind a nearer box.

    Attributes:
        dimension: length of the embedding.
        parts: where the parts that learn lie in the embedding.
    """

    columns = (0.05, 0.2, 0.5, 0.2, 0.05)
    """Weights of equal parts across a stripe."""

    def __init__(self, levels: Sequence[Level], stripes: int, width: int, visible_parts: bool = False) -> None:
        super().__init__()
        self.levels = tuple(levels)
        self.stripes = stripes
        self.visible_parts = visible_parts
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

    def part(self, index: int, pooled: Float[Tensor, "s m c"]) -> Float[Tensor, "m sd"]:
        """What is read of a level's stripes, each of unit length times the level's share, side by side."""
        level = self.levels[index]
        values = pooled.clamp(min=0).sqrt() if level.histogram else pooled @ self.projection[str(index)]
        part: Tensor = F.normalize(values, dim=2) * level.share**0.5
        return part.transpose(0, 1).flatten(1)

    def forward(
        self,
        maps: tuple[Tensor, ...],
        boxes: Float[Tensor, "m 4"],
        image_index: Int64[Tensor, " m"],
    ) -> Float[Tensor, "m d"]:
        """One map [v, c_l, h_l, w_l] a level, boxes in xyxy input pixels and their image, to unit vectors [m, d].

        With `visible_parts`, the boxes should be all that are known of the images.
        """
        rois = torch.cat([image_index[:, None].to(boxes.dtype), boxes], dim=1).float()
        parts = []
        weights = visible_share(boxes, image_index, self.stripes).sqrt() if self.visible_parts else None
        with torch.autocast(boxes.device.type, enabled=False):
            across = boxes.new_tensor(self.columns, dtype=torch.float32)
            for index, (values, level) in enumerate(zip(maps, self.levels, strict=True)):
                pooled = roi_align(
                    values.float(),
                    rois,
                    (self.stripes, len(self.columns)),
                    spatial_scale=1 / level.stride,
                    sampling_ratio=2,
                    aligned=True,
                )
                part = self.part(index, (pooled * across).sum(dim=3).permute(2, 0, 1))
                if weights is not None:
                    part = part * weights.repeat_interleave(part.shape[1] // self.stripes, dim=1)
                parts.append(part)
        # a stripe wholly outside the image has no direction and does not count
        return F.normalize(torch.cat(parts, dim=1), dim=1)


def _first_projection(channels: int, length: int, stripes: int) -> Float[Tensor, "s c d"]:
    """The identity, or random orthonormal directions, the same for every stripe."""
    start = torch.eye(channels) if length == channels else nn.init.orthogonal_(torch.empty(channels, length))
    return start.repeat(stripes, 1, 1)


LEAST_VISIBLE = 0.05
"""Share that a wholly covered stripe still counts: a box all of whose stripes are covered keeps a direction."""


def visible_share(
    boxes: Float[Tensor, "m 4"], image_index: Int64[Tensor, " m"], stripes: int
) -> Float[Tensor, "m stripes"]:
    """How much of each horizontal stripe of a box is not covered by a nearer box of its image.

    Of two boxes the nearer is the one that ends lower: people stand on the ground, and the camera looks down on it.
    Where several boxes cover a stripe, the one that covers most of it counts.

    Args:
        boxes: xyxy pixels, all of the images.
        image_index: image of each box.
        stripes: stripes a box, top to bottom.

    Returns:
        Shares in [`LEAST_VISIBLE`, 1].
    """
    edge = torch.arange(stripes + 1, device=boxes.device, dtype=boxes.dtype) / stripes
    edges = boxes[:, 1:2] + edge * (boxes[:, 3:] - boxes[:, 1:2])
    top, bottom = edges[:, :-1], edges[:, 1:]
    left, right = torch.maximum(boxes[:, None, 0], boxes[:, 0]), torch.minimum(boxes[:, None, 2], boxes[:, 2])
    across = (right - left).clamp(min=0) / (boxes[:, 2] - boxes[:, 0]).clamp(min=1e-6)[:, None]
    down = torch.minimum(bottom[:, None], boxes[:, 3, None]) - torch.maximum(top[:, None], boxes[:, 1, None])
    covered = across[:, :, None] * down.clamp(min=0) / (bottom - top).clamp(min=1e-6)[:, None]
    nearer = (image_index[:, None] == image_index) & (boxes[:, 3] > boxes[:, None, 3])
    hidden = (covered * nearer[:, :, None]).amax(dim=1) if boxes.shape[0] else covered.new_zeros(0, stripes)
    return (1 - hidden).clamp(LEAST_VISIBLE, 1.0)
