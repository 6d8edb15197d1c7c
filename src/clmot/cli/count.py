"""`clmot count`: crossings of lines and visits to zones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from clmot.cli.app import JUDGE, app
from clmot.errors import UserError
from clmot.visualize.table import show


@app.command(group=JUDGE)
def count(
    results: Path,
    *,
    line: Annotated[tuple[str, ...], Parameter(help="x1,y1,x2,y2 in pixels; NAME= may stand before it.")] = (),
    zone: Annotated[tuple[str, ...], Parameter(help="Corners x1,y1,x2,y2,x3,y3,...; NAME= may stand before it.")] = (),
    plan: Path | None = None,
    out: Path | None = None,
    video: str | None = None,
    gt: Path | None = None,
    anchor: Literal["foot", "centre"] = "foot",
    longest_gap: float = 1.0,
    fps: float | None = None,
) -> None:
    """Count who crosses lines, in which direction, and who is in zones, for how long.

    Examples:

        clmot count results --line door=200,300,420,310
        clmot count results --zone 0,0,300,0,300,200 --out counts --video a.mp4
        clmot count results --line 200,300,420,310 --gt MOT16/train
        clmot count results --plan results/street.plan.json

    Parameters
    ----------
    results
        MOTChallenge text, or a folder with it.
    plan
        Lines and zones as a file, such as the page of clmot serve draws: NAME.plan.json beside the results, which is
        taken by default where no line and no zone is given.
    out
        Folder for NAME.crossings.csv, NAME.visits.csv, NAME.counts.json, a plot of counts over time and, with --video,
        a picture with lines, zones and numbers.
    video
        What was tracked.
    gt
        Sequence folder, or folder of them, with gt/gt.txt: count its boxes too, and tell the error.
    anchor
        The point of a box that crosses and enters: the middle of its lower side, or its centre.
    longest_gap
        A visit goes on while its track is not seen for so many seconds.
    fps
        Frames a second; by default what the video, or the record of the results, says.
    """
    from clmot.apps.count.count import count as run_count
    from clmot.apps.count.plan import plan_beside, read_plan
    from clmot.apps.count.write_counts import counts_table, write_counts
    from clmot.apps.report.results import load_results
    from clmot.apps.report.truth import truth_as_results
    from clmot.io.sources import open_one

    if not longest_gap >= 0:
        raise UserError(f"--longest-gap must be >= 0 seconds, got {longest_gap:g}")
    source = None if video is None else open_one(video)
    loaded = load_results(results, source)
    if fps is not None:
        if not 0 < fps < float("inf"):
            raise UserError(f"--fps must be > 0, got {fps:g}")
        loaded = replace(loaded, frame_rate=fps)
    beside = plan_beside(loaded.file)
    if plan is None and not line and not zone and beside.is_file():
        plan = beside
    lines = [*line, *(read_plan(plan) if plan else ())]
    counts = run_count(loaded, lines, zone, anchor=anchor, longest_gap=longest_gap)
    truth = None
    if gt is not None:
        truth = run_count(truth_as_results(loaded, gt), lines, zone, anchor=anchor, longest_gap=longest_gap)
    show(counts_table(counts, truth))
    if out is not None:
        for path in write_counts(counts, out, loaded.name, source, truth):
            print(path)
