"""deep-sort-realtime with clmot's embeddings as ``embeds``.

python examples/deep_sort_realtime_embeds.py street.mp4 --out tracks.txt

Boxes and embeddings come from one pass of clmot's network. For boxes of your own detector, embeddings are what
``model.embed(image, boxes)`` gives. Tested with deep-sort-realtime 1.3.2.
"""

from collections.abc import Iterator
from pathlib import Path

import cyclopts
import numpy as np
from deep_sort_realtime.deepsort_tracker import DeepSort

import clmot
from clmot import TrackedFrame
from clmot.boxes import xyxy_to_ltwh
from clmot.io.mot_writer import write_mot_text
from clmot.io.sources import open_one


def track(source: str, max_cosine_distance: float, min_score: float) -> Iterator[TrackedFrame]:
    """The tracks of a video or image folder, frame by frame."""
    model = clmot.load_model("clmot-pedestrian")
    tracker = DeepSort(embedder=None, max_cosine_distance=max_cosine_distance)
    for number, image in open_one(source):
        found = model.detect(image)
        found = found[found.score >= min_score]
        raw = [
            (box.tolist(), float(score), int(class_id))
            for box, score, class_id in zip(xyxy_to_ltwh(found.xyxy), found.score, found.class_id, strict=True)
        ]
        tracks = tracker.update_tracks(raw, embeds=list(found.embedding), others=list(range(len(found))))
        # the row of the detection that a track was given in this frame
        seen = [each for each in tracks if each.is_confirmed() and each.time_since_update == 0]
        row = np.array([each.get_det_supplementary() for each in seen], int)
        identity = np.array([int(each.track_id) for each in seen], np.int64)
        yield TrackedFrame(frame=number, detections=found[row], track_id=identity)


def main(source: str, *, out: Path, max_cosine_distance: float = 0.3, min_score: float = 0.4) -> None:
    """Track a video or image folder and write MOTChallenge text."""
    write_mot_text(out, track(source, max_cosine_distance, min_score))


if __name__ == "__main__":
    cyclopts.run(main)
