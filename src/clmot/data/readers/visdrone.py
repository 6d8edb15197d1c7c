"""VisDrone-MOT and VisDrone-VID: streets seen from drones (Zhu et al. 2018, arXiv:1804.07437).

``annotations/<sequence>.txt`` has a row a box: frame (1-based), id, left, top, width, height (0-based pixels), score
(0: does not count), category, truncation and occlusion. Images are ``sequences/<sequence>/0000001.jpg``.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from clmot import boxes as box
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

_CLASSES = (
    *("pedestrian", "people", "bicycle", "car", "van", "truck"),
    *("tricycle", "awning-tricycle", "bus", "motor"),
)
"""Categories 1 to 10; 0 are regions to ignore, 11 is anything else that moves."""
_COLUMNS = tuple("frame id left top width height score category truncation occlusion".split())
_VISIBLE_SHARE = np.array([1.0, 0.75, 0.25])
"""What remains of an object occluded not at all, by 1 to 50 % and by 50 to 100 %: the middle of each range."""


def read_visdrone(path: Path, *, min_visibility: float = 0.1) -> Dataset:
    """Read the annotated sequences of a VisDrone-MOT split, identities included.

    Every image of an annotated sequence is a sample. `Sample.ignore` are ignored regions (category 0), ``others``
    (category 11, which the benchmark does not score), rows with score 0, and objects less visible than
    `min_visibility`, occlusion levels 1 and 2 being taken for 3/4 and 1/4 visible.

    Args:
        path: the folder with ``annotations`` and ``sequences``.
        min_visibility: smallest visible share of an object to count.

    Raises:
        UserError: nothing there; annotations are faulty (named by line); a sequence has no images, or none of its rows
            has one.
    """
    files = sorted((path / "annotations").glob("*.txt"))
    if not files:
        raise UserError(f"{path}: no annotations/<sequence>.txt beside sequences/<sequence> there")
    frames: list[Frame] = []
    parts: list[BoxRows] = []
    for file in files:
        images = annotated_images(path / "sequences" / file.stem)
        values, line = read_table(file, _COLUMNS, whole=("frame", "id", "category", "truncation", "occlusion"))
        frame, identity, category, occlusion = values[:, [0, 1, 7, 9]].astype(np.int64).T
        for name, level, lowest, highest in (
            ("category", category, 0, len(_CLASSES) + 1),
            ("occlusion", occlusion, -1, len(_VISIBLE_SHARE) - 1),
        ):
            wrong = (level < lowest) | (level > highest)
            if wrong.any():
                i = int(np.argmax(wrong))
                raise UserError(f"{file}:{line[i]}: {name} is {level[i]}, expected {lowest} to {highest}")
        place = position_of(frame, list(images))
        if len(frame) and (place < 0).all():
            raise UserError(
                f"{file}: frames {frame.min()} to {frame.max()}, but its images are {min(images)} to {max(images)}"
            )
        is_object = (category > 0) & (category <= len(_CLASSES))
        hidden = _VISIBLE_SHARE[np.maximum(occlusion, 0)] < min_visibility
        with np.errstate(over="ignore", invalid="ignore"):
            boxes = to_float32(box.ltwh_to_xyxy(values[:, 2:6]))
        parts.append(
            BoxRows(
                frame=np.where(place >= 0, place + len(frames), -1),
                boxes=boxes,
                classes=np.where(is_object, category - 1, ANY_CLASS),
                ignore=~is_object | hidden | (values[:, 6] == 0),
                identities=np.where(is_object, identity, -1),
            )
        )
        width, height = read_image_size(next(iter(images.values())))
        first = min(1, min(images))
        frames += [Frame(image, width, height, file.stem, number - first + 1) for number, image in images.items()]
    return assemble(frames, BoxRows.join(parts), _CLASSES, Counter())


def _matches(path: Path) -> bool:
    return (path / "sequences").is_dir() and any((path / "annotations").glob("*.txt"))


FORMAT = Format(
    name="visdrone",
    title="VisDrone-MOT and -VID: streets seen from drones",
    tree="""annotations/<sequence>.txt
sequences/<sequence>/0000001.jpg ...""",
    licence="see the home page (academic use)",
    home="https://github.com/VisDrone/VisDrone-Dataset",
    matches=_matches,
    read=lambda path, min_visibility: read_visdrone(path, min_visibility=min_visibility),
)
