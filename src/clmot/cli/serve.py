"""`clmot serve`: a local page to watch tracks, correct them and make them."""

from __future__ import annotations

import contextlib
from pathlib import Path

from clmot.cli.app import JUDGE, Flag, app
from clmot.errors import UserError
from clmot.shipped import DEFAULT


@app.command(group=JUDGE)
def serve(
    results: Path | None = None,
    *,
    video: str | None = None,
    model: str = DEFAULT,
    host: str = "127.0.0.1",
    port: int = 0,
    open: Flag = False,
) -> None:
    """Watch tracks over their video in a local page, correct them, export them; or track a video and watch.

    Every edit is on the disk before the page shows it, in NAME.edits.jsonl beside the results, which stay as they are;
    corrected ones are written to the folder `corrected` beside them. Ctrl-C ends it.

    Examples:

        clmot serve results --video street.mp4
        clmot serve results/MOT16-11.txt --video MOT16/train/MOT16-11 --open
        clmot serve

    Parameters
    ----------
    results
        MOTChallenge text, or a folder with it. Results of `clmot track --explain` also tell why. Without it, choose a
        video in this folder, or drop one, and track it.
    video
        What was tracked: a video, a folder of images, or a sequence folder; by default what run.json names.
    model
        Run folder or model file that is offered first for tracking.
    host
        What to listen on: this computer alone unless you say otherwise. The address has a token that keeps others out,
        but is not encrypted.
    port
        By default any that is free.
    open
        Open the page in the browser.
    """
    try:
        from clmot.apps.serve.server import serve as run_server
    except ModuleNotFoundError as error:
        raise UserError(f"clmot serve needs {error.name}: pip install 'clmot[serve]'") from error
    with contextlib.suppress(KeyboardInterrupt):
        run_server(results, video, model=model, host=host, port=port, browser=open)
