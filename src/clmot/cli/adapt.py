"""`clmot adapt`: teach a model's embedding on unlabelled videos."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from clmot.cli.app import LEARN, Device, Flag, Size, app, is_first_process, out_folder, size_settings, split_overrides
from clmot.errors import UserError
from clmot.visualize.table import show


@app.command(group=LEARN)
def adapt(
    model: str,
    /,
    *videos: Annotated[
        str,
        Parameter(
            help="Video files, image folders or MOTChallenge sequence folders, and SECTION.KEY=VALUE settings laid "
            "over the model's own."
        ),
    ],
    out: Path | None = None,
    steps: int | None = None,
    boxes: str | None = None,
    detector: str = "",
    size: Size = None,
    resume: Flag = False,
    device: Device = "auto",
) -> None:
    """Teach a model's embedding on unlabelled videos; what gains nothing is rolled back.

    High-score tracklets, made by motion, show the same person at two times; people in one frame are different ones: a
    metric that tells them apart is learned in seconds. The last part of each video is held out to judge by. Detections
    stay what they were, unless `train.learn=all`.

    Examples:

        clmot adapt clmot-pedestrian street.mp4 --out runs/street
        clmot adapt runs/first monday.mp4 tuesday.mp4 --out runs/adapted --steps 500
        clmot adapt runs/first frames --out runs/adapted tracker.frame_rate=10
        clmot adapt runs/first street.mp4 --out runs/adapted adapt.held_out=0.3
        clmot adapt clmot-pedestrian a.mp4 --out runs/a --detector onnx:yolox.onnx
        clmot adapt clmot-pedestrian street.mp4 --out runs/street --resume

    Parameters
    ----------
    model
        Run folder, checkpoint or model file, or clmot-pedestrian, which comes with the package.
    out
        Folder of the adapted model, report.md and report.json, and the tracklets as COCO data sets.
    steps
        Also train the network for so many steps, short for `train.steps=N`; takes minutes.
    boxes
        Learn from external detections in place of the model's: gt or det of the sequence folders, or MOTChallenge text:
        a file, or a folder of NAME.txt.
    detector
        Learn from the boxes that this detector finds (LIBRARY:NAME, see `clmot attach`).
    resume
        Go on with what an interrupted call with the same arguments left in `--out`.
    """
    out = out_folder(out, "adapt", last=resume)
    paths, overrides = split_overrides(videos)
    if steps is not None:
        overrides.append(f"train.steps={steps}")
    overrides += [f"detect.size={sections['detect']['size']}" for sections, _ in size_settings(size)]
    from clmot.apps.adapt.report import adaptation_table
    from clmot.apps.adapt.run import adapt as run_adaptation

    if boxes is not None and detector:
        raise UserError("clmot adapt: boxes come from --boxes or from --detector, not from both")
    found = run_adaptation(
        model, paths, out, overrides=overrides, boxes=boxes, detector=detector, resume=resume, device=device
    )
    if is_first_process():
        show(adaptation_table(found))
        print(f"{found.reason}\nmodel: {found.model}\nreport: {out / 'report.md'}")
        print(f"track with: clmot track VIDEO --model {out} --out results")
