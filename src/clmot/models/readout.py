"""Embedding read-out: maps and boxes to one vector a box.

The same module serves training boxes and decoded detections. Boxes come packed, with the image each lies in.
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import roi_align


class CenterPointReadOut(nn.Module):
    """The embedding map at the box's centre, bilinear between cells, normalised to unit length (CL-MOT, FairMOT).

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
        centre = (boxes[:, :2] + boxes[:, 2:]) / 2
        return F.normalize(bilinear(values, centre / self.stride, image_index), dim=1)


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


class StripeReadOut(nn.Module):
    """RoIAlign over horizontal stripes of the box from several levels, each stripe normalised by itself.

    A standing person differs from top to bottom (hair, shirt, trousers, shoes): every stripe of every level becomes a
    part of the embedding, with its own projection and unit length, so that no part drowns the others. The embedding
    is the parts side by side, scaled to unit length: the cosine of two embeddings is the mean cosine of their parts.

    Args:
        channels: channels of each level's map.
        strides: input pixels a cell of each level.
        stripes: stripes a box, top to bottom.
        dimension: length of the embedding, a multiple of ``len(channels) * stripes``.
    """

    columns = 3
    """Samples across a stripe; they are averaged."""

    def __init__(self, channels: tuple[int, ...], strides: tuple[int, ...], stripes: int, dimension: int) -> None:
        super().__init__()
        parts = len(channels) * stripes
        if dimension % parts:
            raise ValueError(f"dimension {dimension} is not a multiple of {parts} parts")
        self.strides = strides
        self.stripes = stripes
        self.projection = nn.ParameterList(
            nn.Parameter(torch.randn(stripes, count, dimension // parts) / count**0.5) for count in channels
        )

    def forward(
        self,
        maps: tuple[Tensor, ...],
        boxes: Float[Tensor, "m 4"],
        image_index: Int64[Tensor, " m"],
    ) -> Float[Tensor, "m d"]:
        """One map [v, c_l, h_l, w_l] a level, boxes in xyxy input pixels and their image, to unit vectors [m, d]."""
        rois = torch.cat([image_index[:, None].to(boxes.dtype), boxes], dim=1).float()
        parts = []
        with torch.autocast(boxes.device.type, enabled=False):
            for values, stride, projection in zip(maps, self.strides, self.projection, strict=True):
                pooled = roi_align(
                    values.float(),
                    rois,
                    (self.stripes, self.columns),
                    spatial_scale=1 / stride,
                    sampling_ratio=2,
                    aligned=True,
                ).mean(dim=3)
                parts.append(torch.einsum("mcs,scd->msd", pooled, projection))
            joined = F.normalize(torch.cat(parts, dim=1), dim=2)
        # a stripe wholly outside the image has no direction and does not count
        return F.normalize(joined.flatten(1), dim=1)
