"""KITTI tracking: street scenes from a car (Geiger et al. 2012).

``label_02/0000.txt`` has a row a box: frame (0-based), track id, type, truncated (0 to 2), occluded (0 to 3), alpha,
left, top, right, bottom (0-based pixels, cut at the image), and seven numbers about the object in space. Images are
``image_02/0000/000000.png``.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from clmot.data.readers.assembly import (
    ANY_CLASS,
    BoxRows,
    Frame,
    annotated_images,
    assemble,
    position_of,
    to_float32,
)
from clmot.data.readers.formats import Format
from clmot.data.readers.table import read_table
from clmot.errors import UserError
from clmot.io.image_size import read_image_size
from clmot.types import Dataset

_CLASSES = ("Car", "Van", "Truck", "Pedestrian", "Person", "Person_sitting", "Cyclist", "Tram", "Misc")
_TYPES = {name: i for i, name in enumerate(_CLASSES)} | {"DontCare": ANY_CLASS}
_COLUMNS = tuple(
    "frame track_id type truncated occluded alpha left top right bottom height width length x y z rotation_y".split()
)
_VISIBLE_SHARE = np.array([1.0, 0.75, 0.25, 1.0])
"""What remains at levels none, partly, largely (the middle of each level's range), unknown."""


def read_kitti(path: Path, *, min_visibility: float = 0.1) -> Dataset:
    """Read the labelled sequences of KITTI tracking, identities included.

    Every image of a labelled sequence is a sample. ``DontCare`` regions are `Sample.ignore`, and so are objects less
    visible than `min_visibility`: partly and largely occluded or truncated objects are taken for 3/4 and 1/4 visible,
    both for the product of the two. Classes have KITTI's names.

    Args:
        path: the folder with ``label_02`` and ``image_02``, or the one above (with ``training``).
        min_visibility: smallest visible share of an object to count.

    Raises:
        UserError: nothing there; labels are faulty (named by line); a labelled sequence has no images, or none of its
            rows has one.
    """
    root = _root(path)
    files = sorted((root / "label_02").glob("*.txt")) if root else []
    if root is None or not files:
        raise UserError(f"{path}: no label_02/0000.txt beside image_02/0000 there")
    frames: list[Frame] = []
    parts: list[BoxRows] = []
    for file in files:
        images = annotated_images(root / "image_02" / file.stem)
        values, line = read_table(file, _COLUMNS, whole=_COLUMNS[:5], words={"type": _TYPES})
        frame, identity, kind, truncated, occluded = values[:, :5].astype(np.int64).T
        for name, level, highest in (("truncated", truncated, 2), ("occluded", occluded, 3)):
            wrong = (level < -1) | (level > highest)
            if wrong.any():
                i = int(np.argmax(wrong))
                raise UserError(f"{file}:{line[i]}: {name} is {level[i]}, expected -1 to {highest}")
        place = position_of(frame, list(images))
        if len(frame) and (place < 0).all():
            raise UserError(
                f"{file}: frames {frame.min()} to {frame.max()}, but its images are {min(images)} to {max(images)}"
            )
        visible = _VISIBLE_SHARE[np.maximum(truncated, 0)] * _VISIBLE_SHARE[np.maximum(occluded, 0)]
        parts.append(
            BoxRows(
                frame=np.where(place >= 0, place + len(frames), -1),
                boxes=to_float32(values[:, 6:10]),
                classes=kind,
                ignore=(kind == ANY_CLASS) | (visible < min_visibility),
                identities=identity,
            )
        )
        width, height = read_image_size(next(iter(images.values())))
        frames += [Frame(image, width, height, file.stem, number + 1) for number, image in images.items()]
    return assemble(frames, BoxRows.join(parts), _CLASSES, Counter())


def _root(path: Path) -> Path | None:
    """The folder that holds labels and images."""
    for folder in (path, path / "training"):
        if (folder / "label_02").is_dir() and (folder / "image_02").is_dir():
            return folder
    return None


FORMAT = Format(
    name="kitti",
    title="KITTI tracking: street scenes from a car",
    tree="""[training/]label_02/0000.txt ...
[training/]image_02/0000/000000.png ...""",
    licence="CC BY-NC-SA 3.0",
    home="https://www.cvlibs.net/datasets/kitti/eval_tracking.php",
    matches=lambda path: path.is_dir() and _root(path) is not None,
    read=lambda path, min_visibility: read_kitti(path, min_visibility=min_visibility),
)
