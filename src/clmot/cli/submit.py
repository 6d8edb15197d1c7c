"""`clmot submit`: the archive for a benchmark's server."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from clmot.cli.app import HAND_ON, Flag, app
from clmot.errors import plural

Server = Literal["mot15", "mot16", "mot17", "mot20", "dancetrack"]


@app.command(group=HAND_ON)
def submit(
    results: Path,
    /,
    *,
    benchmark: Server,
    out: Path,
    test_only: Flag = False,
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
