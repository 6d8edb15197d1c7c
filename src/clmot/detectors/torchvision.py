"""Detectors of torchvision: Faster R-CNN, RetinaNet, FCOS, SSD and their relatives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from clmot.config import DetectorConfig
from clmot.detectors.feature_hooks import Taps
from clmot.detectors.frozen import frozen, load_into, names_of, to_tensors
from clmot.detectors.hooked_detector import TappedDetector
from clmot.detectors.output_parser import Answers
from clmot.errors import UserError, did_you_mean, reason_of
from clmot.protocols import FeatureMaps
from clmot.structures import Detections, Image


class TorchvisionDetector(TappedDetector):
    """A torchvision detector as it is, with the maps of its backbone.

    Args:
        model: one of `torchvision.models.detection`, with a `transform` and a `backbone`; it is frozen.
        labels: what its labels mean (0 is the background).
        classes: names of those to find; empty: all.
        min_score: less sure boxes are left out.
        device: where it runs.
        name: for messages.

    Raises:
        UserError: it does not know one of the classes.
    """

    def __init__(
        self,
        model: nn.Module,
        labels: Mapping[int, str],
        *,
        classes: Sequence[str] = (),
        min_score: float = 0.0,
        device: torch.device | str = "cpu",
        name: str = "torchvision",
    ) -> None:
        self.model = frozen(model, device)
        self._answers, self._device = Answers(name, labels, classes, min_score), device
        with torch.no_grad():
            self._taps = Taps(self.model.backbone, self._probe)

    @torch.no_grad()
    def detect(self, images: Sequence[Image]) -> list[Detections]:
        """The objects of each image."""
        with torch.autocast(torch.device(self._device).type, enabled=False):
            return self._answer(self.model(to_tensors(images, self._device)))

    @torch.no_grad()
    def features(self, images: Sequence[Image]) -> FeatureMaps:
        """The maps of its backbone; nothing behind it runs."""
        with torch.autocast(torch.device(self._device).type, enabled=False), self._taps.recording() as maps:
            inputs, _ = self.model.transform(to_tensors(images, self._device))
            self.model.backbone(inputs.tensors)
        return self._maps(images, inputs, maps)

    @torch.no_grad()
    def detect_with_features(self, images: Sequence[Image]) -> tuple[list[Detections], FeatureMaps]:
        """Objects and maps from one forward pass."""
        with (
            torch.autocast(torch.device(self._device).type, enabled=False),
            self._taps.recording() as maps,
            self._inputs() as inputs,
        ):
            found = self._answer(self.model(to_tensors(images, self._device)))
        return found, self._maps(images, inputs[0], maps)

    def _answer(self, outputs: Sequence[Mapping[str, Tensor]]) -> list[Detections]:
        return [self._answers(each["boxes"], each["scores"], each["labels"]) for each in outputs]

    @contextmanager
    def _inputs(self) -> Iterator[list[Any]]:
        """A list that gets the resized images as the model makes them."""
        made: list[Any] = []
        hook = self.model.transform.register_forward_hook(lambda module, given, result: made.append(result[0]))
        try:
            yield made
        finally:
            hook.remove()

    def _maps(self, images: Sequence[Image], inputs: Any, maps: dict[int, Tensor]) -> FeatureMaps:
        matrices = [
            np.diag([width / image.shape[1], height / image.shape[0], 1.0])
            for image, (height, width) in zip(images, inputs.image_sizes, strict=True)
        ]
        height, width = inputs.tensors.shape[-2:]
        return FeatureMaps(self._taps.in_order(maps), tuple(self._taps.channels), matrices, (width, height))

    def _probe(self) -> tuple[int, int]:
        inputs, _ = self.model.transform([torch.zeros(3, 160, 256, device=self._device)])
        self.model.backbone(inputs.tensors)
        return inputs.tensors.shape[-1], inputs.tensors.shape[-2]


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
            f"detector torchvision:{name}: cannot be had ({reason}); name a file of weights with --weights, or set "
            "detector.options right"
        ) from error
    if config.weights not in ("default", "none"):
        load_into(model, Path(config.weights), f"torchvision:{name}")
    categories = published.meta["categories"]
    count = int(config.options.get("num_classes", len(categories)))
    others = {index: f"class {index}" for index in range(1, count)}
    words = {index: word for index, word in enumerate(categories) if word not in ("__background__", "N/A")}
    meanings = words | {index: word for index, word in others.items() if index not in words}
    labels = names_of(config.labels, meanings if count == len(categories) else others, first=1)
    return TorchvisionDetector(
        model, labels, classes=config.classes, min_score=min_score, device=device, name=f"torchvision:{name}"
    )
