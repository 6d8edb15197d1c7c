"""What lies at each checked path: the data set as read, or what can be saved of it, and what reading it found."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from clmot.apps.check_data import coco, motchallenge
from clmot.apps.check_data.findings import Finding, found
from clmot.apps.check_data.kinds import KINDS
from clmot.datasets.readers import format_named, read_dataset, recognise
from clmot.errors import UserError
from clmot.io.folders import images_below
from clmot.structures import Dataset

_ROW_BY_ROW = {
    "motchallenge": (motchallenge.check_rows, motchallenge.salvage),
    "coco": (coco.check_records, coco.salvage),
}
"""Formats whose files are looked at row by row: the check, and what remains where the reader refuses the whole."""

_BY_ROWS = ("degenerate box", "frame without image", "line that is no row", *coco.LEFT_OUT.values())
"""Reasons of leaving rows out that the looks at single rows tell more of."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """One checked path.

    Attributes:
        path: the path.
        format: name of its format, empty where unknown.
        dataset: the data set, identities included; empty where nothing can be read.
        findings: what reading it found.
    """

    path: Path
    format: str
    dataset: Dataset
    findings: tuple[Finding, ...]


def read_part(path: Path, *, format: str, min_visibility: float, min_score: float | None = None) -> Part:
    """Read a path and look at its rows; a fault becomes a finding, and what can be read beside it is read."""
    findings: list[Finding] = []
    dataset = None
    try:
        dataset = read_dataset(
            [path], min_visibility=min_visibility, min_score=min_score, identities=True, format=format
        )
    except UserError as error:
        findings += found("unreadable", 1, [path], error=error)
    name, place = _format_and_place(path, format)
    by_rows = _ROW_BY_ROW.get(name)
    if by_rows:
        check, salvage = by_rows
        # up to a file that cannot be read at all, which the reader has told of
        with contextlib.suppress(UserError):
            findings.extend(check(place))
        if dataset is None:
            with contextlib.suppress(UserError):
                dataset = salvage(place, min_visibility)
    dataset = dataset or Dataset(samples=(), classes=())
    findings += _left_out(dataset, detailed=bool(by_rows))
    return Part(path=path, format=name, dataset=dataset, findings=tuple(each.at(path) for each in findings))


def image_files(path: Path) -> list[Path]:
    """All images at or below a folder whose annotations cannot be read; none of a file, whose folder was not named."""
    return list(images_below(path))


def _format_and_place(path: Path, format: str) -> tuple[str, Path]:
    """The name of a path's format, empty where unknown, and the place that it is read from."""
    named = "" if format == "auto" else format_named(format).name
    try:
        found = recognise(path, format)
    except UserError:
        found = None
    return (found[0].name, found[1]) if found else (named, path)


def _left_out(dataset: Dataset, *, detailed: bool) -> Iterator[Finding]:
    for reason, count in sorted(dataset.skipped.items()):
        if not count or (detailed and reason in _BY_ROWS):
            continue
        kind = KINDS["degenerate boxes"]
        if reason not in _BY_ROWS:
            kind = kind._replace(severity="information", advice="fine where it is meant")
        check = "degenerate boxes" if reason == "degenerate box" else f"left out: {reason}"
        yield from found(check, count, kind=kind, reason=reason)
