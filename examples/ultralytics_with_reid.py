"""A YOLO of ultralytics, tracked by its BoT-SORT with clmot's embedding: ``with_reid: True, model: reid.onnx``.

clmot export clmot-pedestrian --to onnx --out reid.onnx --crops --pixels unit
python examples/ultralytics_with_reid.py street.mp4 --out tracks.txt --reid reid.onnx --weights yolo26n.pt

ultralytics gives crops from 0 to 1, so the file is exported with ``--pixels unit``. Tested with ultralytics 8.4.190,
whose licence is AGPL-3.0.
"""

from collections.abc import Iterator
from pathlib import Path

import cyclopts
import numpy as np
import yaml
from ultralytics import YOLO
from ultralytics.utils import YAML
from ultralytics.utils.checks import check_yaml

from clmot import Detections, TrackedFrame
from clmot.io.mot_writer import write_mot_text


def write_settings(file: Path, reid: Path) -> None:
    """BoT-SORT as ultralytics sets it, with our embedding."""
    settings = YAML.load(check_yaml("botsort.yaml"))
    settings |= {"with_reid": True, "model": str(reid)}
    file.write_text(yaml.safe_dump(settings))


def track(model: YOLO, source: str, settings: Path) -> Iterator[TrackedFrame]:
    """The people in a video or image folder, frame by frame."""
    results = model.track(source, tracker=str(settings), classes=[0], stream=True, persist=True, verbose=False)
    for number, result in enumerate(results, 1):
        boxes = result.boxes.cpu().numpy()
        identity = np.empty(0) if boxes.id is None else boxes.id
        found = Detections(xyxy=boxes.xyxy, score=boxes.conf, class_id=boxes.cls)
        yield TrackedFrame(frame=number, detections=found[: len(identity)], track_id=identity.astype(np.int64))


def main(source: str, *, out: Path, reid: Path, weights: str = "yolo26n.pt") -> None:
    """Track a video or image folder and write MOTChallenge text, and the tracker's settings beside it."""
    settings = out.with_suffix(".yaml")
    write_settings(settings, reid)
    write_mot_text(out, track(YOLO(weights), source, settings))


if __name__ == "__main__":
    cyclopts.run(main)
