"""Verbs about data: ``clmot data ...``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.console import Console

from clmot.cli.app import DATA_PATHS_HELP, Recipe, app, split_overrides
from clmot.config import load_config
from clmot.errors import UserError

data_app = App(name="data", help="Make, read, check and convert data.")
app.command(data_app)


@data_app.command
def synth(
    out: Path,
    /,
    *,
    frames: int = 600,
    clips: int = 4,
    clip_frames: int = 200,
    size: tuple[int, int] = (512, 288),
    seed: int = 0,
) -> None:
    """Write synthetic street scenes as MOTChallenge folders: stills with boxes to train on, clips to score on.

    Examples:

        clmot data synth scenes
        clmot data synth scenes --frames 2000 --clips 8 --seed 3

    Parameters
    ----------
    out
        Folder for stills/ and clips/.
    frames
        Training stills in all.
    clips
        Clips with identities.
    clip_frames
        Frames of each clip.
    size
        Width and height in pixels.
    seed
        Same seed, same files.
    """
    from clmot.data.synthetic import write_scenes
    from clmot.report.progress import progress_bar

    if out.exists() and any(out.iterdir()):
        raise UserError(f"{out}: is not empty; choose another folder or delete it")
    for name, value, least in (("--frames", frames, 1), ("--clips", clips, 0), ("--clip-frames", clip_frames, 1)):
        if value < least:
            raise UserError(f"{name} must be >= {least}, got {value}")
    with progress_bar() as bar:
        task = bar.add_task("scenes", total=None, note="")
        summary = write_scenes(
            out,
            still_frames=frames,
            still_sequences=max(1, frames // 20),
            clips=clips,
            clip_frames=clip_frames,
            size=size,
            seed=seed,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    print(f"{summary.frames} frames, {summary.boxes} people to find")
    print(f"train on: {summary.stills}\nscore on: {summary.clips}")


@data_app.command(name="list")
def list_formats(name: str | None = None, /) -> None:
    """List the formats of annotated images that can be read; they are recognised by themselves.

    Where one is taken for another, say which it is: `data.format=NAME`.

    Examples:

        clmot data list
        clmot data list yolo

    Parameters
    ----------
    name
        Say all of this one only.
    """
    from clmot.data.readers import FORMATS, format_named
    from clmot.report.formats import format_page, formats_table

    Console().print(format_page(format_named(name)) if name else formats_table(FORMATS))


@data_app.command
def show(
    *data: Annotated[str, Parameter(help=DATA_PATHS_HELP)],
    out: Path = Path("views.png"),
    views: Annotated[bool, Parameter(negative=())] = False,
    recipe: Recipe = None,
    config: Path | None = None,
    frames: int | None = None,
    seed: int = 0,
) -> None:
    """Write a picture of training views: both views of some frames, matched boxes in the same colour.

    Examples:

        clmot data show scenes/stills --out views.png
        clmot data show boxes.json --frames 10 views.rotate=15
        clmot data show scenes/clips --views --recipe demo --out transforms.png

    Parameters
    ----------
    out
        PNG file.
    views
        One row for each transform, alone and at full strength, below the views as configured.
    config
        YAML file laid over the recipe.
    frames
        How many frames: 6 by default; with --views 2 for each row.
    seed
        Other seed, other frames and views.
    """
    paths, overrides = split_overrides(data)
    if not paths:
        raise UserError("data show: name at least one data folder or file (clmot data list shows the formats)")
    count = frames if frames is not None else (2 if views else 6)
    if count < 1:
        raise UserError(f"--frames must be >= 1, got {frames}")
    settings = load_config(recipe, config, overrides)
    from clmot.data.batch import StepSampler
    from clmot.data.pairs import PairDataset
    from clmot.data.readers import read_dataset
    from clmot.report.views import each_transform, transforms_sheet, views_sheet

    dataset = read_dataset(
        [Path(path) for path in paths], min_visibility=settings.data.min_visibility, format=settings.data.format
    )
    pairs = PairDataset(dataset, settings.views, settings.model.image_size, seed)
    draws = StepSampler(len(dataset.samples), batch_size=count, steps=1, seed=seed).draws(0)
    if views:
        configs = {name: pairs.with_views(each) for name, each in each_transform(settings.views).items()}
        transforms_sheet({name: [each[draw] for draw in draws] for name, each in configs.items()}, out)
    else:
        views_sheet([pairs[draw] for draw in draws], out)
    print(out)
