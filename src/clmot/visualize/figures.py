"""Figures and their pictures on disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from clmot.io.atomic import whole_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def new_figure(size: tuple[float, float]) -> Figure:
    """An empty figure of so many hundred pixels in width and height, whose panels find their places by themselves."""
    # imported here and used without pyplot, whose global state and backends a library should leave alone
    from matplotlib.figure import Figure

    return Figure(figsize=size, dpi=100, layout="constrained")


def save_figure(figure: Figure, picture: Path, what: str = "the picture") -> None:
    """Write a PNG, which appears under its name only when it is whole; `what` it is, for messages.

    Raises:
        UserError: it cannot be written.
    """
    with whole_file(picture, what) as partial:
        figure.savefig(partial, format="png")
