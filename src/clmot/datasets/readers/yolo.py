"""YOLO data sets: images, a text file of labels for each, and a data.yaml that names folders and classes.

As ultralytics, Roboflow, CVAT, Label Studio, labelImg and darknet write them; `yolo_rows` has what a label file holds.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from clmot.config import read_yaml
from clmot.datasets.readers.assembly import Frame
from clmot.datasets.readers.collector import Collector, sequence_name
from clmot.datasets.readers.formats import Format
from clmot.datasets.readers.places import Absent, ImageFinder, leads_out, not_read, split_folders
from clmot.datasets.readers.yolo_rows import MOST_CLASSES, LabelRows, RowForm, read_label_file
from clmot.errors import UserError, plural
from clmot.io.folders import IMAGE_SUFFIXES, describe_folder, folders_in, images_below
from clmot.io.image_size import read_image_size
from clmot.io.text import read_lines, read_text
from clmot.structures import Dataset

EXPECTED = "a data.yaml, or images/ and labels/*.txt, or the .txt files beside the images"
"""What a YOLO data set looks like, for error messages."""

_YAML_KEY = re.compile(r"^(names|nc)\s*:", re.MULTILINE)
_NAME_FILES = ("classes.txt", "obj.names", "_darknet.labels")


def read_yolo(path: Path) -> Dataset:
    """Read a YOLO data set.

    Of a data.yaml the images of its ``train`` entry are read, and without one those of ``images/train``, if there are
    splits; name an image folder (``images/val``) to read another. Listed images that are not there are left out and
    counted.
    An image without a label file, or with an empty one, is a frame without objects. Boxes that reach beyond the image
    do so in the result. Classes that have a box come by number; their names are those of data.yaml (``names`` as list
    or mapping) or of a ``classes.txt``, else their numbers.

    Labels with track numbers, or with the confidences of a detector, make the images of a folder a sequence: one for
    each name before the frame number at the end of a file name, where all have one. Without them each image is a
    sequence of its own, because the photos of a detection set show unrelated scenes and may serve as each other's
    negatives; what a detector was run on may be the frames of a video.

    Args:
        path: a data.yaml, a folder with one, a folder with ``images`` and ``labels``, or a folder of images.

    Raises:
        UserError: no images there, no label file for any of them, a faulty data.yaml or label file (with its line), a
            class number without a name.
    """
    yaml = _find_yaml(path)
    content = read_yaml(yaml) if yaml else {}
    named_yaml = yaml is not None and (path.is_file() or yaml.parent == path)
    key_points = _key_points(content, yaml)
    absent = Absent()
    images, note = _listed_images(content, yaml, absent) if yaml and named_yaml else _images_of(path)
    if not images:
        raise UserError(f"{path}: no images ({describe_folder(path)}); expected {EXPECTED}")
    rows = {image: read_label_file(label_file(image), key_points) for image in images}
    if all(each is None for each in rows.values()):
        first = label_file(images[0])
        raise UserError(
            f"{path}: none of its {plural(len(images), 'image')} has labels ({first} ...); expected {EXPECTED}"
        )
    names = _names(content, yaml, label_file(images[0]).parent)
    form = RowForm(filter(None, rows.values()), polygons=not key_points)
    dataset = _assemble(rows, form, names, absent)
    return replace(dataset, notes=(note, *dataset.notes)) if note else dataset


def label_file(image: Path) -> Path:
    """Where an image's labels are: the last folder ``images`` of its path replaced by ``labels``, else beside it."""
    parts = image.absolute().parent.parts
    if "images" in parts:
        last = len(parts) - 1 - parts[::-1].index("images")
        folder = Path(*parts[:last], "labels", *parts[last + 1 :])
        if folder.is_dir():
            return folder / f"{image.stem}.txt"
    return image.with_suffix(".txt")


def _assemble(rows: dict[Path, LabelRows | None], form: RowForm, names: list[str] | None, absent: Absent) -> Dataset:
    highest = max((int(each.class_id.max(initial=-1)) for each in filter(None, rows.values())), default=-1)
    names = [str(i) for i in range(highest + 1)] if names is None else names
    collector = Collector(names)
    collector.absent = absent
    class_map = np.array([collector.class_id(name) for name in names], np.int64)
    for name, times in Counter(names).items():
        if times > 1:
            numbers = " and ".join(str(i) for i, each in enumerate(names) if each == name)
            collector.notes.append(f"classes {numbers} are one class: both are called '{name}'")
    for image, (sequence, frame) in _places(list(rows), are_frames=form.is_of_video).items():
        width, height = read_image_size(image)
        each, file = rows[image], label_file(image)
        place = Frame(image, width, height, sequence, frame)
        if each is None:
            collector.add_image(place)
            continue
        if (each.class_id >= len(names)).any():
            i = int(np.argmax(each.class_id >= len(names)))
            known = f"0 to {len(names) - 1} ({', '.join(names)})"
            raise UserError(f"{file}:{each.line[i]}: class {each.class_id[i]}, but classes are {known}")
        boxes, identities = form.parse(each, file)
        collector.add_image(
            place,
            boxes * [width, height, width, height],
            class_map[each.class_id],
            identities=identities,
            scores=form.scores(each),
        )
    return collector.dataset()


def _places(images: list[Path], *, are_frames: bool) -> dict[Path, tuple[str, int]]:
    """Sequence name and 1-based frame number of each image."""
    root = Path(os.path.commonpath([image.parent.absolute() for image in images]))
    if not are_frames:
        return {image: (sequence_name(image, root), 1) for image in images}
    folders: dict[Path, list[Path]] = {}
    for image in images:
        folders.setdefault(image.parent, []).append(image)
    places: dict[Path, tuple[str, int]] = {}
    for folder, members in folders.items():
        numbers = [re.fullmatch(r"(.*?)[-_. ]*([0-9]+)", image.stem) for image in members]
        keys = [(each[1], int(each[2])) for each in numbers if each]
        if len(set(keys)) < len(members):
            keys = [("", i) for i in range(1, len(members) + 1)]
        several = len({video for video, _ in keys}) > 1
        first = min(number for _, number in keys)
        for image, (video, number) in zip(members, keys, strict=True):
            name = sequence_name(folder / video if several else folder, root)
            places[image] = (name, number + (first == 0))
    return places


def _find_yaml(path: Path) -> Path | None:
    """The data.yaml at a path or in it, else one up to three folders above it (``images/val``); None without one."""
    if path.is_file():
        return path
    for folder in (path, *list(path.absolute().parents)[:3]):
        for name in ("data.yaml", "data.yml", "dataset.yaml"):
            if _is_data_yaml(folder / name):
                return folder / name
    return None


def _is_data_yaml(file: Path) -> bool:
    try:
        return file.is_file() and _YAML_KEY.search(read_text(file)) is not None
    except UserError:
        return False


def _listed_images(content: dict[str, Any], yaml: Path, absent: Absent) -> tuple[list[Path], str]:
    """The images of a data.yaml's ``train`` entry: a folder, a text file of image paths, or a list of those.

    What is not there of a list counts as absent. The text says which splits there are.

    ``path`` is relative to the file here, whatever directory a training tool would look from; a folder that is not
    there is looked for beside the file, because data sets are moved and their data.yaml is not edited.
    """
    entries = content.get("train")
    entries = entries if isinstance(entries, list) else [entries]
    if not entries or not all(isinstance(entry, str) and entry for entry in entries):
        raise UserError(f"{yaml}: 'train' is {content.get('train')!r}, expected a folder of images or a list of them")
    base = content.get("path") or "."
    if not isinstance(base, str):
        raise UserError(f"{yaml}: 'path' is {base!r}, expected a folder")
    roots = [yaml.parent / base.replace("\\", "/"), yaml.parent]
    images: dict[Path, None] = {}
    for entry in entries:
        # exports write ../train/images for what lies beside the file
        relative = entry.replace("\\", "/").removeprefix("./")
        candidates = [root / name for root in roots for name in (relative, relative.removeprefix("../"))]
        # a path of another machine: ever shorter ends of it
        parts = [part for part in relative.split("/") if part not in ("", ".", "..")]
        candidates += [yaml.parent.joinpath(*parts[start:]) for start in range(1, len(parts))]
        place = next((place for place in candidates if place.exists()), None)
        if place is None:
            looked_in = ", ".join(map(str, dict.fromkeys(candidates[:4])))
            raise UserError(f"{yaml}: the images of 'train: {entry}' are not there; looked for {looked_in}")
        found = _images_in(place) if place.is_dir() else _images_of_list(place, roots, absent)
        if not found and place.is_dir():
            raise UserError(f"{yaml}: no images in {place} (train)")
        images.update(dict.fromkeys(found))
    absent.settle(len(images), Counter())
    return list(images), "split train" + not_read([key for key in ("val", "test") if content.get(key)])


def _images_of_list(file: Path, roots: list[Path], absent: Absent) -> list[Path]:
    """The images that a text file names, one a line, relative to the data set's folder or to the file's."""
    images = []
    finder = ImageFinder(file)
    for line, text in read_lines(file, "a list of images"):
        name = text.replace("\\", "/").removeprefix("./")
        # older exports write data/images/... for images/...
        candidates = [root / each for root in (*roots, file.parent) for each in (name, name.removeprefix("data/"))]
        candidates = [] if leads_out(name) else candidates
        image = next((image for image in candidates if image.is_file()), None) or finder(name)
        if image is None:
            absent.add(name, Path(f"{file}:{line}"), [file.parent])
        else:
            images.append(image)
    return images


def _images_of(path: Path) -> tuple[list[Path], str]:
    """The images of a folder, or of the first split that it holds; the text says which splits there are."""
    splits = list(split_folders(_image_folder(path)).values())
    images = _images_in(splits[0]) if splits else []
    if images:
        return images, f"split {splits[0].name}" + not_read([each.name for each in splits[1:]])
    return _images_in(path), ""


def _image_folder(path: Path) -> Path:
    """The ``images`` of a folder that has ``labels`` too, else the folder."""
    return path / "images" if (path / "images").is_dir() and (path / "labels").is_dir() else path


def _images_in(path: Path) -> list[Path]:
    return list(images_below(_image_folder(path)))


def _names(content: dict[str, Any], yaml: Path | None, labels: Path) -> list[str] | None:
    """Class names by number, "" for a number that is left out; None where nothing names them."""
    names = content.get("names")
    if names is None:
        files = [folder / name for folder in (labels, labels.parent, labels.parent.parent) for name in _NAME_FILES]
        file = next((file for file in files if file.is_file()), None)
        return [line for _, line in read_lines(file, "names of classes")] or None if file else None
    if isinstance(names, list):
        names = dict(enumerate(names))
    try:
        by_number = {int(number): str(name) for number, name in names.items()}
    except (AttributeError, TypeError, ValueError, OverflowError):
        raise UserError(f"{yaml}: 'names' is {names!r:.200}, expected a list of names or numbers with names") from None
    if not by_number or min(by_number) < 0 or max(by_number) >= MOST_CLASSES:
        raise UserError(f"{yaml}: 'names' is {names!r:.200}, expected names numbered from 0, < {MOST_CLASSES}")
    return [by_number.get(number, str(number)) for number in range(max(by_number) + 1)]


def _key_points(content: dict[str, Any], yaml: Path | None) -> int:
    """How many values of key points a label row has after its box."""
    shape = content.get("kpt_shape")
    if shape is None:
        return 0
    if isinstance(shape, list) and len(shape) == 2 and all(isinstance(size, int) and size > 0 for size in shape):
        return int(shape[0] * shape[1])
    raise UserError(f"{yaml}: 'kpt_shape' is {shape!r}, expected how many key points and values of each")


def _matches(path: Path) -> bool:
    if path.is_file():
        return path.suffix.lower() in (".yaml", ".yml") and _is_data_yaml(path)
    yaml = _find_yaml(path)
    if yaml and yaml.parent == path:
        return True
    images = path / "images" if (path / "labels").is_dir() else path
    return any(_has_labels(folder) for folder in (images, *folders_in(images)))


def _has_labels(folder: Path) -> bool:
    """Whether one of the first images of a folder has a label file."""
    if not folder.is_dir():
        return False
    with os.scandir(folder) as entries:
        images = (Path(entry.path) for entry in entries if Path(entry.name).suffix.lower() in IMAGE_SUFFIXES)
        return any(label_file(image).is_file() for image in islice(images, 100))


FORMAT = Format(
    name="yolo",
    title="YOLO: images and text labels, with or without data.yaml and track numbers",
    tree="""data.yaml (path, train, names), or classes.txt, or neither
images/<split>/<image>.jpg, or <split>/images/<image>.jpg
labels/<split>/<image>.txt, or beside the image
  each row: class x_center y_center width height [track]""",
    licence="",
    home="https://docs.ultralytics.com/datasets/detect",
    matches=_matches,
    read=lambda path, min_visibility: read_yolo(path),
)
