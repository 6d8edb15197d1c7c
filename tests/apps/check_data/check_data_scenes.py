"""Small data sets without a fault, and what tests plant one with."""

import cv2
import numpy as np

WIDTH, HEIGHT = 160, 120


def picture(seed, size=(WIDTH, HEIGHT)):
    """A picture that no other seed's resembles."""
    small = np.random.default_rng(seed).integers(0, 256, (15, 20, 3), dtype=np.uint8)
    return cv2.resize(small, size, interpolation=cv2.INTER_CUBIC)


def mot_rows(frames=6, people=3):
    """People of 16 x 30 pixels who walk 2 pixels a frame, sorted by id; class and visibility are the last columns."""
    return [
        [frame, person, 5 + 40 * person + 2 * frame, 20 + 10 * person, 16, 30, 1, 1, 1]
        for person in range(1, people + 1)
        for frame in range(1, frames + 1)
    ]


def write_rows(folder, rows):
    text = "".join(",".join(map(str, row)) + "\n" for row in rows)
    (folder / "gt/gt.txt").write_text(text)


def coco_content(photos=3):
    """Photos with two people each."""
    images = [{"id": i, "file_name": f"{i}.png", "width": WIDTH, "height": HEIGHT} for i in range(1, photos + 1)]
    annotations = [
        {"id": 2 * i + k, "image_id": i, "category_id": 1, "bbox": [10 + 60 * k + i, 20, 30, 60]}
        for i in range(1, photos + 1)
        for k in (0, 1)
    ]
    return {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "person"}]}
