"""The base of every table of boxes: what its columns are checked for, some of its rows, several tables as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

Schema = Mapping[str, tuple[Any, ...]]
"""Of each column of a table the dtype, and the shape of a row where that is more than a number."""


class Table:
    """n rows in named columns: the base of every table of boxes.

    Subclasses are frozen dataclasses. The fields in `COLUMNS` have a row a box (NumPy arrays, in a `Batch` tensors);
    what their other fields say is of all rows together.
    """

    COLUMNS: ClassVar[Schema] = {}
    """Where it is empty, all fields are columns, of any dtype and shape."""

    def __post_init__(self) -> None:
        n = len(self)
        for name, (dtype, *shape) in self.COLUMNS.items():
            column = getattr(self, name)
            if column.shape != (n, *shape):
                raise ValueError(f"{type(self).__name__}.{name} must be {[n, *shape]}, got {list(column.shape)}")
            if isinstance(column, np.ndarray) and column.dtype != dtype:
                raise ValueError(f"{type(self).__name__}.{name} must be {np.dtype(dtype)}, got {column.dtype}")

    def __len__(self) -> int:
        return len(vars(self)[next(iter(self.COLUMNS or vars(self)))])

    def take(self, index: Any) -> Self:
        """Some of the rows: those of a mask [n], a slice or row numbers [k]."""
        numbers = isinstance(index, np.ndarray) and index.dtype == np.int64
        rows = object.__new__(type(self))  # rows of what was checked need no check
        columns = vars(rows)
        columns.update(vars(self))
        for name in self.COLUMNS or vars(self):
            value = columns[name]
            if value is not None:  # take is the faster way to index by an array of numbers
                columns[name] = value.take(index, axis=0) if numbers else value[index]
        return rows

    @classmethod
    def columns_of(cls, table: Any) -> dict[str, Any]:
        """What a table with at least these columns holds in them."""
        return {name: getattr(table, name) for name in cls.COLUMNS}

    @classmethod
    def join(cls, parts: Sequence[Any], **others: Any) -> Self:
        """The rows of several tables with at least these columns, in their order; `others` are the other fields."""
        if parts:
            names = cls.COLUMNS or vars(parts[0])
            given = {name: [getattr(part, name) for part in parts] for name in names}
            columns: dict[str, Any] = {
                name: None if any(value is None for value in values) else np.concatenate(values)
                for name, values in given.items()
            }
        else:
            columns = {name: np.empty((0, *shape), dtype) for name, (dtype, *shape) in cls.COLUMNS.items()}
        return cls(**columns, **others)
