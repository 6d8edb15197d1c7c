"""`clmot tune`: search the tracker's constants."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from clmot.cli.app import TRACK, Device, Every, Part, app, out_folder
from clmot.config import parse_overrides
from clmot.errors import plural
from clmot.visualize.table import show


@app.command(group=TRACK)
def tune(
    detector: str,
    data: Path,
    /,
    *overrides: Annotated[
        str, Parameter(help="SECTION.KEY=VALUE settings laid over the model's own; of tracker, they are not searched.")
    ],
    out: Path | None = None,
    boxes: str | None = None,
    metric: Literal["hota", "idf1", "both"] = "both",
    trials: int = 100,
    timeout: Annotated[float, Parameter(help="End the search after this many seconds.")] = float("inf"),
    jobs: int | None = None,
    seed: int = 0,
    benchmark: Literal["auto", "mot15", "mot16", "mot17", "mot20", "dancetrack", "sportsmot", "custom"] = "auto",
    every: Every = 1,
    frames: Part = "all",
    device: Device = "auto",
) -> None:
    """Search for the tracker's constants that score best on sequences with ground truth.

    Detections are found once; then tracking and scoring with other constants takes seconds. Called again with the same
    folder, a search goes on. Tune on validation sequences, never on those that are reported on.

    Examples:

        clmot tune runs/first MOT17/val --out tuned
        clmot tune runs/first MOT17/train --out tuned --boxes det --frames first-half
        clmot tune det MOT17/val --out tuned --metric hota --timeout 600 --jobs 8
        clmot track street.mp4 --out results --config tuned/tracker.yaml

    Parameters
    ----------
    detector
        Run folder, checkpoint or model file, or clmot-pedestrian, which comes with the package; or boxes without
        embeddings: det or gt of the sequence folders, or MOTChallenge text: a file, or a folder of NAME.txt.
    data
        Sequence folder, or folder of them, with gt/gt.txt.
    out
        Folder for tracker.yaml, the results of the default and the tuned tracker, and the journal that a later call
        goes on from: trials.log, study 'tune', which optuna.visualization draws.
    boxes
        With a model: read its embeddings at these boxes, in place of its own: det, gt, a file or a folder.
    metric
        What is to be high; both is the mean of the two.
    trials
        How many sets of constants to try in all, with those of earlier calls.
    jobs
        Processes that track and score; by default one for each processor, at most 8.
    seed
        Other seed, other constants tried.
    benchmark
        Whose rules decide what counts (see `clmot evaluate`).
    """
    out = out_folder(out, "tune")
    from clmot.apps.tune.judge import TITLES
    from clmot.apps.tune.search import tune as run_search
    from clmot.evaluation.tables import comparison_table
    from clmot.io.frame_choice import FrameChoice

    found = run_search(
        detector,
        data,
        out,
        boxes=boxes,
        changes=parse_overrides(overrides),
        metric=metric,
        trials=trials,
        timeout=timeout,
        jobs=jobs,
        seed=seed,
        benchmark=benchmark,
        frames=FrameChoice(every=every, part=frames),
        device=device,
    )
    show(comparison_table(found.comparison))
    changes = ", ".join(f"{name} {before} -> {after}" for name, (before, after) in found.changes.items())
    print(f"changed: {changes or 'nothing'}")
    print(
        f"{TITLES[metric]} {found.base_value:.1f} -> {found.best_value:.1f}, {plural(len(found.trials), 'trial')}, "
        f"{found.seconds:.0f} s: {found.config_file}"
    )
