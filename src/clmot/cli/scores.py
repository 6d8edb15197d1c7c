"""Verbs that score: tracks against ground truth, embeddings with and without identities."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from clmot.cli.app import app
from clmot.errors import UserError, plural
from clmot.visualize.table import show

if TYPE_CHECKING:
    from clmot.io.frame_choice import FrameChoice

_log = logging.getLogger(__name__)

Benchmark = Literal["auto", "mot15", "mot16", "mot17", "mot20", "dancetrack", "sportsmot", "kitti", "custom"]
Server = Literal["mot15", "mot16", "mot17", "mot20", "dancetrack"]
Part = Literal["all", "first-half", "second-half"]


@app.command
def evaluate(
    *results: Path,
    gt: Path,
    benchmark: Benchmark = "auto",
    classes: str | None = None,
    every: int = 1,
    frames: Part = "all",
    bootstrap: int | None = None,
    seed: int = 0,
    detections: Path | None = None,
    min_score: float = 0.0,
    markdown: Path | None = None,
    csv: Path | None = None,
    json: Path | None = None,
) -> None:
    """Score results with TrackEval: HOTA, DetA, AssA, MOTA, MOTP, IDF1, IDSW, MT, ML; or detections: AP.

    Several result sets are compared with the first.

    Examples:

        clmot evaluate results --gt MOT17/train --markdown scores.md
        clmot evaluate results --gt MOT17/train/MOT17-11-SDP --json scores.json
        clmot evaluate before after --gt MOT17/train --bootstrap 5000
        clmot evaluate results --gt KITTI/training --benchmark kitti --classes car
        clmot evaluate --detections det.json --gt boxes.json

    Parameters
    ----------
    results
        Folder of NAME.txt files in MOTChallenge (for KITTI: KITTI) format, or one such file; several to compare.
    gt
        Sequence folder, or folder of them, with gt/gt.txt; KITTI folder with label_02; for detections any data set
        of `clmot data list`.
    benchmark
        Whose rules decide what counts; docs/scores.md says what they are. By default found out.
    classes
        Score these classes only: names or numbers, with commas between.
    every
        Score every so many frames only (from `clmot track --every`).
    frames
        Score one half of each sequence only: first-half or second-half.
    bootstrap
        Draw sequences anew so many times for 95 % intervals: 0 by default, 1000 to compare.
    seed
        Other seed, other draws.
    detections
        Score these boxes instead of tracks: folder of NAME.txt, MOTChallenge text, or COCO results JSON.
    min_score
        Of the detections, use those with at least this score.
    markdown
        Also write the table to this file.
    csv
        Also write all metrics to this file.
    json
        Also write the scores to this file.
    """
    from clmot.io.atomic import write_whole_json, write_whole_text

    if detections is not None:
        if results:
            raise UserError("evaluate: give results or --detections, not both")
        tracks_only = {
            "--benchmark": benchmark != "auto",
            "--classes": classes is not None,
            "--every": every != 1,
            "--frames": frames != "all",
            "--bootstrap": bootstrap is not None,
        }
        given = [name for name, used in tracks_only.items() if used]
        if given:
            raise UserError(f"evaluate: {', '.join(given)}: for tracks only, not with --detections")
        from clmot.evaluation.detection import evaluate_detections
        from clmot.evaluation.tables import detection_csv, detection_table

        found = evaluate_detections(detections, gt, min_score=min_score)
        table, content, rows = detection_table(found), found.as_dict(), detection_csv(found)
    else:
        if not results:
            raise UserError("evaluate: name a folder of results, or --detections")
        from clmot.evaluation.comparison import compare
        from clmot.evaluation.mot import evaluate as run_evaluation
        from clmot.evaluation.tables import comparison_csv, comparison_table, scores_csv, scores_table
        from clmot.io.frame_choice import FrameChoice

        choice = FrameChoice(every=every, part=frames)
        for each in results:
            _compare_frames(each, choice)
        chosen = None if classes is None else [name.strip() for name in classes.split(",")]
        if len(results) == 1:
            repeats = 0 if bootstrap is None else bootstrap
            scores = run_evaluation(
                results[0], gt, benchmark=benchmark, classes=chosen, frames=choice, bootstrap=repeats, seed=seed
            )
            table, content, rows = scores_table(scores), scores.as_dict(), scores_csv(scores)
        else:
            repeats = 1000 if bootstrap is None else bootstrap
            comparison = compare(
                results, gt, benchmark=benchmark, classes=chosen, frames=choice, bootstrap=repeats, seed=seed
            )
            table, content, rows = comparison_table(comparison), comparison.as_dict(), comparison_csv(comparison)
    show(table)
    for file, text in ((markdown, table.markdown()), (csv, rows)):
        if file is not None:
            write_whole_text(file, text, "scores")
    if json is not None:
        write_whole_json(json, content, "scores")


def _compare_frames(results: Path, choice: FrameChoice) -> None:
    """Warn where results were tracked on other frames than are to be scored, as far as their record tells."""
    from clmot.apps.track.result_folder import RECORD, read_record

    folder = results if results.is_dir() else results.parent
    for name, facts in read_record(folder).items():
        tracked = facts.get("frame choice") if isinstance(facts, dict) else None
        wanted = {"every": choice.every, "part": choice.part}
        if isinstance(tracked, dict) and {key: tracked.get(key) for key in wanted} != wanted:
            _log.warning(
                "%s: %s was tracked with --every %s --frames %s; every other frame counts as missed without them here",
                folder / RECORD,
                name,
                tracked.get("every"),
                tracked.get("part"),
            )
            return


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
    min_score: float | None = None,
    format: str = "auto",
    seed: int = 0,
    device: str = "auto",
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
        How many frames, drawn at random, are looked at in two views.
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
    device
        auto, cpu, cuda or cuda:N.
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
    from clmot.inference.model import load_model

    loaded = load_model(model, device=device)
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


@app.command
def submit(
    results: Path,
    /,
    *,
    benchmark: Server,
    out: Path,
    test_only: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Write the archive that a benchmark's server takes, or say all that is wrong with the results.

    Examples:

        clmot submit results --benchmark mot17 --out mot17.zip
        clmot submit results --benchmark dancetrack --out tracker.zip

    Parameters
    ----------
    results
        Folder of NAME.txt files: every sequence of the benchmark, for MOTChallenge those of the training set too.
    benchmark
        mot15, mot16, mot17 (each sequence three times, once for each public detector), mot20 or dancetrack.
    out
        The archive, FILE.zip.
    test_only
        Leave the training sequences out; MOTChallenge's server refuses that.
    """
    from clmot.evaluation.submission import submit as write_submission

    written = write_submission(results, out, benchmark=benchmark, test_only=test_only)
    notes = [plural(written.files, "file")]
    if written.copied:
        notes.append(f"{written.copied} of them copies of another detector's")
    if written.other_classes:
        notes.append(f"{plural(written.other_classes, 'row')} of other classes than persons left out")
    print(f"{written.path}: {', '.join(notes)}")
