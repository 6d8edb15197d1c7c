"""The whole way once, on scenes of our own: frames with boxes in, a scored tracker out. Or a shipped model at work."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clmot import shipped
from clmot.apps.track.pipeline import track
from clmot.apps.track.write_detections import write_detections
from clmot.config import load_config
from clmot.errors import UserError, plural, require
from clmot.evaluation.mot import evaluate
from clmot.evaluation.scores import Scores
from clmot.inference.model import Model, load_model
from clmot.inference.network_model import untrained
from clmot.io.atomic import holds_something, write_whole_json, write_whole_text
from clmot.io.frame_choice import FrameChoice
from clmot.io.image import write_image
from clmot.io.progress import progress_bar
from clmot.io.sources import open_one
from clmot.io.video import decode_video
from clmot.models.saved_model import find_checkpoint
from clmot.synthetic import write_scenes
from clmot.training.trainer import train
from clmot.visualize.draw import contact_sheet
from clmot.visualize.table import TextTable, show

log = logging.getLogger(__name__)

METRICS = ("HOTA", "DetA", "AssA", "MOTA", "MOTP", "IDF1", "IDSW", "MT", "ML")

PRETRAINED_FRAMES = 150
"""Of a clip that the shipped model is shown on: as many as two cores track in half a minute."""

TRAINED = "this embedding + motion"
MOTION = "motion only"
UNTRAINED = "untrained embedding + motion"


def run_demo(out: Path, *, steps: int | None = None, seed: int = 0, progress: bool = True) -> dict[str, Scores]:
    """Make scenes, train label-free on its frames, track unseen clips three ways, print and save one table.

    All three rows use the very same detections; they differ in what association may look at.

    Args:
        out: scenes/, run/, results/<row>/, scores.json, scores.md and tracks.jpg. An interrupted demo is continued.
        steps: training steps; by default the recipe's.
        seed: of scenes and training.
        progress: show progress bars on standard error.

    Returns:
        Row name to scores.

    Raises:
        UserError: `out` holds something else or a finished demo.
    """
    require(steps is None or steps >= 1, f"demo: --steps must be >= 1, got {steps}")
    began = time.perf_counter()
    scenes, run, results = out / "scenes", out / "run", out / "results"
    if holds_something(out) and not scenes.exists():
        raise UserError(f"{out}: is not empty and not a demo; choose another --out")
    if (out / "scores.json").exists():
        raise UserError(f"{out}: already holds a finished demo (scores.json); choose another --out or delete it")
    _make_scenes(scenes, seed, progress)

    overrides = [f"train.seed={seed}", *([] if steps is None else [f"train.steps={steps}"])]
    config = load_config("demo", overrides=overrides)
    began_training = time.perf_counter()
    train(scenes / "stills", run, config, resume=True, progress=progress)
    training_seconds = time.perf_counter() - began_training

    model = load_model(run)
    rows = compare_embeddings(model, untrained(model, seed), scenes / "clips", results, progress=progress)
    _save(rows, out, {"seed": seed, "steps": config.train.steps, "training_seconds": training_seconds})
    show(comparison_table(rows))
    video = min((results / slug(TRAINED)).glob("*.mp4"))
    save_picture(video, out / "tracks.jpg")
    places = {
        "video": video,
        "picture": out / "tracks.jpg",
        "results": results,
        "scores": out / "scores.json",
        "loss curves": run / "loss.png",
        "model": find_checkpoint(run),
    }
    print("\n".join(f"{name + ':':13}{place}" for name, place in places.items()))
    print(f"{time.perf_counter() - began:.0f} s in all, {training_seconds:.0f} s of them training")
    return rows


def run_pretrained(out: Path, video: str | Path | None = None, *, seed: int = 0, progress: bool = True) -> None:
    """Track a clip with the model that comes with the package: nothing is trained.

    Args:
        out: the clip's text and video, and tracks.jpg; for a synthetic clip also scenes/ and a line of scores.
        video: what to track, its first `PRETRAINED_FRAMES` frames; by default a synthetic clip.
        seed: of that clip.
        progress: show progress bars on standard error.

    Raises:
        UserError: `out` holds something else, the video cannot be read, or there are several.
    """
    began = time.perf_counter()
    if holds_something(out):
        raise UserError(f"{out}: is not empty; choose another --out or delete it")
    if video is None:
        scenes = out / "scenes"
        _make_scenes(scenes, seed, progress, still_frames=0, still_sequences=0, clips=1, clip_frames=PRETRAINED_FRAMES)
        video = scenes / "clips"
    else:
        open_one(video)
    choice = FrameChoice(last=PRETRAINED_FRAMES)
    (result,) = track(video, shipped.DEFAULT, out, frames=choice, video=True, progress=progress)
    assert result.video_path is not None
    save_picture(result.video_path, out / "tracks.jpg")
    print(
        f"{plural(result.frames, 'frame')}, {plural(result.tracks, 'track')}, {result.frames_per_second:.1f} frames/s"
    )
    if (out / "scenes").exists():
        found = evaluate(out, out / "scenes" / "clips").combined
        print(", ".join(f"{metric} {_format(metric, found[metric])}" for metric in ("MOTA", "IDF1", "HOTA", "IDSW")))
        print(f"{shipped.DEFAULT} has seen photographs only, and never a painted street. To see it on people:")
        print("clmot demo --pretrained VIDEO")
    print(f"video:   {result.video_path}\npicture: {out / 'tracks.jpg'}\nresults: {result.text_path}")
    print(f"{time.perf_counter() - began:.0f} s in all")


def compare_embeddings(
    model: Model, other: Model, clips: Path, results: Path, *, progress: bool = True
) -> dict[str, Scores]:
    """Track clips with a model's embedding, without any, and with another model's, on the first model's detections.

    Args:
        model: detector and embedding.
        other: its embeddings are read at the detections of `model`.
        clips: MOTChallenge sequences with ground truth.
        results: one folder a row is written here, the first with videos.
        progress: show progress bars on standard error.
    """
    # an interrupted demo may have begun these
    again: dict[str, Any] = {"progress": progress, "overwrite": True}
    store = results / "detections"
    write_detections(clips, model, store, embeddings=True, **again)
    track(clips, model, results / slug(TRAINED), boxes=store, video=True, **again)
    motion = dataclasses.replace(model.config.tracker, appearance=False)
    track(clips, model, results / slug(MOTION), tracker=motion, boxes=store, **again)
    track(clips, other, results / slug(UNTRAINED), boxes=store, **again)
    return {row: evaluate(results / slug(row), clips) for row in (TRAINED, MOTION, UNTRAINED)}


def slug(row: str) -> str:
    """A row's folder name."""
    return row.replace(" + ", "-").replace(" ", "-")


def save_picture(video: Path, file: Path, moments: Sequence[float] = (0.3, 0.4, 0.5, 0.6)) -> None:
    """Some frames of a video side by side.

    Args:
        video: the video.
        file: JPEG to write.
        moments: which frames, as shares of the video's length.
    """
    frames = [image for _, image in decode_video(str(video))]
    sheet = contact_sheet([frames[int(moment * len(frames))] for moment in moments], columns=2)
    write_image(file, sheet, "the picture", quality=85)


def comparison_table(rows: dict[str, Scores]) -> TextTable:
    """Combined scores, a line a row."""
    cells = [[name, *(_format(metric, scores.combined[metric]) for metric in METRICS)] for name, scores in rows.items()]
    header = ["same detections, associated by", *METRICS]
    return TextTable(header, [cells], title="synthetic clips, unseen in training", strong=frozenset({TRAINED}))


def _format(metric: str, value: float) -> str:
    return f"{value:.0f}" if metric in ("IDSW", "MT", "ML") else f"{value:.1f}"


def _make_scenes(scenes: Path, seed: int, progress: bool, **amounts: int) -> None:
    if scenes.exists():
        return
    with progress_bar(progress) as bar:
        task = bar.add_task("scenes", total=None, note="")
        write_scenes(
            scenes,
            seed=seed,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
            **amounts,  # type: ignore[arg-type]
        )


def _save(rows: dict[str, Scores], out: Path, facts: dict[str, Any]) -> None:
    for name, scores in rows.items():
        write_whole_json(out / "results" / f"{slug(name)}.json", scores.as_dict(), "scores")
    combined = {name: scores.combined for name, scores in rows.items()}
    write_whole_text(out / "scores.md", comparison_table(rows).markdown(), "scores")
    write_whole_json(out / "scores.json", {"rows": combined, **facts}, "scores")
