"""`clmot refine`: tracks of finished results made better."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from clmot.cli.app import TRACK, Flag, app, out_folder


@app.command(group=TRACK)
def refine(
    results: Path,
    /,
    *,
    out: Path | None = None,
    join: float = 0.0,
    individuals: int = 0,
    interpolate: float = 0.0,
    smooth: Flag = False,
    min_seconds: float = 0.0,
    source: list[str] | None = None,
    model: str | None = None,
    fps: float | None = None,
    format: Literal["mot", "kitti", "csv", "json"] = "mot",
    overwrite: Flag = False,
) -> None:
    """Refine finished results, of whatever tracker: join tracks, close gaps, smooth boxes, leave short tracks out.

    Examples:

        clmot refine results --out refined --interpolate 1 --min-seconds 0.5
        clmot refine results --join 0.2 --source street.mp4 --model clmot-pedestrian
        clmot refine results --individuals 10 --interpolate 0.5
        clmot refine results --out tables --smooth --format csv

    Parameters
    ----------
    results
        MOTChallenge text: a file, or a folder of NAME.txt.
    out
        Folder for files of the same names; by default runs/refine, runs/refine2, ...
    join
        Join tracks of similar appearance, one after the other: the largest cosine distance, such as 0.2.
    individuals
        How many there are: exactly so many tracks, by where they end and begin, and with --source and --model also by
        appearance.
    interpolate
        Close gaps in tracks of at most this many seconds.
    smooth
        Smooth the boxes of each track over time.
    min_seconds
        Leave out tracks that last shorter.
    source
        What was tracked, for --join and --individuals; several times for several.
    model
        Whose embeddings are compared.
    fps
        Frames a second, where neither run.json beside the results nor the source says.
    format
        As of `clmot track`.
    overwrite
        Replace files of the same names in `--out`.
    """
    from clmot.apps.refine_results import refine_results
    from clmot.config import RefineConfig

    config = RefineConfig(join=join, individuals=individuals, interpolate_seconds=interpolate, smooth=smooth)
    found = refine_results(
        results,
        out_folder(out, "refine"),
        config,
        min_seconds=min_seconds,
        frame_rate=fps,
        source=source,
        model=model,
        text_format=format,
        overwrite=overwrite,
    )
    for file, (before, now) in found.items():
        print(f"{file}: {before} -> {now} tracks")
