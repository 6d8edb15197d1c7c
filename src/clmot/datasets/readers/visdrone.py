"""VisDrone-MOT, -VID and -DET: streets seen from drones (Zhu et al. 2018, arXiv:1804.07437).

``annotations/<sequence>.txt`` has a row a box: frame (1-based), id, left, top, width, height (0-based pixels), score
(0: does not count), category, truncation and occlusion. Images are ``sequences/<sequence>/0000001.jpg``. Of single
images, ``annotations/<image>.txt`` has such rows without frame and id; the image is ``images/<image>.jpg``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from clmot import boxes as box
from clmot.datasets.readers.assembly import ANY_CLASS, Frame
from clmot.datasets.readers.collector import Collector, sequence_name
from clmot.datasets.readers.formats import Format
from clmot.errors import UserError
from clmot.io.folders import images_in
from clmot.io.image_size import read_image_size
from clmot.io.mot_sequences import numbered_images
from clmot.io.number_table import read_numbers
from clmot.io.text import head_of
from clmot.structures import Dataset

_CLASSES = (
    *("pedestrian", "people", "bicycle", "car", "van", "truck"),
    *("tricycle", "awning-tricycle", "bus", "motor"),
)
"""Categories 1 to 10; 0 are regions to ignore, 11 is anything else that moves."""
_COLUMNS = tuple("frame id left top width height score category truncation occlusion".split())
_VISIBLE_SHARE = np.array([1.0, 0.75, 0.25])
"""What remains of an object occluded not at all, by 1 to 50 % and by 50 to 100 %: the middle of each range."""


def read_visdrone(path: Path, *, min_visibility: float = 0.1) -> Dataset:
    """Read the annotated sequences of a VisDrone-MOT split, identities included, or the images of VisDrone-DET.

    Every image of an annotated sequence is a sample. `Sample.ignore` are ignored regions (category 0), ``others``
    (category 11, which the benchmark does not score), rows with score 0, and objects less visible than
    `min_visibility`, occlusion levels 1 and 2 being taken for 3/4 and 1/4 visible. What has no images on disk is left
    out and counted.

    Args:
        path: the folder with ``annotations`` and ``sequences`` (or ``images``).
        min_visibility: smallest visible share of an object to count.

    Raises:
        UserError: nothing there; annotations are faulty (named by line); nothing annotated has an image.
    """
    files = sorted((path / "annotations").glob("*.txt"))
    if not files:
        raise UserError(f"{path}: no annotations/<sequence>.txt beside sequences/<sequence> there")
    of_images = not (path / "sequences").is_dir()
    columns = _COLUMNS[2:] if of_images else _COLUMNS
    image_of = {image.stem: image for image in images_in(path / "images")} if of_images else {}
    collector = Collector(_CLASSES, unit="image" if of_images else "sequence")
    for file in files:
        table = read_numbers(file, columns)
        values, category = table.values, table.whole("category", 0, len(_CLASSES) + 1)
        occlusion = table.whole("occlusion", -1, len(_VISIBLE_SHARE) - 1)
        is_object = (category > 0) & (category <= len(_CLASSES))
        hidden = _VISIBLE_SHARE[np.maximum(occlusion, 0)] < min_visibility
        with np.errstate(over="ignore", invalid="ignore"):
            boxes = box.ltwh_to_xyxy(values[:, -8:-4])
        classes = np.where(is_object, category - 1, ANY_CLASS)
        ignore = ~is_object | hidden | (values[:, -4] == 0)
        if not of_images:
            images = numbered_images(path / "sequences" / file.stem)
            collector.add_sequence(
                file.stem,
                images,
                table.whole("frame"),
                boxes,
                classes,
                file=file,
                first=min(1, *images) if images else 1,
                ignore=ignore,
                identities=np.where(is_object, table.whole("id"), -1),
            )
        elif image := image_of.get(file.stem):
            place = Frame(image, *read_image_size(image), sequence_name(image.with_suffix(""), path), 1)
            collector.add_image(place, boxes, classes, ignore=ignore)
        else:
            collector.absent.add(file.stem, file, [path / "images"])
    return collector.dataset()


def _matches(path: Path) -> bool:
    files = path.glob("annotations/*.txt")
    if (path / "sequences").is_dir():
        return any(files)
    first = next(files, None) if (path / "images").is_dir() else None
    return first is not None and len(head_of(first).split("\n")[0].replace(",", " ").split()) == len(_COLUMNS) - 2


FORMAT = Format(
    name="visdrone",
    title="VisDrone-MOT, -VID and -DET: streets seen from drones",
    tree="""annotations/<sequence>.txt
sequences/<sequence>/0000001.jpg ..., or images/<image>.jpg and annotations/<image>.txt of single images""",
    licence="see the home page (academic use)",
    home="https://github.com/VisDrone/VisDrone-Dataset",
    matches=_matches,
    read=lambda path, min_visibility: read_visdrone(path, min_visibility=min_visibility),
)
