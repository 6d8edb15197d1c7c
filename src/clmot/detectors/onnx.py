"""A detector in an ONNX file whose input and output are described in words."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from torchvision.ops import batched_nms

from clmot.config import DetectorConfig
from clmot.data.augment import letterbox_matrix, warp_image
from clmot.detectors.answers import Answers
from clmot.detectors.frozen import names_of, need
from clmot.errors import UserError, did_you_mean, reason_of, require
from clmot.types import Detections, Float64Array, Image


@dataclass(frozen=True, kw_only=True)
class OnnxLayout:
    """What goes into the file and what comes out of it."""

    size: tuple[int, int] = (640, 640)
    """Width and height of the input in pixels."""
    resize: Literal["letterbox", "stretch"] = "letterbox"
    """How an image comes to that size."""
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    """Subtracted from RGB, in pixel values from 0 to 255."""
    std: tuple[float, ...] = (255.0, 255.0, 255.0)
    """Then divided by."""
    channels: Literal["rgb", "bgr"] = "rgb"
    """Order of the input's channels."""
    output: Literal["named", "rows", "columns"] = "named"
    """``named``: outputs boxes, scores and labels, each with a batch axis. ``rows``: one output [1, n, 6] of box,
    score and label. ``columns``: one output [1, 4 + classes, n] of box and class scores, before non-maximum
    suppression (YOLOv8 and its heirs)."""
    names: tuple[str, ...] = ("boxes", "scores", "labels")
    """Names of the three outputs of ``named``."""
    boxes: Literal["xyxy", "cxcywh"] = "xyxy"
    """What the four numbers of a box are."""
    normalised: bool = False
    """They are shares of the input's sides instead of its pixels."""
    nms: float = 0.7
    """Overlap above which the less sure of two boxes of a class is left out, for ``columns``."""

    def __post_init__(self) -> None:
        require(len(self.names) == 3, f"detector.options.names must be three outputs, got {list(self.names)}")
        require(len(self.size) == 2 and min(self.size) > 0, f"detector.options.size must be width, height: {self.size}")
        for name, known in _CHOICES.items():
            value = getattr(self, name)
            require(value in known, f"detector.options.{name}: '{value}' is not one of {', '.join(known)}")


_CHOICES = {
    "resize": ("letterbox", "stretch"),
    "channels": ("rgb", "bgr"),
    "output": ("named", "rows", "columns"),
    "boxes": ("xyxy", "cxcywh"),
}


class OnnxDetector:
    """Runs an ONNX file, image by image.

    Args:
        session: an ``onnxruntime.InferenceSession``.
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
        if layout.resize == "letterbox":
            matrix = letterbox_matrix(image.shape[1], image.shape[0], layout.size)
        else:
            matrix = np.diag([width / image.shape[1], height / image.shape[0], 1.0])
        pixels = (warp_image(image, matrix, layout.size) - np.array(layout.mean)) / np.array(layout.std)
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
        if layout.output == "columns":
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
        table = _first(next(iter(answers.values())), 3)
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


def open_onnx(name: str, config: DetectorConfig, min_score: float) -> OnnxDetector:
    """An ONNX file, described by `config.options` (`OnnxLayout`) and `config.labels`.

    Raises:
        UserError: the file or the package is missing, or the description is wrong.
    """
    file = Path(name)
    if not file.is_file():
        raise UserError(f"detector onnx:{name}: no such file")
    known = OnnxLayout.__dataclass_fields__
    for key in config.options:
        if key not in known:
            raise UserError(
                f"detector.options: unknown key '{key}'{did_you_mean(key, known)}; known: {', '.join(known)}"
            )
    layout = OnnxLayout(**cast(Any, {key: tuple(v) if isinstance(v, list) else v for key, v in config.options.items()}))
    runtime = need("onnxruntime", "onnx")
    content = file.read_bytes()
    try:
        session = runtime.InferenceSession(content, providers=runtime.get_available_providers())
    except Exception as error:  # its exceptions are its own
        raise UserError(f"detector onnx:{name}: cannot be run ({reason_of(error)})") from error
    labels = names_of(config.labels, {0: "person"})
    return OnnxDetector(
        session, layout, labels, classes=config.classes, min_score=min_score, name=f"onnx:{name}", content=content
    )
