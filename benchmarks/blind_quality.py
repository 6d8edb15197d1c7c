"""Whether numbers made without ground truth rank trackers as IDF1 and AssA do: Spearman's rank correlation.

Detections of a model are tracked by several presets, thresholds and disturbances of the boxes, by motion alone. Each
result is scored, and judged blind: by how pure and complete its tracks are if the suspects of `clmot report` are right
as often as their odds say, by the share of its life in which a track is seen (steadiness), by boxes a track, and by the
number of boxes. None of them is offered as quality: docs/report.md says why.

    CLMOT_DATA=... python benchmarks/blind_quality.py DETECTIONS_DIR [JSON]
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from clmot.apps.report.appearance import read_appearance, visibility
from clmot.apps.report.measured import Measured
from clmot.apps.report.results import Results, load_results
from clmot.apps.report.suspects import find_suspects
from clmot.config.tracker import TrackerConfig
from clmot.evaluation.mot import evaluate
from clmot.io.mot_text import read_mot_text
from clmot.io.mot_writer import write_mot_text
from clmot.io.sources import open_one
from clmot.structures import Detections
from clmot.tracking.postprocess.track_table import to_rows
from clmot.tracking.tracker import Tracker

SEQUENCES = ("TUD-Stadtmitte", "TUD-Campus", "PETS09-S2L1", "MOT16-11")
PRESETS = ("clmot", "byte", "ocsort", "fairmot")
HIGH = (0.3, 0.5, 0.7)
DISTURBED = {"as found": (0.0, 0.0), "a fifth missing": (0.2, 0.0), "shaken": (0.0, 0.08), "both": (0.3, 0.08)}


def blind(measured: Measured) -> dict[str, float]:
    """Each number that might tell how good tracks are."""
    suspects = find_suspects(measured)
    lengths = {each.track: len(each.time) for each in measured.tracklets}
    pure = dict.fromkeys(lengths, 1.0)
    whole = dict.fromkeys(lengths, 1.0)
    for event in suspects:
        chance = 1 / (1 + np.exp(2.0 - event.severity))
        if event.kind in ("jump", "swap", "teleport"):
            for track in event.tracks:
                frames = measured.results.tracks[track].frame
                part = (frames >= event.frame).mean()
                pure[track] *= 1 - chance * min(part, 1 - part)
        elif event.kind == "split":
            one, two = event.tracks
            smaller = min(lengths[one], lengths[two]) / (lengths[one] + lengths[two])
            for track in event.tracks:
                whole[track] *= 1 - chance * smaller
    steady = {
        each.track: min(1.0, len(each.time) * measured.usual / (each.time[-1] - each.time[0] + measured.usual))
        for each in measured.tracklets
    }
    weight = np.array(list(lengths.values()), np.float64) / sum(lengths.values())
    parts = {"purity": pure, "completeness": whole, "steadiness": steady}
    found = {name: float(np.dot(weight, list(part.values()))) for name, part in parts.items()}
    found["all three"] = float(np.prod(list(found.values())))
    found["boxes a track"] = sum(lengths.values()) / len(lengths)
    found["boxes"] = sum(lengths.values())
    found["steadiness x root of boxes a track"] = found["steadiness"] * found["boxes a track"] ** 0.5
    return found


def disturbed(found, missing: float, shaken: float, seed: int):
    """Detections with some missing and the others moved, and which of the original rows they are."""
    rng = np.random.default_rng(seed)
    for tracked in found:
        boxes = tracked.detections.xyxy
        rows = np.flatnonzero(rng.random(len(boxes)) >= missing)
        size = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
        moved = boxes + rng.normal(0, 1, boxes.shape) * shaken * size if shaken else boxes
        given = Detections(
            xyxy=moved[rows], score=tracked.detections.score[rows], class_id=np.zeros(len(rows), np.int64)
        )
        yield tracked.frame, given, rows


def main() -> None:
    data, folder = Path(os.environ["CLMOT_DATA"]) / "mot", Path(sys.argv[1])
    table = []
    for name in SEQUENCES:
        source = open_one(data / name)
        rate = source.frame_rate or 25.0
        found = read_mot_text(folder / f"{name}.txt")
        for index, each in enumerate(found):  # an id for every box, so that its appearance can be found again
            found[index] = replace(each, track_id=np.arange(len(each)) + 1)
        every = to_rows(found)
        whole = Results(name=name, file=folder, rows=every, classes=(), frame_rate=rate, record={}, decisions=None)
        looks = read_appearance(whole, source, progress=False)
        place = {key: i for i, key in enumerate(zip(every.frame.tolist(), every.order.tolist(), strict=True))}
        for preset, high, (how, (missing, shaken)) in product(PRESETS, HIGH, DISTURBED.items()):
            config = replace(
                TrackerConfig.named(preset),
                high_score=high,
                new_track_score=high,
                low_score=min(0.2, high),
                camera="none",
                frame_rate=rate,
            )
            tracker, shown, given = Tracker(config), [], {}
            for frame, detections, rows in disturbed(found, missing, shaken, len(table)):
                tracked = tracker.update(detections, frame=frame)
                shown.append(tracked)
                for track, row in zip(tracked.track_id.tolist(), tracked.rows.tolist(), strict=True):
                    given[frame, track] = place[frame, int(rows[row])]
            if not given:
                continue
            with tempfile.TemporaryDirectory() as scratch:
                path = Path(scratch) / f"{name}.txt"
                write_mot_text(path, shown)
                scores = evaluate(path, data / name).combined
                results = load_results(path, source)
            keys = zip(results.rows.frame.tolist(), results.rows.track_id.tolist(), strict=True)
            measured = Measured(results, looks[[given[key] for key in keys]], visibility(results))
            facts = {key: scores[key] for key in ("IDF1", "AssA", "HOTA", "IDSW")}
            parts = blind(measured)
            table.append({"sequence": name, "preset": preset, "high": high, "boxes": how, **facts, **parts})
        for key in parts:
            mine = [row for row in table if row["sequence"] == name]
            line = {
                truth: round(float(spearmanr([r[key] for r in mine], [r[truth] for r in mine])[0]), 2)
                for truth in ("IDF1", "AssA")
            }
            print(name, len(mine), key, line, flush=True)
    if len(sys.argv) > 2:
        Path(sys.argv[2]).write_text(json.dumps(table))


if __name__ == "__main__":
    main()
