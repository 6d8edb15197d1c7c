"""`clmot train`: train a tracker from boxes alone."""

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
    data_paths,
    is_first_process,
    out_folder,
    size_settings,
    under_torchrun,
    validation_plan,
)
from clmot.config import load_config, parse_overrides
from clmot.errors import UserError


@app.command(group=LEARN)
def train(
    *data: Annotated[str, Parameter(help=DATA_PATHS_HELP)],
    out: Path | None = None,
    recipe: Recipe = None,
    config: ConfigFile = None,
    steps: int | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    size: str | None = None,
    device: str | None = None,
    resume: Flag = False,
    start: Path | None = None,
    val: Val = None,
    val_every: ValEvery = 0,
    patience: Patience = 0,
    logger: list[Literal["tensorboard", "wandb", "mlflow"]] | None = None,
) -> None:
    """Train a tracker from boxes alone. Identities in the data are not used, unless `data.identities=true` asks for it.

    Examples:

        clmot train scenes/stills --out runs/first
        clmot train MOT16/train --out runs/mot --model.image_size "[864, 480]"
        clmot train boxes.json --epochs 30 --size 640 --config mine.yaml
        clmot train detections.csv --out runs/unlabelled data.min_score=0.5
        clmot train scenes/stills --out runs/first --resume
        clmot train MOT16/train --out runs/tuned --start runs/first --steps 500
        clmot train MOT16/train --val MOT16/val --out runs/mot --patience 5
        clmot train boxes.json --val 0.1
        torchrun --nnodes=1:4 --nproc-per-node=8 --max-restarts=20 --rdzv-backend=c10d --rdzv-endpoint=HOST:29400
            -m clmot train MOT16/train --out /shared/run --resume

    Parameters
    ----------
    out
        Run folder: configuration, log, loss curves and the newest checkpoint; by default runs/train, runs/train2, ...
    steps
        Training steps, short for `train.steps=N`.
    epochs
        Passes over the data in place of steps, short for `train.epochs=N`.
    batch_size
        Frames a step, short for `train.batch_size=N`.
    size
        Input in pixels, multiples of 32: WxH, or N for the width of 16:9; short for `model.image_size`.
    device
        auto, cpu, cuda or cuda:N, short for `train.device`.
    resume
        Go on from the newest checkpoint in `--out`, with the configuration saved in it.
    start
        Run folder or model file to take the weights from as far as they fit, and the configuration unless `--recipe` or
        `--config` is given; or clmot-pedestrian, which comes with the package.
    logger
        Log there as well (pip install 'clmot[tensorboard]', `[wandb]` or `[mlflow]`); several times for several.
    """
    paths, overrides = data_paths(data, "train")
    given = {"steps": steps, "epochs": epochs, "batch_size": batch_size, "device": device}
    overrides += [f"train.{name}={value}" for name, value in given.items() if value is not None]
    overrides += [] if size is None else [f"model.image_size={_sides(size)}"]
    out = out_folder(out, "train", last=resume)
    from clmot.models.saved_model import find_checkpoint, load_saved_model
    from clmot.shipped import find_model
    from clmot.training.trainer import train as run_training

    found = find_checkpoint(out) if resume else None
    if found:
        # torchrun repeats the command as it was
        if (recipe or config) and not under_torchrun():
            raise UserError(f"{found}: --resume takes recipe and file from the checkpoint; only overrides may be given")
        settings = load_saved_model(found).config
        settings = settings.updated(parse_overrides(overrides), "override")
    else:
        if start and not (recipe or config):
            settings = load_saved_model(find_model(start)).config.updated(parse_overrides(overrides), "override")
        else:
            settings = load_config(recipe, config, overrides)
        if start:
            settings = settings.updated({"model": {"pretrained": str(start)}})
    validation = validation_plan(val, val_every, patience)
    checkpoint = run_training(paths, out, settings, resume=resume, validation=validation, loggers=logger or ())
    if is_first_process():
        print(f"model: {checkpoint}\nlosses: {out / 'loss.png'}")
        print(f"track with: clmot track VIDEO --model {out} --out results")


def _sides(size: str) -> list[int]:
    """Width and height of WxH, or of a width N."""
    sides: list[int] = size_settings(size)[0][0]["detect"]["size"]
    return sides if len(sides) == 2 else [sides[0], max(1, round(sides[0] * 9 / 16 / 32)) * 32]
