"""A detector in a file of ONNX or OpenVINO (`OnnxLayout`)."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torchvision.ops import batched_nms

from clmot.config import DetectorConfig
from clmot.detectors.frozen import names_of
from clmot.detectors.hooked_detector import joined
from clmot.detectors.onnx_layout import OnnxLayout, grid_cells, recognised, stage_ends, stride_of
from clmot.detectors.output_parser import OutputParser
from clmot.errors import UserError, did_you_mean
from clmot.io.runtimes import InnerMap, RuntimeNetwork, inner_maps, open_network
from clmot.models.encoder import STRIDES
from clmot.models.yolox import coco_classes
from clmot.protocols import FeatureMaps
from clmot.structures import Detections, Float64Array, Image
from clmot.views.transforms import letterbox_matrix, warp_image

_log = logging.getLogger(__name__)


class OnnxDetector:
    """Runs such a file, image by image.

    Args:
        network: of `clmot.io.runtimes.open_network`.
        layout: what goes in and comes out.
        parse: of its output.
        content: of the file, to tell it from others.
        maps: by stride, those that follow the file's own outputs.

    Attributes:
        channels: of the feature maps by their stride.
    """

    def __init__(
        self,
        network: RuntimeNetwork,
        layout: OnnxLayout,
        parse: OutputParser,
        content: bytes = b"",
        maps: Mapping[int, InnerMap] | None = None,
    ) -> None:
        self._network, self._layout, self._parse = network, layout, parse
        self._name, self._min_score = parse.name, parse.min_score
        self.channels = {stride: port.shape[1] for stride, port in (maps or {}).items()}
        self._outputs = [output.name for output in network.outputs[: len(network.outputs) - len(self.channels)]]
        self._digest = hashlib.sha256(content).hexdigest()[:16]
        if layout.output == "named":
            for wanted in layout.names:
                if wanted not in self._outputs:
                    hint = did_you_mean(wanted, self._outputs)
                    raise UserError(
                        f"detector {parse.name}: has no output '{wanted}'{hint}; it has {', '.join(self._outputs)}: "
                        "describe them with detector.options"
                    )

    @property
    def classes(self) -> Sequence[str]:
        """Class names."""
        return self._parse.classes

    def fingerprint(self) -> str:
        """Of the file."""
        return self._digest

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        """The objects of each image."""
        return [self._run(image)[0] for image in images]

    def features(self, images: Sequence[Image]) -> FeatureMaps:
        """The maps of the images."""
        return self.detect_with_features(images)[1]

    def detect_with_features(self, images: Sequence[Image]) -> tuple[list[Detections], FeatureMaps]:
        """Objects and maps from one pass over each image."""
        runs = [self._run(image) for image in images]
        return [found for found, _ in runs], joined([features for _, features in runs])

    def _run(self, image: Image) -> tuple[Detections, FeatureMaps]:
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
        outputs = self._network.run({self._network.inputs[0].name: given})
        boxes, scores, labels = self._parts(dict(zip(self._outputs, outputs, strict=False)))
        if boxes.ndim == 2 and boxes.shape[1] == 4:
            if layout.boxes == "cxcywh":
                half = boxes[:, 2:] / 2
                boxes = np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], axis=1)
            if layout.normalised:
                boxes = boxes * [width, height, width, height]
            boxes = (boxes - np.tile(matrix[:2, 2], 2)) / np.tile(matrix[[0, 1], [0, 1]], 2)
        found = self._parse(boxes, scores, labels)
        if layout.output in ("columns", "grid"):
            kept = batched_nms(*map(torch.from_numpy, (found.xyxy, found.score, found.class_id)), layout.nms)
            found = found[kept.numpy()]
        maps = tuple(torch.from_numpy(each) for each in outputs[len(self._outputs) :])
        return found, FeatureMaps(maps, tuple(self.channels), [matrix], layout.size)

    def _parts(self, outputs: Mapping[str, Any]) -> tuple[Float64Array, Float64Array, Float64Array]:
        """Boxes, scores and labels of the one image."""
        layout = self._layout
        if layout.output == "named":
            boxes, scores, labels = (
                _first(outputs[name], axes) for name, axes in zip(layout.names, (3, 2, 2), strict=True)
            )
            return boxes, scores, labels
        table = _first(next(iter(outputs.values())), 4 if layout.output == "ssd" else 3)
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


def open_onnx(
    name: str, config: DetectorConfig, device: torch.device | str, min_score: float, kind: str = "onnx"
) -> OnnxDetector:
    """A file of ONNX or OpenVINO, described by `config.options` (`OnnxLayout`) and `config.labels`.

    What is not described is `recognised`; a YOLOX of 80 classes has the labels of COCO.

    Args:
        name: the file.
        config: describes it.
        device: where it runs, if its runtime can.
        min_score: boxes with lower scores are left out.
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
    network = open_network(file, str(device))
    if reason := network.cpu_only(str(device)):
        _log.warning("detector %s:%s: computes on the CPU: %s", kind, name, reason)
    weights = file.with_suffix(".bin")
    content = file.read_bytes() + (weights.read_bytes() if kind == "openvino" and weights.is_file() else b"")
    layout = replace(recognised(network), **options)
    labels = names_of(config.labels, _labels(network, layout), first=int(layout.output == "ssd"))
    parse = OutputParser(f"{kind}:{name}", labels, config.classes, min_score)
    maps = {} if config.head == "crops" else _feature_maps(file, layout, parse.name)
    if maps:
        network = open_network(file, str(device), also=[each.name for each in maps.values()])
    return OnnxDetector(network, layout, parse, content, maps)


def _feature_maps(file: Path, layout: OnnxLayout, detector: str) -> dict[int, InnerMap]:
    """What the file computes on the way and an embedding can be read from, by stride."""
    offered = inner_maps(file, (1, 3, layout.size[1], layout.size[0]))
    maps = stage_ends(offered, layout.size)
    if layout.features:
        known = {each.name: each for each in offered if stride_of(each, layout.size) in STRIDES}
        for name in layout.features:
            if name not in known:
                raise UserError(
                    f"detector.options.features: '{name}' is no map of {file} with a stride of 4, 8, 16 or 32"
                    f"{did_you_mean(name, known)}"
                )
        maps = {stride_of(known[name], layout.size): known[name] for name in layout.features}
        maps = dict(sorted(maps.items()))
    shown = ", ".join(f"{each.name} (stride {stride}, {each.shape[1]} channels)" for stride, each in maps.items())
    _log.info("detector %s: feature maps %s", detector, shown or "none")
    return maps


def _labels(network: RuntimeNetwork, layout: OnnxLayout) -> dict[int, str]:
    """What labels mean by default."""
    if layout.output == "ssd":
        return {1: "person"}
    if layout.output == "grid" and network.outputs[0].shape[-1] == 85:
        return dict(enumerate(coco_classes()))
    return {0: "person"}
