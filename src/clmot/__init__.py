"""clmot: train a multi-object tracker from boxes alone, without identity labels."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from clmot._version import __version__

if TYPE_CHECKING:
    from clmot.config import Config, load_config
    from clmot.detectors.attach import attach
    from clmot.errors import UserError
    from clmot.evaluation.mot import evaluate
    from clmot.inference import Model, load_model
    from clmot.pipeline import track
    from clmot.tracking.config import TrackerConfig
    from clmot.tracking.gallery import Gallery
    from clmot.tracking.streams import Trackers
    from clmot.tracking.tracker import Tracker
    from clmot.training.run import train
    from clmot.types import Detections, Scores, TrackedFrame

# Loaded when first used, so that `clmot.Tracker` needs no torch and `--help` is quick.
_HOMES = {
    "Config": "clmot.config",
    "Detections": "clmot.types",
    "Gallery": "clmot.tracking.gallery",
    "Model": "clmot.inference",
    "Scores": "clmot.types",
    "TrackedFrame": "clmot.types",
    "Tracker": "clmot.tracking.tracker",
    "TrackerConfig": "clmot.tracking.config",
    "Trackers": "clmot.tracking.streams",
    "UserError": "clmot.errors",
    "attach": "clmot.detectors.attach",
    "evaluate": "clmot.evaluation.mot",
    "load_config": "clmot.config",
    "load_model": "clmot.inference",
    "track": "clmot.pipeline",
    "train": "clmot.training.run",
}

__all__ = [
    "Config",
    "Detections",
    "Gallery",
    "Model",
    "Scores",
    "TrackedFrame",
    "Tracker",
    "TrackerConfig",
    "Trackers",
    "UserError",
    "__version__",
    "attach",
    "evaluate",
    "load_config",
    "load_model",
    "track",
    "train",
]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'clmot' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOMES[name]), name)
