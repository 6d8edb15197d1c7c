"""What every verb shares: the application, arguments of one meaning, and how settings are told from paths."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from clmot._version import __version__
from clmot.config import RECIPES

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
