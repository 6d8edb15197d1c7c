"""Output maps to boxes: peaks of the heatmap, the K best, their offsets and sides."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F

from clmot.types import OutputMaps


class Peaks(NamedTuple):
    """Decoded objects of all images, packed, best first within an image.

    Attributes:
        boxes: [m, 4], xyxy input pixels.
        score: [m], in [0, 1].
        class_id: [m].
        image_index: [m], which image of the maps.
    """

    boxes: Float[Tensor, "m 4"]
    score: Float[Tensor, " m"]
    class_id: Int64[Tensor, " m"]
    image_index: Int64[Tensor, " m"]


def decode(maps: OutputMaps, stride: int, score_threshold: float, max_detections: int) -> Peaks:
    """Read objects off the maps (Zhou et al. 2019, "Objects as Points"): 3x3 maxima, top K, no suppression.

    Args:
        maps: the network's output.
        stride: input pixels a cell.
        score_threshold: peaks below are left out.
        max_detections: most peaks kept in an image, over all classes.
    """
    heatmap = maps.heatmap.float().sigmoid()
    images, _, height, width = heatmap.shape
    peak = heatmap * (F.max_pool2d(heatmap, 3, stride=1, padding=1) == heatmap)
    score, flat = peak.flatten(1).topk(min(max_detections, peak[0].numel()), dim=1)
    kept = score > score_threshold
    image_index = torch.arange(images, device=score.device)[:, None].expand_as(score)[kept]
    score, flat = score[kept], flat[kept]
    class_id, cell = flat // (height * width), flat % (height * width)
    row, column = cell // width, cell % width
    offset = maps.offset[image_index, :, row, column].float()
    sides = maps.size[image_index, :, row, column].float().clamp(min=0)
    centre = torch.stack([column, row], dim=1) + offset
    boxes = torch.cat([centre - sides[:, :2], centre + sides[:, 2:]], dim=1) * stride
    # a peak without extent is no object, whatever its score
    solid = ((boxes[:, 2:] - boxes[:, :2]) >= 1).all(dim=1)
    return Peaks(boxes[solid], score[solid], class_id[solid], image_index[solid])
