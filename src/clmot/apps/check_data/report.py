"""What a check found: on the terminal, and as an HTML page with histograms and pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
import numpy.typing as npt
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from clmot.apps.check_data.findings import Example, Finding, Report
from clmot.apps.check_data.kinds import Severity
from clmot.apps.check_data.repair import Repair
from clmot.apps.check_data.summary import QUANTITIES, Summary
from clmot.errors import UserError, plural
from clmot.io.image import read_image
from clmot.structures import Image
from clmot.visualize import html
from clmot.visualize.draw import draw_boxes
from clmot.visualize.table import TextTable

_STYLES: dict[Severity, str] = {"error": "bold red", "warning": "yellow", "information": "cyan"}
_TONES: dict[Severity, html.Tone] = {"error": "bad", "warning": "doubtful", "information": "plain"}
_BLOCKS = "▁▂▃▄▅▆▇█"
_PICTURE_WIDTH = 480
_OTHERS = (150, 150, 150)
_SHOWN = (255, 80, 40)
_MOST_MARGIN = 0.5
"""Largest margin around a picture for boxes that reach beyond the image, as a share of its size."""
_MOST_VALUES = 8
"""Classes or image sizes that are named."""


def terminal_report(report: Report) -> Iterator[RenderableType]:
    """Tables of what there is, every finding, and how many of which severity."""
    header, rows = _counts(report.summaries)
    yield TextTable(header, [rows], prose=frozenset(range(1, len(header))))
    for summary in report.summaries:
        if summary.values:
            yield _distribution_table(summary, title=str(summary.path) if len(report.summaries) > 1 else "")
    for finding in report.findings:
        yield _finding_text(finding, with_path=len(report.summaries) > 1)
    yield Text(verdict(report), style="bold")


def verdict(report: Report) -> str:
    """How many findings of which severity, in one line."""
    counts = [
        plural(report.count("error"), "error"),
        plural(report.count("warning"), "warning"),
        plural(report.count("information"), "note"),
    ]
    return ", ".join(counts)


def repairs_text(repairs: Sequence[Repair], after: Report) -> RenderableType:
    """Where repaired copies are, what was changed in them, and which errors are left.

    Args:
        repairs: the copies.
        after: a check of them.
    """
    lines = []
    for each in repairs:
        lines.append(Text(f"repaired copy of {each.source}: {each.out}", style="bold", overflow="fold"))
        lines += [Text(f"  {what}: {count:,}") for what, count in sorted(each.changes.items())]
        if not each.changes:
            lines.append(Text("  nothing was changed"))
    left = [finding for finding in after.findings if finding.severity == "error"]
    lines += [Text(f"left to do by hand: {finding.check}, {finding.path}", overflow="fold") for finding in left]
    return Group(*lines)


def report_page(report: Report) -> html.Html:
    """The page of a report."""
    many = len(report.summaries) > 1
    return html.page(
        "Dataset check",
        verdict(report),
        html.section("Findings", *(_finding_section(finding, many) for finding in report.findings))
        if report.findings
        else "",
        html.section("Contents", html.table(*_counts(report.summaries))),
        *(
            html.section(f"Boxes of {summary.path}" if many else "Boxes", *_distributions(summary))
            for summary in report.summaries
            if summary.values
        ),
        html.section("Pictures", html.gallery(_pictures(report.samples))) if report.samples else "",
    )


def example_picture(example: Example) -> Image | None:
    """The picture of an example, its boxes drawn in red and the others in grey; None if it cannot be read.

    Where boxes reach beyond the image, the picture has a margin for them.
    """
    try:
        image = read_image(example.image)
    except UserError:
        return None
    height, width = image.shape[:2]
    shown = example.boxes[np.isfinite(example.boxes).all(axis=1)]
    scale = min(1.0, _PICTURE_WIDTH / width)
    image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.uint8)
    height, width = image.shape[:2]
    size = np.array([width, height])
    low = np.clip(-(shown[:, :2] * scale).min(axis=0, initial=0), 0, _MOST_MARGIN * size)
    high = np.clip((shown[:, 2:] * scale - size).max(axis=0, initial=0), 0, _MOST_MARGIN * size)
    (left, top), (right, bottom) = np.ceil(low).astype(int).tolist(), np.ceil(high).astype(int).tolist()
    image = np.pad(image, ((top, bottom), (left, right), (0, 0)), constant_values=64)
    shift = np.array([left, top, left, top], np.float32)
    image = draw_boxes(image, example.others * np.float32(scale) + shift, colours=_OTHERS)
    return draw_boxes(image, shown * np.float32(scale) + shift, colours=_SHOWN)


def _counts(each: Sequence[Summary]) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the table of contents: a column for each path."""
    rows = [
        ["format", *(summary.format or "unknown" for summary in each)],
        ["images", *(f"{summary.images:,}" for summary in each)],
        ["image sizes", *(_several({f"{w} x {h}": n for (w, h), n in summary.sizes}) for summary in each)],
        ["sequences", *(f"{summary.sequences:,}" for summary in each)],
        ["boxes", *(f"{summary.boxes:,}" for summary in each)],
        ["ignored boxes", *(f"{summary.ignored:,}" for summary in each)],
        ["boxes by class", *(_several(summary.classes) for summary in each)],
        ["identities", *(f"{summary.identities:,}" if summary.identities else "none" for summary in each)],
    ]
    return ["", *(str(summary.path) for summary in each)], rows


def _several(counts: dict[str, int]) -> str:
    """``person 12, car 3 and 4 more``."""
    if len(counts) == 1:
        return next(iter(counts))
    most = sorted(counts.items(), key=lambda item: -item[1])[:_MOST_VALUES]
    more = f" and {len(counts) - len(most)} more" if len(counts) > len(most) else ""
    return ", ".join(f"{name} {count:,}" for name, count in most) + more if counts else "none"


def _distribution_table(summary: Summary, title: str) -> TextTable:
    quantiles = summary.quantiles()
    rows = []
    for name, values in quantiles.items():
        bars = sparkline(np.histogram(summary.values[name], _bins(summary.values[name], 24))[0])
        rows.append([name, *(f"{value:.3g}" if value < 1000 else f"{value:.0f}" for value in values.values()), bars])
    header = ["", *next(iter(quantiles.values())), "histogram"]
    return TextTable(header, [rows], title=title, prose=frozenset({len(header) - 1}))


def sparkline(counts: npt.NDArray[np.integer]) -> str:
    """Counts as a row of bars; only those that are zero have none at all."""
    most = max(int(counts.max(initial=0)), 1)
    levels = np.ceil(counts / most * len(_BLOCKS)).astype(int)
    return "".join(" " if level == 0 else _BLOCKS[level - 1] for level in levels.tolist())


def _bins(values: npt.NDArray[np.float64], count: int) -> npt.NDArray[np.float64]:
    """Edges of bins of equal width; whole numbers that are few have one each."""
    low, high = float(values.min()), float(values.max())
    if (values == np.floor(values)).all() and high - low < count:
        return np.arange(low - 0.5, high + 1)
    return np.linspace(low, high if high > low else low + 1, count + 1)


def _finding_text(finding: Finding, *, with_path: bool) -> RenderableType:
    title = Text.assemble((f"{finding.severity}: ", _STYLES[finding.severity]), (finding.check, "bold"))
    if with_path and finding.path is not None:
        title.append(f"  {finding.path}", "dim")
    lines = [Text(finding.what)]
    lines += [Text(place, style="dim", overflow="fold") for place in _places(finding)]
    if finding.advice:
        lines.append(Text(f"→ {finding.advice}"))
    return Group(title, Padding(Group(*lines), (0, 0, 1, 2)))


def _places(finding: Finding) -> list[str]:
    """The first few places, and that there are more."""
    more = finding.count > len(finding.places) > 0
    return [*finding.places, *(["..."] if more else [])]


def _finding_section(finding: Finding, with_path: bool) -> html.Html:
    title = html.inline(html.badge(finding.severity, _TONES[finding.severity]), ": ", finding.check)
    blocks: list[str] = [finding.what]
    if with_path and finding.path is not None:
        blocks.append(html.faint(str(finding.path)))
    if finding.places:
        blocks.append(html.listing(_places(finding)))
    if finding.advice:
        blocks.append(f"→ {finding.advice}")
    if finding.examples:
        blocks.append(html.gallery(_pictures(finding.examples)))
    return html.section(title, *blocks, level=3)


def _pictures(examples: Sequence[Example]) -> list[html.Html]:
    drawn = [(example, example_picture(example)) for example in examples]
    return [html.picture(image, f"{example.title} ({example.image})") for example, image in drawn if image is not None]


def _distributions(summary: Summary) -> list[html.Html]:
    from matplotlib.figure import Figure

    quantiles = summary.quantiles()
    header = ["", *next(iter(quantiles.values()))]
    rows = [[name, *(f"{value:.4g}" for value in values.values())] for name, values in quantiles.items()]
    figure = Figure(figsize=(10, 5), layout="constrained")
    for i, (name, values) in enumerate(summary.values.items(), 1):
        axes = figure.add_subplot(2, 3, i)
        axes.hist(values.tolist(), _bins(values, 40).tolist(), color="#4e8fd0")
        axes.set_title(name, fontsize=10)
        axes.set_xlabel(QUANTITIES[name], fontsize=8)
        axes.tick_params(labelsize=8)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    return [html.plot(figure), html.table(header, rows)]
