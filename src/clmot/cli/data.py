"""Verbs about data: ``clmot data ...``."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from clmot.cli.app import BEGIN, DATA_PATHS_HELP, ConfigFile, Flag, Recipe, app, data_paths
from clmot.config import load_config
from clmot.errors import UserError, plural
from clmot.visualize.table import show as print_report

_log = logging.getLogger(__name__)

data_app = App(name="data", group=BEGIN, help="Make, read, check and convert data.")
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
    """Write synthetic street scenes as MOTChallenge folders: frames with boxes to train on, clips to score on.

    Examples:

        clmot data synth scenes
        clmot data synth scenes --frames 2000 --clips 8 --seed 3

    Parameters
    ----------
    out
        Folder for stills/ and clips/.
    frames
        Training frames in all.
    clips
        Clips with identities.
    clip_frames
        Frames of each clip.
    size
        Width and height in pixels.
    seed
        Same seed, same files.
    """
    from clmot.io.atomic import check_new
    from clmot.io.progress import progress_bar
    from clmot.synthetic import write_scenes

    check_new(out)
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
    print(f"{plural(summary.frames, 'frame')}, {plural(summary.boxes, 'person', 'people')} to find")
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
    from clmot.apps.check_data.formats import format_page, formats_page
    from clmot.datasets.readers import FORMATS, format_named

    print_report(format_page(format_named(name)) if name else formats_page(FORMATS))


@data_app.command
def show(
    *data: Annotated[str, Parameter(help=DATA_PATHS_HELP)],
    out: Path = Path("views.png"),
    views: Flag = False,
    recipe: Recipe = None,
    config: ConfigFile = None,
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
    frames
        How many frames: 6 by default; with --views 2 for each row.
    seed
        Other seed, other frames and views.
    """
    paths, overrides = data_paths(data, "data show")
    count = frames if frames is not None else (2 if views else 6)
    if count < 1:
        raise UserError(f"--frames must be >= 1, got {frames}")
    settings = load_config(recipe, config, overrides)
    from clmot.datasets.readers import read_dataset
    from clmot.views.loader import StepSampler
    from clmot.views.pair_dataset import PairDataset
    from clmot.views.tracklets import with_tracklets
    from clmot.visualize.view_sheets import each_transform, transforms_sheet, views_sheet

    dataset = read_dataset(
        paths,
        min_visibility=settings.data.min_visibility,
        min_score=settings.data.score_threshold,
        format=settings.data.format,
    )
    if settings.data.tracklets:
        dataset = with_tracklets(dataset)
    pairs = PairDataset(dataset, settings.views, settings.model.image_size, seed, settings.data.tracklets)
    draws = StepSampler(len(dataset.samples), batch_size=count, steps=1, seed=seed).draws(0)
    if views:
        configs = {name: pairs.with_views(each) for name, each in each_transform(settings.views).items()}
        transforms_sheet({name: [each[draw] for draw in draws] for name, each in configs.items()}, out)
    else:
        views_sheet([pairs[draw] for draw in draws], out)
    print(out)


@data_app.command
def convert(
    *data: Annotated[str, Parameter(help=DATA_PATHS_HELP)],
    to: str,
    out: Path,
    images: Literal["link", "copy", "reference"] = "link",
    min_score: float | None = None,
) -> None:
    """Write annotated images in another format: COCO with videos, MOTChallenge or YOLO.

    Boxes, classes, identities, boxes to ignore, scores, sequences and frame numbers go along as far as the format has a
    place for them; one line says what it has none for. Images are never re-encoded.

    Unlike in training, boxes that are hardly visible count (`data.min_visibility=0`); how visible they are is not kept.

    Examples:

        clmot data convert MOT17/train --to coco --out MOT17-coco
        clmot data convert annotations.xml --to motchallenge --out mot --images copy
        clmot data convert MOT17/train --to yolo --out yolo data.min_visibility=0.25

    Parameters
    ----------
    to
        coco, motchallenge or yolo.
    out
        New folder; it appears when it is whole.
    images
        link: hard links, or copies where the file system has none (a linked image that is edited in place changes in
        both data sets); copy: copies; reference: absolute paths in COCO JSON, symbolic links elsewhere.
    min_score
        Least score of a box that counts, where a detector found the boxes (0.4, if all scores are within 0 and 1).
    """
    paths, overrides = data_paths(data, "data convert")
    settings = load_config(None, None, ["data.min_visibility=0", *overrides]).data
    from clmot.datasets.readers import read_dataset
    from clmot.datasets.writers import check_new, write_dataset, writer_named
    from clmot.io.progress import progress_bar

    writer = writer_named(to)
    check_new(out)
    dataset = read_dataset(
        paths,
        min_visibility=settings.min_visibility,
        min_score=settings.score_threshold if min_score is None else min_score,
        identities=True,
        format=settings.format,
    )
    with progress_bar() as bar:
        task = bar.add_task("images", total=len(dataset.samples), note="")
        lost = write_dataset(
            dataset, out, writer, images=images, progress=lambda done, _: bar.update(task, completed=done)
        )
    if lost:
        counts = ", ".join(f"{reason}: {count}" for reason, count in lost.items())
        _log.warning("%s has no place for: %s", to, counts)
    print(f"{out}: {plural(len(dataset.samples), 'image')}")


@data_app.command
def check(
    *data: Annotated[str, Parameter(help=DATA_PATHS_HELP)],
    html: Path | None = None,
    json: Path | None = None,
    fix: Path | None = None,
    fast: Flag = False,
    recipe: Recipe = None,
    config: ConfigFile = None,
) -> None:
    """Look for everything about data that makes training or scores go wrong; exit code 1 if there are errors.

    Each path is taken for a split of its own: images that are in two of them are errors.

    Examples:

        clmot data check MOT17/train
        clmot data check train.json val.json --html report.html --json report.json
        clmot data check boxes.json --fix repaired detect.max_detections=500

    Parameters
    ----------
    html
        Also write a page with histograms and pictures, of the worst findings too.
    json
        Also write counts and findings to this file.
    fix
        Write a repaired copy (COCO JSON, images hard-linked) into this folder, and say what was changed.
    fast
        Read only the headers of images: damage further back and images in two splits stay unseen.
    """
    paths, overrides = data_paths(data, "data check")
    if fast and fix is not None:
        raise UserError("--fix must decode all images to leave out the corrupt ones; leave out --fast")
    for file in filter(None, (html, json)):
        if not file.parent.is_dir():
            raise UserError(f"{file}: there is no folder {file.parent}; make it first")
    settings = load_config(recipe, config, overrides)
    from clmot.apps.check_data import check as run_check
    from clmot.apps.check_data import repair, require_new_folder
    from clmot.apps.check_data.report import repairs_text, report_page, terminal_report
    from clmot.io.progress import progress_bar
    from clmot.visualize.html import write_page

    if fix is not None:
        require_new_folder(fix, paths)
    with progress_bar() as bar:
        task = bar.add_task("images", total=None, note="")
        checked = run_check(
            paths,
            format=settings.data.format,
            min_visibility=settings.data.min_visibility,
            min_score=settings.data.score_threshold,
            max_detections=settings.detect.max_detections,
            fast=fast,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    print_report(*terminal_report(checked.report))
    if json is not None:
        checked.report.write_json(json)
    if html is not None:
        write_page(report_page(checked.report), html)
    if fix is not None:
        repairs = repair(checked.parts, checked.files, fix)
        copies = [each.out for each in repairs]
        after = run_check(copies, format="coco", min_score=settings.data.score_threshold, fast=True).report
        print_report(repairs_text(repairs, after))
    if checked.report.count("error"):
        raise SystemExit(1)
