"""Detections of real detectors on the real sequences, for `benchmarks/tracking.py --detections`.

    python benchmarks/detections.py FOLDER [LIBRARY:NAME ...]

Writes FOLDER/DETECTOR/SEQUENCE.txt for every sequence in $CLMOT_DATA/mot and every detector (`clmot attach --help`), of
people with a score of at least 0.05; what is there already stays. Without names, the detectors are those in
$CLMOT_DATA/weights: YOLOX-nano, of COCO, and an SSD of OpenVINO for streets. FOLDER lies outside the repository.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from clmot.apps.track.write_detections import write_detections
from clmot.config import Config
from clmot.inference.attached import load_detector

DETECTORS = ("onnx:weights/yolox_nano.onnx", "openvino:weights/openvino/pedestrian-detection-adas-0002.xml")
LEAST_SCORE = 0.05


def main() -> None:
    """Write what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("detectors", nargs="*")
    options = parser.parse_args()
    data = Path(os.environ["CLMOT_DATA"])
    for name in options.detectors or [each.replace(":", f":{data}/", 1) for each in DETECTORS]:
        out = options.folder / Path(name.partition(":")[2]).stem
        missing = [each for each in sorted((data / "mot").iterdir()) if not (out / f"{each.name}.txt").is_file()]
        described = {"name": name, "classes": ["person"]}
        config = Config().updated({"detector": described, "detect": {"score_threshold": LEAST_SCORE}}, "benchmark")
        model = load_detector(config) if missing else None
        for sequence in missing:
            for file, count in write_detections(sequence, model, out).items():
                print(f"{file}: {count} boxes")


if __name__ == "__main__":
    main()
