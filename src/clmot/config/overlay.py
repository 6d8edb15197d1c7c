"""Nested values, as YAML gives them, laid over dataclasses."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping
from typing import Any, Literal

import yaml

from clmot.errors import UserError, did_you_mean, reason_of


def parse_yaml(text: str, source: object) -> Any:
    """The value that a YAML text holds; None where it holds nothing.

    Raises:
        UserError: it is not YAML; names the source and the line.
    """
    try:
        return yaml.safe_load(text)
    # dates that are none and nests that are too deep are not errors of YAML's own
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise UserError(f"{source}{line}: not valid YAML: {reason_of(error)}") from error


def parse_sections(text: str, source: object) -> dict[str, Any]:
    """The mapping that a YAML text holds, empty where it holds nothing.

    Raises:
        UserError: it is not YAML, or no mapping.
    """
    content = {} if (found := parse_yaml(text, source)) is None else found
    if not isinstance(content, dict):
        raise UserError(f"{source}: expected sections such as 'train:' at the top, got {type(content).__name__}")
    return content


def plain(value: Any) -> Any:
    """A nested value with lists for tuples."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, tuple | list) else value


def overlay(section: Any, changes: Any, source: str, prefix: str) -> Any:
    """A dataclass with a mapping laid over it, section by section.

    Args:
        section: the dataclass.
        changes: what the mapping has to be.
        source: where it came from, named in errors.
        prefix: of the section's keys, in errors.

    Raises:
        UserError: an unknown key (with the nearest known one), or a value of the wrong type.
    """
    if not isinstance(changes, Mapping):
        raise UserError(f"{source}: '{prefix.rstrip('.')}' is a section, got the plain value {changes!r}")
    kinds = typing.get_type_hints(type(section))
    values: dict[str, Any] = {}
    for key, value in changes.items():
        if key not in kinds:
            raise UserError(f"{source}: unknown key '{prefix}{key}'{did_you_mean(str(key), kinds)}")
        current = getattr(section, key)
        if dataclasses.is_dataclass(current):
            values[key] = overlay(current, value, source, f"{prefix}{key}.")
        else:
            values[key] = _convert(value, kinds[key], f"{source}: {prefix}{key}")
    return dataclasses.replace(section, **values)


def _convert(value: Any, kind: Any, where: str) -> Any:
    """A YAML value as the type an attribute is annotated with."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        if value in arguments:
            return value
        choices = ", ".join(map(str, arguments))
        raise UserError(f"{where}: '{value}' is not one of {choices}{did_you_mean(str(value), arguments)}")
    if origin is tuple:
        items = value if isinstance(value, list | tuple) else [value]
        if arguments[-1] is ...:
            return tuple(_convert(item, arguments[0], where) for item in items)
        if len(items) != len(arguments):
            raise UserError(f"{where}: expected {len(arguments)} values, got {value!r}")
        return tuple(_convert(item, part, where) for item, part in zip(items, arguments, strict=True))
    if origin is dict:
        if isinstance(value, Mapping):
            return dict(value)
        raise UserError(f"{where}: expected a mapping, got {value!r}")
    # YAML 1.1 reads 1e-3 as a word: numbers are taken from words too
    if kind is float and not isinstance(value, bool):
        try:
            return float(value)
        except (TypeError, ValueError, OverflowError):
            pass
    elif kind is int and isinstance(value, int) and not isinstance(value, bool):
        return value
    elif kind is int and isinstance(value, float) and value.is_integer():
        return int(value)
    elif kind is str and isinstance(value, str | int | float):
        return str(value)
    elif kind is bool and isinstance(value, bool):
        return value
    raise UserError(f"{where}: expected {kind.__name__}, got {value!r}")
