"""Looks for everything about annotated images that makes training or scores go wrong (``clmot data check``)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from clmot.apps.check_data.boxes import check_boxes
from clmot.apps.check_data.columns import Columns
from clmot.apps.check_data.coordinates import check_coordinates
from clmot.apps.check_data.findings import Example, Finding, Report
from clmot.apps.check_data.identities import check_identities
from clmot.apps.check_data.images import ImageFile, Progress, check_images, check_loose_images, examine
from clmot.apps.check_data.kinds import SEVERITIES
from clmot.apps.check_data.leaks import check_leaks
from clmot.apps.check_data.parts import Part, image_files, read_part
from clmot.apps.check_data.repair import Repair, repair, require_new_folder
from clmot.apps.check_data.summary import summarise
from clmot.errors import UserError
from clmot.io.paths import Paths, as_paths

__all__ = ["Checked", "Finding", "Repair", "Report", "check", "repair", "require_new_folder"]

_SAMPLES = 6
"""Pictures of ordinary frames in a report."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Checked:
    """A finished check: its report, and what a repair needs.

    Attributes:
        report: findings and counts.
        parts: what was read.
        files: the image files.
    """

    report: Report
    parts: Sequence[Part]
    files: dict[Path, ImageFile]


def check(
    paths: Paths,
    *,
    format: str = "auto",
    min_visibility: float = 0.1,
    min_score: float | None = None,
    max_detections: int = 300,
    fast: bool = False,
    progress: Progress | None = None,
) -> Checked:
    """Check annotated images at one or more paths, each taken for a split of its own.

    A fault never stops the check: what cannot be read is a finding, and the rest is checked.

    Args:
        paths: as of `read_dataset`.
        format: as of `read_dataset`.
        min_visibility: as of `read_dataset`.
        min_score: as of `read_dataset`.
        max_detections: how many boxes of a frame decoding keeps.
        fast: read only the headers of images: damage further back and leaks stay unseen.
        progress: called after each image with (images finished, images in all).

    Raises:
        UserError: no path is given, one does not exist or is given twice, or no format has the name.

    Examples:
        >>> checked = clmot.check_data(["boxes.json"])
    """
    paths = as_paths(paths)
    _require_paths(paths)
    parts = [read_part(path, format=format, min_visibility=min_visibility, min_score=min_score) for path in paths]
    images = [
        [sample.image for sample in part.dataset.samples] if part.dataset.samples else image_files(part.path)
        for part in parts
    ]
    files = examine([image for each in images for image in each], fast=fast, progress=progress)
    findings: list[Finding] = []
    examples: list[Example] = []
    for part, own in zip(parts, images, strict=True):
        found = {finding.check: finding for finding in part.findings}
        if part.dataset.samples:
            for each in _check_part(part, files, max_detections):
                # what the look at single rows found has better places, but no pictures
                found[each.check] = replace(found.get(each.check, each), examples=each.examples)
            examples += _ordinary(part)
        else:
            found |= {each.check: each for each in check_loose_images([files[image] for image in own])}
        findings += [each.at(part.path) for each in found.values()]
    findings += check_leaks([(part.path, part.dataset.samples) for part in parts], files)
    findings.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    report = Report(
        summaries=[summarise(part.path, part.format, part.dataset) for part in parts],
        findings=findings,
        samples=examples,
    )
    return Checked(report=report, parts=parts, files=files)


def _require_paths(paths: Sequence[Path]) -> None:
    if not paths:
        raise UserError("no data given; name folders or files (clmot data list shows the formats)")
    seen: set[Path] = set()
    for path in paths:
        if not path.exists():
            raise UserError(f"{path}: no such file or folder")
        if path.resolve() in seen:
            raise UserError(f"{path}: given twice")
        seen.add(path.resolve())


def _check_part(part: Part, files: dict[Path, ImageFile], max_detections: int) -> Iterator[Finding]:
    columns = Columns.of(part.dataset.samples)
    yield from check_images(part.dataset.samples, files)
    yield from check_coordinates(columns)
    yield from check_boxes(columns, max_detections)
    yield from check_identities(columns)


def _ordinary(part: Part) -> list[Example]:
    """Frames evenly spread over those that have boxes, each box an example of what is there."""
    annotated = [sample for sample in part.dataset.samples if len(sample.boxes)]
    chosen = np.unique(np.linspace(0, len(annotated) - 1, min(_SAMPLES, len(annotated))).round().astype(int))
    return [
        Example.of(
            annotated[i],
            np.flatnonzero(~annotated[i].ignore).tolist(),
            f"{annotated[i].sequence}, frame {annotated[i].frame}",
        )
        for i in chosen.tolist()
    ]
