"""`clmot embed`: assess an embedding with and without identities."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from clmot.cli.app import JUDGE, Device, Size, app, size_settings
from clmot.errors import UserError
from clmot.visualize.table import show


@app.command(group=JUDGE)
def embed(
    model: Path,
    /,
    *data: Annotated[str, Parameter(help="Data folders or files (see clmot data list), with or without identities.")],
    json: Path | None = None,
    picture: Path | None = None,
    frames: int = 100,
    every: int = 1,
    frame_rate: float | None = None,
    min_score: float | None = None,
    format: str = "auto",
    seed: int = 0,
    size: Size = None,
    device: Device = "auto",
) -> None:
    """Tell whether an embedding is any good: from boxes alone, and by identities where there are any.

    Examples:

        clmot embed runs/mine boxes.json
        clmot embed runs/mot MOT16/train/MOT16-11 --every 5 --picture margins.png

    Parameters
    ----------
    model
        Run folder, checkpoint or model file.
    json
        Also write the scores to this file.
    picture
        Also draw how far genuine and impostor pairs lie apart, as a PNG.
    frames
        How many frames, drawn at random, are compared in two views.
    every
        Of the frames with identities, use every so many.
    frame_rate
        Frames a second; by default what seqinfo.ini says, else 30.
    min_score
        Least score of a box that counts, where a detector found the boxes (0.4, if all scores are within 0 and 1).
    format
        What the data is, if it is not recognised by itself (see clmot data list).
    seed
        Other seed, other frames and views.
    """
    if not data:
        raise UserError("embed: name at least one data folder or file (clmot data list shows the formats)")
    for name, value in (("--frames", frames), ("--every", every)):
        if value < 1:
            raise UserError(f"{name} must be >= 1, got {value}")
    if frame_rate is not None and not 0 < frame_rate < float("inf"):
        raise UserError(f"--frame-rate must be > 0, got {frame_rate}")
    from clmot.apps.embedding_quality.assess import assess
    from clmot.apps.embedding_quality.report import assessment_tables, margins_picture
    from clmot.apps.track.configured_model import load_configured

    loaded = load_configured(model, size_settings(size), device)
    paths = [Path(path) for path in data]
    found = assess(
        loaded,
        paths,
        frames=frames,
        every=every,
        frame_rate=frame_rate,
        min_score=min_score,
        format=format,
        seed=seed,
    )
    show(*assessment_tables(found))
    if line := found.motion_line():
        print(line)
    print(found.verdict())
    if json is not None:
        found.write_json(json)
    if picture is not None:
        margins_picture(found, picture)
