"""Named arrays in one file, with a few plain values beside them: safetensors, which holds no code to run.

The values are JSON in the file's metadata, under ``clmot``; ``format`` there says what the file is, so that a gallery
is not taken for a tracker's state.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from clmot._version import __version__
from clmot.errors import UserError, newer, reason_of
from clmot.io.atomic import write_whole_bytes
from clmot.io.kinds import kind_of

Arrays = dict[str, npt.NDArray[Any]]


def write_arrays(path: Path, kind: str, arrays: Mapping[str, npt.NDArray[Any]], notes: Mapping[str, Any]) -> None:
    """Write one file; it appears under its name only when whole.

    Args:
        path: the file.
        kind: what it is: ``tracker state``, ``gallery``, ...
        arrays: any shapes, also empty ones; numbers or booleans.
        notes: what goes beside them; values that JSON knows.

    Raises:
        UserError: the file cannot be written.
    """
    whole = {name: np.array(value, order="C") for name, value in arrays.items()}
    content = save(whole, metadata={"format": f"clmot {kind}", "version": __version__, "clmot": json.dumps(notes)})
    write_whole_bytes(path, content, f"the {kind}")


def read_arrays(path: Path, kind: str) -> tuple[Arrays, dict[str, Any]]:
    """Read what `write_arrays` wrote: arrays and notes.

    Raises:
        UserError: the file cannot be read, is cut short, or is something else.
    """
    try:
        with safe_open(path, framework="numpy") as opened:
            metadata = opened.metadata() or {}
            arrays = {name: opened.get_tensor(name) for name in opened.keys()}
        notes = json.loads(metadata["clmot"]) if metadata.get("format") == f"clmot {kind}" else None
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        if isinstance(error, FileNotFoundError):
            raise UserError(f"{path}: cannot read the {kind}: {reason_of(error)}") from error
        raise UserError(f"{path}: is {kind_of(path)}, no {kind} of clmot ({reason_of(error)})") from error
    if not isinstance(notes, dict):
        raise UserError(f"{path}: is {kind_of(path)}, no {kind}")
    return arrays, notes


def damaged(path: Path, kind: str, error: Exception) -> UserError:
    """The error to raise where what `read_arrays` read cannot be understood: a newer version may have written it."""
    with safe_open(path, framework="numpy") as opened:
        written_by = (opened.metadata() or {}).get("version", "")
    return newer(path, written_by) or UserError(f"{path}: this {kind} is damaged ({reason_of(error)})")
