"""The images that a file of detections is about, which it hardly ever says where to find."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path
from typing import Any

from msgspec import Struct

from clmot.datasets.readers.coco import dataset_of
from clmot.datasets.readers.coco_records import Annotation, CocoFile
from clmot.datasets.readers.detections_rows import first_detection
from clmot.datasets.readers.json_files import as_kind, load_json
from clmot.datasets.readers.places import IMAGE_FOLDERS, Absent, ImageFinder
from clmot.errors import UserError, plural
from clmot.io.folders import IMAGE_SUFFIXES, images_in
from clmot.io.mot_sequences import find_sequences, numbered_images
from clmot.io.text import head_of
from clmot.structures import Dataset

_log = logging.getLogger(__name__)


def find_video(file: Path) -> tuple[str, dict[int, Path]]:
    """The name of the sequence that a file's frame numbers are about, and its images by frame number, from 1.

    They are those of the MOTChallenge sequence that the file is in (``det/det.txt``) or that it is named after, else
    the images, with numbers at the end of their names, in a folder named after it, in ``images``, or beside it. The
    image with the lowest number is frame 1 if that number is 0.

    Raises:
        UserError: there are none.
    """
    parent, above = file.absolute().parent, file.absolute().parent.parent
    for folder in (parent / file.stem, parent, above / file.stem, above):
        if (folder / "img1").is_dir() or (folder / "seqinfo.ini").is_file():
            sequence = find_sequences(folder)[0]
            return sequence.name, dict(zip(sequence.frames, sequence.images, strict=True))
    inner, outer = ([root / file.stem, *(root / name for name in IMAGE_FOLDERS)] for root in (parent, above))
    folders = [inner[0], parent / "images" / file.stem, *inner[1:], *outer, parent]
    for folder in folders:
        if images_in(folder):
            numbered = numbered_images(folder, sorted(IMAGE_SUFFIXES))
            name = folder.parent.name if folder.name in IMAGE_FOLDERS else folder.name
            return name, {number + (0 in numbered): numbered[number] for number in sorted(numbered)}
    raise UserError(
        f"{file}: the frames that it is about are not there; looked in {', '.join(map(str, folders))}; extract those "
        f"of a video: ffmpeg -i VIDEO -q:v 2 {folders[0]}/%06d.jpg"
    )


def find_images(names: list[str | int], file: Path, skipped: Counter[str]) -> list[Path | None]:
    """The images that a file names, as `ImageFinder` finds them; None for those that are not there, which are counted.

    Raises:
        UserError: none of them is there.
    """
    finder, absent = ImageFinder(file), Absent()
    images = [finder(str(name)) for name in names]
    for name, image in zip(names, images, strict=True):
        if image is None:
            absent.add(name, file, finder.places)
    absent.settle(len(list(filter(None, images))), skipped)
    return images


def ordered_images(file: Path) -> list[Path]:
    """The images whose order a file's lists follow: all of a folder, as many as there are lists.

    Raises:
        UserError: no folder has as many.
    """
    count, places = len(load_json(file)), ImageFinder(file).places
    for place in places:
        images = images_in(place)
        if len(images) == count:
            return images
    raise UserError(
        f"{file}: holds the detections of {plural(count, 'image')} and does not name them; no folder has as "
        f"many; looked in {', '.join(map(str, places))}"
    )


class _Listing(Struct):
    """What a COCO file lists, if it is one."""

    images: Any = None
    categories: Any = None
    videos: Any = []


def with_image_list(file: Path) -> Dataset | None:
    """COCO results with the COCO file that lists their images, which also names videos and categories; None without.

    Raises:
        UserError: a file beside it is no JSON; where there is such a list, a row or an image of it is faulty (named).
    """
    folders = (file.parent, file.parent / "annotations", file.absolute().parent.parent / "annotations")
    candidates = [
        candidate
        for folder in folders
        for candidate in sorted(folder.glob("*.json"))
        if candidate.resolve() != file.resolve() and head_of(candidate, 1024).startswith("{")
    ]
    head = head_of(file)
    are_coco_results = head.startswith("[") and {"bbox", "category_id"} <= (first_detection(head) or {}).keys()
    if not candidates or not are_coco_results:
        return None
    rows: list[Annotation] = load_json(file, list[Annotation])
    wanted = {each.image_id for each in rows}
    for candidate in candidates:
        content: _Listing = load_json(candidate, _Listing)
        if not isinstance(content.images, list) or content.categories is None:
            continue
        records = [image for image in content.images if isinstance(image, dict)]
        listed = [image for image in records if isinstance(image.get("id"), int | str) and image["id"] in wanted]
        if len(listed) == len(wanted):
            _log.info("%s: images and categories are those of %s", file, candidate)
            known = {"images": listed, "annotations": [], "categories": content.categories, "videos": content.videos}
            return dataset_of(as_kind(known, CocoFile, candidate, "$"), candidate, (file, rows))
    return None
