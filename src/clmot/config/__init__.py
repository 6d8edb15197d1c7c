"""Configuration: a frozen value, validated when made, saved in every checkpoint.

A configuration is built in four layers, each overriding the one before: the defaults of its sections, a named recipe
(`RECIPES`), a YAML file, and dotted overrides (``train.learning_rate=0.001``). Each part of the program receives only
its own section.
"""

from clmot.config.config import Config
from clmot.config.load import load_config, parse_overrides, read_sections, read_yaml
from clmot.config.networks import LEVELS, DetectConfig, DetectorConfig, ModelConfig, require_input_size
from clmot.config.overlay import parse_yaml
from clmot.config.recipes import RECIPES, Recipe
from clmot.config.sections import AdaptConfig, DataConfig, LossConfig, RefineConfig, TrainConfig, ViewsConfig
from clmot.config.tracker import TrackerConfig

__all__ = [
    "LEVELS",
    "RECIPES",
    "AdaptConfig",
    "Config",
    "DataConfig",
    "DetectConfig",
    "DetectorConfig",
    "LossConfig",
    "ModelConfig",
    "Recipe",
    "RefineConfig",
    "TrackerConfig",
    "TrainConfig",
    "ViewsConfig",
    "load_config",
    "parse_overrides",
    "parse_yaml",
    "read_sections",
    "read_yaml",
    "require_input_size",
]
