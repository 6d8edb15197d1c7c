"""RF-DETR of the package ``rfdetr`` (Robinson et al. 2025), published weights or a checkpoint of one's own training.

RF-DETR as transformers has it is a detector of `clmot.detectors.transformers`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from clmot.config import DetectorConfig
from clmot.detectors.feature_hooks import FeatureHooks
from clmot.detectors.frozen import frozen, load_into, names_of
from clmot.detectors.hooked_detector import HookedDetector, Pass
from clmot.detectors.output_parser import OutputParser
from clmot.errors import UserError, did_you_mean, reason_of
from clmot.io.runtimes import import_extra
from clmot.structures import Detections, Image

SIZES = {"nano": "RFDETRNano", "small": "RFDETRSmall", "medium": "RFDETRMedium", "large": "RFDETRLarge"}
"""Of the published detectors, with the names of their classes in the package."""

_BACKGROUND = "__background__"


class RfDetrDetector(HookedDetector):
    """An ``rfdetr.RFDETR`` as it is, with the map of its encoder that the decoder reads.

    Its input is square: images are stretched.

    Args:
        model: it is frozen.
        parse: of its output.
        own_names: the labels are the places of names in `model.class_names`, not numbers of the user's.
    """

    def __init__(self, model: Any, parse: OutputParser, own_names: bool = True) -> None:
        self.model, self._rfdetr, self._parse = frozen(model.model.model, model.model.device), model, parse
        # numbers of published weights are COCO's, which leave some out: the names are the same for all weights
        self._number = {word: index for index, word in enumerate(model.class_names)} if own_names else None
        side = model.model.resolution
        self._size = (side, side)
        self._hooks = FeatureHooks(self.model.backbone[0], self._probe)

    def _run(self, images: Sequence[Image]) -> Pass:
        with torch.autocast(self._rfdetr.model.device.type, enabled=False):
            found = self._rfdetr.predict(list(images), threshold=self._parse.min_score, include_source_image=False)
        width, height = self._size
        matrices = [np.diag([width / image.shape[1], height / image.shape[0], 1.0]) for image in images]
        return [self._named(each) for each in found], matrices, self._size

    def _named(self, found: Any) -> Detections:
        """The objects of one image, without what it takes for background."""
        words = found.data["class_name"]
        if self._number is None:
            labels, kept = found.class_id, words != _BACKGROUND
        else:
            labels = np.array([self._number.get(word, -1) for word in words], np.int64)
            kept = labels >= 0
        return self._parse(found.xyxy[kept], found.confidence[kept], labels[kept])


def open_rfdetr(name: str, config: DetectorConfig, device: torch.device | str, min_score: float) -> RfDetrDetector:
    """A detector by its size (`SIZES`), or by a checkpoint of ``RFDETR.train``.

    Raises:
        UserError: the package is missing, there is no such size or file, or the detector cannot be had.
    """
    package = import_extra("rfdetr", "rfdetr")
    options = {"device": str(device), **config.options}
    is_file = name not in SIZES
    if is_file and not Path(name).is_file():
        raise UserError(
            f"detector rfdetr:{name}: no such file{did_you_mean(name, SIZES)}; name one of {', '.join(SIZES)}, or a "
            "checkpoint (.pth)"
        )
    if is_file and config.weights != "default":
        raise UserError(f"detector rfdetr:{name}: has its own weights; leave out {config.weights}, or name a size")
    try:
        if is_file:
            model = package.RFDETR.from_checkpoint(name, **options)
        else:
            start = {} if config.weights == "default" else {"pretrain_weights": None}
            model = getattr(package, SIZES[name])(**start, **options)
    except Exception as error:  # downloads, unpickling and the checks of its options raise whatever they raise
        reason = reason_of(error)
        raise UserError(f"detector rfdetr:{name}: cannot be had ({reason})") from error
    if not is_file and config.weights not in ("default", "none"):
        load_into(model.model.model, Path(config.weights), f"rfdetr:{name}")
    labels = names_of(config.labels, dict(enumerate(model.class_names)))
    parse = OutputParser(f"rfdetr:{name}", labels, config.classes, min_score)
    return RfDetrDetector(model, parse, own_names=not config.labels)
