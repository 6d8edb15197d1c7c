"""KITTI tracking and object detection: street scenes from a car (Geiger et al. 2012).

A row of ``label_02/0000.txt`` is a box: frame (0-based), track id, type, truncated (0 to 2), occluded (0 to 3), alpha,
left, top, right, bottom (0-based pixels, cut at the image), and seven numbers about the object in space. Images are
``image_02/0000/000000.png``. Of single images, ``label_2/000000.txt`` has such rows without frame and id, and
``truncated`` is a share; the image is ``image_2/000000.png``. Results have a score last.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from clmot.datasets.readers.assembly import ANY_CLASS, Frame
from clmot.datasets.readers.collector import Collector, sequence_name
from clmot.datasets.readers.formats import Format
from clmot.errors import UserError
from clmot.io.folders import images_in
from clmot.io.image_size import read_image_size
from clmot.io.kitti import COLUMNS, TYPES
from clmot.io.mot_sequences import numbered_images
from clmot.io.number_table import NumberTable, read_numbers
from clmot.structures import Dataset, Float32Array

_TYPES = {name: i for i, name in enumerate(TYPES)} | {"DontCare": ANY_CLASS}
_VISIBLE_SHARE = np.array([1.0, 0.75, 0.25, 1.0])
"""What remains at levels none, partly, largely (the middle of each level's range), unknown."""


def read_kitti(path: Path, *, min_visibility: float = 0.1) -> Dataset:
    """Read the labelled sequences of KITTI tracking, identities included, or the labelled images of KITTI object.

    Every image of a labelled sequence is a sample. ``DontCare`` regions are `Sample.ignore`, and so are objects less
    visible than `min_visibility`: partly and largely occluded or truncated objects are taken for 3/4 and 1/4 visible,
    both for the product of the two. Classes have KITTI's names. What has no images on disk is left out and counted.

    Args:
        path: the folder with ``label_02`` and ``image_02`` (or ``label_2`` and ``image_2``), or the one above (with
            ``training``).
        min_visibility: smallest visible share of an object to count.

    Raises:
        UserError: nothing there; labels are faulty (named by line); nothing labelled has an image.
    """
    root, labels = _labels(path)
    files = sorted(labels.glob("*.txt"))
    if not files:
        raise UserError(f"{path}: no label_02/0000.txt beside image_02/0000, nor label_2 beside image_2")
    if labels.name == "label_2":
        return _read_objects(root, files, min_visibility)
    collector = Collector(TYPES, unit="sequence")
    for file in files:
        table = read_rows(file, COLUMNS)
        values, kind = table.values, table.whole("type")
        truncated, occluded = table.whole("truncated", -1, 2), table.whole("occluded", -1, 3)
        visible = _VISIBLE_SHARE[np.maximum(truncated, 0)] * _VISIBLE_SHARE[np.maximum(occluded, 0)]
        collector.add_sequence(
            file.stem,
            numbered_images(root / "image_02" / file.stem),
            table.whole("frame"),
            values[:, 6:10],
            kind,
            file=file,
            first=0,
            ignore=(kind == ANY_CLASS) | (visible < min_visibility),
            identities=table.whole("track_id"),
            scores=scores_of(table),
        )
    return collector.dataset()


def _read_objects(root: Path, files: list[Path], min_visibility: float) -> Dataset:
    """Single images with their objects."""
    image_of = {image.stem: image for image in images_in(root / "image_2")}
    collector = Collector(TYPES)
    for file in files:
        if file.stem not in image_of:
            collector.absent.add(file.stem, file, [root / "image_2"])
            continue
        table = read_rows(file, COLUMNS[2:])
        values, kind, occluded = table.values, table.whole("type"), table.whole("occluded", -1, 3)
        visible = (1 - values[:, 1].clip(0, 1)) * _VISIBLE_SHARE[np.maximum(occluded, 0)]
        image = image_of[file.stem]
        frame = Frame(image, *read_image_size(image), sequence_name(file.with_suffix(""), root), 1)
        ignore = (kind == ANY_CLASS) | (visible < min_visibility)
        collector.add_image(frame, values[:, 4:8], kind, ignore=ignore, scores=scores_of(table))
    return collector.dataset()


def read_rows(file: Path, columns: Sequence[str]) -> NumberTable:
    """Rows of labels, or of results, which have a score behind the columns."""
    return read_numbers(file, columns, most=len(columns) + 1, words={"type": _TYPES})


def scores_of(table: NumberTable) -> Float32Array | None:
    """The scores, float32 [n]; None where there are none."""
    count = len(table.columns)
    return table.values[:, count].astype(np.float32) if table.values.shape[1] > count else None


def _labels(path: Path) -> tuple[Path, Path]:
    """The folder that holds labels and images, and that of the labels; the latter does not exist where neither does."""
    for folder in (path, path / "training"):
        for labels, images in (("label_02", "image_02"), ("label_2", "image_2")):
            if (folder / labels).is_dir() and (folder / images).is_dir():
                return folder, folder / labels
    return path, path / "label_02"


FORMAT = Format(
    name="kitti",
    title="KITTI tracking and KITTI object: street scenes from a car",
    tree="""[training/]label_02/0000.txt ... and [training/]image_02/0000/000000.png ..., or
[training/]label_2/000000.txt ... and [training/]image_2/000000.png ...""",
    licence="CC BY-NC-SA 3.0",
    home="https://www.cvlibs.net/datasets/kitti/eval_tracking.php",
    matches=lambda path: path.is_dir() and _labels(path)[1].is_dir(),
    read=lambda path, min_visibility: read_kitti(path, min_visibility=min_visibility),
)
