"""`clmot evaluate`: score tracks or detections against ground truth."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from clmot.cli.app import JUDGE, Every, Part, app
from clmot.errors import UserError
from clmot.visualize.table import show

Benchmark = Literal["auto", "mot15", "mot16", "mot17", "mot20", "dancetrack", "sportsmot", "kitti", "custom"]


@app.command(group=JUDGE)
def evaluate(
    *results: Path,
    gt: Path,
    benchmark: Benchmark = "auto",
    classes: str | None = None,
    every: Every = 1,
    frames: Part = "all",
    bootstrap: int | None = None,
    seed: int = 0,
    detections: Path | None = None,
    min_score: float = 0.0,
    plan: Path | None = None,
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
        clmot evaluate results --gt MOT17/train --plan plans
        clmot evaluate det --gt boxes.json
        clmot evaluate --detections det.json --gt boxes.json

    Parameters
    ----------
    results
        Folder of NAME.txt files in MOTChallenge (for KITTI: KITTI) format, or one such file; several to compare. Or
        what `clmot detect` wrote, or COCO results: AP.
    gt
        Sequence folder, or folder of them, with gt/gt.txt; KITTI folder with label_02; for detections any data set
        of `clmot data list`.
    benchmark
        Whose rules decide what counts; docs/scores.md says what they are. By default found out.
    classes
        Score these classes only: names or numbers, with commas between.
    bootstrap
        Draw sequences anew so many times for 95 % intervals: 0 by default, 1000 to compare.
    seed
        Other seed, other draws.
    detections
        Score these boxes instead of tracks: folder of NAME.txt, MOTChallenge text, or COCO results JSON.
    min_score
        Of the detections, use those with at least this score.
    plan
        Also tell the error of counting: lines and zones as clmot serve and clmot count write and read them, of the
        one sequence, or a folder with NAME.plan.json.
    markdown
        Also write the table to this file.
    csv
        Also write all metrics to this file.
    json
        Also write the scores to this file.
    """
    from clmot.apps.track.result_folder import warn_of_other_frames
    from clmot.evaluation.detection_files import are_detections
    from clmot.io.atomic import write_whole_json, write_whole_text
    from clmot.io.frame_choice import FrameChoice

    choice = FrameChoice(every=every, part=frames)
    if detections is None and len(results) == 1 and are_detections(results[0]):
        detections, results = results[0], ()
    if detections is not None:
        if results:
            raise UserError("evaluate: give results or --detections, not both")
        tracks_only = {
            "--benchmark": benchmark != "auto",
            "--classes": classes is not None,
            "--bootstrap": bootstrap is not None,
            "--plan": plan is not None,
        }
        given = [name for name, used in tracks_only.items() if used]
        if given:
            raise UserError(f"evaluate: {', '.join(given)}: for tracks only, not with --detections")
        from clmot.evaluation.detection import evaluate_detections
        from clmot.evaluation.tables import detection_csv, detection_table

        warn_of_other_frames(detections, choice)
        found = evaluate_detections(detections, gt, min_score=min_score, frames=choice)
        table, content, rows = detection_table(found), found.as_dict(), detection_csv(found)
    else:
        if not results:
            raise UserError("evaluate: name a folder of results, or --detections")
        from clmot.evaluation.comparison import compare
        from clmot.evaluation.mot import evaluate as run_evaluation
        from clmot.evaluation.tables import comparison_csv, comparison_table, scores_csv, scores_table

        for each in results:
            warn_of_other_frames(each, choice)
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
    if plan is not None:
        from clmot.apps.count.score import count_errors, errors_table

        sets = {str(results[0]): scores} if len(results) == 1 else comparison.scores
        found_in = zip(sets.items(), results, strict=True)
        errors = {name: count_errors(path, gt, plan, each.sequences) for (name, each), path in found_in}
        show(errors_table(errors))
        content["count errors"] = errors
    for file, text in ((markdown, table.markdown()), (csv, rows)):
        if file is not None:
            write_whole_text(file, text, "scores")
    if json is not None:
        write_whole_json(json, content, "scores")
