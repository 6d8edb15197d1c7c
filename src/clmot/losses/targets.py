"""What the detection heads should say: Gaussian heatmaps, side distances, centre offsets."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor


class DetectionTargets(NamedTuple):
    """Targets on maps of height h and width w, and at the cells of the n objects that are not ignored.

    Attributes:
        heatmap: [v, classes, h, w], 1 at object centres, falling off as a Gaussian.
        ignored: [v, h, w], True where the heatmap is neither rewarded nor punished.
        weight: [v, h, w], how much the heatmap counts elsewhere, in (0, 1].
        image_index, row, column: [n], the cell that holds each object's centre.
        size: [n, 4], distances from the centre to the left, top, right and bottom side, in cells.
        offset: [n, 2], where in the cell the centre lies, in cells.
        scores: [n], how much each object counts.
    """

    heatmap: Float[Tensor, "v classes h w"]
    ignored: Bool[Tensor, "v h w"]
    weight: Float[Tensor, "v h w"]
    image_index: Int64[Tensor, " n"]
    row: Int64[Tensor, " n"]
    column: Int64[Tensor, " n"]
    size: Float[Tensor, "n 4"]
    offset: Float[Tensor, "n 2"]
    scores: Float[Tensor, " n"]


def gaussian_radius(
    width: Float[Tensor, " n"], height: Float[Tensor, " n"], min_iou: float = 0.7
) -> Float[Tensor, " n"]:
    """How far a box's corners may move while it keeps an IoU of `min_iou`: CornerNet's rule (Law & Deng 2018).

    The three cases are both corners moved the same way, both inwards, both outwards; the smallest counts. As in every
    published CenterNet descendant the roots are not divided by their leading coefficient; radii are comparable only
    that way.
    """
    total, area = width + height, width * height
    slid = (total + (total**2 - 4 * area * (1 - min_iou) / (1 + min_iou)).clamp(min=0).sqrt()) / 2
    inner = (2 * total + (4 * total**2 - 16 * (1 - min_iou) * area).clamp(min=0).sqrt()) / 2
    b = -2 * min_iou * total
    outer = (b + (b**2 - 4 * (4 * min_iou) * (min_iou - 1) * area).sqrt()) / 2
    return torch.minimum(torch.minimum(slid, inner), outer)


def detection_targets(
    boxes: Float[Tensor, "m 4"],
    classes: Int64[Tensor, " m"],
    ignore: Bool[Tensor, " m"],
    image_index: Int64[Tensor, " m"],
    shape: tuple[int, int, int, int],
    stride: int,
    scores: Float[Tensor, " m"] | None = None,
) -> DetectionTargets:
    """Targets for packed boxes, without a loop over objects.

    The centre is that of the box's part inside the image, so that it always lies on the map; the side distances reach
    to the whole box, which may extend beyond the image (FairMOT's left-top-right-bottom form).

    A box of score s counts as s parts object and 1 - s parts ignored. Around it the heatmap has the expected weight of
    a cell if it were the one or the other with these chances: in a cell that Gaussians reach, the score of the box with
    the highest; in any other, the product of the scores of all boxes that cover it. So nothing is punished hard for
    seeing what an unsure box may have missed by a little, and nothing changes where all scores are 1.

    Args:
        boxes: xyxy input pixels.
        classes: heatmap channel of each box.
        ignore: boxes that only mask the heatmap.
        image_index: image of each box.
        shape: images, classes, map height, map width.
        stride: input pixels a cell.
        scores: of each box, in (0, 1]; 1 by default.
    """
    scores = boxes.new_ones(len(boxes)) if scores is None else scores
    images, _, height, width = shape
    cells = boxes / stride
    limit = cells.new_tensor([width, height, width, height])
    inside = torch.minimum(cells.clamp(min=0), limit)

    ignored_index, ignored_box = image_index[ignore], inside[ignore]
    ignored = _paint_boxes(ignored_box, ignored_index, images, height, width) > 0

    index, label, whole, part = image_index[~ignore], classes[~ignore], cells[~ignore], inside[~ignore]
    centre = (part[:, :2] + part[:, 2:]) / 2
    # a centre on the far edge belongs to the last cell
    cell = torch.minimum(centre.long(), limit[:2].long() - 1)
    extent = part[:, 2:] - part[:, :2]
    radius = gaussian_radius(extent[:, 0].ceil(), extent[:, 1].ceil()).floor().clamp(min=0)
    target, value = _gaussians(cell, radius, index, label, shape)
    heatmap = cells.new_zeros(shape).flatten().scatter_reduce(0, target, value, "amax").view(shape)
    ignored &= heatmap.amax(dim=1) == 0
    counts = scores[~ignore]
    if bool((counts < 1).any()):
        # the logarithm of a product is a sum, which painting gives
        covering = _paint_boxes(part, index, images, height, width, counts.clamp(min=1e-30).log()).exp()
        weight = _highest_score(heatmap, target, value, counts, otherwise=covering)
    else:
        weight = cells.new_ones(images, height, width)
    size = torch.cat([centre - whole[:, :2], whole[:, 2:] - centre], dim=1)
    return DetectionTargets(heatmap, ignored, weight, index, cell[:, 1], cell[:, 0], size, centre - cell, counts)


def _paint_boxes(
    boxes: Float[Tensor, "k 4"],
    image_index: Int64[Tensor, " k"],
    images: int,
    height: int,
    width: int,
    values: Float[Tensor, " k"] | None = None,
) -> Float[Tensor, "v h w"]:
    """In every cell the sum of the values (by default their number) of the image's boxes that cover its centre."""
    x = torch.arange(width, device=boxes.device) + 0.5
    y = torch.arange(height, device=boxes.device) + 0.5
    across = ((x >= boxes[:, :1]) & (x < boxes[:, 2:3])).float()
    down = ((y >= boxes[:, 1:2]) & (y < boxes[:, 3:4])).float()
    belongs = (image_index == torch.arange(images, device=boxes.device)[:, None]).float()
    if values is not None:
        belongs = belongs * values
    return torch.einsum("vk,kh,kw->vhw", belongs, down, across)


def _gaussians(
    cell: Int64[Tensor, "n 2"],
    radius: Float[Tensor, " n"],
    image_index: Int64[Tensor, " n"],
    classes: Int64[Tensor, " n"],
    shape: tuple[int, int, int, int],
) -> tuple[Int64[Tensor, " cells"], Float[Tensor, " cells"]]:
    """Gaussians with sigma = (2 radius + 1) / 6, cut off at their radius: flat cells of the heatmap, and values."""
    _, channels, height, width = shape
    reach = int(radius.max()) if len(radius) else 0
    step = torch.arange(-reach, reach + 1, device=radius.device)
    sigma = (2 * radius + 1) / 6
    profile = torch.exp(-(step**2) / (2 * sigma[:, None] ** 2)) * (step.abs() <= radius[:, None])
    x, y = cell[:, :1] + step, cell[:, 1:] + step
    profile_x = profile * ((x >= 0) & (x < width))
    profile_y = profile * ((y >= 0) & (y < height))
    value = profile_y[:, :, None] * profile_x[:, None, :]
    # cells beyond the border carry the value 0 and are pointed at the border cell instead
    plane = (image_index * channels + classes)[:, None, None] * height
    target = (plane + y.clamp(0, height - 1)[:, :, None]) * width + x.clamp(0, width - 1)[:, None, :]
    return target.flatten(), value.flatten()


def _highest_score(
    heatmap: Float[Tensor, "v classes h w"],
    target: Int64[Tensor, " cells"],
    value: Float[Tensor, " cells"],
    scores: Float[Tensor, " n"],
    otherwise: Float[Tensor, "v h w"],
) -> Float[Tensor, "v h w"]:
    """In every cell the score of the box whose Gaussian is highest there (of several, the greatest)."""
    highest = (value > 0) & (value == heatmap.flatten()[target])
    each = torch.where(highest, scores.repeat_interleave(len(value) // max(1, len(scores))), 0)
    score = torch.zeros_like(heatmap).flatten().scatter_reduce(0, target, each, "amax").view(heatmap.shape)
    top = heatmap.amax(dim=1)
    return torch.where(top > 0, torch.where(heatmap == top[:, None], score, 0).amax(dim=1), otherwise)
