"""`clmot report`: one HTML file that shows tracks, what went wrong and why."""

from __future__ import annotations

from pathlib import Path

from clmot.cli.app import JUDGE, Device, app
from clmot.cli.evaluate import Benchmark
from clmot.errors import plural


@app.command(group=JUDGE)
def report(
    results: Path,
    *,
    video: str,
    out: Path,
    gt: Path | None = None,
    benchmark: Benchmark = "auto",
    model: Path | None = None,
    device: Device = "auto",
) -> None:
    """Show tracks and what went wrong with them, worst first, in one HTML file that opens from disk.

    Examples:

        clmot report results --video street.mp4 --out report.html
        clmot report results --video MOT16-11 --gt MOT16 --out report.html

    Parameters
    ----------
    results
        MOTChallenge text, or a folder with it. Results of `clmot track --explain` also tell why.
    video
        What was tracked: a video, a folder of images, or a sequence folder.
    out
        The HTML file.
    gt
        Sequence folder, or folder of them, with gt/gt.txt: lists every identity switch, merge and fragment. Without it,
        what looks wrong is listed.
    benchmark
        Whose rules decide what counts; docs/scores.md says what they are. By default found out.
    model
        Without ground truth, let the embeddings of this model tell what looks alike. By default colours do.
    """
    from clmot.apps.report.make import make_report

    embed = None
    if model is not None:
        from clmot.inference.model import load_model

        embed = load_model(model, device=device).embed
    made = make_report(results, video, out, ground_truth=gt, benchmark=benchmark, embed=embed)
    listed = ", ".join(f"{count} {kind}" for kind, count in made.events.items()) or "none"
    print(f"{made.path}: {plural(sum(made.events.values()), 'event')} ({listed}), {made.size / 1e6:.1f} MB")
