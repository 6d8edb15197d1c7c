"""`clmot bench`: compare methods of training the embedding."""

from __future__ import annotations

import re
from pathlib import Path

from clmot.cli.app import LEARN, app
from clmot.errors import UserError


@app.command(group=LEARN)
def bench(config: Path, /, *, out: Path, part: str = "1/1", report_only: bool = False) -> None:
    """Compare ways to train the embedding: same frames, steps, start, seeds and tracker, one report with intervals.

    What is finished is kept in `--out`; called again, it goes on, and writes the report anew.

    Examples:

        clmot bench bench.yaml --out benches/street
        clmot bench bench.yaml --out benches/street --report-only
        CUDA_VISIBLE_DEVICES=1 clmot bench bench.yaml --out benches/street --part 2/2

    Parameters
    ----------
    config
        YAML file: data, methods, seeds, steps, references, measures (docs/bench.md).
    out
        Folder for trainings, tracks, scores and report.md.
    part
        K/N does every N-th run from the K-th on, so that several processes, on a GPU each, share the work.
    report_only
        Do nothing but write the report of what is finished.
    """
    share = re.fullmatch(r"([1-9]\d*)/([1-9]\d*)", part)
    if not share or int(share[1]) > int(share[2]):
        raise UserError(f"--part must be K/N with K from 1 to N, got {part}")
    from clmot.apps.bench.bench_report import write_report
    from clmot.apps.bench.plan import read_plan
    from clmot.apps.bench.runner import describe, run_bench

    plan = read_plan(config)
    if not report_only:
        for found in run_bench(plan, out, (int(share[1]), int(share[2]))):
            print(describe(found), flush=True)
    print(f"report: {write_report(plan, out)}")
