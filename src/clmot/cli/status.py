"""`clmot status`: how far a run over many videos is."""

from __future__ import annotations

import json
from pathlib import Path

from clmot.cli.app import TRACK, Flag, app


@app.command(group=TRACK)
def status(folder: Path, *, failed: Flag = False, as_json: Flag = False) -> None:
    """Show how far `clmot track` is with many videos: done, in hand, failed, rate and time left.

    Examples:

        clmot status results
        clmot status results --failed
        clmot status results --as-json

    Parameters
    ----------
    folder
        The `--out` of the run, which may be under way, also on other machines.
    failed
        Name every video that failed, and why.
    as_json
        The same as JSON.
    """
    from clmot.apps.many.status import read_status, tell_failed

    found = read_status(folder)
    if as_json:
        print(json.dumps(found.as_dict(), indent=2))
        return
    print(found)
    if told := tell_failed(found.failures, most=10**9 if failed else 5):
        print(told)
