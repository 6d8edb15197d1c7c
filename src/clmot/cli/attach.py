"""`clmot attach`: make a tracker of any detector."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from clmot.cli.app import (
    DATA_PATHS_HELP,
    LEARN,
    ConfigFile,
    Flag,
    Patience,
    Recipe,
    Val,
    ValEvery,
    app,
    comma_separated,
    data_paths,
    is_first_process,
    out_folder,
    validation_plan,
)
from clmot.config import load_config


@app.command(group=LEARN)
def attach(
    detector: str,
    /,
    *data: Annotated[str, Parameter(help=f"{DATA_PATHS_HELP} Or folders of images without annotation.")],
    out: Path | None = None,
    weights: str = "default",
    classes: str = "",
    head: Literal["auto", "features", "crops"] = "auto",
    boxes: Literal["auto", "data", "detector"] = "auto",
    recipe: Recipe = None,
    config: ConfigFile = None,
    steps: int | None = None,
    val: Val = None,
    val_every: ValEvery = 0,
    patience: Patience = 0,
    resume: Flag = False,
) -> None:
    """Make a tracker of any detector: freeze it, and learn an embedding on its own feature maps, without identities.

    Examples:

        clmot attach torchvision:fasterrcnn_resnet50_fpn MOT16/train --out runs/frcnn
        clmot attach torchvision:retinanet_resnet50_fpn frames --out a --weights a.pth
        clmot attach transformers:PekingU/rtdetr_r18vd boxes.json --out runs/rtdetr
        clmot attach ultralytics:yolo11n.pt frames --out runs/yolo --classes person
        clmot attach rfdetr:nano MOT16/train --out runs/rfdetr --classes person
        clmot attach onnx:mine.onnx frames --out a "detector.options={output: rows}"
        clmot attach python:mine.py:find MOT16/train --out runs/mine --head crops
        clmot attach encoder:mobilenetv2_100 MOT16/train --out runs/encoder
        clmot track street.mp4 --model runs/frcnn --out results

    Parameters
    ----------
    detector
        LIBRARY:NAME. Libraries: torchvision, transformers, ultralytics, rfdetr, onnx, python (a function of yours) and
        encoder (a timm encoder; the boxes come from files).
    out
        Run folder: configuration, log, loss curves and the newest checkpoint. It holds the embedding and how to have
        the detector again, not the detector itself.
    weights
        The detector's weights: default (those its library publishes), none (random), or a file.
    classes
        Names of the classes to find, with commas between them; by default all that the detector knows.
    head
        Read the embedding from the detector's own maps, or from crops of its boxes by an encoder of its own
        (`model.encoder`); auto takes the maps where there are any.
    boxes
        Learn on the boxes of the data or on those that the detector finds in its images; auto takes the detector's
        where the data has none.
    steps
        Training steps, short for `train.steps=N`.
    resume
        Go on from the newest checkpoint in `--out`, with the same settings as before.
    """
    out = out_folder(out, "attach", last=resume)
    paths, overrides = data_paths(data, "attach")
    if steps is not None:
        overrides.append(f"train.steps={steps}")
    settings = load_config(recipe, config, overrides)
    names = comma_separated(classes)
    described = {"name": detector, "head": head, "weights": weights, **({"classes": names} if names else {})}
    settings = settings.updated({"detector": described}, "attach")
    from clmot.apps.attach.attach import attach as run_attach

    validation = validation_plan(val, val_every, patience)
    checkpoint = run_attach(settings.detector, paths, out, settings, boxes=boxes, resume=resume, validation=validation)
    if is_first_process():
        print(f"model: {checkpoint}\nlosses: {out / 'loss.png'}")
        print(f"track with: clmot track VIDEO --model {out} --out results")
