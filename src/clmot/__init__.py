"""clmot: train a multi-object tracker from boxes alone, without identity labels."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from clmot._version import __version__

if TYPE_CHECKING:
    from clmot.apps.attach.attach import attach
    from clmot.apps.track.pipeline import track
    from clmot.config import Config, load_config
    from clmot.config.tracker import TrackerConfig
    from clmot.errors import UserError
    from clmot.evaluation.mot import evaluate
    from clmot.evaluation.scores import Scores
    from clmot.inference.model import Model, load_model
    from clmot.reid.gallery import Gallery
    from clmot.structures import Detections, TrackedFrame
    from clmot.tracking.multi_stream import Trackers
    from clmot.tracking.tracker import Tracker
    from clmot.training.trainer import train

# Loaded when first used, so that `clmot.Tracker` needs no torch and `--help` is quick.
_LAZY = {
    "Config": "clmot.config",
    "Detections": "clmot.structures",
    "Gallery": "clmot.reid.gallery",
    "Model": "clmot.inference.model",
    "Scores": "clmot.evaluation.scores",
    "TrackedFrame": "clmot.structures",
    "Tracker": "clmot.tracking.tracker",
    "TrackerConfig": "clmot.config.tracker",
    "Trackers": "clmot.tracking.multi_stream",
    "UserError": "clmot.errors",
    "attach": "clmot.apps.attach.attach",
    "evaluate": "clmot.evaluation.mot",
    "load_config": "clmot.config",
    "load_model": "clmot.inference.model",
    "track": "clmot.apps.track.pipeline",
    "train": "clmot.training.trainer",
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
    if name not in _LAZY:
        raise AttributeError(f"module 'clmot' has no attribute '{name}'")
    return getattr(importlib.import_module(_LAZY[name]), name)
