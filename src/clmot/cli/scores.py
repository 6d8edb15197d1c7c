"""Verbs that score: tracks against ground truth, embeddings with and without identities."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from rich.console import Console

from clmot.cli.app import app
from clmot.errors import UserError

Benchmark = Literal["auto", "mot15", "mot16", "mot17", "mot20"]


@app.command
def evaluate(
    results: Path,
    /,
    *,
    gt: Path,
    benchmark: Benchmark = "auto",
    json: Path | None = None,
) -> None:
    """Score results with TrackEval: HOTA, DetA, AssA, MOTA, MOTP, IDF1, IDSW, MT, ML.

    Examples:

        clmot evaluate results --gt MOT16/train
        clmot evaluate results --gt MOT16/train/MOT16-11 --json scores.json

    Parameters
    ----------
    results
        Folder of NAME.txt files in MOTChallenge format, or one such file.
    gt
        Sequence folder, or folder of them, with gt/gt.txt.
    benchmark
        Preprocessing rules: auto, mot15, mot16, mot17 or mot20.
    json
        Also write the scores to this file.
    """
    from clmot.evaluation.mot import evaluate as run_evaluation
    from clmot.evaluation.mot import scores_table, write_json

    scores = run_evaluation(results, gt, benchmark=benchmark)
    Console().print(scores_table(scores))
    if json is not None:
        write_json(scores, json)


@app.command
def embed(
    model: Path,
    /,
    *data: Annotated[str, Parameter(help="Data folders or files (see clmot data list), with or without identities.")],
    json: Path | None = None,
    picture: Path | None = None,
    frames: int = 100,
    every: int = 1,
    frame_rate: float | None = None,
    seed: int = 0,
    device: str = "auto",
) -> None:
    """Tell whether an embedding is any good: from boxes alone, and by identities where there are any.

    Examples:

        clmot embed runs/mine boxes.json
        clmot embed runs/mot MOT16/train/MOT16-11 --every 5 --json scores.json --picture margins.png

    Parameters
    ----------
    model
        Run folder, checkpoint or model file.
    json
        Also write the scores to this file.
    picture
        Also draw how far genuine and impostor pairs lie apart, as a PNG.
    frames
        How many frames, drawn at random, are looked at in two views.
    every
        Of the frames with identities, use every so many.
    frame_rate
        Frames a second; by default what seqinfo.ini says, else 30.
    seed
        Other seed, other frames and views.
    device
        auto, cpu or cuda.
    """
    if not data:
        raise UserError("embed: name at least one data folder or file (clmot data list shows the formats)")
    for name, value in (("--frames", frames), ("--every", every)):
        if value < 1:
            raise UserError(f"{name} must be >= 1, got {value}")
    if frame_rate is not None and not 0 < frame_rate < float("inf"):
        raise UserError(f"--frame-rate must be > 0, got {frame_rate}")
    from clmot.assessment import assess
    from clmot.inference import load_model
    from clmot.report.embedding import assessment_tables, margins_picture

    loaded = load_model(model, device=device)
    paths = [Path(path) for path in data]
    found = assess(loaded, paths, frames=frames, every=every, frame_rate=frame_rate, seed=seed)
    for table in assessment_tables(found):
        Console(width=None if sys.stdout.isatty() else 120).print(table)
    print(found.verdict())
    if json is not None:
        found.write_json(json)
    if picture is not None:
        margins_picture(found, picture)
