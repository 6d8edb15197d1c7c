"""What belongs to objects beside their boxes, by name: key points, corners of oriented boxes, anything with a row each.

Nothing here looks into the arrays, but that those called `KEYPOINTS` and `CORNERS` are places in the image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from clmot.boxes import as_numbers

RowData = Mapping[str, npt.NDArray[Any]]
"""Name to an array [n, ...]."""

KEYPOINTS, CORNERS = "keypoints", "corners"
"""[n, k, 2 or 3], x, y and score of each point; [n, 4, 2], the corners of an oriented box. Both in pixels."""

_MOST = 1000
"""Numbers of an object that a text file has a place for; masks have more."""


def checked(data: RowData, n: int) -> RowData:
    """The data as arrays.

    Raises:
        ValueError: there is not one row an object, or something else than numbers.
    """
    arrays = {name: as_numbers(value, None) for name, value in data.items()}
    for name, value in arrays.items():
        if value.shape[:1] != (n,):
            raise ValueError(f"{name} must be [{n}, ...], got {list(value.shape)}")
    return arrays


def rows_of(data: RowData | None, index: Any) -> RowData | None:
    """Some of the rows; -1 in row numbers gives a row of NaN."""
    if not data:
        return data
    if isinstance(index, np.ndarray) and index.dtype == np.int64 and (index < 0).any():  # the last row is of nobody
        data = {name: np.concatenate([value, np.full((1, *value.shape[1:]), np.nan)]) for name, value in data.items()}
    return {name: value[index] for name, value in data.items()}


def joined(parts: Sequence[RowData | None]) -> RowData | None:
    """The rows of all parts, of what each of them has with rows of the same shape."""
    first = (parts and parts[0]) or {}
    alike = [
        name for name, value in first.items() if all(part and _shape(part, name) == value.shape[1:] for part in parts)
    ]
    return {name: np.concatenate([part[name] for part in parts if part]) for name in alike} or None


def _shape(part: RowData, name: str) -> tuple[int, ...] | None:
    return part[name].shape[1:] if name in part else None


def moved(data: RowData | None, x: float, y: float) -> RowData | None:
    """The data of objects in a part of an image, of the image: `x` and `y` are where the part begins."""
    if not data:
        return data
    moved = dict(data)
    for name in {KEYPOINTS, CORNERS} & data.keys():
        moved[name] = data[name].astype(np.float64)
        moved[name][..., :2] += (x, y)
    return moved


def as_lists(data: RowData | None, digits: int = 2) -> dict[str, list[Any]]:
    """For text: by name a list a row, None where nothing is known of the object; masks and the like are left out."""
    lists: dict[str, list[Any]] = {}
    for name, value in (data or {}).items():
        rows = value.astype(np.float64)
        if rows[:1].size <= _MOST:
            numbers = np.nan_to_num(rows, posinf=0, neginf=0).round(digits).tolist()
            lists[name] = [each if np.isfinite(row).any() else None for each, row in zip(numbers, rows, strict=True)]
    return lists


def coco_data(data: Mapping[str, Any]) -> dict[str, Any]:
    """What COCO's annotation of one object calls its data, as of `as_lists`; points without scores count as seen."""
    others = {name: value for name, value in data.items() if value is not None}
    points, corners = others.pop(KEYPOINTS, None), others.pop(CORNERS, None)
    if points is not None:
        flat = [number for point in points for number in (*point, 2)[:3]]
        others |= {"keypoints": flat, "num_keypoints": sum(number > 0 for number in flat[2::3])}
    if corners is not None:
        others["segmentation"] = [[number for corner in corners for number in corner]]
    return others
