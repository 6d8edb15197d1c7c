"""Detectors of torchvision: Faster R-CNN, RetinaNet, FCOS, SSD and their relatives."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from clmot.config import DetectorConfig
from clmot.detectors.feature_hooks import FeatureHooks
from clmot.detectors.frozen import frozen, load_into, names_of, to_tensors
from clmot.detectors.hooked_detector import HookedDetector, Pass
from clmot.detectors.output_parser import OutputParser
from clmot.errors import UserError, did_you_mean, reason_of
from clmot.protocols import FeatureMaps, Matrix
from clmot.row_data import KEYPOINTS
from clmot.structures import Image


class TorchvisionDetector(HookedDetector):
    """A torchvision detector as it is, with the maps of its backbone.

    Args:
        model: one of `torchvision.models.detection`, with a `transform` and a `backbone`; it is frozen.
        parse: of its output (label 0 is the background).
        device: where it runs.
    """

    def __init__(self, model: nn.Module, parse: OutputParser, device: torch.device | str = "cpu") -> None:
        self.model, self._parse, self._device = frozen(model, device), parse, device
        with torch.no_grad():
            self._hooks = FeatureHooks(self.model.backbone, self._probe)

    @torch.no_grad()
    def features(self, images: Sequence[Image]) -> FeatureMaps:
        """The maps of its backbone; nothing behind it runs."""
        with torch.autocast(torch.device(self._device).type, enabled=False), self._hooks.recording() as maps:
            inputs, _ = self.model.transform(to_tensors(images, self._device))
            self.model.backbone(inputs.tensors)
        return FeatureMaps(self._hooks.in_order(maps), tuple(self.channels), *_placement(images, inputs))

    @torch.no_grad()
    def _run(self, images: Sequence[Image]) -> Pass:
        resized: list[Any] = []
        hook = self.model.transform.register_forward_hook(lambda module, given, result: resized.append(result[0]))
        try:
            with torch.autocast(torch.device(self._device).type, enabled=False):
                outputs = self.model(to_tensors(images, self._device))
        finally:
            hook.remove()
        found = [
            self._parse(each["boxes"], each["scores"], each["labels"], {n: each[n] for n in (KEYPOINTS,) if n in each})
            for each in outputs
        ]
        return found, *_placement(images, resized[0])

    def _probe(self) -> tuple[int, int]:
        inputs, _ = self.model.transform([torch.zeros(3, 160, 256, device=self._device)])
        self.model.backbone(inputs.tensors)
        return inputs.tensors.shape[-1], inputs.tensors.shape[-2]


def _placement(images: Sequence[Image], inputs: Any) -> tuple[list[Matrix], tuple[int, int]]:
    """The matrices from each image's pixels to those of the input, and the input's size."""
    matrices = [
        np.diag([width / image.shape[1], height / image.shape[0], 1.0])
        for image, (height, width) in zip(images, inputs.image_sizes, strict=True)
    ]
    return matrices, (inputs.tensors.shape[-1], inputs.tensors.shape[-2])


def open_torchvision(
    name: str, config: DetectorConfig, device: torch.device | str, min_score: float
) -> TorchvisionDetector:
    """A detector by its name in torchvision, such as ``fasterrcnn_resnet50_fpn``.

    Raises:
        UserError: torchvision has none of the name, an option is wrong, or its weights cannot be had.
    """
    from torchvision.models import detection, get_model, get_model_weights, list_models

    known = list_models(module=detection)
    if name not in known:
        raise UserError(f"detector torchvision:{name}: unknown{did_you_mean(name, known)}; known: {', '.join(known)}")
    weights = get_model_weights(name)
    published = list(weights)[-1]
    start: Any = published if config.weights == "default" else None
    try:
        model = get_model(name, weights=start, **{"weights_backbone": None, **config.options})
    except Exception as error:  # builders and downloads raise whatever they raise
        reason = reason_of(error)
        raise UserError(
            f"detector torchvision:{name}: cannot be had ({reason}); name a file of weights "
            "(detector.weights=FILE), or set detector.options right"
        ) from error
    if config.weights not in ("default", "none"):
        load_into(model, Path(config.weights), f"torchvision:{name}")
    categories = published.meta["categories"]
    count = int(config.options.get("num_classes", len(categories)))
    others = {index: f"class {index}" for index in range(1, count)}
    words = {index: word for index, word in enumerate(categories) if word not in ("__background__", "N/A")}
    meanings = words | {index: word for index, word in others.items() if index not in words}
    labels = names_of(config.labels, meanings if count == len(categories) else others, first=1)
    return TorchvisionDetector(model, OutputParser(f"torchvision:{name}", labels, config.classes, min_score), device)
