"""Samples, and files of data sets by name and content."""

import dataclasses
from pathlib import Path

import cv2
import numpy as np

from clmot.structures import Batch, Sample

TINY_NETWORK = [
    "model.encoder=resnet10t",
    "model.encoder_options={channels: [8, 8, 16, 16]}",
    "model.pretrained=none",
    "model.width=8",
    "model.stripes=2",
]
"""Overrides for a one-shot network of a few channels."""


def sample_of(rows, *, image="none.png", size=(200, 100), sequence="s", frame=1, **columns):
    """A sample of boxes [n, 4]: of class 0, not ignored, of unknown identity and score 1, if `columns` say no other."""
    boxes = np.array(rows, np.float32).reshape(-1, 4)
    n = len(boxes)
    kinds = {
        "classes": (0, np.int64),
        "ignore": (False, np.bool_),
        "identities": (-1, np.int64),
        "scores": (1, np.float32),
    }
    return Sample(
        image=Path(image),
        width=int(size[0]),
        height=int(size[1]),
        sequence=sequence,
        frame=frame,
        boxes=boxes,
        **{
            name: np.array(columns.get(name, [default] * n), kind).reshape(n) for name, (default, kind) in kinds.items()
        },
    )


def views_of(batch: Batch, views: slice) -> Batch:
    """Some of the views of a batch, with their boxes."""
    index = batch.image_index.new_full((len(batch.images),), -1)
    index[views] = index.new_ones(len(index[views])).cumsum(0) - 1
    image_index = index[batch.image_index]
    kept = dataclasses.replace(batch, images=batch.images[views], image_index=image_index)
    return kept.take(image_index >= 0)


def encoded(width: int, height: int, suffix: str = ".jpg") -> bytes:
    """A black image file."""
    return cv2.imencode(suffix, np.zeros((height, width, 3), np.uint8))[1].tobytes()


def assert_same_samples(first, second, columns=("boxes", "classes", "ignore", "identities"), files=True):
    """The same images (their files too, unless they are copies) with the same boxes, in the same order."""
    assert len(first) == len(second)
    for a, b in zip(first, second, strict=True):
        assert (a.width, a.height, a.sequence, a.frame) == (b.width, b.height, b.sequence, b.frame)
        assert a.image == b.image or not files
        for name in columns:
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def file_contents(folder: Path) -> dict[str, bytes]:
    """The files below a folder, by name."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def put(root: Path, files: dict[str, str | bytes]) -> Path:
    """Writes files by name below a folder, which is given back."""
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return root
