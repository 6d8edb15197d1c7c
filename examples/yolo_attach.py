"""An embedding for a YOLO of ultralytics: learned from boxes without identities, on the YOLO's own features.

python examples/yolo_attach.py boxes.json street.mp4 --out runs/yolo --weights yolo11n.pt

The YOLO stays as it is: its boxes and scores are the same to the bit. Tested with ultralytics 8.4.190, whose licence is
AGPL-3.0.
"""

from pathlib import Path

import cyclopts

import clmot


def main(data: str, video: str, *, out: Path, weights: str = "yolo11n.pt", steps: int = 300) -> None:
    """Learn the embedding, then track a video with it."""
    config = clmot.load_config(overrides=[f"train.steps={steps}"])
    run = clmot.attach(f"ultralytics:{weights}", data, out, config)
    (result,) = clmot.track(video, run, out / "tracks")
    print(f"{result.tracks} tracks in {result.frames} frames: {out / 'tracks'}")


if __name__ == "__main__":
    cyclopts.run(main)
