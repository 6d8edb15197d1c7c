"""COCO JSON annotations, also with videos and identities as MMTracking and TAO write them.

Read are ``images`` (``id``, ``file_name``, ``width``, ``height``; optional ``video_id`` and ``frame_id``),
``annotations`` (``image_id``, ``category_id``, ``bbox`` as left, top, width, height in 0-based pixels; optional
``iscrowd`` or ``ignore``, ``track_id`` or ``instance_id``, and ``score``, if a detector found the boxes),
``categories`` (``id``, ``name``) and optional ``videos`` (``id``, ``name``).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from clmot import boxes as box
from clmot.datasets.readers.assembly import Frame
from clmot.datasets.readers.coco_records import EXPECTED, Annotation, Category, CocoFile, Id, Image, Video, same_ids
from clmot.datasets.readers.collector import Collector
from clmot.datasets.readers.formats import Format
from clmot.datasets.readers.json_files import load_json
from clmot.datasets.readers.places import ImageFinder, annotation_files, split_names
from clmot.errors import UserError
from clmot.io.image_size import read_image_size
from clmot.structures import Dataset, Int64Array


def annotation_file(path: Path) -> tuple[Path, str]:
    """The COCO file at a path or in a folder, and what `Dataset.notes` says of it.

    Of several files that are named after splits (``instances_train2017.json``), the one of the training split is taken.

    Raises:
        UserError: there is none, or there are several others.
    """
    files = [path] if path.is_file() else annotation_files(path, ".json")
    if not files:
        raise UserError(f"{path}: no JSON file in it or in annotations/; expected {EXPECTED}")
    split_of = {file: split for file in files for split in split_names(re.split("[^a-z]+", file.stem.lower()))}
    train = [file for file, split in split_of.items() if split == "train"]
    if len(files) == 1 or (len(train) == 1 and len(split_of) == len(files)):
        others = [file.name for file in files if file not in train]
        return (files[0], "") if len(files) == 1 else (train[0], f"{train[0].name} ({', '.join(others)} not read)")
    raise UserError(f"{path}: {len(files)} JSON files ({', '.join(file.name for file in files)}); name one of them")


def read_coco(path: Path) -> Dataset:
    """Read a COCO annotation file, identities included.

    Which images share a sequence: those of one video, where the file has videos. Without videos every image is a
    sequence of its own (``file stem/image id``), because the photos of a detection set show unrelated scenes and may
    serve as each other's negatives; if its annotations carry identities, all images form one sequence.

    Images are looked for as `ImageFinder` does, also in a folder named after the file (``instances_train2017.json``:
    ``train2017/``); those that are not there are left out and counted. A size that is not given is the image's.

    Classes are the categories that have a box, by category id. Crowds are `Sample.ignore`. Ids may be
    numbers or texts: ``3`` stands for ``"3"`` where there is no such text. Identities may also be
    ``attributes.track_id``, as CVAT and Datumaro write them.

    Raises:
        UserError: not a COCO file, a key missing or of the wrong type (named as ``$.annotations[12].bbox``), no image
            on disk.
    """
    return dataset_of(load_json(path, CocoFile, EXPECTED), path)


def dataset_of(content: CocoFile, path: Path, results: tuple[Path, list[Annotation]] | None = None) -> Dataset:
    """The data set of a COCO file's content.

    Args:
        content: what the file holds.
        path: what messages name and where images are looked for.
        results: another file and its annotations, which count instead of those in `content`.

    Raises:
        UserError: as `read_coco`, except that the file is not read.
    """
    images = _images(content.images, path)
    categories = {each.id: each.name for each in sorted(content.categories, key=_id_order)}
    file, annotations = results or (path, content.annotations)
    where = f"{file}: $" if results else f"{path}: $.annotations"
    category = positions([each.category_id for each in annotations], categories)
    if category.min(initial=0) < 0:
        i = int(np.argmin(category))
        raise UserError(f"{where}[{i}].category_id is {annotations[i].category_id!r}, which is not in categories")
    identities = np.array([identity_of(each, where, i) for i, each in enumerate(annotations)], np.int64)
    collector, finder = Collector(), ImageFinder(path)
    class_map = np.array([collector.class_id(name) for name in categories.values()], np.int64)
    places = sequences_and_frames(content.videos, images, path, bool((identities >= 0).any()))
    frames: list[Frame] = []
    position = np.full(len(images), -1)
    for i, (key, image) in enumerate(images.items()):
        found = finder(image.file_name)
        if found is None:
            collector.absent.add(image.file_name, path, finder.places)
            continue
        width, height = image.width, image.height
        if width is None or height is None:
            width, height = read_image_size(found)
        position[i] = len(frames)
        frames.append(Frame(found, width, height, *places[key]))
    listed = positions([each.image_id for each in annotations], images)
    collector.skipped["image not listed"] += int((listed < 0).sum())
    place = np.where(listed >= 0, position[listed], -1)
    there = place >= 0
    ltwh = np.array([each.bbox for each in annotations], np.float64).reshape(-1, 4)  # null becomes NaN
    with np.errstate(over="ignore", invalid="ignore"):
        boxes = box.ltwh_to_xyxy(ltwh[there])
    collector.add_frames(
        frames,
        place[there],
        boxes,
        class_map[category[there]],
        ignore=np.array([bool(each.iscrowd or each.ignore) for each in annotations], np.bool_)[there],
        identities=identities[there],
        scores=np.array([each.score for each in annotations], np.float64).astype(np.float32)[there],
    )
    return collector.dataset(ignored_too=True)


def identity_of(annotation: Annotation, where: str, number: int) -> int:
    """The identity of an annotation, -1 where it has none; `where` and `number` are for messages."""
    identity = annotation.instance_id if annotation.track_id is None else annotation.track_id
    if identity is None and isinstance(annotation.attributes, dict):
        identity = annotation.attributes.get("track_id")
        if identity is not None and (type(identity) is not int or identity >= 2**63):
            raise UserError(f"{where}[{number}].attributes.track_id is {identity!r}, expected a whole number")
    return -1 if identity is None else max(identity, -1)


def positions(keys: Sequence[Id], among: Iterable[Id]) -> Int64Array:
    """The position of each key among others, -1 where it is none of them."""
    position = {key: i for i, key in enumerate(among)}
    of_key = {key: position[one] for key, one in same_ids(dict.fromkeys(keys), position).items()}
    return np.array([of_key.get(key, -1) for key in keys], np.int64)


def _images(listed: list[Image], path: Path) -> dict[Id, Image]:
    """The image records by id, in the order of their ids."""
    images: dict[Id, Image] = {}
    for i, image in enumerate(listed):
        if image.id in images:
            raise UserError(f"{path}: $.images[{i}].id is {image.id!r}, which an image before it has")
        images[image.id] = image
    if not images:
        raise UserError(f"{path}: 'images' is empty")
    return {image.id: image for image in sorted(listed, key=_id_order)}


def sequences_and_frames(
    listed: list[Video], images: dict[Id, Image], path: Path, has_identities: bool
) -> dict[Id, tuple[str, int]]:
    """Sequence name and 1-based frame number of each image."""
    videos: dict[Any, str] = {each.id: str(each.id if each.name is None else each.name) for each in listed}
    video_of = {key: image.video_id for key, image in images.items()}
    if all(video is None for video in video_of.values()):
        if has_identities:
            return {key: (path.stem, frame) for frame, key in enumerate(images, 1)}
        return {key: (f"{path.stem}/{key}", 1) for key in images}
    if all(isinstance(image.frame_id, int) for image in images.values()):
        frame_of = {key: int(image.frame_id) for key, image in images.items()}
    else:
        frame_of = {}
        count: Counter[object] = Counter()
        for key in sorted(images, key=lambda key: images[key].file_name):
            count[video_of[key]] += 1
            frame_of[key] = count[video_of[key]]
    first = min(1, *frame_of.values())  # frame_id counts from 0 in some data sets and from 1 in others
    places: dict[Id, tuple[str, int]] = {}
    for key, video in video_of.items():
        if video is not None and video not in videos:
            raise UserError(f"{path}: image {key} has video_id {video!r}, which is not in videos")
        places[key] = (f"{path.stem}/{key}" if video is None else videos[video], frame_of[key] - first + 1)
    return places


def _id_order(record: Image | Category) -> tuple[bool, Id]:
    """Sorts ids that are numbers before texts."""
    return isinstance(record.id, str), record.id


def _matches(path: Path) -> bool:
    return path.suffix.lower() == ".json" if path.is_file() else bool(annotation_files(path, ".json"))


def _read_at(path: Path, min_visibility: float) -> Dataset:
    """The COCO file at a path, or the one in a folder."""
    file, note = annotation_file(path)
    dataset = read_coco(file)
    return replace(dataset, notes=(note,)) if note else dataset


FORMAT = Format(
    name="coco",
    title="COCO JSON, also with videos and identities (COCO-VID, TAO)",
    tree="""<name>.json, or annotations/<name>.json
images beside it, in images/, in <name>/, in the folder above or in any folder below""",
    licence="",
    home="https://cocodataset.org/#format-data",
    matches=_matches,
    read=_read_at,
)
