"""What a user writes, with the types that they rely on: mypy reads it with the sources, nobody runs it."""

from pathlib import Path

import numpy as np

import clmot

image = np.zeros((100, 100, 3), np.uint8)
model = clmot.load_model("clmot-pedestrian")
tracker = clmot.Tracker(clmot.TrackerConfig(frame_rate=25))
tracked = tracker.update(model.detect(image), image)
ids: list[int] = tracked.track_id.tolist()
hota: float = clmot.evaluate("results", "MOT17/val").combined["HOTA"]
(result,) = clmot.track("street.mp4", model, "results")
text: Path | None = result.text_path
run: Path = clmot.train("boxes.json", "runs/first", clmot.load_config(overrides=["train.steps=2"]))
kept: bool = clmot.adapt("clmot-pedestrian", ["street.mp4"], "runs/street").kept
# were these untyped, mypy would find the comments useless
name: str = tracked.frame  # type: ignore[assignment]
score: str = clmot.evaluate("results", "MOT17/val").combined["HOTA"]  # type: ignore[assignment]
