"""Verbs that make a model: train, import-weights, adapt, demo, and the settings they go by."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from clmot.cli.app import DATA_PATHS_HELP, Recipe, app, is_first_process, split_overrides
from clmot.config import load_config, parse_overrides
from clmot.errors import UserError
from clmot.visualize.table import show


@app.command
def train(
    *data: Annotated[str, Parameter(help=DATA_PATHS_HELP)],
    out: Path,
    recipe: Recipe = None,
    config: Path | None = None,
    steps: int | None = None,
    resume: Annotated[bool, Parameter(negative=())] = False,
    start: Path | None = None,
) -> None:
    """Train a tracker from boxes alone. Identities in the data are not used, unless `data.identities=true` asks for it.

    Examples:

        clmot train scenes/stills --out runs/first
        clmot train MOT16/train --out runs/mot --model.image_size "[864, 480]"
        clmot train boxes.json --out runs/mine --config mine.yaml data.workers=2
        clmot train detections.csv --out runs/unlabelled data.min_score=0.5
        clmot train scenes/stills --out runs/first --resume
        clmot train MOT16/train --out runs/tuned --start runs/first --steps 500

    Parameters
    ----------
    out
        Run folder: configuration, log, loss curves and the newest checkpoint.
    config
        YAML file laid over the recipe.
    steps
        Training steps, short for `train.steps=N`.
    resume
        Go on from the newest checkpoint in `--out`, with the configuration saved in it.
    start
        Run folder or model file to take the weights from as far as they fit, and the configuration unless `--recipe` or
        `--config` is given; or clmot-pedestrian, which comes with the package.
    """
    paths, overrides = split_overrides(data)
    if not paths:
        raise UserError("train: name at least one data folder or file (clmot data list shows the formats)")
    if steps is not None:
        overrides.append(f"train.steps={steps}")
    from clmot.models.saved_model import find_checkpoint, load_saved_model
    from clmot.shipped import find_model
    from clmot.training.trainer import train as run_training

    found = find_checkpoint(out) if resume else None
    if found:
        if recipe or config:
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
    checkpoint = run_training([Path(path) for path in paths], out, settings, resume=resume)
    if is_first_process():
        print(f"model: {checkpoint}\nlosses: {out / 'loss.png'}")
        print(f"track with: clmot track VIDEO --model {out} --out results")


@app.command(name="import-weights")
def import_weights(
    file: Path,
    /,
    *overrides: Annotated[str, Parameter(help="SECTION.KEY=VALUE settings laid over the recipe.")],
    out: Path,
    recipe: str | None = None,
    classes: str = "",
) -> None:
    """Make a run of a checkpoint of FairMOT, CL-MOT or CenterNet (dla_34, resdcn, resfpndcn, hrnet).

    It tracks as the original does: in float32, with the tracker's preset fairmot and the original's thresholds.

    Examples:

        clmot import-weights fairmot_dla34.pth --out runs/fairmot
        clmot import-weights lite.pth --out runs/lite "model.image_size=[576, 320]"
        clmot import-weights ctdet_coco_dla_2x.pth --out runs/coco --classes person
        clmot train MOT16/train --out runs/tuned --start runs/coco

    Parameters
    ----------
    file
        PyTorch file as those projects publish it. CenterNet's has no embedding: train it.
    out
        Run folder, to track with or to start training from.
    recipe
        Take all other settings from this recipe; by default the one that has the same network.
    classes
        Names of the classes with commas between them, in the file's order, or those of COCO's 80 to keep.
    """
    from clmot.training.init_weights import import_weights as run_import

    names = [name.strip() for name in classes.split(",") if name.strip()]
    print(run_import(file, out, recipe=recipe, classes=names, overrides=overrides))
    print(f"track with: clmot track VIDEO --model {out} --out results")


@app.command
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
    out: Path,
    steps: int | None = None,
    resume: Annotated[bool, Parameter(negative=())] = False,
    device: str = "auto",
) -> None:
    """Teach a model's embedding on videos that nobody has labelled; what gains nothing is rolled back.

    Sure tracklets, made by motion, show the same person at two times; people seen in one frame are different ones. The
    last part of each video is held out to judge by. Detections stay what they were, unless `train.learn=all`.

    Examples:

        clmot adapt clmot-pedestrian street.mp4 --out runs/street
        clmot adapt runs/first monday.mp4 tuesday.mp4 --out runs/adapted --steps 500
        clmot adapt runs/first frames --out runs/adapted tracker.frame_rate=10
        clmot adapt runs/first street.mp4 --out runs/adapted adapt.held_out=0.3
        clmot adapt clmot-pedestrian street.mp4 --out runs/street --resume

    Parameters
    ----------
    model
        Run folder, checkpoint or model file, or clmot-pedestrian, which comes with the package.
    out
        Folder of the adapted model, report.md and report.json, and the tracklets as COCO data sets.
    steps
        Training steps, short for `train.steps=N`.
    resume
        Go on with what an interrupted call with the same arguments left in `--out`.
    device
        auto, cpu, cuda or cuda:N.
    """
    paths, overrides = split_overrides(videos)
    if steps is not None:
        overrides.append(f"train.steps={steps}")
    from clmot.apps.adapt.report import adaptation_table
    from clmot.apps.adapt.run import adapt as run_adaptation

    found = run_adaptation(model, paths, out, overrides=overrides, resume=resume, device=device)
    if is_first_process():
        show(adaptation_table(found))
        print(f"{found.reason}\nmodel: {found.model}\nreport: {out / 'report.md'}")
        print(f"track with: clmot track VIDEO --model {out} --out results")


@app.command
def demo(
    video: str | None = None,
    /,
    *,
    pretrained: Annotated[bool, Parameter(negative=())] = False,
    out: Path | None = None,
    steps: int | None = None,
    seed: int = 0,
) -> None:
    """Make synthetic street scenes, train label-free on stills, track unseen clips, compare with motion alone.

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


@app.command(name="config")
def show_config(
    *overrides: Annotated[str, Parameter(help="SECTION.KEY=VALUE settings laid over recipe and file.")],
    recipe: Recipe = None,
    config: Path | None = None,
) -> None:
    """Print every setting as YAML, to look at or to start a file of one's own from.

    Examples:

        clmot config > mine.yaml
        clmot config --recipe demo train.steps=500

    Parameters
    ----------
    config
        YAML file laid over the recipe.
    """
    print(load_config(recipe, config, overrides).to_yaml(), end="")
