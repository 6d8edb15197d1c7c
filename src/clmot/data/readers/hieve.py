"""HiEve, human in events: crowds in unusual situations (Lin et al. 2020, arXiv:2005.04490).

``labels/track1/1.txt`` has a row a box: frame (0-based), id, left, top, width, height (0-based pixels), a flag (0: does
not count), -1, -1, -1. The data set comes as ``videos/1.mp4``; this reads frames extracted from them.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from clmot import boxes as box
from clmot.data.readers.assembly import BoxRows, Frame, annotated_images, assemble, position_of, to_float32
from clmot.data.readers.formats import Format
from clmot.data.readers.table import read_table
from clmot.errors import UserError
from clmot.io.image_size import read_image_size
from clmot.types import Dataset

_COLUMNS = tuple("frame id left top width height flag x y z".split())
_VIDEO_SUFFIXES = (".mp4", ".mov")


def read_hieve(path: Path) -> Dataset:
    """Read the labelled videos, identities included.

    Every extracted frame is a sample; rows with flag 0 are `Sample.ignore`. The first image of a video is its frame 0,
    whether it is numbered 0 or, as ffmpeg does by default, 1.

    Args:
        path: the folder with ``labels`` and ``videos``. The frames of ``videos/1.mp4`` are looked for in ``images/1``
            and ``videos/1``.

    Raises:
        UserError: nothing there; labels are faulty (named by line); the frames of a video are not extracted or are
            not numbered from 0 or 1.
    """
    files = _label_files(path)
    if not files:
        raise UserError(f"{path}: no labels/track1/<video>.txt there")
    frames: list[Frame] = []
    parts: list[BoxRows] = []
    for file in files:
        folder = next(
            (path / top / file.stem for top in ("images", "videos") if (path / top / file.stem).is_dir()), None
        )
        if folder is None:
            raise UserError(
                f"{file}: no frames of the video; extract them: "
                f"ffmpeg -i {path / 'videos' / file.stem}.mp4 -q:v 2 {path / 'images' / file.stem}/%06d.jpg"
            )
        images = annotated_images(folder)
        first = min(images)
        if first > 1:
            raise UserError(f"{folder}: the first image is number {first}, expected 0 or 1; extract all frames")
        values, _ = read_table(file, _COLUMNS, whole=("frame", "id"))
        place = position_of(values[:, 0].astype(np.int64) + first, list(images))
        n = len(values)
        with np.errstate(over="ignore", invalid="ignore"):
            boxes = to_float32(box.ltwh_to_xyxy(values[:, 2:6]))
        parts.append(
            BoxRows(
                frame=np.where(place >= 0, place + len(frames), -1),
                boxes=boxes,
                classes=np.zeros(n, np.int64),
                ignore=values[:, 6] == 0,
                identities=values[:, 1].astype(np.int64),
            )
        )
        width, height = read_image_size(images[first])
        frames += [Frame(image, width, height, file.stem, number - first + 1) for number, image in images.items()]
    return assemble(frames, BoxRows.join(parts), ("person",), Counter())


def _label_files(path: Path) -> list[Path]:
    return sorted((path / "labels" / "track1").glob("*.txt")) or sorted((path / "labels").glob("*.txt"))


def _matches(path: Path) -> bool:
    """Labels named like the videos, or the track's own folder of labels."""
    if (path / "labels" / "track1").is_dir():
        return True
    files, videos = _label_files(path), path / "videos"
    return bool(files) and any((videos / (files[0].stem + suffix)).is_file() for suffix in _VIDEO_SUFFIXES)


FORMAT = Format(
    name="hieve",
    title="HiEve, human in events: crowds in unusual situations",
    tree="""labels/track1/1.txt ..., or labels/1.txt ...
images/1/000001.jpg ... (extracted from videos/1.mp4 ...)""",
    licence="see the home page (research only)",
    home="http://humaninevents.org",
    matches=_matches,
    read=lambda path, min_visibility: read_hieve(path),
)
