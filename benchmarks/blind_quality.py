"""Whether a number made without ground truth ranks trackers as IDF1 and AssA do: Spearman's rank correlation.

Detections of a model are tracked by several presets, thresholds and disturbances of the boxes, by motion alone. Each
result is scored, and judged blind (`clmot.apps.report.quality`).

    CLMOT_DATA=... python benchmarks/blind_quality.py DETECTIONS_DIR
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
from clmot.apps.report.quality import estimate_quality
from clmot.apps.report.results import Results, load_results
from clmot.apps.report.suspects import Measured, find_suspects
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
            quality = estimate_quality(measured, find_suspects(measured))
            facts = {key: scores[key] for key in ("IDF1", "AssA", "HOTA", "IDSW")}
            parts = {key: getattr(quality, key) for key in ("purity", "completeness", "steadiness", "overall")}
            parts["boxes a track"] = len(results.rows) / len(results.tracks)
            parts["boxes"] = len(results.rows)
            table.append({"sequence": name, "preset": preset, "high": high, "boxes": how, **facts, **parts})
        for key in ("purity", "completeness", "steadiness", "overall", "boxes a track"):
            mine = [row for row in table if row["sequence"] == name]
            line = {
                truth: round(spearmanr([r[key] for r in mine], [r[truth] for r in mine])[0], 2)
                for truth in ("IDF1", "AssA", "HOTA")
            }
            print(name, len(mine), key, line, flush=True)
    Path("/tmp/blind_quality.json" if len(sys.argv) < 3 else sys.argv[2]).write_text(json.dumps(table))


if __name__ == "__main__":
    main()
