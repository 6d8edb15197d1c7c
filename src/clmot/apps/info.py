"""What a file or folder is, in a few lines: a run, a model, a video, a data set, results, whatever clmot writes."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from safetensors import safe_open

from clmot.apps.convert_results.readers import read_tracks
from clmot.apps.track.cached_sequence import CachedSequence
from clmot.apps.track.result_folder import RECORD, read_record
from clmot.config import read_yaml
from clmot.datasets.describe import summary_lines
from clmot.datasets.readers import recognise
from clmot.detectors.registry import is_detector
from clmot.errors import UserError, plural
from clmot.io.kinds import kind_of
from clmot.io.runtimes import open_network
from clmot.io.sources import open_source
from clmot.io.text import head_of
from clmot.io.video_headers import is_address
from clmot.models.saved_model import BEST, MODEL_FILE, SavedModel, find_checkpoint, load_saved_model
from clmot.reid.gallery import Gallery
from clmot.shipped import find_model
from clmot.tracking.decisions import read_decisions
from clmot.tracking.serialization import read_state


def info(path: str | Path) -> list[str]:
    """Lines about a run, a model, a detector, a data set, results, whatever clmot writes or `clmot track` takes.

    Raises:
        UserError: nobody knows what it is, or it cannot be read.

    Examples:
        >>> lines = clmot.info("street.mp4")
    """
    file = find_model(path)
    if is_detector(path):
        from clmot.inference.model import load_model

        return [f"{path}: {load_model(path, device='cpu')!r}"]
    if is_address(str(path)):
        return list(_sources(path, quiet=False))
    if record := _record_of(file):
        return [f"{path}: results", *(line for name, facts in record.items() for line in _result_lines(name, facts))]
    kind = kind_of(file)
    what, lines = next((each for each in _OURS.items() if each[0] in kind), ("", None))
    if file.is_file() and lines:
        return [f"{path}: a {what} file of clmot", *lines(file)]
    is_annotation = file.suffix.lower() == ".xml" and "<net" not in head_of(file)
    if file.is_file() and (lines := _BY_SUFFIX.get(file.suffix.lower())) and not is_annotation:
        return [f"{path}: {kind}", *lines(file)]
    is_run = (file / MODEL_FILE).is_file() or find_checkpoint(file) or (file / BEST).is_dir()
    if file.suffix == ".safetensors" or is_run:
        saved = load_saved_model(file)
        return [f"{path}: a model of clmot", *_model_lines(saved), *_run_lines(file)]
    if file.is_file() and file.suffix.lower() in (".txt", ".csv", ".zip", ".json") and (tracks := _track_lines(file)):
        return [f"{path}: tracks", *tracks]
    if file.exists() and (found := recognise(file)):
        format, place = found
        sources = list(_sources(path, quiet=True))
        try:
            read = summary_lines(format.read(place, 0.0))
        except UserError as error:
            if not sources:
                raise
            return [f"{path}: to track; no data to train on or score with ({error})", *sources]
        return [f"{path}: {format.name}", *read, *sources]
    return list(_sources(path, quiet=False))


def _record_of(path: Path) -> dict[str, Any]:
    """What is recorded of a folder of results, or of one of its files that nothing more is to be said of."""
    if path.is_dir() or path.name == RECORD:
        return read_record(path if path.is_dir() else path.parent)
    record = read_record(path.parent) if path.suffix == ".json" else {}
    listed = isinstance(record.get(path.stem), dict) and path.name in record[path.stem].get("files", ())
    return {path.stem: record[path.stem]} if listed and not _track_lines(path) else {}


def _result_lines(name: str, facts: Any) -> Iterator[str]:
    """What the record of a run says of one sequence."""
    facts = facts if isinstance(facts, dict) else {}
    counts = [
        f"{name_} {facts[name_]:,}" for name_ in ("frames", "boxes", "tracks") if isinstance(facts.get(name_), int)
    ]
    by = facts.get("detector") or facts.get("boxes from") or facts.get("model") or "a detector without name"
    yield f"{name}: of {facts.get('source')}, by {by}" + "".join(f", {count}" for count in counts)
    yield f"  {', '.join(map(str, facts.get('files') or ()))}"


def _stored_lines(file: Path) -> Iterator[str]:
    sequence, origin = CachedSequence.load(file)
    boxes = sum(map(len, sequence.detections))
    yield f"{sequence.name}: {plural(len(sequence.frame), 'frame')}, {plural(boxes, 'box', 'boxes')}"
    parts = {"embeddings": sequence.has_embeddings, "the camera's motion": sequence.camera is not None}
    data = next((each.data for each in sequence.detections if each.data), None) or {}
    yield f"with {', '.join([name for name, there in parts.items() if there] + list(data)) or 'boxes alone'}"
    yield f"classes: {', '.join(origin.get('classes', ())) or 'unknown'}"
    yield f"use it: clmot track SOURCE --boxes {file.parent}"


def _state_lines(file: Path) -> Iterator[str]:
    config, state = read_state(file)
    frame, next_id = (int(number) for number in state["clock"][:2])
    yield f"after {plural(frame, 'frame')} at {config.frame_rate:g} frames/s: {plural(next_id - 1, 'track')} so far"
    votes = ", with votes on classes (--vote-classes)" if any(name.startswith("votes.") for name in state) else ""
    yield f"use it: clmot track SOURCE --state {file}{votes}"


def _gallery_lines(file: Path) -> Iterator[str]:
    gallery = Gallery.load(file)
    for name in gallery.names:
        yield f"{name}: {plural(len(gallery.embeddings(name)), 'embedding')}"


def _explained_lines(file: Path) -> Iterator[str]:
    decisions = read_decisions(file)
    yield f"{plural(len(decisions.frame), 'decision')} of clmot track --explain; see them: clmot report {file.parent}"


def _network_lines(file: Path) -> Iterator[str]:
    network = open_network(file)
    if network.metadata.get("format") == "clmot" and network.metadata.get("outputs") != "embeddings":
        from clmot.inference.model import load_model

        yield repr(load_model(file, device="cpu"))
        return
    for title, ports in (("in", network.inputs), ("out", network.outputs)):
        yield f"{title}: {', '.join(f'{port.name} {list(port.shape)}' for port in ports)}"
    runtime = "openvino" if file.suffix == ".xml" else "onnx"
    if network.metadata.get("format") == "clmot":
        yield "of clmot export --crops: embeds crops, for trackers of others"
    else:
        yield f"not of clmot export; a detector is used as --model {runtime}:{file} (see clmot attach --help)"


def _settings_lines(file: Path) -> Iterator[str]:
    for section, given in read_yaml(file).items():
        told = ", ".join(f"{key}={value}" for key, value in given.items()) if isinstance(given, dict) else given
        yield f"{section}: {told}"


def _track_lines(file: Path) -> list[str]:
    """What tracks are in a file of whatever format; nothing where it is none of tracks."""
    try:
        tracks = read_tracks(file, None, None)
    except UserError:
        return []
    boxes, last = len(tracks.rows), int(tracks.rows.frame.max())
    used = [tracks.classes[number] for number in sorted(set(tracks.rows.class_id.tolist()))]
    return [
        f"{tracks.name}: {plural(len(tracks.tracks), 'track')}, {plural(boxes, 'box', 'boxes')}, frames 1 to {last:,}",
        f"classes: {', '.join(used)}" + (f"; with {', '.join(tracks.data)}" if tracks.data else ""),
    ]


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


_OURS: dict[str, Callable[[Path], Iterator[str]]] = {
    "detections": _stored_lines,
    "tracker state": _state_lines,
    "gallery": _gallery_lines,
}
_BY_SUFFIX: dict[str, Callable[[Path], Iterator[str]]] = {
    ".npz": _explained_lines,
    ".onnx": _network_lines,
    ".xml": _network_lines,
    ".yaml": _settings_lines,
    ".yml": _settings_lines,
}
