"""The images that a file of detections is about, which it hardly ever says where to find."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec import Struct

from clmot.data.readers.coco import dataset_of, image_places
from clmot.data.readers.coco_records import Annotation, CocoFile
from clmot.data.readers.detections_rows import first_detection
from clmot.data.readers.json_files import as_kind, load_json
from clmot.errors import UserError
from clmot.io.image import IMAGE_SUFFIXES
from clmot.io.sequences import find_sequences, numbered_images
from clmot.io.sources import natural_order
from clmot.io.text import head_of
from clmot.types import Dataset

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Video:
    """The frames of one video.

    Attributes:
        name: of the sequence.
        images: by frame number, 1-based, ascending.
    """

    name: str
    images: dict[int, Path]


def find_video(file: Path) -> Video:
    """The frames that a file's frame numbers are about.

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
            return Video(name=sequence.name, images=dict(zip(sequence.frames, sequence.images, strict=True)))
    folders = [
        parent / file.stem,
        parent / "images" / file.stem,
        parent / "images",
        above / file.stem,
        above / "images",
        parent,
    ]
    for folder in folders:
        images = _images_in(folder)
        if images:
            numbered = numbered_images(folder, sorted(IMAGE_SUFFIXES))
            from_zero = 0 in numbered
            name = folder.parent.name if folder.name == "images" else folder.name
            return Video(name=name, images={number + from_zero: numbered[number] for number in sorted(numbered)})
    raise UserError(
        f"{file}: the frames that it is about are not there; looked in {', '.join(map(str, folders))}; extract those "
        f"of a video: ffmpeg -i VIDEO -q:v 2 {folders[0]}/%06d.jpg"
    )


def find_images(names: list[str | int], file: Path) -> dict[str | int, Path]:
    """The images that a file names, by path, file name, file name without suffix, or the number that this is.

    They are looked for beside the file, in ``images`` (and its folders) or a folder of the file's name beside it, and
    in the same places one folder up.

    Args:
        names: each image once.
        file: that names them.

    Raises:
        UserError: some are not there.
    """
    places = image_places(file.absolute())
    folders = [*places, *(folder for place in places if place.name == "images" for folder in _folders_in(place))]
    by_name: dict[str | int, Path] = {}
    for folder in folders:
        for image in _images_in(folder):
            keys: list[str | int] = [image.name, image.stem]
            if image.stem.isdecimal():
                keys.append(int(image.stem))
            for key in keys:
                by_name.setdefault(key, image)
    found: dict[str | int, Path] = {}
    missing = []
    for name in names:
        base = str(name).replace("\\", "/").rsplit("/", 1)[-1]
        keys = [name, base, base.rsplit(".", 1)[0], *([int(base)] if base.isdecimal() else [])]
        path = _by_path(str(name), places) or next((by_name[key] for key in keys if key in by_name), None)
        if path:
            found[name] = path
        else:
            missing.append(name)
    if missing:
        raise UserError(
            f"{file}: {len(missing)} of the {len(names)} images that it names are not there; the first: {missing[0]}; "
            f"looked in {', '.join(map(str, places))}"
        )
    return found


def ordered_images(count: int, file: Path) -> list[Path]:
    """The images whose order a file's lists follow: all of a folder, as many as there are lists.

    Raises:
        UserError: no folder has as many.
    """
    places = image_places(file.absolute())
    for place in places:
        images = _images_in(place)
        if len(images) == count:
            return images
    raise UserError(
        f"{file}: holds the detections of {count} images and does not name them; no folder has as many; looked in "
        f"{', '.join(map(str, places))}"
    )


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
    if not candidates or not _are_coco_results(file):
        return None
    rows: list[Annotation] = load_json(file, list[Annotation])
    wanted = {each.image_id for each in rows}
    for candidate in candidates:
        content: _Listing = load_json(candidate, _Listing)
        if not isinstance(content.images, list) or content.categories is None:
            continue
        listed = [image for image in content.images if isinstance(image, dict) and _in(image.get("id"), wanted)]
        if len(listed) == len(wanted):
            _log.info("%s: images and categories are those of %s", file, candidate)
            known = {"images": listed, "annotations": [], "categories": content.categories, "videos": content.videos}
            return dataset_of(as_kind(known, CocoFile, candidate, "$"), candidate, (file, rows))
    return None


class _Listing(Struct):
    """What a COCO file lists, if it is one."""

    images: Any = None
    categories: Any = None
    videos: Any = []


def _are_coco_results(file: Path) -> bool:
    """Whether a JSON file is a list that begins with a detection of a category in an image."""
    head = head_of(file)
    return head.startswith("[") and {"bbox", "category_id"} <= (first_detection(head) or {}).keys()


def _in(key: object, ids: Collection[int | str]) -> bool:
    return isinstance(key, int | str) and key in ids


def _images_in(folder: Path) -> list[Path]:
    """The images of a folder in natural order."""
    if not folder.is_dir():
        return []
    return sorted(
        (path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")),
        key=natural_order,
    )


def _folders_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def _by_path(name: str, places: list[Path]) -> Path | None:
    """The image at a path, absolute or from one of the places."""
    if "." not in name:
        return None
    for place in places:
        # an absolute path stays what it is
        path = place / name.replace("\\", "/")
        if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file():
            return path
    return None
