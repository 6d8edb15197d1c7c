"""Trackers in files: configuration and state together, so that a file is all that is needed to go on."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy.typing as npt

from clmot._version import __version__
from clmot.config import Config
from clmot.config.tracker import TrackerConfig
from clmot.errors import UserError, reason_of
from clmot.io.named_arrays import Arrays, read_arrays, write_arrays

_KIND = "tracker state"


def write_state(path: Path, config: TrackerConfig, state: Mapping[str, npt.NDArray[Any]], model: str = "") -> None:
    """Write what `read_state` reads; `model` is the fingerprint of what the tracks' embeddings are of.

    Raises:
        UserError: the file cannot be written.
    """
    notes = {"clmot": __version__, "tracker": dataclasses.asdict(config)}
    write_arrays(path, _KIND, state, notes | {"fingerprint": model} if model else notes)


def read_state(path: Path, model: str = "") -> tuple[TrackerConfig, Arrays]:
    """Configuration and state of a tracker, or of several.

    Raises:
        UserError: the file cannot be read, is cut short, or is something else; or its tracks have embeddings of another
            model than the one with that fingerprint.
    """
    state, notes = read_arrays(path, _KIND)
    if model and notes.pop("fingerprint", model) != model:
        raise UserError(f"{path}: its tracks have embeddings of another model; take that one, or another state")
    notes.pop("fingerprint", None)
    return Config().updated(notes, str(path)).tracker, state


@contextlib.contextmanager
def named(path: Path) -> Iterator[None]:
    """A state that does not fit is the file's fault.

    Raises:
        UserError: what is done with the state raised `ValueError`, `KeyError` or `IndexError`.
    """
    try:
        yield
    except (ValueError, KeyError, IndexError) as error:
        raise UserError(f"{path}: cannot go on from this tracker state: {reason_of(error)}") from error
