"""Other detectors in use: images in, `Detections` out, with embeddings where one is attached."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import NoReturn

import numpy as np
import torch

from clmot.config import Config
from clmot.detectors.output_parser import require_detections
from clmot.detectors.registry import fingerprint_of, open_detector
from clmot.devices import choose_device
from clmot.errors import UserError
from clmot.inference.model import Model
from clmot.inference.network_model import NetworkModel
from clmot.models.attached import AttachedNetwork, FeatureHead
from clmot.models.saved_model import SavedModel, load_weights
from clmot.protocols import Detector
from clmot.structures import Detections, Float32Array, Image


class AttachedModel(NetworkModel):
    """A frozen detector and the embedding learned beside it, as one model.

    Where the embedding is read from the detector's maps, both come from one forward pass.

    Args:
        network: the embedding and its detector; moved to `device`.
        config: the configuration it was trained with.
        device: ``auto``, ``cpu`` or ``cuda``; the detector must be there already.
        precision: of the embedding, as of `Model`; the detector runs in its own.
    """

    any_size = False

    def __init__(
        self, network: AttachedNetwork, config: Config, device: str = "auto", precision: str | None = None
    ) -> None:
        config = dataclasses.replace(config, tracker=config.tracker.suited("detector"))
        super().__init__(network, config, device, precision)  # type: ignore[arg-type]
        self.attached = network
        self.classes = tuple(network.detector.classes)
        self.fingerprint += fingerprint_of(network.detector)

    @torch.inference_mode()
    def _detect(self, images: list[Image]) -> list[Detections]:
        """The objects of several images: boxes, scores and classes as the detector gives them, with embeddings."""
        head, detector = self.attached.head, self.attached.detector
        if isinstance(head, FeatureHead):
            found, features = head.detector.detect_with_features(images)
            found = require_detections(found, len(images), head.detector)
            boxes, image_index = self._packed([each.xyxy for each in found])
            with self._autocast():
                embeddings = head.read_out(*head.pooled_from(images, boxes, image_index, features))
        else:
            found = require_detections(detector.detect(images), len(images), detector)
            with self._autocast():
                embeddings = head(images, *self._packed([each.xyxy for each in found]))
        rows = np.split(embeddings.float().cpu().numpy(), np.cumsum([len(each) for each in found])[:-1])
        return [dataclasses.replace(each, embedding=embedding) for each, embedding in zip(found, rows, strict=True)]

    @torch.inference_mode()
    def _embed(self, image: Image, boxes: Float32Array) -> Float32Array:
        with self._autocast():
            embeddings = self.attached.head([image], *self._packed([boxes]))
        return embeddings.float().cpu().numpy()  # type: ignore[no-any-return]

    def with_random_weights(self) -> AttachedModel:
        """The same detector with an untrained embedding."""
        network = AttachedNetwork(self.config, self.attached.detector)
        return AttachedModel(network, self.config, str(self.device), self.precision)

    def _packed(self, boxes: Sequence[Float32Array]) -> tuple[torch.Tensor, torch.Tensor]:
        """Boxes [m, 4] along one axis, and the image of each [m]."""
        index = np.repeat(np.arange(len(boxes)), [len(each) for each in boxes])
        packed = np.concatenate(boxes)
        return torch.from_numpy(packed).to(self.device), torch.from_numpy(index).to(self.device)


class BareModel(Model):
    """A detector of others without an embedding: boxes, scores and classes, to be tracked by motion.

    Args:
        detector: it is on its device already.
        config: how its detections are tracked.
    """

    embeds = any_size = False

    def __init__(self, detector: Detector, config: Config) -> None:
        self._detector, self.classes = detector, tuple(detector.classes)
        self.config = dataclasses.replace(config, tracker=config.tracker.suited("detector"))

    def _detect(self, images: list[Image]) -> list[Detections]:
        return require_detections(self._detector.detect(images), len(images), self._detector)

    def _embed(self, image: Image, boxes: Float32Array) -> NoReturn:
        raise self._without_embedding()

    def with_random_weights(self) -> NoReturn:
        """There are none.

        Raises:
            UserError: always.
        """
        raise self._without_embedding()

    def _without_embedding(self) -> UserError:
        return UserError(f"{self.config.detector.name}: finds boxes and reads no embedding; attach one (clmot attach)")


def load_detector(config: Config, device: str = "auto") -> BareModel:
    """The detector that `config.detector` describes, alone.

    Raises:
        UserError: it cannot be had.
    """
    detector = open_detector(
        dataclasses.replace(config.detector, head="crops"),  # nobody reads its maps
        device=choose_device(device),
        min_score=config.detect.score_threshold,
        image_size=config.model.image_size,
    )
    return BareModel(detector, config)


def load_attached(
    saved: SavedModel, *, device: str = "auto", precision: str | None = None, detector: Detector | None = None
) -> AttachedModel:
    """A detector with its saved embedding.

    Args:
        saved: of a run of `clmot.attach`.
        device: ``auto``, ``cpu`` or ``cuda``.
        precision: of the embedding.
        detector: the one it was learned on; by default the one that the configuration describes.

    Raises:
        UserError: the detector cannot be had, is another one, or the embedding does not fit it.
    """
    config, place = saved.config, choose_device(device)
    if detector is None:
        detector = open_detector(
            config.detector, device=place, min_score=config.detect.score_threshold, image_size=config.model.image_size
        )
    elif fingerprint_of(detector) not in ("", config.detector.fingerprint):
        raise UserError(f"{saved.file}: was learned on a detector with other weights than the one given")
    network = AttachedNetwork(config, detector)
    load_weights(network, saved)
    return AttachedModel(network, config, place, precision)
