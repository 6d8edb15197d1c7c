"""Norfair with clmot's embeddings: who was lost is known again by ``Detection(embedding=...)``.

python examples/norfair_embedding.py street.mp4 --out tracks.txt

Tracks go on by overlap; one that ended and one that begins are the same if they look alike. Tested with norfair 2.3.0.
"""

from collections.abc import Iterator
from pathlib import Path

import cyclopts
import norfair
import numpy as np
from norfair.tracker import TrackedObject

import clmot
from clmot import TrackedFrame
from clmot.io.mot_writer import write_mot_text
from clmot.io.sources import open_one


def looks(new: TrackedObject, lost: TrackedObject) -> float:
    """Cosine distance of the two mean embeddings."""
    first, second = (
        np.mean([detection.embedding for detection in each.past_detections], axis=0) for each in (new, lost)
    )
    return float(1 - first @ second / np.linalg.norm(first) / np.linalg.norm(second))


def track(source: str, max_cosine_distance: float, min_score: float) -> Iterator[TrackedFrame]:
    """The tracks of a video or image folder, frame by frame."""
    model = clmot.load_model("clmot-pedestrian")
    tracker = norfair.Tracker(
        distance_function="iou",
        distance_threshold=0.7,
        past_detections_length=8,
        reid_distance_function=looks,
        reid_distance_threshold=max_cosine_distance,
        reid_hit_counter_max=90,
    )
    for number, image in open_one(source):
        found = model.detect(image)
        found = found[found.score >= min_score]
        detections = [
            norfair.Detection(found.xyxy[row].reshape(2, 2), embedding=found.embedding[row], data=(number, row))
            for row in range(len(found))
        ]
        # those that were found in this very frame, not only foreseen
        seen = [each for each in tracker.update(detections) if each.last_detection.data[0] == number]
        row = np.array([each.last_detection.data[1] for each in seen], int)
        identity = np.array([each.id for each in seen], np.int64)
        yield TrackedFrame(frame=number, detections=found[row], track_id=identity)


def main(source: str, *, out: Path, max_cosine_distance: float = 0.3, min_score: float = 0.4) -> None:
    """Track a video or image folder and write MOTChallenge text."""
    write_mot_text(out, track(source, max_cosine_distance, min_score))


if __name__ == "__main__":
    cyclopts.run(main)
