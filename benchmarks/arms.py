"""Ways to teach the embedding, side by side: same frames, steps, start, seeds and tracker.

    python benchmarks/arms.py --train scenes/stills --test scenes/clips --out arms [--seeds 0 1] [--arms ours none]
                              [--recipe demo] [--json FILE] [--set section.key=value ...]

Trains one network for each arm and seed and scores each on sequences it has not seen: the embedding at the annotated
boxes (rank-1 and true positive rate among pairs at least a second apart), and tracks, from its own detections and from
the annotated boxes. Only the supervised arms see identities. What is finished is kept in --out and not done again; an
interrupted training goes on where it stopped.
"""

import argparse
import dataclasses
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from clmot.config import RECIPES, load_config
from clmot.data.readers import read_dataset
from clmot.demo import Recorder, Replay
from clmot.evaluation.embedding import embed_sequences, embedding_scores
from clmot.evaluation.mot import evaluate
from clmot.evaluation.references import histogram_embedding
from clmot.inference import Model, load_model, untrained
from clmot.io.sequences import read_sequence_info, sequence_folders
from clmot.pipeline import track
from clmot.training.run import train
from clmot.types import Detections

# the embedding's part of the published recipe; detection, network and optimiser are everybody's
_POINT = ["model.read_out=center", "model.embedding_dimension=128"]
_PUBLISHED_VIEWS = [
    "views.opposite_mirror=true",
    "views.hsv=0.5",
    "views.brightness=0",
    "views.contrast=0",
    "views.saturation=0",
    "views.hue=0",
    "views.blur=0",
    "views.aspect=0",
    "views.scale=[0.5, 1.2]",
    "views.shift=0.1",
    "views.rotate=5",
]
ARMS: dict[str, list[str]] = {
    "supervised": ["data.identities=true", "loss.objective=identity"],
    "NT-Xent as published": [
        *_POINT,
        *_PUBLISHED_VIEWS,
        "model.embedding_dimension=512",
        "loss.temperature=0.5",
        "loss.negatives=frame",
        "loss.detection_views=first",
        "loss.task_weights=fixed",
    ],
    "ours": [],
    "instance classes": ["loss.objective=instance"],
    "none": ["loss.objective=none"],
}
EXTRA = {
    "supervised, centre point": ["data.identities=true", "loss.objective=identity", *_POINT],
    "contrast with identities": ["data.identities=true"],
    "decoupled": ["loss.objective=decoupled"],
    "sigmoid": ["loss.objective=sigmoid"],
    "triplet": ["loss.objective=triplet"],
    "triplet, hard": ["loss.objective=triplet_hard"],
    "queue": ["loss.negatives=queue"],
    "negatives of the frame": ["loss.negatives=frame"],
    "three levels": ["model.levels=[stride4, stride8, neck]", "model.embedding_dimension=288"],
    "visible parts": ["model.visible_parts=true"],
}
"""Further arms, run when named."""

COLUMNS = ("rank-1", "TPR@FAR=0.1", "IDF1", "MOTA", "HOTA", "IDF1, true boxes")


class TrueBoxes:
    """A detector that finds every annotated box, embedded by a model (or not at all), in the order of the frames."""

    def __init__(self, model: Model, frames: Sequence[np.ndarray], embed: bool) -> None:
        self.config, self.classes = model.config, model.classes
        self._model, self._frames, self._embed = model, iter(frames), embed

    def detect_batch(self, images: list[np.ndarray]) -> list[Detections]:
        """The next annotated boxes, one set for each image."""
        found = []
        for image in images:
            boxes = next(self._frames)
            found.append(
                Detections(
                    xyxy=boxes,
                    score=np.ones(len(boxes)),
                    class_id=np.zeros(len(boxes), np.int64),
                    embedding=self._model.embed(image, boxes) if self._embed else None,
                )
            )
        return found


def score(model: Model, test: Path, results: Path, with_embedding: bool, every: int) -> dict[str, dict[str, float]]:
    """Scores of a model with its embedding, and of the same detections and boxes by motion alone."""
    samples = read_dataset([test], identities=True).samples
    rates = {folder.resolve().name: read_sequence_info(folder).frame_rate for folder in sequence_folders(test)}
    embedding = embedding_scores(embed_sequences(samples, model.embed, rates, every))
    boxes = [sample.boxes[~sample.ignore] for sample in samples]
    motion = dataclasses.replace(model.config.tracker, appearance=False)
    found: dict[str, dict[str, float]] = {}
    recorder = Recorder(model)
    detectors: dict[str, Callable[[], Any]] = {
        "tracks": lambda: recorder,
        "motion": lambda: Replay(model, recorder.found),
        "true-boxes": lambda: TrueBoxes(model, boxes, embed=True),
        "true-boxes-motion": lambda: TrueBoxes(model, boxes, embed=False),
    }
    for name, detector in detectors.items():
        if not with_embedding and name == "true-boxes":
            continue
        by_motion = "motion" in name or not with_embedding
        track(test, detector(), results / name, tracker=motion if by_motion else model.config.tracker, progress=False)
        found[name] = evaluate(results / name, test).combined
    found.setdefault("true-boxes", found["true-boxes-motion"])

    def line(tracks: str, true_boxes: str) -> dict[str, float]:
        scores = {name: found[tracks][name] for name in ("IDF1", "MOTA", "HOTA", "IDSW")}
        return scores | {"IDF1, true boxes": found[true_boxes]["IDF1"]}

    return {
        "arm": embedding | line("tracks", "true-boxes"),
        "motion only": line("motion", "true-boxes-motion"),
    }


def run_arm(name: str, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """Train and score one arm, or read what an earlier call found."""
    folder = options.out / f"{name.replace(',', '').replace(' ', '-')}-{seed}"
    file = folder / "scores.json"
    if file.is_file():
        return dict(json.loads(file.read_text()))
    overrides = [*options.set, *(ARMS | EXTRA)[name], f"train.seed={seed}"]
    config = load_config(options.recipe, overrides=overrides)
    began = time.perf_counter()
    train(options.train, folder / "run", config, resume=True)
    minutes = (time.perf_counter() - began) / 60
    model = load_model(folder / "run")
    scores = score(model, options.test, folder, config.loss.objective != "none", options.every)
    scores |= {"facts": {"arm": name, "seed": seed, "steps": model.config.train.steps, "minutes": minutes}}
    file.write_text(json.dumps(scores, indent=2) + "\n")
    return scores


def references(model: Model, test: Path, every: int) -> dict[str, dict[str, float]]:
    """Embeddings without training: colour histograms, and the network with random weights."""
    samples = read_dataset([test], identities=True).samples
    rates = {folder.resolve().name: read_sequence_info(folder).frame_rate for folder in sequence_folders(test)}
    embeddings = {"colour histogram": histogram_embedding, "untrained network": untrained(model, 0).embed}
    return {name: embedding_scores(embed_sequences(samples, e, rates, every)) for name, e in embeddings.items()}


def table(rows: dict[str, list[dict[str, float]]]) -> str:
    """Markdown: mean over seeds, and between which values they lie."""
    lines = ["| Arm | " + " | ".join(COLUMNS) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    for name, runs in rows.items():
        cells = []
        for column in COLUMNS:
            values = [run[column] for run in runs if column in run]
            digits = 3 if column in ("rank-1", "TPR@FAR=0.1") else 1
            text = f"{np.mean(values):.{digits}f}" if values else "-"
            cells.append(text + (f" ({min(values):.{digits}f}-{max(values):.{digits}f})" if len(values) > 1 else ""))
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, nargs="+", required=True, help="sequences to train on, with identities")
    parser.add_argument("--test", type=Path, required=True, help="sequence or folder of sequences to score on")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--arms", nargs="+", choices=[*ARMS, *EXTRA], default=list(ARMS), metavar="ARM")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--recipe", choices=list(RECIPES), default="street")
    parser.add_argument("--every", type=int, default=1, help="embed every so many frames")
    parser.add_argument("--json", type=Path, help="write all scores there as well")
    parser.add_argument("--set", nargs="+", default=[], metavar="section.key=value", help="settings of every arm")
    options = parser.parse_args()
    rows: dict[str, list[dict[str, float]]] = {}
    motion: list[dict[str, float]] = []
    for seed in options.seeds:
        for name in options.arms:
            scores = run_arm(name, seed, options)
            rows.setdefault(name, []).append(scores["arm"])
            motion.append(scores["motion only"])
            print(f"{name}, seed {seed}: {scores['facts']['minutes']:.1f} min of training")
            print(table({name: [scores["arm"]], "  motion only": [scores["motion only"]]}), flush=True)
    folder = options.out / f"{options.arms[0].replace(',', '').replace(' ', '-')}-{options.seeds[0]}"
    rows |= {
        name: [scores] for name, scores in references(load_model(folder / "run"), options.test, options.every).items()
    }
    rows["motion only, detections of all arms"] = motion
    print("\n" + table(rows))
    if options.json is not None:
        options.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
