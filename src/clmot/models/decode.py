"""Output maps to boxes: peaks of the heatmap, the K best, their offsets and sides."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F

from clmot.structures import OutputMaps


class Peaks(NamedTuple):
    """Decoded objects of all images, packed, best first within an image.

    Attributes:
        boxes: [m, 4], xyxy input pixels.
        score: [m], in [0, 1].
        class_id: [m].
        image_index: [m], which image of the maps.
        cells: [m, 4], the peaks' cells, as xyxy input pixels.
    """

    boxes: Float[Tensor, "m 4"]
    score: Float[Tensor, " m"]
    class_id: Int64[Tensor, " m"]
    image_index: Int64[Tensor, " m"]
    cells: Float[Tensor, "m 4"]


class PeakRows(NamedTuple):
    """Decoded objects of each image in k rows, best first: what a graph of fixed shapes can hold.

    Attributes:
        boxes: [v, k, 4], xyxy input pixels; zero where there is no object.
        score: [v, k], in [0, 1]; zero where there is no object.
        class_id: [v, k]; zero where there is no object.
        cells: [v, k, 4], the peaks' cells, as xyxy input pixels.
    """

    boxes: Float[Tensor, "v k 4"]
    score: Float[Tensor, "v k"]
    class_id: Int64[Tensor, "v k"]
    cells: Float[Tensor, "v k 4"]


def decode(maps: OutputMaps, stride: int, score_threshold: float, max_detections: int) -> Peaks:
    """Read objects off the maps (Zhou et al. 2019, "Objects as Points"): 3x3 maxima, top K, no suppression.

    Args:
        maps: the network's output.
        stride: input pixels a cell.
        score_threshold: peaks below are left out.
        max_detections: most peaks kept in an image, over all classes.
    """
    rows = decode_rows(maps, stride, score_threshold, min(max_detections, maps.heatmap[0].numel()))
    kept = rows.score > 0
    image_index = torch.arange(len(kept), device=kept.device)[:, None].expand_as(kept)[kept]
    return Peaks(rows.boxes[kept], rows.score[kept], rows.class_id[kept], image_index, rows.cells[kept])


def decode_rows(maps: OutputMaps, stride: int, score_threshold: float | Tensor, max_detections: int) -> PeakRows:
    """`decode` without shapes that depend on what is found: `max_detections` rows for each image."""
    heatmap = maps.heatmap.float().sigmoid()
    _, _, height, width = heatmap.shape
    peak = heatmap * (F.max_pool2d(heatmap, 3, stride=1, padding=1) == heatmap)
    # an image may have fewer cells than there are rows
    score, flat = F.pad(peak.flatten(1), (0, max_detections)).topk(max_detections, dim=1)
    # remainders by a size known only at run time are more than exported graphs know
    class_id = flat // (height * width)
    cell = flat - class_id * (height * width)
    row = cell // width
    column = cell - row * width

    def at_cells(values: Tensor) -> Tensor:
        places = cell[:, None].expand(-1, values.shape[1], -1)
        return values.flatten(2).gather(2, places).transpose(1, 2).float()

    sides = at_cells(maps.size).clamp(min=0)
    corner = torch.stack([column, row], dim=2)
    centre = corner + at_cells(maps.offset)
    boxes = torch.cat([centre - sides[..., :2], centre + sides[..., 2:]], dim=2) * stride
    # a peak without extent is no object, whatever its score
    solid = ((boxes[..., 2:] - boxes[..., :2]) >= 1).all(dim=2)
    kept = (score > score_threshold) & solid
    cells = torch.cat([corner, corner + 1], dim=2).to(boxes.dtype) * stride
    return PeakRows(boxes * kept[..., None], score * kept, class_id * kept, cells)
