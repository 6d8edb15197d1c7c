"""A timm encoder whose maps an embedding is read from; the boxes come from a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from clmot.config import DetectorConfig
from clmot.detectors.frozen import fingerprint, frozen
from clmot.errors import UserError
from clmot.models.encoder import STRIDES, Encoder, initialise_encoder
from clmot.protocols import FeatureMaps
from clmot.structures import Detections, Image
from clmot.views.transforms import letterbox_matrix, warp_image


class EncoderDetector:
    """A frozen encoder in a detector's place: it has maps, and finds nothing by itself.

    Args:
        encoder: it is frozen.
        size: width and height of its input; images are letterboxed into it.
        classes: names of the classes of the external detections.
        device: where it runs.
    """

    def __init__(
        self,
        encoder: Encoder,
        size: tuple[int, int],
        classes: Sequence[str] = ("person",),
        device: torch.device | str = "cpu",
    ) -> None:
        self.model = frozen(encoder, device)
        self._size, self._classes, self._device = size, tuple(classes), device
        self._mean, self._std = (
            255 * torch.tensor(values, device=device).view(1, 3, 1, 1) for values in (encoder.mean, encoder.std)
        )
        self._channels = dict(zip(STRIDES, encoder.channels, strict=True))

    @property
    def classes(self) -> Sequence[str]:
        """Class names."""
        return self._classes

    @property
    def channels(self) -> dict[int, int]:
        """Channels of its maps by their stride."""
        return self._channels

    def fingerprint(self) -> str:
        """Of its weights."""
        return fingerprint(self.model)

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        """Nothing it could find.

        Raises:
            UserError: always.
        """
        raise UserError("an encoder alone finds no boxes: give them with --boxes (clmot track) or a labelled data set")

    @torch.no_grad()
    def features(self, images: Sequence[Image]) -> FeatureMaps:
        """The encoder's maps of the letterboxed images."""
        matrices = [letterbox_matrix(image.shape[1], image.shape[0], self._size) for image in images]
        placed = np.stack([warp_image(image, m, self._size) for image, m in zip(images, matrices, strict=True)])
        pixels = torch.from_numpy(placed).to(self._device).permute(0, 3, 1, 2)
        with torch.autocast(torch.device(self._device).type, enabled=False):
            maps = self.model((pixels - self._mean) / self._std)
        return FeatureMaps(tuple(maps), STRIDES, matrices, self._size)

    def detect_with_features(self, images: Sequence[Image]) -> tuple[list[Detections], FeatureMaps]:
        """As `detect`."""
        return self.detect(images), self.features(images)


def open_encoder(
    name: str, config: DetectorConfig, device: torch.device | str, min_score: float, size: tuple[int, int]
) -> EncoderDetector:
    """A timm encoder by its name, with the width and height of its input; it finds nothing of any score.

    Raises:
        UserError: timm has none of the name, or its weights cannot be had.
    """
    encoder = Encoder(name, config.options)
    weights = "timm" if config.weights == "default" else config.weights
    initialise_encoder(encoder, name, config.options, weights, "--weights ")
    if config.weights not in ("default", "none") and not Path(config.weights).is_file():
        raise UserError(f"{config.weights}: no such weights file")
    return EncoderDetector(encoder, size, config.classes or config.labels or ("person",), device)
