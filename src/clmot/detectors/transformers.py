"""Detectors of Hugging Face transformers: DETR, RT-DETR, D-FINE, YOLOS and whatever else detects objects there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from clmot.config import DetectorConfig
from clmot.detectors.feature_hooks import FeatureHooks
from clmot.detectors.frozen import frozen, names_of
from clmot.detectors.hooked_detector import HookedDetector, Pass
from clmot.detectors.output_parser import OutputParser
from clmot.errors import UserError, reason_of
from clmot.io.runtimes import import_extra
from clmot.protocols import Matrix
from clmot.structures import Image


class TransformersDetector(HookedDetector):
    """A ``...ForObjectDetection`` as it is, with the maps of its backbone.

    A transformer without convolutions (YOLOS) has but the map of its patches.

    Args:
        model: it is frozen.
        processor: the image processor that belongs to it.
        parse: of its output.
        device: where it runs.
    """

    def __init__(
        self, model: nn.Module, processor: Any, parse: OutputParser, device: torch.device | str = "cpu"
    ) -> None:
        self.model, self._parse = frozen(model, device), parse
        self._processor, self._device = processor, torch.device(device)
        base = getattr(self.model, "base_model", self.model)
        part = getattr(base, "backbone", base)
        self._hooks = FeatureHooks(part if isinstance(part, nn.Module) else base, self._probe)

    @torch.no_grad()
    def _run(self, images: Sequence[Image]) -> Pass:
        height, width = images[0].shape[:2]
        with torch.autocast(self._device.type, enabled=False):
            inputs = self._processor(images=list(images), return_tensors="pt").to(self._device)
            outputs = self.model(**inputs)
            results = self._processor.post_process_object_detection(
                outputs, threshold=self._parse.min_score, target_sizes=[(height, width)] * len(images)
            )
        found = [self._parse(each["boxes"], each["scores"], each["labels"]) for each in results]
        high, wide = inputs["pixel_values"].shape[-2:]
        matrix = _placement(inputs.get("pixel_mask"), (wide, high), (width, height))
        return found, [matrix] * len(images), (wide, high)

    def _groups(self, images: Sequence[Image]) -> list[Sequence[Image]]:
        """All images together where they are of one size, else each alone."""
        alike = len({image.shape for image in images}) == 1
        return [images] if alike else [[image] for image in images]


def _placement(mask: Tensor | None, size: tuple[int, int], image_size: tuple[int, int]) -> Matrix:
    """From an image's pixels to the input's: it lies at the top left, as far as the mask is set."""
    wide, high = size
    if mask is not None:
        wide, high = int(mask[0].any(dim=0).sum()), int(mask[0].any(dim=1).sum())
    return np.diag([wide / image_size[0], high / image_size[1], 1.0])


def open_transformers(
    name: str, config: DetectorConfig, device: torch.device | str, min_score: float
) -> TransformersDetector:
    """A detector by its folder, or its name on the hub.

    Raises:
        UserError: the package is missing, or the detector cannot be had.
    """
    transformers = import_extra("transformers", "transformers")
    if config.weights not in ("default",):
        raise UserError("detector transformers: weights and configuration lie in one folder; name it, without weights")
    try:
        processor = transformers.AutoImageProcessor.from_pretrained(name)
        model = transformers.AutoModelForObjectDetection.from_pretrained(name, **config.options)
    except Exception as error:  # the hub's client and the builders raise whatever they raise
        reason = reason_of(error)
        raise UserError(
            f"detector transformers:{name}: cannot be had ({reason}); name a folder that save_pretrained wrote"
        ) from error
    own = {int(key): word for key, word in model.config.id2label.items()}
    parse = OutputParser(f"transformers:{name}", names_of(config.labels, own), config.classes, min_score)
    return TransformersDetector(model, processor, parse, device)
