"""Models as the command line asks for them: with settings laid over their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from clmot.config import Config, parse_overrides, read_sections
from clmot.detectors.registry import is_detector
from clmot.protocols import ConfiguredDetector, Detector, require_detector

if TYPE_CHECKING:
    from clmot.inference.attached import BareModel
    from clmot.inference.model import Model

Settings = Sequence[tuple[Mapping[str, Any], str]]
"""Sections of a configuration, each with where they come from; later ones go over earlier ones."""


def read_settings(file: Path | None, sections: Sequence[str], overrides: Sequence[str]) -> Settings:
    """The sections of a file, if there is one, and ``SECTION.KEY=VALUE`` over them.

    Raises:
        UserError: the file cannot be read, or has other sections; or an override is none.
    """
    of_file = [] if file is None else [(read_sections(file, tuple(sections)), str(file))]
    return [*of_file, (parse_overrides(overrides), "override")]


def load_configured(name: str | Path, settings: Settings, device: str, runtime: str = "torch") -> Model:
    """What `load_fastest` loads, with settings laid over its own.

    Raises:
        UserError: as `clmot.load_model`, or a setting is wrong.
    """
    from clmot.apps.track.runtime import load_fastest

    if is_detector(name):
        from clmot.inference.attached import load_detector

        # some settings decide how it is opened
        described = Config().updated({"detector": {"name": str(name)}}, "--model")
        model: Model = load_detector(_laid_over(described, settings), device)
        model.name = str(name)
    else:
        model = load_fastest(name, device, runtime)
    model.config = _laid_over(model.config, settings)
    model.require_size()
    return model


def stated_rate(config: Config, settings: Settings) -> float | None:
    """The frame rate that settings lay over what sources say; None where none of them has one."""
    stated = any("frame_rate" in (sections.get("tracker") or {}) for sections, _ in settings)
    return config.tracker.frame_rate if stated else None


def as_configured(model: Detector | str | Path) -> ConfiguredDetector:
    """The model, loaded if it is named; a detector without a configuration of ours gets the default one."""
    if isinstance(model, str | Path):
        from clmot.apps.track.runtime import load_fastest

        return load_fastest(model)
    require_detector(model)
    if isinstance(getattr(model, "config", None), Config):
        return cast(ConfiguredDetector, model)
    from clmot.inference.attached import BareModel

    return BareModel(model, Config())


def load_detector_for(model: Model, name: str, device: str) -> BareModel:
    """A detector of LIBRARY:NAME that finds the model's classes, down to the tracker's lowest score.

    Raises:
        UserError: it cannot be had.
    """
    from clmot.inference.attached import load_detector

    described = {"name": name, "classes": model.config.detector.classes or model.classes}
    lowest = {"score_threshold": model.config.tracker.low_score}
    return load_detector(model.config.updated({"detector": described, "detect": lowest}, "--detector"), device)


def _laid_over(config: Config, settings: Settings) -> Config:
    for sections, where in settings:
        config = config.updated(sections, where)
    return config
