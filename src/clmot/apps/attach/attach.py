"""Learn an embedding for a frozen detector, and so make a tracker of it: no identities, and if need be no boxes."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from torch import nn

from clmot.apps.attach.pseudo_labels import pseudo_labels
from clmot.config import Config, DetectorConfig, ModelConfig, load_config
from clmot.datasets.readers import FORMATS
from clmot.datasets.writers import coco
from clmot.detectors.registry import absolute_name, fingerprint_of, open_detector
from clmot.devices import choose_device
from clmot.errors import UserError
from clmot.io.paths import as_paths
from clmot.losses.criterion import CONTRASTIVE
from clmot.models.saved_model import find_checkpoint
from clmot.protocols import Detector, FeatureDetector, require_detector
from clmot.training.best_weights import ValidationPlan
from clmot.training.trainer import train

log = logging.getLogger(__name__)

USED_STRIDES = (4, 8, 16)
"""Maps of the detector that an embedding is read from by default; beyond, a person is a cell or two wide."""


def attach(
    detector: Detector | DetectorConfig | str,
    data: str | Path | Sequence[str | Path],
    out: str | Path,
    config: Config | None = None,
    *,
    boxes: Literal["auto", "data", "detector"] = "auto",
    resume: bool = False,
    progress: bool = True,
    validation: ValidationPlan | None = None,
) -> Path:
    """Learn an embedding for a detector, label-free, on its own feature maps or on crops of its boxes.

    The detector is frozen: its boxes and scores stay bit-exact what they were.

    Args:
        detector: ``LIBRARY:NAME`` (`clmot.detectors.registry.KINDS`), its configuration, or an object that does what
            `clmot.protocols.Detector` says; a run of such an object is loaded with
            ``clmot.load_model(run, detector=...)``.
        data: annotated images in a format that `clmot.datasets.readers` reads, or folders of images.
        out: the run folder, as `clmot.training.trainer.train` makes it; boxes that the detector found are in
            ``boxes/annotations.json``.
        config: how to train, and the embedding; by default the recipe ``street``. Where `model.levels` are the
            recipe's, they are chosen to fit the detector.
        boxes: learn on the boxes of the ``data``, or on those that the ``detector`` finds in its images; ``auto``: on
            the detector's where the data has none.
        resume: go on from the newest checkpoint in `out`.
        progress: show a progress bar on standard error.
        validation: as of `clmot.train`.

    Returns:
        The final checkpoint's folder.

    Raises:
        TypeError: it is no detector.
        UserError: the detector cannot be had or gives nonsense, it shows no maps and maps are asked for; or as
            training.
        KeyboardInterrupt: as training.

    Examples:
        >>> config = clmot.load_config(overrides=["train.steps=2", "train.batch_size=2", "model.image_size=[128,96]"])
        >>> run = clmot.attach("python:detect.py:find", "boxes.json", "runs/attached", config)
    """
    if not isinstance(detector, str | DetectorConfig):
        require_detector(detector)
    config, out = config or load_config(), Path(out)
    paths = as_paths(data)
    if find_checkpoint(out) and not resume:
        raise UserError(f"{out}: already holds a run; go on with --resume or choose another --out")
    if config.loss.objective not in CONTRASTIVE:
        raise UserError(f"loss.objective {config.loss.objective}: an attached embedding learns by contrast only")
    if config.model.pooling != "stripes":
        raise UserError("model: an attached embedding has pooling=stripes")
    device = choose_device(config.train.device, "train.device")
    if isinstance(detector, str):
        detector = dataclasses.replace(config.detector, name=detector)
    if isinstance(detector, DetectorConfig):
        described = detector
        detector = open_detector(
            described, device=device, min_score=config.detect.score_threshold, image_size=config.model.image_size
        )
    else:
        if isinstance(detector, nn.Module):
            detector.eval()  # before it finds the boxes to learn on
        described = dataclasses.replace(config.detector, name=f"object:{type(detector).__name__}")
    described = _settled(described, detector)
    model = _fitting(config.model, described, detector)
    config = dataclasses.replace(config, detector=described, model=model)
    if boxes == "detector" or (boxes == "auto" and not all(_has_boxes(path) for path in paths)):
        paths = [_pseudo_labels(detector, paths, out, resume, progress)]
    return train(paths, out, config, resume=resume, progress=progress, detector=detector, validation=validation)


def _settled(described: DetectorConfig, detector: Detector) -> DetectorConfig:
    """The description with what only the detector tells, so that the same can be had again from anywhere."""
    head = described.head
    if head == "auto":
        head = "features" if isinstance(detector, FeatureDetector) and detector.channels else "crops"
    if head == "features" and not (isinstance(detector, FeatureDetector) and detector.channels):
        raise UserError(f"detector {described.name}: shows no feature maps; learn on crops with --head crops")
    weights = described.weights
    if weights not in ("default", "none"):
        weights = str(Path(weights).absolute())
    name = absolute_name(described.name)
    return dataclasses.replace(described, name=name, head=head, weights=weights, fingerprint=fingerprint_of(detector))


def _fitting(model: ModelConfig, described: DetectorConfig, detector: Detector) -> ModelConfig:
    """The embedding's levels, chosen unless they were chosen before."""
    plain = ModelConfig()
    if model.levels == plain.levels or "neck" in model.levels:
        strides: Sequence[int] = (4, 16)
        if described.head == "features" and isinstance(detector, FeatureDetector):
            strides = [stride for stride in USED_STRIDES if stride in detector.channels] or list(detector.channels)
        levels = ("colour", *(f"stride{stride}" for stride in strides))
        return dataclasses.replace(model, levels=levels)
    return model


def _has_boxes(path: Path) -> bool:
    """Whether a path holds annotation of some kind, or is for training to complain about."""
    return not path.is_dir() or any(each.matches(path) for each in FORMATS)


def _pseudo_labels(detector: Detector, paths: Sequence[Path], out: Path, resume: bool, progress: bool) -> Path:
    """The file of the boxes that the detector finds; a resumed run has it already."""
    folder = out / "boxes"
    file = folder / "annotations.json"
    if not (resume and file.is_file()):
        dataset = pseudo_labels(detector, paths, progress=progress)
        coco.WRITER.write(dataset, folder, images="reference")
        count = sum(len(sample.boxes) for sample in dataset.samples)
        log.info("%s: %d boxes that the detector found in %d images", file, count, len(dataset.samples))
    return file
