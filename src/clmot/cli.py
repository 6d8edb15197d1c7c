"""The command line: one verb, one function; the work is done elsewhere."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, CycloptsError, Parameter
from rich.console import Console
from rich.logging import RichHandler

from clmot._version import __version__
from clmot.config import RECIPES, load_config, parse_overrides
from clmot.errors import UserError

log = logging.getLogger("clmot")

app = App(
    name="clmot",
    help="Label-free multi-object tracking: train a tracker from still images with boxes and no identities.",
    version=__version__,
    help_format="markdown",
    # `main` says what became of the work
    suppress_keyboard_interrupt=False,
)
data_app = App(name="data", help="Make and look at data.")
app.command(data_app)

Benchmark = Literal["auto", "mot15", "mot16", "mot17", "mot20"]

_OVERRIDE = re.compile(r"[a-z_]+\.[a-z_.]+=")
_PATHS_HELP = (
    "Folders or files in a format of `clmot data list` (MOTChallenge, COCO, YOLO, ...), and SECTION.KEY=VALUE settings "
    "laid over recipe and file."
)
_Recipe = Annotated[
    str | None,
    Parameter(
        help="Named starting point: street (default; small, from random weights), mobilenet (ImageNet weights), or "
        f"{', '.join(name for name in RECIPES if name not in ('street', 'mobilenet'))}."
    ),
]


@app.command
def train(
    *data: Annotated[str, Parameter(help=_PATHS_HELP)],
    out: Path,
    recipe: _Recipe = None,
    config: Path | None = None,
    steps: int | None = None,
    resume: Annotated[bool, Parameter(negative=())] = False,
    start: Path | None = None,
) -> None:
    """Train a tracker from boxes alone. Identities in the data are not used, unless `data.identities=true` asks for it.

    Examples:

        clmot train scenes/stills --out runs/first
        clmot train MOT16/train --out runs/mot --steps 2000 --model.image_size "[864, 480]"
        clmot train boxes.json --out runs/mine --config mine.yaml train.learning_rate=0.001
        clmot train scenes/stills --out runs/first --resume
        clmot train MOT16/train --out runs/tuned --start runs/first train.learning_rate=0.001

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
        Run folder to take the weights from as far as they fit, and the configuration unless `--recipe` or `--config`
        is given.
    """
    paths, overrides = _split_overrides(data)
    if not paths:
        raise UserError("train: name at least one data folder or file (clmot data list shows the formats)")
    if steps is not None:
        overrides.append(f"train.steps={steps}")
    from clmot.training.checkpoint import find_checkpoint, load_saved_model
    from clmot.training.run import train as run_training

    found = find_checkpoint(out) if resume else None
    if found:
        if recipe or config:
            raise UserError(f"{found}: --resume takes recipe and file from the checkpoint; only overrides may be given")
        settings = load_saved_model(found).config
        settings = settings.updated(parse_overrides(overrides), "override")
    else:
        if start and not (recipe or config):
            settings = load_saved_model(start).config.updated(parse_overrides(overrides), "override")
        else:
            settings = load_config(recipe, config, overrides)
        if start:
            settings = settings.updated({"model": {"pretrained": str(start)}})
    checkpoint = run_training([Path(path) for path in paths], out, settings, resume=resume)
    if _is_first_process():
        print(f"model: {checkpoint}\nlosses: {out / 'loss.png'}")
        print(f"track with: clmot track VIDEO --model {out} --out results")


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


@app.command
def evaluate(
    results: Path,
    /,
    *,
    gt: Path,
    benchmark: Benchmark = "auto",
    json: Path | None = None,
) -> None:
    """Score results with TrackEval: HOTA, DetA, AssA, MOTA, MOTP, IDF1, IDSW, MT, ML.

    Examples:

        clmot evaluate results --gt MOT16/train
        clmot evaluate results --gt MOT16/train/MOT16-11 --json scores.json

    Parameters
    ----------
    results
        Folder of NAME.txt files in MOTChallenge format, or one such file.
    gt
        Sequence folder, or folder of them, with gt/gt.txt.
    benchmark
        Preprocessing rules: auto, mot15, mot16, mot17 or mot20.
    json
        Also write the scores to this file.
    """
    from clmot.evaluation.mot import evaluate as run_evaluation
    from clmot.evaluation.mot import scores_table, write_json

    scores = run_evaluation(results, gt, benchmark=benchmark)
    Console().print(scores_table(scores))
    if json is not None:
        write_json(scores, json)


@app.command
def embed(
    model: Path,
    /,
    *data: Annotated[str, Parameter(help="Data folders or files (see clmot data list), with or without identities.")],
    json: Path | None = None,
    picture: Path | None = None,
    frames: int = 100,
    every: int = 1,
    frame_rate: float | None = None,
    seed: int = 0,
    device: str = "auto",
) -> None:
    """Tell whether an embedding is any good: from boxes alone, and by identities where there are any.

    Examples:

        clmot embed runs/mine boxes.json
        clmot embed runs/mot MOT16/train/MOT16-11 --every 5 --json scores.json --picture margins.png

    Parameters
    ----------
    model
        Run folder, checkpoint or model file.
    json
        Also write the scores to this file.
    picture
        Also draw how far genuine and impostor pairs lie apart, as a PNG.
    frames
        How many frames, drawn at random, are looked at in two views.
    every
        Of the frames with identities, use every so many.
    frame_rate
        Frames a second; by default what seqinfo.ini says, else 30.
    seed
        Other seed, other frames and views.
    device
        auto, cpu or cuda.
    """
    if not data:
        raise UserError("embed: name at least one data folder or file (clmot data list shows the formats)")
    for name, value in (("--frames", frames), ("--every", every)):
        if value < 1:
            raise UserError(f"{name} must be >= 1, got {value}")
    if frame_rate is not None and not 0 < frame_rate < float("inf"):
        raise UserError(f"--frame-rate must be > 0, got {frame_rate}")
    from clmot.assessment import assess
    from clmot.inference import load_model
    from clmot.report.embedding import assessment_tables, margins_picture

    loaded = load_model(model, device=device)
    paths = [Path(path) for path in data]
    found = assess(loaded, paths, frames=frames, every=every, frame_rate=frame_rate, seed=seed)
    for table in assessment_tables(found):
        Console(width=None if sys.stdout.isatty() else 120).print(table)
    print(found.verdict())
    if json is not None:
        found.write_json(json)
    if picture is not None:
        margins_picture(found, picture)


@app.command(name="import-weights")
def import_weights(
    file: Path,
    /,
    *overrides: Annotated[str, Parameter(help="SECTION.KEY=VALUE settings laid over the recipe.")],
    out: Path,
    recipe: str | None = None,
    classes: str = "",
) -> None:
    """Make a run of a checkpoint of FairMOT, CL-MOT or CenterNet (dla_34, resfpndcn_18, _34, _50, hrnet_18, _32).

    Examples:

        clmot import-weights fairmot_dla34.pth --out runs/fairmot
        clmot import-weights fairmot_lite.pth --out runs/lite "model.image_size=[576, 320]"
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
    from clmot.training.start import import_weights as run_import

    names = [name.strip() for name in classes.split(",") if name.strip()]
    print(run_import(file, out, recipe=recipe, classes=names, overrides=overrides))
    print(f"track with: clmot track VIDEO --model {out} --out results")


@app.command
def demo(
    *,
    out: Path = Path("demo"),
    steps: int | None = None,
    seed: int = 0,
) -> None:
    """Make synthetic street scenes, train label-free on stills, track unseen clips, compare with motion alone.

    Examples:

        clmot demo
        clmot demo --out /tmp/demo --seed 1

    Parameters
    ----------
    out
        Folder for scenes, run, results, video and scores; must not exist yet, or hold an unfinished demo.
    steps
        Training steps.
    seed
        Seed of scenes and training.
    """
    from clmot.demo import run_demo

    run_demo(out, steps=steps, seed=seed)


@app.command(name="config")
def show_config(
    *overrides: Annotated[str, Parameter(help="SECTION.KEY=VALUE settings laid over recipe and file.")],
    recipe: _Recipe = None,
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
    *data: Annotated[str, Parameter(help=_PATHS_HELP)],
    out: Path = Path("views.png"),
    views: Annotated[bool, Parameter(negative=())] = False,
    recipe: _Recipe = None,
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
    paths, overrides = _split_overrides(data)
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


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line: one line and exit code 2 for a user's mistake, 130 for Ctrl-C."""
    _log_to_standard_error()
    try:
        app(
            _join_dotted_options(sys.argv[1:] if arguments is None else arguments),
            exit_on_error=False,
            print_error=False,
        )
    except CycloptsError as error:
        _fail(" ".join(str(error).split()) + " (see clmot --help)", 2)
    except UserError as error:
        _fail(str(error), 2)
    except KeyboardInterrupt:
        _fail("interrupted; what was finished is kept", 130)
    except BrokenPipeError:
        # the reader of our output has gone: nothing to say and nobody to say it to
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None


def _log_to_standard_error() -> None:
    """Our lines, and warnings of the libraries we use; above a progress bar on a terminal, else as plain lines."""
    handler: logging.Handler = logging.StreamHandler()
    if sys.stderr.isatty():
        handler = RichHandler(console=Console(stderr=True), show_time=False, show_path=False, show_level=False)
    handler.addFilter(lambda record: record.name.startswith("clmot") or record.levelno >= logging.WARNING)
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[handler])


def _is_first_process() -> bool:
    """False in the processes that torchrun, or a run on several devices, starts beside the one that talks."""
    return os.environ.get("LOCAL_RANK", "0") == "0"


def _fail(message: str, code: int) -> None:
    if not _is_first_process():
        # the first process fails in the same way, and one line and exit code are enough
        raise SystemExit(0)
    print(f"clmot: {message}", file=sys.stderr)
    raise SystemExit(code)


def _join_dotted_options(arguments: Sequence[str]) -> list[str]:
    """``--train.steps 5`` and ``--train.steps=5`` to ``train.steps=5``."""
    joined: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        name = argument.partition("=")[0]
        if re.fullmatch(r"--[a-z_]+\.[a-z_.]+", name):
            joined.append(argument[2:] if "=" in argument else f"{argument[2:]}={next(rest, '')}")
        else:
            joined.append(argument)
    return joined


def _split_overrides(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    overrides = [argument for argument in arguments if _OVERRIDE.match(argument) and not Path(argument).exists()]
    return [argument for argument in arguments if argument not in overrides], overrides
