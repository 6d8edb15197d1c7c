"""All sections together."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from clmot._version import __version__
from clmot.config.networks import DetectConfig, DetectorConfig, ModelConfig
from clmot.config.overlay import overlay, parse_sections, plain
from clmot.config.retired import without_retired
from clmot.config.sections import AdaptConfig, DataConfig, LossConfig, RefineConfig, TrainConfig, ViewsConfig
from clmot.config.tracker import TrackerConfig
from clmot.errors import UserError, newer


@dataclass(frozen=True, kw_only=True)
class Config:
    """Everything that decides a run.

    Examples:
        >>> config = clmot.Config().updated({"train": {"steps": 500}})
        >>> config.train.steps
        500
    """

    recipe: str = "street"
    data: DataConfig = field(default_factory=DataConfig)
    views: ViewsConfig = field(default_factory=ViewsConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    detect: DetectConfig = field(default_factory=DetectConfig)
    tracker: TrackerConfig = field(default_factory=lambda: TrackerConfig().suited("heatmap"))
    refine: RefineConfig = field(default_factory=RefineConfig)
    detector: DetectorConfig = field(default_factory=DetectorConfig)
    adapt: AdaptConfig = field(default_factory=AdaptConfig)

    def updated(self, changes: Mapping[str, Any], source: str = "config") -> Config:
        """This configuration with a nested mapping laid over it; `train.steps` puts `train.epochs` out of force.

        ``{"clmot": VERSION}`` says which version wrote it.
        ``{"tracker": {"preset": NAME}}`` starts the tracker's section anew from one of the `PRESETS`.

        Args:
            changes: ``{"train": {"steps": 100}}``; values as YAML gives them.
            source: where the mapping came from, named in errors.

        Raises:
            UserError: an unknown key (with the nearest known one), a value of the wrong type or out of range;
                that a newer version wrote it, where it did.
        """
        changes = {**changes}
        written_by = str(changes.pop("clmot", __version__))
        try:
            return self._overlaid(changes, source)
        except UserError as error:
            raise newer(source, written_by) or error from error

    def _overlaid(self, changes: Mapping[str, Any], source: str) -> Config:
        changes = without_retired(changes, source)
        train = changes.get("train")
        if isinstance(train, Mapping) and "steps" in train and "epochs" not in train:
            # who asks for steps does not want the epochs of the recipe
            changes = {**changes, "train": {**train, "epochs": 0}}
        base, tracker = self, changes.get("tracker")
        if isinstance(tracker, Mapping) and "preset" in tracker:
            rest = {key: value for key, value in tracker.items() if key != "preset"}
            base = dataclasses.replace(self, tracker=TrackerConfig.named(str(tracker["preset"])))
            changes = {**changes, "tracker": rest}
        return typing.cast(Config, overlay(base, changes, source, ""))

    def as_dict(self) -> dict[str, Any]:
        """Nested plain values (lists for tuples), as written to YAML."""
        return typing.cast(dict[str, Any], plain(dataclasses.asdict(self)))

    def to_yaml(self) -> str:
        """The configuration and the version that wrote it as YAML text; `load_config` and `from_yaml` read it back."""
        return yaml.safe_dump({"clmot": __version__, **self.as_dict()}, sort_keys=False)

    @classmethod
    def from_yaml(cls, text: str, source: str) -> Config:
        """What `to_yaml` wrote.

        Raises:
            UserError: it is not YAML, or as `updated`; names the source.
        """
        return cls().updated(parse_sections(text, source), source)
