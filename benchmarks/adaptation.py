"""Label-free adaptation to one's own video against networks trained with identities, by a fixed protocol.

    python benchmarks/adaptation.py DETECTIONS... --out FOLDER [--arms ...] [--sequences ...] [--detectors ...]

A detector's boxes (DETECTIONS/SEQUENCE.txt, `benchmarks/detections.py`) in the first 60 % of a sequence of
$CLMOT_DATA/mot are learned from; its last 40 % is tracked from its own start and scored, by the same tracker on the
same detections for every arm:

    motion      no embedding
    histogram   colours of six stripes (`clmot embed`)
    OSNet       x0.25, identities of MSMT17, on crops
    retail      Intel's person-reidentification-retail-0288, identities of another data set, on crops
    ours        the network of clmot-pedestrian with YOLOX-nano's weights, its metric from tracklets of the three other
                sequences (`start`): what comes with the package has seen all four
    adapted     ours after `clmot adapt` on the boxes of the first 60 %; as before where its judge keeps the old weights
    supervised  the same, with annotated identities in place of tracklets, for the same boxes

Tracking: HOTA, IDF1, AssA and identity switches, means over copies of which all but the first lack 3 % of the
detections. Embeddings at the annotated boxes of the last 40 %, running mean taken out as in the tracker, pairs at least
a second apart (a third of the part, where that is less): rank-1, mAP, TPR at FAR 0.1, and areas under the ROC curve by
gap. Differences are of means over sequences; their 95 % intervals draw sequences anew, both detectors of one together.
Four sequences are few: the intervals are rough. Everything is kept in FOLDER, and is not done again.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from adaptation_arms import SEQUENCES, Arms

from clmot import Detections
from clmot.config.tracker import TrackerConfig
from clmot.datasets.readers import read_dataset
from clmot.evaluation.benchmarks import find_truth
from clmot.evaluation.bootstrap import Difference, interval
from clmot.evaluation.embedding import EmbeddedSequence, areas_by_gap, embedding_scores
from clmot.evaluation.metrics import Metrics, summary
from clmot.evaluation.mot import Measurement
from clmot.io.frame_choice import FrameChoice
from clmot.io.image import read_image
from clmot.io.mot_sequences import read_sequence_info
from clmot.io.mot_text import read_mot_rows
from clmot.io.mot_writer import write_mot_text
from clmot.structures import Embed, Float32Array, Image
from clmot.tracking.camera_motion import CameraMotion
from clmot.tracking.tracker import Tracker

SHARE = 0.6
LEAST_SCORE, DROPPED = 0.1, 0.03
ARMS = ("motion", "histogram", "OSNet", "retail", "ours", "adapted", "supervised")
TRACKING = ("HOTA", "IDF1", "AssA", "IDSW")
GAPS = (0.0, 1.0, 2.0, 4.0, 8.0, float("inf"))
PRIOR = TrackerConfig().mean_subtraction
DRAWS = 2000
Scores = dict[str, float]


def cut(sequence: str, data: Path, detections: Sequence[Path], out: Path) -> None:
    """Make sequence folders of both parts, with frames numbered from 1, and their detections beside them."""
    whole = data / "mot" / sequence
    info = read_sequence_info(whole)
    images = sorted((whole / info.image_folder).iterdir())
    split = int(len(images) * SHARE)
    for part, those, before in (("first", images[:split], 0), ("last", images[split:], split)):
        folder = out / part / sequence
        (folder / "img1").mkdir(parents=True)
        (folder / "gt").mkdir()
        for number, image in enumerate(those, 1):
            (folder / "img1" / f"{number:06d}{image.suffix}").symlink_to(image.resolve())
        text = f"[Sequence]\nname={sequence}\nimDir=img1\nframeRate={info.frame_rate:g}\nseqLength={len(those)}\n"
        text += f"imWidth={info.width}\nimHeight={info.height}\nimExt={images[0].suffix}\n"
        (folder / "seqinfo.ini").write_text(text)
        files = [(whole / "gt" / "gt.txt", folder / "gt" / "gt.txt")]
        files += [(each / f"{sequence}.txt", out / part / each.name / f"{sequence}.txt") for each in detections]
        for source, target in files:
            rows = [line.split(",", 1) for line in source.read_text().split()]
            kept = [(int(float(n)) - before, rest) for n, rest in rows if 0 < int(float(n)) - before <= len(those)]
            target.parent.mkdir(exist_ok=True)
            target.write_text("".join(f"{number},{rest}\n" for number, rest in kept))


class Unit:
    """The last part of a sequence with a detector's boxes.

    Args:
        folder: that `cut` wrote into.
        detector: name of the detector.
        sequence: name of the sequence.
    """

    def __init__(self, folder: Path, detector: str, sequence: str) -> None:
        self.name, self.sequence = f"{detector}-{sequence}", sequence
        self.folder, self.boxes = folder / "last" / sequence, folder / "last" / detector / f"{sequence}.txt"
        self.learned, self.learned_boxes = folder / "first" / sequence, folder / "first" / detector
        info = read_sequence_info(self.folder)
        self.rate, self.length = info.frame_rate, len(list((self.folder / "img1").iterdir()))
        rows = read_mot_rows(self.boxes)
        self.found: dict[int, Float32Array] = {}
        self.score: dict[int, Any] = {}
        for number in range(1, self.length + 1):
            here = (rows.frame == number) & (rows.confidence >= LEAST_SCORE)
            self.found[number], self.score[number] = rows.boxes[here].astype(np.float32), rows.confidence[here]
        self.annotated = {each.frame: each for each in read_dataset([self.folder], identities=True).samples}

    def image(self, number: int) -> Image:
        """A frame."""
        return read_image(next((self.folder / "img1").glob(f"{number:06d}.*")))

    def known(self, number: int) -> Any:
        """Rows of annotated boxes that count."""
        sample = self.annotated.get(number)
        return np.zeros(0, int) if sample is None else np.flatnonzero(~sample.ignore & (sample.identities >= 0))

    def embedded(self, open_embed: Callable[[], Embed], file: Path) -> tuple[dict[int, Float32Array], EmbeddedSequence]:
        """Embeddings of detections by frame, and of annotated boxes; kept in a file."""
        known = {number: self.known(number) for number in self.found}
        if not file.is_file():
            rows, embed = [], open_embed()
            for number, boxes in self.found.items():
                marked = self.annotated[number].boxes[known[number]] if len(known[number]) else boxes[:0]
                both = np.concatenate([boxes, marked])
                rows += [embed(self.image(number), both)] if len(both) else []
            file.parent.mkdir(parents=True, exist_ok=True)
            np.savez(file, rows=np.concatenate(rows).astype(np.float16))
        rows = np.load(file)["rows"].astype(np.float32)
        counts = [count for number in self.found for count in (len(self.found[number]), len(known[number]))]
        parts = np.split(rows, np.cumsum(counts)[:-1])
        identities = [self.annotated[number].identities[here] for number, here in known.items() if len(here)]
        seconds = np.repeat(np.array([*known]) / self.rate, [len(each) for each in known.values()])
        annotated = EmbeddedSequence(
            embeddings=np.concatenate(parts[1::2]), identities=np.concatenate(identities), seconds=seconds
        )
        return dict(zip(self.found, parts[::2], strict=True)), annotated

    def camera(self, file: Path) -> dict[int, Any]:
        """The camera's motion, as the tracker estimates it; kept in a file."""
        if not file.is_file():
            motion = CameraMotion("sparse-flow")
            found = [motion.estimate(self.image(each), boxes, each) for each, boxes in self.found.items()]
            file.parent.mkdir(parents=True, exist_ok=True)
            np.save(file, np.array(found))
        return dict(zip(self.found, np.load(file), strict=True))

    def tracked(self, embeddings: dict[int, Float32Array] | None, camera: dict[int, Any], copies: int) -> Scores:
        """Tracking scores, means over copies."""
        metrics, truth = Metrics(), find_truth(self.folder, "auto")
        found = []
        for copy in range(copies):
            rng = np.random.default_rng(copy)
            tracker = Tracker(TrackerConfig(frame_rate=self.rate), CameraMotion("file", camera))
            frames = []
            blank = np.broadcast_to(np.zeros(1, np.uint8), self.image(1).shape)
            for number, boxes in self.found.items():
                kept = rng.random(len(boxes)) >= DROPPED * (copy > 0)
                seen = Detections(xyxy=boxes, score=self.score[number], class_id=np.zeros(len(boxes), np.int64))
                if embeddings is not None:
                    seen = replace(seen, embedding=embeddings[number])
                frames.append(tracker.update(seen[kept], blank, frame=number))
            with tempfile.TemporaryDirectory() as scratch:
                file = Path(scratch) / f"{self.sequence}.txt"
                write_mot_text(file, frames)
                fields = Measurement(metrics, file, truth, FrameChoice()).fields[self.sequence]
            found.append(summary(metrics.combine([*fields.values()])))
        return {name: float(np.mean([each[name] for each in found])) for name in TRACKING}

    def told_apart(self, annotated: EmbeddedSequence) -> Scores:
        """Embedding scores."""
        centred = annotated.mean_subtracted(PRIOR)
        scores = embedding_scores([centred], (min(1.0, self.length / self.rate / 3), np.inf))
        names = {"rank-1": "rank-1", "TPR": "TPR@FAR=0.1", "mAP": "mAP"}
        areas = areas_by_gap([centred], GAPS)
        return {name: scores[key] for name, key in names.items()} | {
            f"AUC {low:g} s": area for low, area in zip(GAPS, areas, strict=False)
        }


def difference(scores: dict[str, dict[str, Scores]], arm: str, other: str, name: str) -> Difference:
    """Of the means over sequences and detectors; sequences are drawn anew."""
    apart: dict[str, list[float]] = {}
    for unit in scores[arm].keys() & scores[other].keys():
        apart.setdefault(unit.rpartition("|")[2], []).append(scores[arm][unit][name] - scores[other][unit][name])
    means = np.array([np.mean(each) for each in apart.values()])
    drawn = np.random.default_rng(0).integers(len(means), size=(DRAWS, len(means)))
    return Difference(float(means.mean()), interval(means[drawn].mean(axis=1)))


def tables(scores: dict[str, dict[str, Scores]], note: str) -> str:
    """Markdown: means of every arm, what adapted has more than each, and the arms by sequence."""
    names = list(next(iter(scores["motion" if "motion" not in scores else [*scores][-1]].values())))
    places = {name: 1 if name in TRACKING else 3 for name in names}
    lines = [note, "", f"| mean | {' | '.join(names)} |", f"|---|{'---|' * len(names)}"]

    def row(label: str, values: dict[str, float]) -> str:
        return f"| {label} | {' | '.join(f'{values[n]:.{places[n]}f}' if n in values else '' for n in names)} |"

    for arm, units in scores.items():
        has = set.intersection(*(set(each) for each in units.values()))
        lines.append(row(arm, {name: float(np.nanmean([each[name] for each in units.values()])) for name in has}))
    if "adapted" in scores:
        shown = ("HOTA", "IDF1", "AssA", "IDSW", "rank-1", "TPR", "mAP")
        lines += ["", f"| adapted less | {' | '.join(shown)} |", f"|---|{'---|' * len(shown)}"]
        for arm in scores:
            if arm != "adapted":
                each = next(iter(scores[arm].values()))
                cells = [difference(scores, "adapted", arm, n).text(places[n]) if n in each else "" for n in shown]
                lines.append(f"| {arm} | {' | '.join(cells)} |")
    for unit in next(iter(scores.values())):
        lines += ["", f"| {unit} | {' | '.join(names)} |", f"|---|{'---|' * len(names)}"]
        lines += [row(arm, units[unit]) for arm, units in scores.items() if unit in units]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, keep and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("detections", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--arms", nargs="+", default=ARMS)
    parser.add_argument("--sequences", nargs="+", default=SEQUENCES)
    parser.add_argument("--copies", type=int, default=8)
    parser.add_argument("--set", nargs="*", default=[], metavar="SECTION.KEY=VALUE", help="settings of the adaptation")
    options = parser.parse_args()
    data, out = Path(os.environ["CLMOT_DATA"]), options.out
    arms = Arms(data, out, options.set)
    scores: dict[str, dict[str, Scores]] = {arm: {} for arm in options.arms}
    for sequence in options.sequences:
        if not (out / "last" / sequence).is_dir():
            cut(sequence, data, options.detections, out)
        for detector in options.detections:
            unit = Unit(out, detector.name, sequence)
            camera = unit.camera(out / "camera" / f"{unit.name}.npy")
            for arm in options.arms:
                began = time.perf_counter()
                scores[arm][f"{detector.name}|{sequence}"] = found = measured(
                    unit, arm, arms, camera, options.copies, out
                )
                text = " ".join(f"{name} {value:.3g}" for name, value in found.items())
                print(f"{unit.name}, {arm}: {text} ({time.perf_counter() - began:.0f} s)", flush=True)
    commit = subprocess.check_output(["git", "rev-parse", "--short", "HEAD"], text=True).strip()
    note = f"Commit {commit}, {options.copies} copies, {os.cpu_count()} x {platform.processor()}, {platform.system()}."
    (out / "table.md").write_text(tables(scores, note))
    print(tables(scores, note))


def measured(unit: Unit, arm: str, arms: Arms, camera: dict[int, Any], copies: int, out: Path) -> Scores:
    """All scores of an arm."""
    if arm == "motion":
        return unit.tracked(None, camera, copies)
    kept = out / "embeddings" / arm / f"{unit.name}.npz"
    learned = (unit.name, unit.learned, unit.learned_boxes)
    found, annotated = unit.embedded(lambda: arms.embed(arm, *learned), kept)
    return unit.tracked(found, camera, copies) | unit.told_apart(annotated)


if __name__ == "__main__":
    main()
