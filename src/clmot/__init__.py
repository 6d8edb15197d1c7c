"""clmot: train a multi-object tracker from boxes alone, without identity labels.

What the command line does, Python does: `train`, `attach`, `adapt`, `track`, `detect`, `tune`, `evaluate`, `embed`,
`report`, `serve`, `info`, `status`, `submit`, `bench`, `check_data`, `export_model`, `import_weights`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from clmot._version import __version__

if TYPE_CHECKING:
    from clmot.apps.adapt.run import adapt as adapt
    from clmot.apps.attach.attach import attach as attach
    from clmot.apps.bench.runner import run_bench as bench
    from clmot.apps.check_data import check as check_data
    from clmot.apps.convert_results.convert import convert_results as convert_results
    from clmot.apps.count.count import count as count
    from clmot.apps.draw import draw as draw
    from clmot.apps.embedding_quality.assess import assess as embed
    from clmot.apps.info import info as info
    from clmot.apps.many.status import read_status as status
    from clmot.apps.refine_results import refine_results as refine
    from clmot.apps.report.make import make_report as report
    from clmot.apps.serve.server import serve as serve
    from clmot.apps.track.object_choice import ObjectChoice as ObjectChoice
    from clmot.apps.track.pipeline import track as track
    from clmot.apps.track.write_detections import write_detections as detect
    from clmot.apps.tune.search import tune as tune
    from clmot.config import Config as Config
    from clmot.config import load_config as load_config
    from clmot.config.tracker import TrackerConfig as TrackerConfig
    from clmot.datasets.readers import read_dataset as read_dataset
    from clmot.errors import UserError as UserError
    from clmot.evaluation.mot import evaluate as evaluate
    from clmot.evaluation.scores import Scores as Scores
    from clmot.evaluation.submission import submit as submit
    from clmot.export.save import export_model as export_model
    from clmot.inference.model import Model as Model
    from clmot.inference.model import load_model as load_model
    from clmot.io.frame_choice import FrameChoice as FrameChoice
    from clmot.reid.gallery import Gallery as Gallery
    from clmot.structures import Detections as Detections
    from clmot.structures import TrackedFrame as TrackedFrame
    from clmot.tracking.multi_stream import Trackers as Trackers
    from clmot.tracking.tracker import Tracker as Tracker
    from clmot.training.best_weights import ValidationPlan as ValidationPlan
    from clmot.training.init_weights import import_weights as import_weights
    from clmot.training.trainer import train as train

# Loaded when first used, so that `clmot.Tracker` needs no torch and `--help` is quick.
_LAZY = {
    "Config": "clmot.config",
    "Detections": "clmot.structures",
    "FrameChoice": "clmot.io.frame_choice",
    "Gallery": "clmot.reid.gallery",
    "Model": "clmot.inference.model",
    "ObjectChoice": "clmot.apps.track.object_choice",
    "Scores": "clmot.evaluation.scores",
    "TrackedFrame": "clmot.structures",
    "Tracker": "clmot.tracking.tracker",
    "TrackerConfig": "clmot.config.tracker",
    "Trackers": "clmot.tracking.multi_stream",
    "UserError": "clmot.errors",
    "ValidationPlan": "clmot.training.best_weights",
    "adapt": "clmot.apps.adapt.run",
    "attach": "clmot.apps.attach.attach",
    "bench": "clmot.apps.bench.runner:run_bench",
    "check_data": "clmot.apps.check_data:check",
    "convert_results": "clmot.apps.convert_results.convert",
    "count": "clmot.apps.count.count",
    "detect": "clmot.apps.track.write_detections:write_detections",
    "draw": "clmot.apps.draw",
    "embed": "clmot.apps.embedding_quality.assess:assess",
    "evaluate": "clmot.evaluation.mot",
    "export_model": "clmot.export.save",
    "import_weights": "clmot.training.init_weights",
    "info": "clmot.apps.info",
    "load_config": "clmot.config",
    "load_model": "clmot.inference.model",
    "read_dataset": "clmot.datasets.readers",
    "refine": "clmot.apps.refine_results:refine_results",
    "report": "clmot.apps.report.make:make_report",
    "serve": "clmot.apps.serve.server",
    "status": "clmot.apps.many.status:read_status",
    "submit": "clmot.evaluation.submission",
    "track": "clmot.apps.track.pipeline",
    "train": "clmot.training.trainer",
    "tune": "clmot.apps.tune.search",
}

__all__ = ["__version__", *_LAZY]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'clmot' has no attribute '{name}'")
    module, _, other = _LAZY[name].partition(":")
    return getattr(importlib.import_module(module), other or name)
