"""What every command shares: the application, arguments of one meaning, and how settings are told from paths."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from clmot._version import __version__
from clmot.config import RECIPES
from clmot.errors import UserError, require

app = App(
    name="clmot",
    help="Label-free multi-object tracking: train a tracker from still images with boxes and no identities.",
    version=__version__,
    help_format="markdown",
    # `main` says what became of the work
    suppress_keyboard_interrupt=False,
)

_OVERRIDE = re.compile(r"[a-z_]+\.[a-z_.]+=")

DATA_PATHS_HELP = (
    "Folders or files in a format of `clmot data list` (MOTChallenge, COCO, YOLO, ...), and SECTION.KEY=VALUE settings "
    "laid over recipe and file."
)
Part = Annotated[
    Literal["all", "first-half", "second-half"], Parameter(help="One half of each sequence only: first or second.")
]
Every = Annotated[int, Parameter(help="Every so many frames only; their numbers stay (also in `clmot evaluate`).")]
Device = Annotated[str, Parameter(help="auto, cpu, cuda or cuda:N.")]
ConfigFile = Annotated[Path | None, Parameter(help="YAML file laid over the recipe.")]
Size = Annotated[
    str | None,
    Parameter(
        help="Input in pixels, multiples of 32: N is its longer side and the other follows the picture (as imgsz of "
        "ultralytics), WxH is fixed. By default of the picture's shape, with as many pixels as the model learned from."
    ),
]
Flag = Annotated[bool, Parameter(negative=())]
Recipe = Annotated[
    str | None,
    Parameter(
        help="Named starting point: street (default; small, from random weights), mobilenet (ImageNet weights), or "
        f"{', '.join(name for name in RECIPES if name not in ('street', 'mobilenet'))}."
    ),
]


def is_first_process() -> bool:
    """False in the processes that torchrun, or a run on several devices, starts beside the one that talks."""
    return os.environ.get("LOCAL_RANK", "0") == "0"


def split_overrides(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Paths and ``SECTION.KEY=VALUE`` settings apart; what exists as a file is a path."""
    overrides = [argument for argument in arguments if _OVERRIDE.match(argument) and not Path(argument).exists()]
    return [argument for argument in arguments if argument not in overrides], overrides


def size_settings(size: str | None) -> list[tuple[dict[str, dict[str, list[int]]], str]]:
    """What ``--size`` says, as settings with where they come from; none where it is not given.

    Raises:
        UserError: it is neither N nor WxH.
    """
    if size is None:
        return []
    sides = re.fullmatch(r"(\d+)(?:x(\d+))?", size.lower())
    if not sides:
        raise UserError(f"--size {size}: give a longer side, such as 640, or width and height, such as 704x416")
    return [({"detect": {"size": [int(side) for side in sides.groups() if side]}}, "--size")]


def data_paths(arguments: Sequence[str], command: str) -> tuple[list[Path], list[str]]:
    """As `split_overrides`, where the paths are data.

    Raises:
        UserError: there are none.
    """
    paths, overrides = split_overrides(arguments)
    require(bool(paths), f"{command}: name at least one data folder or file (clmot data list shows the formats)")
    return [Path(path) for path in paths], overrides


def comma_separated(names: str) -> list[str]:
    """The names between commas."""
    return [name.strip() for name in names.split(",") if name.strip()]
