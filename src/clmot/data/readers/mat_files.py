"""MATLAB files, with faults named by file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from clmot.errors import UserError


def read_mat(path: Path) -> dict[str, Any]:
    """The variables of a MATLAB file; structs are dicts, cells and arrays lose axes of length 1.

    Raises:
        UserError: the file cannot be read or is no MATLAB file up to version 7.2.
    """
    # importing it takes half a second, which readers of other formats need not wait for
    from scipy.io import loadmat

    try:
        # not simplify_cells=True, which passes over structs in a cell array whose first cell is empty
        content = loadmat(path, squeeze_me=True, struct_as_record=False)
    except OSError as error:
        raise UserError(f"{path}: cannot read annotations: {error.strerror or error}") from error
    except Exception as error:  # a damaged file makes loadmat raise almost anything
        raise UserError(f"{path}: not a readable MATLAB file (version 7.2 or older): {error}") from error
    return {name: _plain(value) for name, value in content.items() if not name.startswith("__")}


def _plain(value: Any) -> Any:
    """The value with all structs in it as dicts."""
    # scipy's mat_struct
    if hasattr(value, "_fieldnames"):
        return {name: _plain(field) for name, field in vars(value).items() if name != "_fieldnames"}
    if isinstance(value, np.ndarray) and value.dtype == object:
        plain = np.empty(value.shape, object)
        for place in np.ndindex(value.shape):
            plain[place] = _plain(value[place])
        return plain
    return value
