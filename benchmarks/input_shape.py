"""What the input's shape and its number of pixels are worth: accuracy and time of clmot-pedestrian, before and after.

    python benchmarks/input_shape.py [SEQUENCE[@W:H] ...] [--shares 1 1.5 2] [--frames N] [--every N] [--model RUN]

The first row of a sequence is the input as it was: every picture letterboxed into the size that the model was trained
with. The others have the picture's own shape: with the longer side of that size, as `imgsz` of ultralytics would have
it, and with at most SHARE times as many pixels. Sequences are those in $CLMOT_DATA/mot; NAME@3:1 is NAME cut to that
shape, where most of its annotated people are. Rows are printed as they are measured: HOTA, DetA, AssA, IDF1, MOTA, IDSW
of the model's own tracks in the first frames; rank-1 and TPR at FAR 0.1 of its embeddings at the annotated boxes of up
to 60 frames of the whole sequence, a second apart or more, as they are and after online mean subtraction (ms); and the
time of a frame's detection as a multiple of the first row's, the median of frames that all rows see in turn.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from clmot.apps.track.pipeline import track
from clmot.boxes import clip
from clmot.config import parse_overrides
from clmot.config.tracker import TrackerConfig
from clmot.datasets.readers import read_dataset
from clmot.evaluation.embedding import embed_sequences, embedding_scores
from clmot.evaluation.mot import evaluate
from clmot.inference.model import Model, load_model
from clmot.io.frame_choice import FrameChoice
from clmot.io.image import read_image
from clmot.io.mot_sequences import read_sequence_info
from clmot.shipped import DEFAULT
from clmot.structures import Sample

SEQUENCES = (
    "TUD-Stadtmitte", "TUD-Stadtmitte@3:1", "TUD-Stadtmitte@9:16", "TUD-Campus", "PETS09-S2L1", "PETS09-S2L1@3:1",
    "MOT16-11",
)  # fmt: skip
METRICS = ("HOTA", "DetA", "AssA", "IDF1", "MOTA", "IDSW")
LEAST_SHOWN = 0.5
"""Share of a box that a cut must show, or the box is left out of it."""
EMBEDDED, TIMED = 60, 15
"""Frames that embeddings are compared in, and that are timed, at most."""


def cut(folder: Path, shape: tuple[int, int], out: Path) -> Path:
    """A sequence cut to a shape, at the place that shows most of the annotated boxes whole."""
    info = read_sequence_info(folder)
    rows = np.loadtxt(folder / "gt" / "gt.txt", delimiter=",", ndmin=2)
    boxes = np.concatenate([rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]], axis=1)
    first = read_image(min((folder / info.image_folder).iterdir()))
    height, width = first.shape[:2]
    wide, high = min(width, height * shape[0] // shape[1]), min(height, width * shape[1] // shape[0])
    places = [(x, y) for x in range(0, width - wide + 1, 8) for y in range(0, height - high + 1, 8)]

    def shown(place: tuple[int, int]) -> np.ndarray:
        moved = boxes - np.tile(place, 2)
        inside = clip(moved, wide, high)
        area = np.prod(inside[:, 2:] - inside[:, :2], axis=1)
        return area / np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)

    left, top = max(places, key=lambda place: shown(place).sum())
    share, kept = shown((left, top)), clip(boxes - np.tile((left, top), 2), wide, high)
    rows[:, 2:6] = np.concatenate([kept[:, :2], kept[:, 2:] - kept[:, :2]], axis=1)
    made = out / f"{folder.name}@{shape[0]}x{shape[1]}"
    for name in ("img1", "gt"):
        (made / name).mkdir(parents=True)
    np.savetxt(made / "gt" / "gt.txt", rows[share >= LEAST_SHOWN], fmt="%g", delimiter=",")
    files = sorted((folder / info.image_folder).iterdir())
    for file in files:
        part = read_image(file)[top : top + high, left : left + wide]
        cv2.imwrite(str(made / "img1" / f"{file.stem}.png"), part[:, :, ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])
    text = f"[Sequence]\nname={made.name}\nimDir=img1\nframeRate={info.frame_rate:g}\nseqLength={len(files)}\n"
    (made / "seqinfo.ini").write_text(f"{text}imWidth={wide}\nimHeight={high}\nimExt=.png\n")
    return made


def tracking_scores(model: Model, folder: Path, out: Path, frames: FrameChoice) -> dict[str, float]:
    """Of the model's own tracks."""
    track(folder, model, out, frames=frames, progress=False, overwrite=True)
    combined = evaluate(out, folder, frames=frames).combined
    return {name: float(combined[name]) for name in METRICS}


def appearance_scores(model: Model, samples: list[Sample], rate: float) -> dict[str, float]:
    """Of the model's embeddings at annotated boxes."""
    sequences = embed_sequences(samples, model.embed, {samples[0].sequence: rate})
    prior = TrackerConfig().mean_subtraction
    scores = {}
    for how, each in (("", sequences), (" ms", [one.mean_subtracted(prior) for one in sequences])):
        found = embedding_scores(each, (1.0, np.inf))
        scores |= {f"rank-1{how}": found["rank-1"], f"TPR{how}": found["TPR@FAR=0.1"]}
    return scores


def times(models: list[Model], samples: list[Sample]) -> list[float]:
    """Median time of a frame's detection, as multiples of the first model's."""
    images = [read_image(sample.image) for sample in samples]
    taken: list[list[float]] = []
    for image in [images[0], images[0], *images]:
        taken.append([])
        for model in models:
            start = time.perf_counter()
            model.detect(image)
            taken[-1].append(time.perf_counter() - start)
    median = np.median(taken[2:], axis=0)
    return [float(each) for each in median / median[0]]


def with_settings(model: Model, settings: dict[str, dict[str, object]]) -> Model:
    """The same network with other settings."""
    other = object.__new__(type(model))
    other.__dict__ = {**model.__dict__, "config": model.config.updated(settings)}
    return other


def arms(model: Model, shares: list[float]) -> dict[str, Model]:
    """The input as it was, by its longer side, and by shares of its pixels in each picture's own shape."""
    wide, high = model.config.model.image_size
    made = {"before": with_settings(model, {"detect": {"size": [wide, high]}})}
    made[f"longer side {max(wide, high)}"] = with_settings(model, {"detect": {"size": [max(wide, high)]}})
    for share in shares:
        size = [32 * round(side * share**0.5 / 32) for side in (wide, high)]
        made[f"x {share:g}"] = with_settings(model, {"model": {"image_size": size}, "detect": {"size": []}})
    return made


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sequences", nargs="*", default=SEQUENCES)
    parser.add_argument("--model", default=DEFAULT)
    parser.add_argument("--shares", nargs="*", type=float, default=[1.0, 1.5, 2.0])
    parser.add_argument("--frames", type=int, default=200, help="the first so many frames of a sequence")
    parser.add_argument("--every", type=int, default=1, help="every so many of them")
    parser.add_argument("--set", nargs="*", default=[], metavar="SECTION.KEY=VALUE", help="settings of all rows")
    options = parser.parse_args()
    model = load_model(options.model)
    model.config = model.config.updated(parse_overrides(options.set))
    for name in options.sequences:
        whole, _, shape = name.partition("@")
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(os.environ["CLMOT_DATA"]) / "mot" / whole
            if shape:
                wide, high = shape.split(":")
                folder = cut(folder, (int(wide), int(high)), Path(scratch))
            rate = read_sequence_info(folder).frame_rate
            samples = [sample for sample in read_dataset([folder], identities=True).samples if len(sample.boxes)]
            frames = FrameChoice(last=options.frames, every=options.every)
            rows = np.linspace(0, len(samples) - 1, min(len(samples), EMBEDDED)).astype(np.int64)
            chosen = [samples[row] for row in rows.tolist()]
            tried = arms(model, options.shares)
            ratios = times(list(tried.values()), chosen[:: max(1, len(chosen) // TIMED)])
            for (arm, each), ratio in zip(tried.items(), ratios, strict=True):
                size = "x".join(map(str, each.input_size(samples[0].width, samples[0].height)))
                scores = tracking_scores(each, folder, Path(scratch) / "tracks", frames)
                scores |= appearance_scores(each, chosen, rate)
                cells = [f"{value:.{1 if key in METRICS else 3}f}" for key, value in scores.items()]
                if arm == "before":
                    print(f"| {name} | input | {' | '.join(scores)} | time |", flush=True)
                print(f"| {arm} | {size} | {' | '.join(cells)} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main()
