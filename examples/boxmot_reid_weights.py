"""boxmot's BoT-SORT with clmot's embedding as its ``reid_weights``.

clmot export clmot-pedestrian --to onnx --out reid.onnx --crops
python examples/boxmot_reid_weights.py street.mp4 --out tracks.txt --reid reid.onnx

The boxes come from clmot's detector; put your own in its place. Tested with boxmot 25.0, whose licence is AGPL-3.0.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import cv2
import cyclopts
import numpy as np
from boxmot import BotSort

import clmot
from clmot import TrackedFrame
from clmot.io.mot_writer import write_mot_text
from clmot.io.sources import open_one


def track(source: str, reid: Path, proximity_thresh: float) -> Iterator[TrackedFrame]:
    """The tracks of a video or image folder, frame by frame."""
    # with ONNX Runtime, boxmot asks for one version of it and installs that; OpenCV reads the same file
    os.environ.setdefault("BOXMOT_REID_BACKEND", "opencv")
    detector = clmot.load_model("clmot-pedestrian")
    tracker = BotSort(reid_weights=reid, device="cpu", half=False, proximity_thresh=proximity_thresh)
    for number, image in open_one(source):
        found = detector.detect(image)
        rows = np.column_stack([found.xyxy, found.score, found.class_id])
        # x1, y1, x2, y2, id (from 0), score, class, row of the detection
        tracked = np.asarray(tracker.update(rows, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))).reshape(-1, 8)
        row, identity = tracked[:, 7].astype(int), tracked[:, 4].astype(np.int64) + 1
        yield TrackedFrame(frame=number, detections=found[row], track_id=identity)


def main(source: str, *, out: Path, reid: Path, proximity_thresh: float = 0.9) -> None:
    """Track a video or image folder and write MOTChallenge text.

    Looks count where 1 - IoU is at most `proximity_thresh`; at boxmot's default of 0.5, motion alone mostly knows.
    """
    write_mot_text(out, track(source, reid, proximity_thresh))


if __name__ == "__main__":
    cyclopts.run(main)
