"""What a file or folder is, in a few lines: a run, a model, a detector, a video, images, a data set."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

from safetensors import safe_open

from clmot.datasets.describe import summary_lines
from clmot.datasets.readers import recognise
from clmot.detectors.registry import is_detector
from clmot.errors import UserError, plural
from clmot.io.sources import open_source
from clmot.io.video_headers import is_address
from clmot.models.saved_model import BEST, MODEL_FILE, SavedModel, find_checkpoint, load_saved_model
from clmot.shipped import find_model


def info(path: str | Path) -> list[str]:
    """Lines about a run, a model, a detector, a data set, or whatever `clmot track` takes.

    Raises:
        UserError: nobody knows what it is, or it cannot be read.
    """
    file = find_model(path)
    if is_detector(path) or file.suffix in (".onnx", ".xml"):
        from clmot.inference.model import load_model

        return [f"{path}: {load_model(path, device='cpu')!r}"]
    if (
        file.suffix == ".safetensors"
        or (file / MODEL_FILE).is_file()
        or find_checkpoint(file)
        or (file / BEST).is_dir()
    ):
        saved = load_saved_model(file)
        return [f"{path}: a model of clmot", *_model_lines(saved), *_run_lines(file)]
    if not is_address(str(path)) and file.exists() and (found := recognise(file)):
        format, place = found
        return [f"{path}: {format.name}", *summary_lines(format.read(place, 0.0)), *_sources(path, quiet=True)]
    return list(_sources(path, quiet=False))


def _model_lines(saved: SavedModel) -> Iterator[str]:
    config = saved.config
    with safe_open(saved.file, framework="pt") as opened:
        step = (opened.metadata() or {}).get("step", "?")
    width, height = config.model.image_size
    numbers = sum(each.numel() for each in saved.weights.values())
    yield f"file: {saved.file} (step {step} of {config.train.steps}, {numbers / 1e6:.1f} M numbers)"
    what = f"detector: {config.detector.name} with an embedding of its own" if config.detector.name else "one-shot"
    yield f"{what}: recipe {config.recipe}, encoder {config.model.encoder}, input {width}x{height}"
    yield f"classes: {', '.join(config.model.classes)}"
    yield f"embedding: {config.model.pooling}, {config.model.embedding_dimension} numbers"
    high, low, new = config.tracker.scores
    yield f"tracker: scores {high:g} (first association), {low:g} (second), {new:g} (new track)"


def _run_lines(run: Path) -> Iterator[str]:
    """The last losses of a run and its best validation."""
    lines = []
    with contextlib.suppress(OSError, ValueError):
        lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    trained = [line for line in lines if "total" in line]
    if trained:
        yield f"trained: {trained[-1]['step']} steps in {trained[-1].get('seconds', 0) / 60:.0f} min"
    if validated := [line for line in lines if "val_score" in line]:
        best = max(validated, key=lambda line: float(line["val_score"]))
        scores = ", ".join(f"{name[4:]} {value:.3g}" for name, value in best.items() if name.startswith("val_"))
        yield f"validated: {plural(len(validated), 'time')}, best at step {best['step']}: {scores}"


def _sources(path: str | Path, quiet: bool) -> Iterator[str]:
    try:
        sources = open_source(path)
    except UserError:
        if not quiet:
            raise
        return
    for source in sources:
        facts = []
        if not source.live:
            with contextlib.closing(iter(source)) as frames:
                first = next(frames, None)
            if first is not None:
                facts.append(f"{first[1].shape[1]}x{first[1].shape[0]}")
        if source.frame_rate:
            facts.append(f"{source.frame_rate:g} frames/s")
        if source.length is not None:
            facts.append(plural(source.length, "frame"))
            if source.frame_rate:
                facts.append(f"{source.length / source.frame_rate:.1f} s")
        yield f"{source.name}: {', '.join(facts) or 'live'}"
