"""Tracks of clmot drawn by supervision: boxes, trails and a counting line.

python examples/supervision_annotators.py street.mp4 --out drawn.mp4 --line 0,300,640,300

Tested with supervision 0.31.2.
"""

import cyclopts
import numpy as np
import supervision as sv

import clmot
from clmot.tracking.adapters import to_supervision


def main(source: str, *, out: str, line: str, model: str = "clmot-pedestrian") -> sv.LineZone:
    """Track a video, draw it, and count who crosses a line."""
    x1, y1, x2, y2 = map(int, line.split(","))
    counter = sv.LineZone(start=sv.Point(x1, y1), end=sv.Point(x2, y2))
    boxes, trails, numbers = sv.BoxAnnotator(), sv.TraceAnnotator(), sv.LineZoneAnnotator()
    network = clmot.load_model(model)
    tracker = network.tracker(sv.VideoInfo.from_video_path(source).fps)

    def draw(frame: np.ndarray, _: int) -> np.ndarray:
        image = frame[..., ::-1]  # supervision and OpenCV have blue first
        tracked = to_supervision(tracker.update(network.detect(image), image))
        counter.trigger(tracked)
        return numbers.annotate(trails.annotate(boxes.annotate(frame.copy(), tracked), tracked), counter)

    sv.process_video(source, out, draw)
    print(f"in {counter.in_count}, out {counter.out_count}")
    return counter


if __name__ == "__main__":
    cyclopts.run(main)
