"""A tracker of the package trackers on clmot's detections, and clmot's embeddings to join what it lost.

python examples/trackers_input.py street.mp4 --out tracks.txt

The trackers take `supervision.Detections` and hand on their ``data``, but track by motion alone. At the end of the
video, tracks that look alike are joined. Tested with trackers 2.6.1.
"""

from collections.abc import Iterator
from pathlib import Path

import cyclopts
import numpy as np
import supervision as sv
from trackers import BoTSORTTracker

import clmot
from clmot import TrackedFrame
from clmot.config import RefineConfig
from clmot.io.mot_writer import write_mot_text
from clmot.io.sources import open_one
from clmot.tracking.adapters import as_detections
from clmot.tracking.postprocess.refine import refine


def track(source: str, frame_rate: float) -> Iterator[TrackedFrame]:
    """The tracks of a video or image folder, frame by frame."""
    model = clmot.load_model("clmot-pedestrian")
    tracker = BoTSORTTracker(frame_rate=frame_rate, enable_cmc=False)
    for number, image in open_one(source):
        found = model.detect(image)
        detections = sv.Detections(
            xyxy=found.xyxy,
            confidence=found.score,
            class_id=found.class_id,
            data={"embedding": found.embedding},
        )
        tracked = tracker.update(detections)
        tracked = tracked[tracked.tracker_id >= 0]  # -1: no track yet
        identity = tracked.tracker_id.astype(np.int64) + 1  # from 0
        yield TrackedFrame(frame=number, detections=as_detections(tracked), track_id=identity)


def main(source: str, *, out: Path, join: float = 0.3) -> None:
    """Track a video or image folder, join tracks up to a cosine distance, and write MOTChallenge text."""
    frame_rate = open_one(source).frame_rate or 30.0
    frames = list(track(source, frame_rate))
    write_mot_text(out, refine(frames, RefineConfig(join=join), frame_rate))


if __name__ == "__main__":
    cyclopts.run(main)
