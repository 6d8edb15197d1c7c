"""A detector in a file of ONNX or OpenVINO: its input and output are described in words, or recognised by their shapes.

Sources: Ge et al., "YOLOX: exceeding YOLO series in 2021", 2021; Liu et al., "SSD: single shot multibox
detector", 2016.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from torchvision.ops import batched_nms

from clmot.config import DetectorConfig
from clmot.detectors.frozen import names_of, need
from clmot.detectors.output_parser import Answers
from clmot.errors import UserError, did_you_mean, reason_of, require
from clmot.structures import Detections, Float64Array, Image
from clmot.views.transforms import PADDING, letterbox_matrix, warp_image

GRID_STRIDES = (8, 16, 32)
"""Pixels a cell of the three grids that a YOLOX has."""
_PERSON = {0: "person"}


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
    `GRID_STRIDES`, sizes as logarithms, the chance of an object, and class scores (YOLOX). ``ssd``: one output
    [1, 1, n, 7] of image, label, score and box (SSD; an image -1 ends the list)."""
    names: tuple[str, ...] = ("boxes", "scores", "labels")
    """Names of the three outputs of ``named``."""
    boxes: Literal["xyxy", "cxcywh"] = "xyxy"
    """What the four numbers of a box are."""
    normalised: bool = False
    """They are shares of the input's sides instead of its pixels."""
    nms: float = 0.7
    """Overlap above which the less sure of two boxes of a class is left out, for ``columns`` and ``grid``."""

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


def recognised(session: Any) -> OnnxLayout:
    """What the shapes of a file's input and outputs say about it, else the defaults.

    One output of as many rows as grids of `GRID_STRIDES` have cells is a YOLOX: BGR from 0 to 255. Rows of seven are
    an SSD: BGR from 0 to 255, out of shape, boxes as shares of the input's sides.
    """
    given, outputs = _shape(session.get_inputs()[0]), [_shape(each) for each in session.get_outputs()]
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


def _shape(value: Any) -> list[int]:
    """Of an input or output; -1 where it may be anything."""
    return [side if isinstance(side, int) else -1 for side in getattr(value, "shape", None) or ()]


class OnnxDetector:
    """Runs such a file, image by image.

    Args:
        session: an ``onnxruntime.InferenceSession``, or what looks like one.
        layout: what goes in and comes out.
        labels: what its labels mean.
        classes: names of those to find; empty: all.
        min_score: less sure boxes are left out.
        name: for messages.
        content: of the file, to tell it from others.
    """

    def __init__(
        self,
        session: Any,
        layout: OnnxLayout,
        labels: Mapping[int, str],
        *,
        classes: Sequence[str] = (),
        min_score: float = 0.0,
        name: str = "onnx",
        content: bytes = b"",
    ) -> None:
        self._session, self._layout, self._name, self._min_score = session, layout, name, min_score
        self._answers = Answers(name, labels, classes, min_score)
        self._input = session.get_inputs()[0].name
        self._outputs = [output.name for output in session.get_outputs()]
        self._digest = hashlib.sha256(content).hexdigest()[:16]
        if layout.output == "named":
            for wanted in layout.names:
                if wanted not in self._outputs:
                    hint = did_you_mean(wanted, self._outputs)
                    raise UserError(
                        f"detector {name}: has no output '{wanted}'{hint}; it has {', '.join(self._outputs)}: "
                        "describe them with detector.options"
                    )

    @property
    def classes(self) -> Sequence[str]:
        """Class names."""
        return self._answers.classes

    def fingerprint(self) -> str:
        """Of the file."""
        return self._digest

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        """The objects of each image."""
        return [self._detect(image) for image in images]

    def _detect(self, image: Image) -> Detections:
        layout = self._layout
        width, height = layout.size
        if layout.resize != "stretch":
            matrix = letterbox_matrix(image.shape[1], image.shape[0], layout.size)
            if layout.resize == "corner":
                matrix[:2, 2] = 0
        else:
            matrix = np.diag([width / image.shape[1], height / image.shape[0], 1.0])
        pixels = (warp_image(image, matrix, layout.size, layout.padding) - np.array(layout.mean)) / np.array(layout.std)
        if layout.channels == "bgr":
            pixels = pixels[..., ::-1]
        given = np.ascontiguousarray(pixels.transpose(2, 0, 1)[None], np.float32)
        answers = dict(zip(self._outputs, self._session.run(self._outputs, {self._input: given}), strict=True))
        boxes, scores, labels = self._parts(answers)
        if boxes.ndim == 2 and boxes.shape[1] == 4:
            if layout.boxes == "cxcywh":
                half = boxes[:, 2:] / 2
                boxes = np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], axis=1)
            if layout.normalised:
                boxes = boxes * [width, height, width, height]
            boxes = (boxes - np.tile(matrix[:2, 2], 2)) / np.tile(matrix[[0, 1], [0, 1]], 2)
        found = self._answers(boxes, scores, labels)
        if layout.output in ("columns", "grid"):
            kept = batched_nms(*map(torch.from_numpy, (found.xyxy, found.score, found.class_id)), layout.nms)
            found = found[kept.numpy()]
        return found

    def _parts(self, answers: Mapping[str, Any]) -> tuple[Float64Array, Float64Array, Float64Array]:
        """Boxes, scores and labels of the one image."""
        layout = self._layout
        if layout.output == "named":
            boxes, scores, labels = (
                _first(answers[name], axes) for name, axes in zip(layout.names, (3, 2, 2), strict=True)
            )
            return boxes, scores, labels
        table = _first(next(iter(answers.values())), 4 if layout.output == "ssd" else 3)
        if layout.output == "ssd":
            table = table.reshape(-1, table.shape[-1])
            if table.shape[1] != 7:
                raise self._refuse(table, "rows [n, 7] of image, label, score and box")
            ends = np.flatnonzero(table[:, 0] < 0)
            table = table[: ends[0]] if len(ends) else table
            return table[:, 3:], table[:, 2], table[:, 1]
        if layout.output == "grid":
            cells = grid_cells(layout.size)
            if table.ndim != 2 or len(table) != len(cells) or table.shape[1] < 6:
                raise self._refuse(table, f"a grid [{len(cells)}, 5 + classes] of box, object and class scores")
            objects = table[:, 4] * table[:, 5:].max(axis=1)
            kept = ~(objects < self._min_score)
            table, place, stride = table[kept], cells[kept, :2], cells[kept, 2:]
            boxes = np.concatenate([(table[:, :2] + place) * stride, np.exp(table[:, 2:4]) * stride], axis=1)
            return boxes, objects[kept], table[:, 5:].argmax(axis=1).astype(np.float64)
        if layout.output == "rows":
            if table.ndim != 2 or table.shape[1] != 6:
                raise self._refuse(table, "rows [n, 6] of box, score and label")
            return table[:, :4], table[:, 4], table[:, 5]
        if table.ndim != 2 or table.shape[0] < 5:
            raise self._refuse(table, "columns [4 + classes, n] of box and class scores")
        scores = table[4:].max(axis=0)
        kept = ~(scores < self._min_score)  # most cells are empty; what is not a number must be noticed
        return table[:4].T[kept], scores[kept], table[4:].argmax(axis=0)[kept].astype(np.float64)

    def _refuse(self, table: Float64Array, wanted: str) -> UserError:
        return UserError(f"detector {self._name}: gave {list(table.shape)} where detector.options describe {wanted}")


def _first(values: Any, axes: int) -> Float64Array:
    """An output without its batch axis, where it has one."""
    array = np.asarray(values, np.float64)
    return array[0] if array.ndim == axes else array


class _OpenVinoSession:
    """An OpenVINO model with the face of ONNX Runtime's session."""

    def __init__(self, file: Path) -> None:
        openvino = need("openvino", "openvino")
        core = openvino.Core()
        model = core.read_model(file)
        self._ports = [*map(_Port, model.inputs)], [*map(_Port, model.outputs)]
        self._run = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def get_inputs(self) -> list[_Port]:
        return self._ports[0]

    def get_outputs(self) -> list[_Port]:
        return self._ports[1]

    def run(self, names: Sequence[str], feed: Mapping[str, Any]) -> list[Any]:
        found = self._run(dict(feed))
        return [found[name] for name in names]


class _Port:
    """Name and shape of an input or output."""

    def __init__(self, port: Any) -> None:
        self.name = port.get_any_name()
        self.shape = [side.get_length() if side.is_static else -1 for side in port.partial_shape]


def open_onnx(name: str, config: DetectorConfig, min_score: float, kind: str = "onnx") -> OnnxDetector:
    """A file of ONNX or OpenVINO, described by `config.options` (`OnnxLayout`) and `config.labels`.

    What is not described is `recognised`; a YOLOX of 80 classes has the labels of COCO.

    Args:
        name: the file.
        config: describes it.
        min_score: less sure boxes are left out.
        kind: ``onnx``, or ``openvino`` (an ``.xml`` with the ``.bin`` beside it).

    Raises:
        UserError: the file or the package is missing, or the description is wrong.
    """
    file = Path(name)
    if not file.is_file():
        raise UserError(f"detector {kind}:{name}: no such file")
    known = [each.name for each in fields(OnnxLayout)]
    for key in config.options:
        if key not in known:
            raise UserError(
                f"detector.options: unknown key '{key}'{did_you_mean(key, known)}; known: {', '.join(known)}"
            )
    options = cast(Any, {key: tuple(v) if isinstance(v, list) else v for key, v in config.options.items()})
    OnnxLayout(**options)  # what is wrong with it is said before anything is loaded
    runtime = need(*{"onnx": ("onnxruntime", "onnx"), "openvino": ("openvino", "openvino")}[kind])
    content = file.read_bytes()
    try:
        if kind == "openvino":
            weights = file.with_suffix(".bin")
            content += weights.read_bytes() if weights.is_file() else b""
            session: Any = _OpenVinoSession(file)
        else:
            session = runtime.InferenceSession(content, providers=runtime.get_available_providers())
    except Exception as error:  # its exceptions are its own
        raise UserError(f"detector {kind}:{name}: cannot be run ({reason_of(error)})") from error
    layout = replace(recognised(session), **options)
    labels = names_of(config.labels, _labels(session, layout), first=int(layout.output == "ssd"))
    return OnnxDetector(
        session, layout, labels, classes=config.classes, min_score=min_score, name=f"{kind}:{name}", content=content
    )


def _labels(session: Any, layout: OnnxLayout) -> dict[int, str]:
    """What labels mean where nobody says it."""
    if layout.output == "ssd":
        return {1: "person"}
    if layout.output == "grid" and _shape(session.get_outputs()[0])[-1] == 85:
        from torchvision.models.detection import RetinaNet_ResNet50_FPN_Weights

        words = RetinaNet_ResNet50_FPN_Weights.COCO_V1.meta["categories"]
        return dict(enumerate(word for word in words if word not in ("__background__", "N/A")))
    return _PERSON
