"""Detectors of ultralytics: any YOLO or RT-DETR of theirs that finds boxes.

The package is AGPL-3.0: it is imported only where a user asks for it, and nothing of it is in here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from clmot.config import DetectorConfig
from clmot.detectors.feature_hooks import FeatureHooks
from clmot.detectors.frozen import fingerprint, load_into, names_of
from clmot.detectors.hooked_detector import HookedDetector, Pass
from clmot.detectors.output_parser import OutputParser
from clmot.errors import UserError, reason_of
from clmot.io.runtimes import import_extra
from clmot.protocols import Matrix
from clmot.structures import Detections, Image
from clmot.tracking.adapters import boxes_of_results

_NONE: Mapping[str, Any] = {}


class UltralyticsDetector(HookedDetector):
    """An ``ultralytics.YOLO`` as it is, with the maps of its layers before the head.

    Args:
        yolo: the model.
        parse: of its output.
        device: where it runs.
        options: further keyword arguments of its ``predict`` (``imgsz``, ``iou``, ...).
    """

    def __init__(
        self, yolo: Any, parse: OutputParser, device: torch.device | str = "cpu", options: Mapping[str, Any] = _NONE
    ) -> None:
        self.model, self._yolo, self._parse = yolo.model, yolo, parse
        own = {"conf": parse.min_score, "device": str(device), "verbose": False, "save": False}
        self._settings: dict[str, Any] = {**options, **own}
        self._digest = fingerprint(yolo.model)
        self._predict([np.zeros((160, 256, 3), np.uint8)])
        # the first call has made the copy that runs, with normalisation folded into convolutions
        self._running = yolo.predictor.model.model
        layers = [layer for layer in self._running.model if layer is not self._running.model[-1]]
        self._hooks = FeatureHooks(nn.Sequential(*layers), self._probe)

    def fingerprint(self) -> str:
        """Of its weights."""
        return self._digest

    def _run(self, images: Sequence[Image]) -> Pass:
        with self._input_size() as sizes:
            found = self._predict(images)
        return found, [_placement(image, sizes[-1]) for image in images], sizes[-1]

    def _predict(self, images: Sequence[Image]) -> list[Detections]:
        # OpenCV's order of channels is what it takes arrays to be in
        given = [np.ascontiguousarray(image[..., ::-1]) for image in images]
        with torch.autocast(torch.device(self._settings["device"]).type, enabled=False):
            results = self._yolo.predict(given, batch=len(given), **self._settings)
        found = [boxes_of_results(each) for each in results]
        if any(boxes is None for boxes, _ in found):
            raise UserError(f"detector {self._parse.name}: gives no boxes (a model that classifies?)")
        return [self._parse(boxes.xyxy, boxes.conf, boxes.cls, data) for boxes, data in found]

    @contextmanager
    def _input_size(self) -> Iterator[list[tuple[int, int]]]:
        """A list that gets width and height of what goes into the network."""
        sizes: list[tuple[int, int]] = []
        hook = self._running.register_forward_pre_hook(
            lambda module, given: sizes.append((given[0].shape[-1], given[0].shape[-2]))
        )
        try:
            yield sizes
        finally:
            hook.remove()


def _placement(image: Image, size: tuple[int, int]) -> Matrix:
    """From an image's pixels to the input's: letterboxed, the borders in whole pixels."""
    height, width = image.shape[:2]
    zoom = min(size[0] / width, size[1] / height)
    left, top = (round((side - round(zoom * own)) / 2 - 0.1) for side, own in zip(size, (width, height), strict=True))
    return np.array([[zoom, 0, left], [0, zoom, top], [0, 0, 1]])


def open_ultralytics(
    name: str, config: DetectorConfig, device: torch.device | str, min_score: float
) -> UltralyticsDetector:
    """A detector by its file of weights (``.pt``), or by its description (``.yaml``) and a file of tensors.

    Raises:
        UserError: the package is missing, or the detector cannot be had.
    """
    ultralytics = import_extra("ultralytics", "ultralytics")
    try:
        yolo = ultralytics.YOLO(name)
    except Exception as error:  # downloads and unpickling raise whatever they raise
        reason = reason_of(error)
        raise UserError(f"detector ultralytics:{name}: cannot be had ({reason})") from error
    if not isinstance(yolo.model, nn.Module):
        raise UserError(f"detector ultralytics:{name}: is an exported model; name its .pt, or use onnx:FILE")
    if config.weights not in ("default", "none"):
        load_into(yolo.model, Path(config.weights), f"ultralytics:{name}")
    labels = names_of(config.labels, {int(key): word for key, word in yolo.names.items()})
    parse = OutputParser(f"ultralytics:{name}", labels, config.classes, min_score)
    return UltralyticsDetector(yolo, parse, device, config.options)
