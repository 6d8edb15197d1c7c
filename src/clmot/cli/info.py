"""`clmot info`: what a file or folder is."""

from __future__ import annotations

from clmot.cli.app import JUDGE, app


@app.command(group=JUDGE)
def info(path: str, /) -> None:
    """Say what a run, model, detector, video, folder of images or data set is, in a few lines.

    Examples:

        clmot info runs/train
        clmot info clmot-pedestrian
        clmot info street.mp4
    """
    from clmot.apps.info import info as told

    print("\n".join(told(path)))
