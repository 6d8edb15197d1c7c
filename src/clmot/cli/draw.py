"""`clmot draw`: a video of results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from clmot.cli.app import JUDGE, Flag, app, comma_separated
from clmot.errors import UserError, plural


@app.command(group=JUDGE)
def draw(
    *results: Annotated[Path, Parameter(help="MOTChallenge text, or a folder with it; several: side by side.")],
    video: str,
    out: Path,
    classes: Flag = False,
    scores: Flag = False,
    trail: float = 1.5,
    blur: Literal["head", "box"] | None = None,
    sharp: str = "",
) -> None:
    """Draw results on their video: boxes, ids, trails, and heads or boxes blurred on request.

    Examples:

        clmot draw results --video street.mp4 --out drawn.mp4 --scores
        clmot draw results --video street.mp4 --out a.mp4 --blur head
        clmot draw before after --video street.mp4 --out both.mp4

    Parameters
    ----------
    video
        What was tracked.
    out
        The MP4 (H.264).
    classes
        Labels name the class.
    scores
        Labels tell the confidence.
    trail
        Seconds that the trails go back; 0 for none.
    blur
        Make people unrecognisable: the upper third of each box, or all of it. Who is not tracked stays as he is.
    sharp
        Ids and classes that stay sharp, with commas between.
    """
    if not results:
        raise UserError("draw: name results of clmot track")
    if not 0 <= trail < float("inf"):
        raise UserError(f"--trail must be >= 0 seconds, got {trail:g}")
    if sharp and blur is None:
        raise UserError("--sharp goes with --blur")
    from clmot.apps.draw import Drawing
    from clmot.apps.draw import draw as run_drawing

    drawing = Drawing(
        classes=classes, scores=scores, trail_seconds=trail, blur=blur or "", sharp=comma_separated(sharp)
    )
    print(f"{out}: {plural(run_drawing(results, video, out, drawing), 'frame')}")
