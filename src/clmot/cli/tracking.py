"""Verbs that follow objects through a video."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from clmot.cli.app import app
from clmot.config import parse_overrides


@app.command
def track(
    source: str,
    /,
    *overrides: Annotated[str, Parameter(help="SECTION.KEY=VALUE settings laid over the model's own.")],
    model: Path,
    out: Path,
    video: Annotated[bool, Parameter(negative=())] = False,
    show: Annotated[bool, Parameter(negative=())] = False,
    device: str = "auto",
) -> None:
    """Track objects in a video, an image folder, MOTChallenge sequences, a webcam or a stream.

    Examples:

        clmot track street.mp4 --model runs/first --out results --video
        clmot track MOT16/train --model runs/first --out results
        clmot track 0 --model runs/first --out results --show
        clmot track street.mp4 --model runs/first --out results tracker.appearance=false detect.score_threshold=0.2

    Parameters
    ----------
    source
        Video file, image folder, sequence folder or folder of them, webcam number, or rtsp:// address.
    model
        Run folder, checkpoint or model file.
    out
        Folder for NAME.txt (MOTChallenge text) and NAME.mp4.
    video
        Also write an H.264 video with boxes, identities and trails.
    show
        Show a window while tracking.
    device
        auto, cpu or cuda.
    """
    from clmot.inference import load_model
    from clmot.pipeline import track as run_tracking

    loaded = load_model(model, device=device)
    loaded.config = loaded.config.updated(parse_overrides(overrides), "override")
    for result in run_tracking(source, loaded, out, video=video, show=show):
        print(
            f"{result.name}: {result.frames} frames, {result.tracks} tracks, {result.frames_per_second:.1f} frames/s, "
            f"{result.text_path}" + (f", {result.video_path}" if result.video_path else "")
        )
