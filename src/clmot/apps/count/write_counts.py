"""Counts as files: CSV of what happened, JSON of the totals, a plot over time, and a picture with lines and numbers."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from clmot.apps.count.count import LEFT, RIGHT, Counts
from clmot.apps.count.score import count_error
from clmot.io.atomic import make_folder, write_whole_json, write_whole_text
from clmot.io.csv_text import csv_text
from clmot.io.frame_source import FrameSource
from clmot.io.image import write_image
from clmot.structures import Float64Array, Image
from clmot.visualize.draw import draw_label, track_colour
from clmot.visualize.figures import new_figure, save_figure
from clmot.visualize.table import TextTable

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def write_counts(
    counts: Counts, out: Path, name: str, source: FrameSource | None = None, truth: Counts | None = None
) -> list[Path]:
    """Write ``NAME.crossings.csv``, ``NAME.visits.csv``, ``NAME.counts.json``, ``NAME.counts.png`` and ``.jpg``.

    Args:
        counts: what to tell.
        out: the folder; made if missing.
        name: the sequence.
        source: the video, for the picture; None: no picture.
        truth: what was counted in ground truth; None where there is none.

    Returns:
        What was written.

    Raises:
        UserError: a file cannot be written, or the video cannot be read.
    """
    make_folder(out)
    written = []
    if counts.lines:
        head: tuple[str, ...] = ("line", "direction", "frame", "seconds", "track", "class")
        rows = [(e.line, e.direction, e.frame, f"{e.seconds:.3f}", e.track, e.kind) for e in counts.crossings]
        written.append(out / f"{name}.crossings.csv")
        write_whole_text(written[-1], csv_text([head, *rows]), "counts")
    if counts.zones:
        head = ("zone", "track", "class", "first", "last", "seconds")
        stays = [(e.zone, e.track, e.kind, e.first, e.last, f"{e.seconds:.3f}") for e in counts.visits]
        written.append(out / f"{name}.visits.csv")
        write_whole_text(written[-1], csv_text([head, *stays]), "counts")
    written.append(out / f"{name}.counts.json")
    told = counts.totals()
    if truth is not None:
        told |= {"truth": truth.totals(), "error": count_error(counts, truth)}
    write_whole_json(written[-1], told, "counts")
    written.append(out / f"{name}.counts.png")
    _plot(counts, written[-1])
    if source is not None:
        with contextlib.closing(iter(source)) as frames:
            image = next((image for number, image in frames if number >= counts.frames[len(counts.frames) // 2]), None)
        if image is not None:
            written.append(out / f"{name}.counts.jpg")
            write_image(written[-1], draw_counts(image, counts), "the picture")
    return written


def counts_table(counts: Counts, truth: Counts | None = None) -> TextTable:
    """The totals, for the terminal; beside those of ground truth where there are any, with the error."""
    columns = [_cells(counts)] if truth is None else [_cells(counts), _cells(truth)]
    lines, zones = (
        [[*key, *(each[part][key] for each in columns)] for key in columns[0][part]] for part in ("lines", "zones")
    )
    notes = []
    if truth is not None:
        error = count_error(counts, truth)
        notes = [f"count error: {error['absolute']} of {error['true']} crossings and visits ({error['relative']:.1%})"]
    header = ["where", "what", "count", *(["ground truth"] if truth else [])]
    return TextTable(header, [part for part in (lines, zones) if part], prose=frozenset({1}), notes=notes)


def _cells(counts: Counts) -> dict[str, dict[tuple[str, str], str]]:
    """What a table says of lines and of zones, by name and kind of count."""
    totals = counts.totals()
    return {
        part: {
            (name, what): _told(value) if isinstance(value, dict) else "-" if value is None else f"{value:g}"
            for name, each in totals[part].items()
            for what, value in each.items()
        }
        for part in ("lines", "zones")
    }


def draw_counts(image: Image, counts: Counts) -> Image:
    """A copy of the image with lines, zones and their numbers."""
    canvas, totals = image.copy(), counts.totals()
    thick = max(2, round(min(image.shape[:2]) / 250))
    for index, shape in enumerate((*counts.zones, *counts.lines), 1):
        colour = track_colour(index)
        points = np.rint(shape.points).astype(np.int32)
        if len(points) > 2:
            filled = canvas.copy()
            cv2.fillPoly(filled, [points], colour)
            canvas = np.asarray(cv2.addWeighted(filled, 0.25, canvas, 0.75, 0), np.uint8)
            cv2.polylines(canvas, [points], True, colour, thick, cv2.LINE_AA)
            each = totals["zones"][shape.name]
            label = f"{shape.name}: {each['visits']['all']} visits, at most {each['most at once']} at once"
            draw_label(canvas, label, tuple(points.min(axis=0).tolist()), colour)
            continue
        cv2.line(canvas, points[0].tolist(), points[1].tolist(), colour, thick, cv2.LINE_AA)
        ways = totals["lines"][shape.name]
        middle, across = shape.points.mean(axis=0), _to_the_right(shape.points) * 12 * thick
        for way, sign in ((RIGHT, 1), (LEFT, -1)):
            end = middle + sign * across
            cv2.arrowedLine(canvas, _whole(middle), _whole(end), colour, thick, cv2.LINE_AA, tipLength=0.3)
            draw_label(canvas, f"{ways[way]['all']}", _whole(end + sign * 0.9 * across), colour)
        draw_label(canvas, shape.name, _whole(shape.points[0]), colour)
    return canvas


def _plot(counts: Counts, path: Path) -> None:
    panels = int(bool(counts.lines)) + int(bool(counts.zones))
    figure = new_figure((9, 3.2 * panels))
    axes = iter(figure.subplots(panels, 1, squeeze=False)[:, 0])
    seconds = (counts.frames - 1) / counts.frame_rate
    index = 0
    if counts.zones:
        panel = next(axes)
        for zone in counts.zones:
            index += 1
            panel.step(seconds, counts.occupied[zone.name], where="post", label=_plain(zone.name), color=_shade(index))
        _finish(panel, "tracks in the zone")
    if counts.lines:
        panel = next(axes)
        for line in counts.lines:
            index += 1
            for way, style in ((RIGHT, "-"), (LEFT, "--")):
                times = [each.seconds for each in counts.crossings if (each.line, each.direction) == (line.name, way)]
                steps = [*seconds[:1], *times, *seconds[-1:]]
                heights = [*range(len(times) + 1), len(times)]
                panel.step(
                    steps, heights, style, where="post", label=_plain(f"{line.name}, {way}"), color=_shade(index)
                )
        _finish(panel, "crossings so far")
    save_figure(figure, path, "the plot")


def _finish(panel: Axes, what: str) -> None:
    from matplotlib.ticker import MaxNLocator

    panel.set(ylabel=what, xlabel="seconds")
    panel.set_ylim(bottom=0)
    panel.yaxis.set_major_locator(MaxNLocator(integer=True))
    panel.legend()


def _plain(label: str) -> str:
    """A label that matplotlib takes as it stands: no formula, and no private name, which a legend leaves out."""
    return label.replace("$", r"\$").replace("_", " ", 1) if label.startswith("_") else label.replace("$", r"\$")


def _shade(index: int) -> tuple[float, ...]:
    return tuple(value / 255 for value in track_colour(index))


def _to_the_right(line: Float64Array) -> Float64Array:
    """Unit vector at a right angle to a line, to the right of who looks along it on the screen."""
    way = line[1] - line[0]
    return np.asarray(np.array([-way[1], way[0]]) / np.hypot(*way))


def _whole(point: Float64Array) -> tuple[int, int]:
    return round(float(point[0])), round(float(point[1]))


def _told(counts: dict[str, int]) -> str:
    kinds = {kind: number for kind, number in counts.items() if kind != "all"}
    parts = ", ".join(f"{number} {kind}" for kind, number in kinds.items())
    return f"{counts['all']} ({parts})" if len(kinds) > 1 else f"{counts['all']}"
