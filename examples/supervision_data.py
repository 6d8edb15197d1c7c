"""supervision to clmot and back: embeddings travel in ``Detections.data["embedding"]``.

python examples/supervision_data.py street.mp4 --out tracks.txt

What supervision does with detections (here: it suppresses doubles) keeps each one's embedding. clmot's tracker takes
them as they are, and gives them back with ``tracker_id``. Tested with supervision 0.31.2.
"""

from collections.abc import Iterator
from pathlib import Path

import cyclopts
import numpy as np
import supervision as sv

import clmot
from clmot import TrackedFrame
from clmot.io.mot_writer import write_mot_text
from clmot.io.sources import open_one
from clmot.tracking.adapters import as_detections, to_supervision


def track(source: str) -> Iterator[tuple[int, sv.Detections]]:
    """Frame numbers and tracked detections of a video or image folder, for supervision's annotators and zones."""
    model = clmot.load_model("clmot-pedestrian")
    frames = open_one(source)
    tracker = model.tracker(frames.frame_rate)
    for number, image in frames:
        found = model.detect(image)
        detections = sv.Detections(
            xyxy=found.xyxy,
            confidence=found.score,
            class_id=found.class_id,
            data={"embedding": found.embedding},
        )
        detections = detections.with_nms(threshold=0.7)
        yield number, to_supervision(tracker.update(detections, image))


def main(source: str, *, out: Path) -> None:
    """Track a video or image folder and write MOTChallenge text."""
    write_mot_text(
        out,
        (
            TrackedFrame(
                frame=number, detections=as_detections(tracked), track_id=np.asarray(tracked.tracker_id, np.int64)
            )
            for number, tracked in track(source)
        ),
    )


if __name__ == "__main__":
    cyclopts.run(main)
