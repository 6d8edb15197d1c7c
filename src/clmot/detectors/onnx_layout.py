"""What goes into a detector's file of ONNX or OpenVINO and what comes out, described or recognised by its shapes.

Sources: Ge et al., "YOLOX: exceeding YOLO series in 2021", 2021; Liu et al., "SSD: single shot multibox
detector", 2016.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from clmot.detectors.feature_hooks import has_stride
from clmot.errors import require
from clmot.io.runtimes import InnerMap, RuntimeNetwork
from clmot.models.encoder import STRIDES
from clmot.structures import Float64Array
from clmot.views.transforms import PADDING

GRID_STRIDES = (8, 16, 32)
"""Pixels a cell of the three grids that a YOLOX has."""


@dataclass(frozen=True, kw_only=True)
class OnnxLayout:
    """What goes into the file and what comes out of it."""

    size: tuple[int, int] = (640, 640)
    """Width and height of the input in pixels."""
    resize: Literal["letterbox", "corner", "stretch"] = "letterbox"
    """How an image comes to that size: in the middle of a grey frame, in its upper left corner, or out of shape."""
    padding: int = PADDING
    """Value of the frame's pixels."""
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    """Subtracted from RGB, in pixel values from 0 to 255."""
    std: tuple[float, ...] = (255.0, 255.0, 255.0)
    """Then divided by."""
    channels: Literal["rgb", "bgr"] = "rgb"
    """Order of the input's channels."""
    output: Literal["named", "rows", "columns", "grid", "ssd"] = "named"
    """``named``: outputs boxes, scores and labels, each with a batch axis. ``rows``: one output [1, n, 6] of box,
    score and label. ``columns``: one output [1, 4 + classes, n] of box and class scores, before non-maximum
    suppression (YOLOv8 and its heirs). ``grid``: one output [1, cells, 5 + classes] of centre and size in cells of
    `GRID_STRIDES`, sizes as logarithms, an object score, and class scores (YOLOX). ``ssd``: one output
    [1, 1, n, 7] of image, label, score and box (SSD; an image -1 ends the list)."""
    names: tuple[str, ...] = ("boxes", "scores", "labels")
    """Names of the three outputs of ``named``."""
    boxes: Literal["xyxy", "cxcywh"] = "xyxy"
    """What the four numbers of a box are."""
    normalised: bool = False
    """They are shares of the input's sides instead of its pixels."""
    nms: float = 0.7
    """Overlap above which the lower-scoring of two boxes of a class is left out, for ``columns`` and ``grid``."""
    features: tuple[str, ...] = ()
    """Values in the file that are shown as feature maps, one a stride; empty: `stage_ends`."""

    def __post_init__(self) -> None:
        require(len(self.names) == 3, f"detector.options.names must be three outputs, got {list(self.names)}")
        require(len(self.size) == 2 and min(self.size) > 0, f"detector.options.size must be width, height: {self.size}")
        for name, known in _CHOICES.items():
            value = getattr(self, name)
            require(value in known, f"detector.options.{name}: '{value}' is not one of {', '.join(known)}")


_CHOICES = {
    "resize": ("letterbox", "corner", "stretch"),
    "channels": ("rgb", "bgr"),
    "output": ("named", "rows", "columns", "grid", "ssd"),
    "boxes": ("xyxy", "cxcywh"),
}


def recognised(network: RuntimeNetwork) -> OnnxLayout:
    """What the shapes of a file's input and outputs say about it, else the defaults.

    One output of as many rows as grids of `GRID_STRIDES` have cells is a YOLOX: BGR from 0 to 255. Rows of seven are
    an SSD: BGR from 0 to 255, out of shape, boxes as shares of the input's sides.
    """
    given, outputs = network.inputs[0].shape, [each.shape for each in network.outputs]
    layout = OnnxLayout()
    if len(given) == 4 and all(side > 0 for side in given[2:]):
        layout = OnnxLayout(size=(given[3], given[2]))
    if len(outputs) != 1:
        return layout
    raw: dict[str, Any] = {"std": (1.0, 1.0, 1.0), "channels": "bgr"}
    (found,) = outputs
    if len(found) == 4 and found[1] == 1 and found[3] == 7:
        return replace(layout, output="ssd", resize="stretch", normalised=True, **raw)
    if len(found) == 3 and found[2] > 5 and found[1] == len(grid_cells(layout.size)):
        return replace(layout, output="grid", resize="corner", padding=114, boxes="cxcywh", nms=0.65, **raw)
    return layout


def grid_cells(size: tuple[int, int]) -> Float64Array:
    """Column, row and stride of the cells of all `GRID_STRIDES`, in the order of YOLOX's output: [cells, 3].

    Args:
        size: width and height of the input in pixels.
    """
    cells = []
    for stride in GRID_STRIDES:
        row, column = np.mgrid[: size[1] // stride, : size[0] // stride].reshape(2, -1)
        cells.append(np.stack([column, row, np.full(len(row), stride)], axis=1))
    return np.concatenate(cells).astype(np.float64)


def stage_ends(maps: Sequence[InnerMap], size: tuple[int, int]) -> dict[int, InnerMap]:
    """What an encoder's stages end with, by stride: the map of each that first goes into one of another stride.

    A neck and heads come back to these strides later, with maps that are shaped by the detector's task. Of a stride
    that nothing follows it is the last map.

    Args:
        maps: in the order of computation.
        size: width and height of the input in pixels.
    """
    known = {each.name: each for each in maps}
    ends: dict[int, InnerMap] = {}
    for each in maps:
        for source in (known[name] for name in each.sources if name in known):
            stride, after = stride_of(source, size), stride_of(each, size)
            if stride and after and stride != after:
                ends.setdefault(stride, source)
    last = {stride_of(each, size): each for each in maps}
    return {stride: ends.get(stride, last[stride]) for stride in STRIDES if stride in last}


def stride_of(shown: InnerMap, size: tuple[int, int]) -> int:
    """Input pixels a cell of a map: one of `STRIDES`, half the first or twice the last; 0: another."""
    known = (STRIDES[0] // 2, *STRIDES, STRIDES[-1] * 2)
    return next((stride for stride in known if has_stride(shown.shape, *size, stride)), 0)
