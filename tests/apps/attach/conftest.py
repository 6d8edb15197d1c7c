"""The scenes, settings and detector of the tests of detectors, and small detectors of the user's own."""

from pathlib import Path

import numpy as np

import clmot
from clmot.io.image import read_image
from clmot.structures import Detections
from tests.detectors.conftest import faster_rcnn, scenes, settings  # noqa: F401

NAME = "torchvision:fasterrcnn_mobilenet_v3_large_320_fpn"
SMALL = "detector.options={num_classes: 3, min_size: 96, max_size: 160}"
LABELS = "detector.labels=[person, car]"


def first_images(folder: Path, count: int = 2) -> list[np.ndarray]:
    return [read_image(path) for path in sorted((folder / "clips").rglob("*.jpg"))[:count]]


def same(first: Detections, second: Detections) -> None:
    for name in ("xyxy", "score", "class_id"):
        assert getattr(first, name).tobytes() == getattr(second, name).tobytes(), name


def find(image: np.ndarray) -> np.ndarray:
    """Two people who never move."""
    return np.array([[10, 20, 40, 90, 0.9, 0], [80, 10, 110, 85, 0.8, 0]])


def track_and_evaluate(folder: Path, model, out: Path, **options) -> dict[str, float]:
    results = clmot.track(folder / "clips", model, out, progress=False, **options)
    assert all(result.text_path and result.text_path.exists() and result.frames == 4 for result in results)
    return clmot.evaluate(out, folder / "clips").combined


class Percentages:
    """An object of the user's own whose scores are no chances."""

    classes = ("person",)

    def detect(self, images):
        boxes = find(None)[:, :4]
        return [Detections(xyxy=boxes, score=np.array([90, 80]), class_id=np.zeros(2)) for _ in images]
