"""Configurations from recipes, files and overrides."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from clmot.config.config import Config
from clmot.config.overlay import parse_sections, parse_yaml
from clmot.config.recipes import RECIPES
from clmot.errors import UserError, did_you_mean, newer
from clmot.io.text import read_text


def load_config(recipe: str | None = None, file: Path | None = None, overrides: Iterable[str] = ()) -> Config:
    """Build a configuration from a recipe, a YAML file and dotted overrides, in this order.

    Args:
        recipe: a name in `RECIPES`; by default a ``recipe=`` override, the file's ``recipe:`` entry, or ``street``.
        file: a YAML file of nested sections, any part of them.
        overrides: ``section.key=value`` strings, values in YAML syntax.

    Raises:
        UserError: an unknown recipe or key, a wrong value, an unreadable file.

    Examples:
        >>> config = clmot.load_config("street", overrides=["train.steps=500"])
    """
    from_file = read_yaml(file) if file is not None else {}
    changes = parse_overrides(overrides)
    name = str(recipe or changes.pop("recipe", None) or from_file.get("recipe") or "street")
    if name not in RECIPES:
        unknown = UserError(f"unknown recipe '{name}'{did_you_mean(name, RECIPES)}; known: {', '.join(RECIPES)}")
        raise newer(file, str(from_file.get("clmot", ""))) or unknown
    config = dataclasses.replace(RECIPES[name](Config()), recipe=name)
    config = config.updated({key: value for key, value in from_file.items() if key != "recipe"}, str(file))
    return config.updated(changes, "override")


def read_yaml(file: Path) -> dict[str, Any]:
    """A YAML file's mapping.

    Raises:
        UserError: it cannot be read, is not YAML (with the line), or holds no mapping.
    """
    return parse_sections(read_text(file, "the configuration"), file)


def read_sections(file: Path, sections: Collection[str]) -> dict[str, Any]:
    """A YAML file's mapping that may hold some of the sections of `Config` only.

    Raises:
        UserError: as `read_yaml`, or there is another section.
    """
    content = read_yaml(file)
    for name in content:
        if name not in (*sections, "clmot"):
            hint = did_you_mean(str(name), sections)
            raise UserError(f"{file}: section '{name}' has no say here{hint}; expected {', '.join(sections)}")
    return content


def parse_overrides(overrides: Iterable[str]) -> dict[str, Any]:
    """``["train.steps=5"]`` to ``{"train": {"steps": 5}}``."""
    nested: dict[str, Any] = {}
    for override in overrides:
        path, equals, text = override.partition("=")
        if not equals:
            raise UserError(f"override '{override}': write it as section.key=value")
        value = parse_yaml(text, f"override '{override}'")
        *sections, key = path.split(".")
        target = nested
        for section in sections:
            target = target.setdefault(section, {})
            if not isinstance(target, dict):
                raise UserError(f"override '{override}': '{section}' was given a plain value before")
        target[key] = value
    return nested
