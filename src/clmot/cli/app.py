"""What every command shares: the application, arguments of one meaning, and how settings are told from paths."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Group, Parameter

from clmot._version import __version__
from clmot.config import RECIPES, require_input_size
from clmot.errors import UserError, require

if TYPE_CHECKING:
    from clmot.training.best_weights import ValidationPlan

Settings = list[tuple[dict[str, dict[str, Any]], str]]
"""Sections of settings, each with where they come from."""

app = App(
    name="clmot",
    help="Label-free multi-object tracking: train a tracker from still images with boxes and no identities.",
    version=__version__,
    help_format="markdown",
    # `main` says what became of the work
    suppress_keyboard_interrupt=False,
)

LEARN, TRACK, JUDGE, HAND_ON, BEGIN = (
    Group.create_ordered(title)
    for title in ("Learn", "Detect and track", "Look and score", "Hand on", "Data, settings, first steps")
)
"""Commands in the order of the work."""

app.register_install_completion_command(group=BEGIN, help="Complete commands, options and files in this shell.")

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
Runtime = Annotated[
    Literal["auto", "torch", "openvino", "onnxruntime"],
    Parameter(help="What computes the network: by default the fastest that is installed, as measured once."),
]
ConfigFile = Annotated[Path | None, Parameter(help="YAML file laid over the recipe.")]
Size = Annotated[
    str | None,
    Parameter(
        help="Input in pixels, multiples of 32: N is its longer side and the other follows the picture (as imgsz of "
        "ultralytics), WxH is fixed. By default of the picture's shape, with as many pixels as the model learned from."
    ),
]
Val = Annotated[
    list[str] | None,
    Parameter(
        help="Data to validate on, several times for several; or the share of the training data to hold out for it, "
        "the last frames of each sequence. The best weights are kept, and loaded from the run by default."
    ),
]
ValEvery = Annotated[int, Parameter(help="Steps between two validations; by default a tenth of the run, at least 50.")]
Patience = Annotated[
    int, Parameter(help="Stop after so many validations without a better one; by default all steps are made.")
]
BatchSize = Annotated[int, Parameter(help="Frames that go through the network together: more is faster on a GPU.")]
Flag = Annotated[bool, Parameter(negative=())]
Recipe = Annotated[
    str | None,
    Parameter(
        help="Named starting point: street (default; small, from random weights), mobilenet (ImageNet weights), or "
        f"{', '.join(name for name in RECIPES if name not in ('street', 'mobilenet'))}."
    ),
]


_CHOSEN = "CLMOT_OUT"
"""Where the first of several processes tells the others of the folder that it has chosen."""


_MADE: list[Path] = []


def is_first_process() -> bool:
    """False in the processes that torchrun, or a run on several devices, starts beside the one that talks."""
    return os.environ.get("RANK" if under_torchrun() else "LOCAL_RANK", "0") == "0"


def under_torchrun() -> bool:
    """Whether torchrun has started this process, and may start it again."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def split_overrides(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Paths and ``SECTION.KEY=VALUE`` settings apart; what exists as a file is a path."""
    overrides = [argument for argument in arguments if _OVERRIDE.match(argument) and not Path(argument).exists()]
    return [argument for argument in arguments if argument not in overrides], overrides


def size_settings(size: str | None) -> Settings:
    """What ``--size`` says, as settings with where they come from; none where it is not given.

    Raises:
        UserError: it is neither N nor WxH, or no size for a network.
    """
    if size is None:
        return []
    sides = re.fullmatch(r"(\d+)(?:x(\d+))?", size.lower())
    if not sides:
        raise UserError(f"--size {size}: give a longer side, such as 640, or width and height, such as 704x416")
    known = [int(side) for side in sides.groups() if side]
    require_input_size(f"--size {size}", known, chosen=True)
    return [({"detect": {"size": known}}, "--size")]


def validation_plan(val: list[str] | None, every: int, patience: int) -> ValidationPlan | None:
    """What ``--val``, ``--val-every`` and ``--patience`` say; None where nothing is validated.

    Raises:
        UserError: they do not go together.
    """
    if not val:
        require(not (every or patience), "--val-every and --patience go with --val DATA")
        return None
    from clmot.training.best_weights import ValidationPlan

    share = len(val) == 1 and not Path(val[0]).exists() and re.fullmatch(r"[-+.\d]+", val[0])
    return ValidationPlan(data=float(val[0]) if share else val, every=every, patience=patience)


def out_folder(out: Path | None, verb: str, *, last: bool = False) -> Path:
    """The folder given, else the next of ``runs/VERB``, ``runs/VERB2``, ... that is not there yet; it is made.

    Args:
        out: as given.
        verb: the command.
        last: the last one that holds something, to go on with.

    Raises:
        UserError: there is none to go on with, or torchrun has started several processes, which would not agree.
    """
    if out is not None:
        return out
    if not is_first_process():
        # started by the first one, which has left word
        require(_CHOSEN in os.environ, f"{verb}: name --out with torchrun")
        return Path(os.environ[_CHOSEN])
    require(not under_torchrun(), f"{verb}: name --out with torchrun")
    numbered = (Path("runs") / (verb + (str(number) if number > 1 else "")) for number in itertools.count(1))
    if last:
        used = list(itertools.takewhile(lambda folder: folder.is_dir() and any(folder.iterdir()), numbered))
        require(bool(used), f"{verb} --resume: there is no runs/{verb}; name the folder with --out")
        chosen = used[-1]
    else:
        chosen = next(filter(_made, numbered))
    os.environ[_CHOSEN] = str(chosen)
    return chosen


def _made(folder: Path) -> bool:
    """Whether this process has made the folder, which no other has then; where none can be made, who writes says so."""
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        return False
    except OSError:
        return True
    _MADE.append(folder)
    return True


def remove_empty() -> None:
    """Remove folders that `out_folder` has made and that nothing was written to."""
    while _MADE:
        for folder in (chosen := _MADE.pop(), chosen.parent):
            with contextlib.suppress(OSError):
                folder.rmdir()


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
