"""MATLAB files, with faults named by file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scipy.io import loadmat

from clmot.errors import UserError


def read_mat(path: Path) -> dict[str, Any]:
    """The variables of a MATLAB file; structs are dicts, cells and arrays lose axes of length 1.

    Raises:
        UserError: the file cannot be read or is no MATLAB file up to version 7.2.
    """
    try:
        content = loadmat(path, simplify_cells=True)
    except OSError as error:
        raise UserError(f"{path}: cannot read annotations: {error.strerror or error}") from error
    except Exception as error:  # a damaged file makes loadmat raise almost anything
        raise UserError(f"{path}: not a readable MATLAB file (version 7.2 or older): {error}") from error
    return {name: value for name, value in content.items() if not name.startswith("__")}
