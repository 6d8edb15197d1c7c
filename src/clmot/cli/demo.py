"""`clmot demo`: from synthetic scenes to scores."""

from __future__ import annotations

from pathlib import Path

from clmot.cli.app import BEGIN, Flag, app
from clmot.errors import UserError


@app.command(group=BEGIN)
def demo(
    video: str | None = None,
    /,
    *,
    pretrained: Flag = False,
    out: Path | None = None,
    steps: int | None = None,
    seed: int = 0,
) -> None:
    """Make synthetic street scenes, train label-free on frames, track unseen clips, compare with motion alone.

    With --pretrained nothing is trained: the model that comes with the package tracks a short clip, within a minute.

    Examples:

        clmot demo
        clmot demo --out /tmp/demo --seed 1
        clmot demo --pretrained
        clmot demo --pretrained street.mp4

    Parameters
    ----------
    video
        With --pretrained: the video, image folder or sequence folder whose beginning is tracked; by default a synthetic
        clip.
    pretrained
        Show clmot-pedestrian, which comes with the package, at work.
    out
        Folder for scenes, run, results, video and scores; must not exist yet, or hold an unfinished demo. By default
        demo, with --pretrained demo-pretrained.
    steps
        Training steps.
    seed
        Seed of scenes and training.
    """
    if pretrained:
        if steps is not None:
            raise UserError("demo: --pretrained trains nothing; leave --steps out")
        from clmot.apps.demo import run_pretrained

        run_pretrained(out or Path("demo-pretrained"), video, seed=seed)
        return
    if video is not None:
        raise UserError("demo: a video is tracked with --pretrained; without it the demo makes scenes of its own")
    from clmot.apps.demo import run_demo

    run_demo(out or Path("demo"), steps=steps, seed=seed)
