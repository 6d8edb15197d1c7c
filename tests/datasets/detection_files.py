"""Files of detections with their images, and what is read of them."""

import csv
from pathlib import Path

from data_builders import encoded

from clmot.datasets.readers import FORMATS
from clmot.structures import Dataset

JPEG, PNG = encoded(50, 30), encoded(80, 40, ".png")


def video(folder: str, frames: int, first: int = 1) -> dict[str, str | bytes]:
    return {f"{folder}/{number:06}.jpg": JPEG for number in range(first, first + frames)}


def contents(dataset: Dataset) -> list[tuple[str, str, int, list[list[float]], list[float], list[str]]]:
    return [
        (
            sample.image.name,
            sample.sequence,
            sample.frame,
            sample.boxes.round(3).tolist(),
            sample.scores.astype(float).round(3).tolist(),
            [dataset.classes[i] for i in sample.classes],
        )
        for sample in dataset.samples
    ]


def format_of(path: Path) -> str:
    return next(each.name for each in FORMATS if each.matches(path))


def sink_row(left: float, **more: object) -> dict[str, object]:
    row = {"x_min": left, "y_min": 3.0, "x_max": left + 10, "y_max": 15.0}
    return {**row, "class_id": 0, "confidence": 0.9, "tracker_id": "", "class_name": "person", **more}


def write_csv(file: Path, rows: list[dict[str, object]]) -> None:
    with file.open("w", newline="", encoding="utf-8-sig") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
