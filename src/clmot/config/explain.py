"""What every setting means: the text that stands below it in its section."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import textwrap
import typing
from functools import cache
from typing import Any, Literal

import yaml

from clmot._version import __version__
from clmot.config.config import Config
from clmot.config.overlay import plain
from clmot.errors import UserError, did_you_mean


@dataclasses.dataclass(frozen=True)
class Setting:
    """One setting of a configuration.

    Attributes:
        name: ``section.key``.
        text: what it does, a paragraph.
        kind: of its values, as a user writes them.
        default: as YAML.
    """

    name: str
    text: str
    kind: str
    default: str


@cache
def settings() -> dict[str, Setting]:
    """All settings by name, section by section."""
    found = {}
    defaults = Config()
    for section in dataclasses.fields(Config):
        values = getattr(defaults, section.name)
        if not dataclasses.is_dataclass(values):
            continue
        texts, kinds = _texts(type(values)), typing.get_type_hints(type(values))
        for key in dataclasses.fields(values):
            name = f"{section.name}.{key.name}"
            default = as_yaml(getattr(values, key.name))
            found[name] = Setting(name, texts[key.name], _kind(kinds[key.name]), default)
    return found


def explained(name: str) -> list[Setting]:
    """The setting of a name, or all of a section.

    Raises:
        UserError: there is none; names the nearest.
    """
    known = settings()
    found = [setting for key, setting in known.items() if key == name or key.partition(".")[0] == name]
    if not found:
        # a key alone is most often what somebody has seen in a file
        same_key = [key for key in known if key.partition(".")[2] == name]
        names = same_key or [*known, *dict.fromkeys(key.partition(".")[0] for key in known)]
        hint = f" (did you mean {' or '.join(same_key)}?)" if same_key else did_you_mean(name, names)
        raise UserError(f"{name}: no such setting{hint}; clmot config prints all of them")
    return found


def commented_yaml(config: Config, width: int = 110) -> str:
    """A configuration as YAML that says above each setting what it does; `Config.from_yaml` reads it back."""
    known = settings()
    lines = [f"clmot: {__version__}", f"recipe: {config.recipe}"]
    for section, values in config.as_dict().items():
        if not isinstance(values, dict):
            continue
        lines += ["", f"{section}:"]
        for key, value in values.items():
            setting = known[f"{section}.{key}"]
            lines += textwrap.wrap(setting.text, width, initial_indent="  # ", subsequent_indent="  # ")
            lines.append(f"  {key}: {as_yaml(value)}")
    return "\n".join(lines) + "\n"


def _texts(section: type) -> dict[str, str]:
    """The string below each field of a dataclass, in one paragraph; Markdown's double backticks made single."""
    body = ast.parse(textwrap.dedent(inspect.getsource(section))).body[0]
    assert isinstance(body, ast.ClassDef)
    texts = {}
    for line, below in zip(body.body, [*body.body[1:], None], strict=True):
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name) and isinstance(below, ast.Expr):
            assert isinstance(below.value, ast.Constant)
            texts[line.target.id] = " ".join(str(below.value.value).replace("``", "`").split())
    return texts


def _kind(kind: Any) -> str:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        return " | ".join(map(str, arguments))
    if origin is tuple:
        inner = [_kind(each) for each in arguments if each is not ...]
        return f"list of {inner[0]}" if arguments[-1] is ... else f"[{', '.join(inner)}]"
    names = {bool: "true | false", int: "whole number", float: "number", str: "text"}
    return names.get(origin or kind, "mapping")


def as_yaml(value: Any) -> str:
    """A value on one line, as it is written in a file or behind ``key=``."""
    text = yaml.safe_dump(plain(value), default_flow_style=True, width=1000).removesuffix("...\n").strip()
    return text or "''"
