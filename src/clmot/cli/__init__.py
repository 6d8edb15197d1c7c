"""The command line: one command, one file; the work is done in `clmot.apps` and below."""

from __future__ import annotations

import contextlib
import difflib
import logging
import re
import signal
import sys
from collections.abc import Sequence

from cyclopts import CycloptsError
from rich.console import Console
from rich.logging import RichHandler

# importing the module of a command adds it to the application
from clmot.cli import (  # noqa: F401
    adapt,
    attach,
    bench,
    config,
    convert_results,
    count,
    data,
    data_frames,
    demo,
    detect,
    draw,
    embed,
    evaluate,
    export,
    gallery,
    import_weights,
    info,
    refine,
    report,
    serve,
    status,
    submit,
    track,
    train,
    tune,
)
from clmot.cli.app import app, is_first_process, remove_empty, under_torchrun
from clmot.cli.streams import guarded_streams
from clmot.errors import UserError, readable, reason_of
from clmot.io.interrupts import Terminated, interruptible

__all__ = ["app", "main"]

_OF_OTHER_TOOLS = {
    **dict.fromkeys(("--conf-thres", "--confidence"), "--conf VALUE"),
    **dict.fromkeys(("--tracker", "--tracking-method"), "--preset NAME"),
    "--source": "the sources without an option",
    "--project": "--out FOLDER",
    "--save-dir": "--out FOLDER",
    "--batch": "--batch-size N",
    "--name": "--out FOLDER",
    "--save": "--video",
    "--save-json": "--format json",
    "--exist-ok": "--overwrite",
    "--persist": "--state FILE",
    "--max-det": "detect.max_detections=N",
    **dict.fromkeys(("--tracker-config", "--tracker-cfg"), "--config FILE"),
    "--reid": "--model",
    "--save-txt": "--out FOLDER",
    "--vid-stride": "--every N",
    "--data": "the data without an option",
    **dict.fromkeys(("--lr", "--lr0", "--learning-rate"), "train.learning_rate=VALUE"),
    "--weights": "--model",
    "--imgsz": "--size N, or --size WIDTHxHEIGHT",
}
"""Options of other trackers, and how their meaning is written here."""

_OUT_OF_MEMORY = r"(?i)out of memory|allocate memory|bad_alloc|alloc_failed"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line: one line and exit code 2 for a user's mistake, 130 for Ctrl-C, 143 for SIGTERM."""
    _log_to_standard_error()
    with guarded_streams(), contextlib.ExitStack() as end:
        end.callback(remove_empty)
        try:
            _run(sys.argv[1:] if arguments is None else arguments)
        except SystemExit as stop:
            # what is printed is on its way only now, and may not arrive
            _flush(int(stop.code or 0))
        _flush(0)


def _run(arguments: Sequence[str]) -> None:
    command = None
    try:
        with interruptible() as command:
            app(_join_dotted_options(arguments), exit_on_error=False, print_error=False)
    except (Exception, KeyboardInterrupt) as error:
        if (command and command.came) or isinstance(error, KeyboardInterrupt):
            terminated = isinstance(error, Terminated) or (command and command.came == signal.SIGTERM)
            _fail("interrupted; what was finished is kept", 143 if terminated else 130)
        _fail(_reason(error), 2)


def _reason(error: BaseException) -> str:
    """The line for a user's mistake; what is none is raised again."""
    if isinstance(error, CycloptsError):
        return _meant(" ".join(str(error).split())) + " (see clmot --help)"
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, OSError):
        # of a disk or a file that no command has a better line for
        return f"{error.filename or 'a file'}: {reason_of(error)}"
    # NumPy's, and those of torch, OpenVINO and ONNX Runtime, which have a class and words of their own
    if isinstance(error, MemoryError) or re.search(_OUT_OF_MEMORY, str(error)):
        return "not enough memory for this; a smaller --size or --batch-size takes less"
    raise error


def _flush(code: int) -> None:
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except UserError as error:
        _fail(str(error), code or 2)
    raise SystemExit(code)


def _log_to_standard_error() -> None:
    """Our lines, and warnings of the libraries we use; above a progress bar on a terminal, else as plain lines."""
    handler: logging.Handler = logging.StreamHandler()
    if sys.stderr.isatty():
        handler = RichHandler(console=Console(stderr=True), show_time=False, show_path=False, show_level=False)
    handler.setFormatter(_Readable("%(message)s"))
    handler.addFilter(lambda record: record.name.startswith("clmot") or record.levelno >= logging.WARNING)
    logging.basicConfig(level=logging.INFO, handlers=[handler])


class _Readable(logging.Formatter):
    """What lines quote of files moves no terminal's cursor."""

    def format(self, record: logging.LogRecord) -> str:
        return "\n".join(map(readable, super().format(record).split("\n")))


def _meant(message: str) -> str:
    """A message about an option without a suggestion that is far away, and with ours for an option of other tools."""
    match = re.match(r"Unknown option: (--[\w-]+)", message)
    if not match:
        return message
    option = match[1].replace("_", "-")
    here = _OF_OTHER_TOOLS.get(option)
    if here:
        return f"Unknown option: {match[1]}. Write {here}."
    suggested = re.search(r"Did you mean (--[\w-]+)", message)
    if suggested and difflib.SequenceMatcher(None, option, suggested[1]).ratio() < 0.75:
        return f"Unknown option: {match[1]}."
    return message


def _fail(message: str, code: int) -> None:
    if not is_first_process():
        # the first process fails in the same way, and one line is enough; torchrun on another machine wants the code
        raise SystemExit(code if under_torchrun() else 0)
    print(f"clmot: {message}", file=sys.stderr)
    raise SystemExit(code)


def _join_dotted_options(arguments: Sequence[str]) -> list[str]:
    """``--train.steps 5`` and ``--train.steps=5`` to ``train.steps=5``."""
    joined: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        name = argument.partition("=")[0]
        if re.fullmatch(r"--[a-z_]+\.[a-z_.]+", name):
            joined.append(argument[2:] if "=" in argument else f"{argument[2:]}={next(rest, '')}")
        else:
            joined.append(argument)
    return joined
