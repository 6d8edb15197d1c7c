"""YOLOX-nano (Ge et al., "YOLOX: exceeding YOLO series in 2021", 2021): encoder and neck, weights of its ONNX file.

A CSPDarknet of depthwise convolutions and a path-aggregating pyramid (PAFPN), written from the paper and the graph of
the published file. There the normalisations are part of the convolutions, and so they are here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clmot.errors import UserError, did_you_mean, reason_of

NAME = "yolox_nano"

ADDRESS = "https://github.com/Megvii-BaseDetection/YOLOX/releases/download/0.1.1rc0/yolox_nano.onnx"
"""Of the file, in the release that YOLOX's documentation of ONNX links to."""

STAGES = ((16, 32, 1), (32, 64, 3), (64, 128, 3), (128, 256, 1))
"""Channels before and after, and residual blocks, of the encoder's stages."""

TOWER = 64
"""Channels of the head's two branches."""

CELLS = (2, 4, 8)
"""Cells of stride 4 along the side of one of the head's levels."""

LEAST = -10.0
"""The logarithm of a score that is as good as none."""

SHARPNESS = 10.0
"""How much of a box is that of the surest level: the power to which scores weigh."""

SIGMA = 1.0
"""Standard deviation, in cells of stride 4, of what a cell's word counts around the centre of its box."""


class Unit(nn.Sequential):
    """Convolution and SiLU."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> None:
        padding = (kernel - 1) // 2
        convolution = nn.Conv2d(channels_in, channels_out, kernel, stride, padding, groups=groups)
        super().__init__(convolution, nn.SiLU(inplace=True))


class Separable(nn.Sequential):
    """A convolution of 3x3 within each channel, then one across channels."""

    def __init__(self, channels_in: int, channels_out: int, stride: int = 1) -> None:
        super().__init__(Unit(channels_in, channels_in, 3, stride, groups=channels_in), Unit(channels_in, channels_out))


class CrossStage(nn.Module):
    """Half of the channels through blocks, the other half past them (CSP, Wang et al. 2020)."""

    def __init__(self, channels_in: int, channels_out: int, blocks: int = 1, residual: bool = False) -> None:
        super().__init__()
        half = channels_out // 2
        self.residual = residual
        self.through, self.past = Unit(channels_in, half), Unit(channels_in, half)
        self.blocks = nn.ModuleList(nn.Sequential(Unit(half, half), Separable(half, half)) for _ in range(blocks))
        self.join = Unit(channels_out, channels_out)

    def forward(self, values: Tensor) -> Tensor:
        """[v, channels_in, h, w] to [v, channels_out, h, w]."""
        through, past = self.through(values), self.past(values)
        for block in self.blocks:
            through = block(through) + through if self.residual else block(through)
        return self.join(torch.cat([through, past], dim=1))  # type: ignore[no-any-return]


class PoolPyramid(nn.Module):
    """The largest values of three neighbourhoods beside the values themselves (SPP, He et al. 2014)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.narrow, self.join = Unit(channels, channels // 2), Unit(2 * channels, channels)

    def forward(self, values: Tensor) -> Tensor:
        """[v, channels, h, w] to the same shape."""
        values = self.narrow(values)
        around = [F.max_pool2d(values, side, stride=1, padding=side // 2) for side in (5, 9, 13)]
        return self.join(torch.cat([values, *around], dim=1))  # type: ignore[no-any-return]


class Darknet(nn.Module):
    """Pixels from 0 to 255, RGB, to the ends of four stages, at strides 4, 8, 16 and 32."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, STAGES[0][0], 6, 2, 2), nn.SiLU(inplace=True))
        self.stages = nn.ModuleList()
        for before, after, blocks in STAGES:
            parts: list[nn.Module] = [Separable(before, after, 2)]
            is_last = after == STAGES[-1][1]
            parts += [PoolPyramid(after)] if is_last else []
            self.stages.append(nn.Sequential(*parts, CrossStage(after, after, blocks, residual=not is_last)))

    def forward(self, images: Tensor) -> list[Tensor]:
        """[v, 3, h, w] to [v, c_l, h / stride_l, w / stride_l]."""
        values, maps = self.stem(images), []
        for stage in self.stages:
            values = stage(values)
            maps.append(values)
        return maps


class Pyramid(nn.Module):
    """YOLOX's neck and decoupled head, as the maps of centres, sides and offsets that FairMOT's heads give.

    Each cell of each level says how sure it is of an object and where that object's box is. A cell of stride 4 takes
    the word of the level that is surest, and the less of it the further its own centre lies from the centre of that
    box (`SIGMA`): of the many cells that see one object, the one in its centre becomes the peak of the heatmap, and
    no suppression is needed.

    Args:
        classes: names, of which those of COCO start with its weights.

    Attributes:
        width: channels of its map: a logit for each class, distances to the four sides, and the offset.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        super().__init__()
        self.width = len(classes) + 6
        _, c3, c4, c5 = (after for _, after, _ in STAGES)
        self.narrow5, self.down4 = Unit(c5, c4), CrossStage(2 * c4, c4)
        self.narrow4, self.down3 = Unit(c4, c3), CrossStage(2 * c3, c3)
        self.to4, self.up4 = Separable(c3, c3, 2), CrossStage(2 * c3, c4)
        self.to5, self.up5 = Separable(c4, c4, 2), CrossStage(2 * c4, c5)
        self.levels = nn.ModuleList(Branches(channels) for channels in (c3, c4, c5))
        self.classes = nn.ModuleList(nn.Conv2d(TOWER, len(classes), 1) for _ in self.levels)
        self.boxes = nn.ModuleList(nn.Conv2d(TOWER, 5, 1) for _ in self.levels)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """The encoder's maps, finest first, to [v, width, h, w] at stride 4, in cells and float32."""
        _, c3, c4, c5 = maps
        top = self.narrow5(c5)
        middle = self.narrow4(self.down4(torch.cat([_doubled(top), c4], dim=1)))
        p3 = self.down3(torch.cat([_doubled(middle), c3], dim=1))
        p4 = self.up4(torch.cat([self.to4(p3), middle], dim=1))
        p5 = self.up5(torch.cat([self.to5(p4), top], dim=1))
        levels = [level(each) for level, each in zip(self.levels, (p3, p4, p5), strict=True)]
        with torch.autocast(p3.device.type, enabled=False):
            return centre_maps(
                [
                    (classes(of_classes.float()), boxes(of_boxes.float()))
                    for classes, boxes, (of_classes, of_boxes) in zip(self.classes, self.boxes, levels, strict=True)
                ]
            )


class Branches(nn.Module):
    """Of the decoupled head: one for classes, one for boxes and objectness."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.stem = Unit(channels, TOWER)
        self.classes, self.boxes = (nn.Sequential(*(Separable(TOWER, TOWER) for _ in range(2))) for _ in range(2))

    def forward(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """[v, channels, h, w] to two of [v, TOWER, h, w]."""
        values = self.stem(values)
        return self.classes(values), self.boxes(values)


def centre_maps(levels: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """What the levels of YOLOX's head say as one map [v, classes + 6, h, w] at stride 4 (`Pyramid`).

    Args:
        levels: at strides 8, 16 and 32, logits of classes [v, classes, h, w], and centre from the cell's corner,
            logarithms of width and height, all in cells, and a logit of there being anything [v, 5, h, w].
    """
    said = [_in_fine_cells(*level, cells) for level, cells in zip(levels, CELLS, strict=True)]
    score = torch.stack([score for score, _ in said]).clamp(min=LEAST)
    # the box of the surest, but no tear in the map where two are as sure
    share = (SHARPNESS * score.amax(dim=2, keepdim=True)).softmax(dim=0)
    sides = (share * torch.stack([sides for _, sides in said])).sum(dim=0)
    score = score.amax(dim=0)
    logit = score - (1 - score.exp()).clamp(min=1e-4).log()
    return torch.cat([logit, sides, torch.full_like(sides[:, :2], 0.5)], dim=1)


def _in_fine_cells(classes: Tensor, boxes: Tensor, cells: int) -> tuple[Tensor, Tensor]:
    """What a level's cells say in each of the cells x cells of stride 4 that one of them covers.

    The logarithm of the score [v, classes, h x cells, w x cells], and distances to the four sides [v, 4, ...].
    """
    place = torch.arange(cells, device=boxes.device) + 0.5
    down, right = (each.flatten()[None, :, None, None] for each in torch.meshgrid(place, place, indexing="ij"))
    x = F.pixel_shuffle(boxes[:, :1] * cells - right, cells)
    y = F.pixel_shuffle(boxes[:, 1:2] * cells - down, cells)
    half = boxes[:, 2:4].clamp(max=5).exp() * (cells / 2)
    # log(sigmoid), which not every runtime computes to the last digits where a score is next to nothing
    sure = -F.softplus(-classes) - F.softplus(-boxes[:, 4:])
    finer = F.interpolate(torch.cat([half, sure], dim=1), scale_factor=float(cells))
    width, height, sure = finer[:, :1], finer[:, 1:2], finer[:, 2:]
    away = (x.square() + y.square()) / (2 * SIGMA**2)
    return sure - away, torch.cat([width - x, height - y, width + x, height + y], dim=1)


def _doubled(values: Tensor) -> Tensor:
    return F.interpolate(values, scale_factor=2.0, mode="nearest")


def load_yolox(file: Path, darknet: Darknet, pyramid: Pyramid | None = None, classes: Sequence[str] = ()) -> str:
    """Take the weights that the convolutions of a YOLOX-nano's ONNX file have, in their order.

    Args:
        file: as published: of COCO's 80 classes.
        darknet: changed in place.
        pyramid: changed in place.
        classes: its classes.

    Returns:
        One line that says what was read.

    Raises:
        UserError: the package onnx is missing, the file is another, or it does not know a class.
    """
    try:
        import onnx
        from onnx.numpy_helper import to_array

        graph: Any = onnx.load(file).graph
    except ImportError as error:
        raise UserError(f"{file}: is read by the package onnx; pip install 'clmot[onnx]'") from error
    except Exception as error:  # of the parser, for each kind of damage
        raise UserError(f"{file}: not a readable ONNX file ({reason_of(error)})") from error
    values = {each.name: torch.from_numpy(to_array(each).copy()) for each in graph.initializer}
    inputs = [node.input for node in graph.node if node.op_type == "Conv"]
    found = [(values[each[1]], values[each[2]]) for each in inputs if len(each) == 3 and each[1] in values]
    # predictions of each level are told by their length
    of_classes, of_boxes, of_any = ([each for each in found if len(each[0]) == length] for length in (80, 4, 1))
    body = [each for each in found if len(each[0]) not in (80, 4, 1)]
    own = [each for each in darknet.modules() if isinstance(each, nn.Conv2d)]
    if pyramid:
        predict = {*pyramid.classes, *pyramid.boxes}
        own += [each for each in pyramid.modules() if isinstance(each, nn.Conv2d) and each not in predict]
    if body and body[0][0].shape[1:] == (12, 3, 3):
        body[0] = (_from_slices(body[0][0]), body[0][1])
    shapes = [weight.shape for weight, _ in body]
    known = coco_classes()
    if shapes[: len(own)] != [each.weight.shape for each in own] or len(of_classes) != len(CELLS):
        raise UserError(f"{file}: not the published YOLOX-nano")
    if unknown := [name for name in classes if pyramid and name not in known]:
        raise UserError(f"{file}: does not know the class '{unknown[0]}'{did_you_mean(unknown[0], known)}")
    taken: list[Any] = list(zip(own, body, strict=False))
    if pyramid:
        rows = [known.index(name) for name in classes]
        taken += [(each, (w[rows], b[rows])) for each, (w, b) in zip(pyramid.classes, of_classes, strict=True)]
        both = (tuple(map(torch.cat, zip(*pair, strict=True))) for pair in zip(of_boxes, of_any, strict=True))
        taken += list(zip(pyramid.boxes, both, strict=True))
    with torch.no_grad():
        for module, (weight, bias) in taken:
            module.weight.copy_(weight)
            module.bias.copy_(bias)
    return f"YOLOX-nano: {len(taken)} convolutions from {file}"


def coco_classes() -> list[str]:
    """The 80 classes of COCO, in the order of its detectors."""
    from torchvision.models.detection import RetinaNet_ResNet50_FPN_Weights

    words = RetinaNet_ResNet50_FPN_Weights.COCO_V1.meta["categories"]
    return [word for word in words if word not in ("__background__", "N/A")]


def _from_slices(weight: Tensor) -> Tensor:
    """Weights for a stem that reads pixels, RGB, of one for four slices of every second pixel, BGR each."""
    slices = weight.reshape(len(weight), 2, 2, 3, 3, 3)  # column, row, channel, and the kernel's rows and columns
    return slices.flip(3).permute(0, 3, 4, 2, 5, 1).reshape(len(weight), 3, 6, 6)
