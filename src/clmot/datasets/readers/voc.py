"""Pascal VOC XML: one file an image, as VOCdevkit has them and as labelImg and its like write them.

A box's ``xmin`` to ``ymax`` number pixels that it includes, counted from 1: a box over the whole of an image of
width W has ``xmin`` 1 and ``xmax`` W.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from clmot.datasets.readers.assembly import Frame
from clmot.datasets.readers.collector import Collector, sequence_name
from clmot.datasets.readers.formats import Format
from clmot.datasets.readers.places import ImageFinder, annotation_files
from clmot.datasets.readers.voc_objects import SIDES, VocObjects, split_objects
from clmot.datasets.readers.xml_files import children_of_root, line_of, number, read_twice, read_xml, root_name
from clmot.errors import UserError
from clmot.io.image_size import read_image_size
from clmot.io.mot_sequences import describe_folder
from clmot.io.text import read_text
from clmot.structures import Dataset

_ROOT = "annotation"
EXPECTED = "Annotations/*.xml and JPEGImages/*.jpg, or the .xml files beside the images"
"""What a Pascal VOC folder looks like, for error messages."""


def read_voc(path: Path) -> Dataset:
    """Read Pascal VOC annotations; no identities, each image is a sequence of its own.

    Objects marked ``difficult`` are `Sample.ignore`. Parts of objects (head, hands, feet of VOC's person layout) are
    not read. Classes come in order of first appearance.

    Args:
        path: a folder with an ``Annotations`` folder or with XML files, one XML file, or a list of names such as
            ``ImageSets/Main/train.txt``.

    Objects without a box, and images that are not on disk, are left out and counted.

    Raises:
        UserError: no annotations there, a faulty file (with its line), no image on disk.
    """
    files = _files(path)
    if not files:
        raise UserError(f"{path}: no Pascal VOC annotations ({describe_folder(path)}); expected {EXPECTED}")
    collector = Collector()
    finder = ImageFinder(files[0])
    names: dict[Path, str] = {}
    for file in files:
        name, size, objects = read_twice(partial(_read_file, file, collector.skipped))
        image = finder(name) or finder(file.stem)
        if image is None:
            collector.absent.add(name or file.stem, file, finder.places)
            continue
        width, height = size or read_image_size(image)
        folder = file.parent
        if folder not in names:
            names[folder] = sequence_name(folder, folder)
        class_of = {each: collector.class_id(each) for each in dict.fromkeys(objects.names)}
        classes = np.array([class_of[each] for each in objects.names], np.int64)
        # pixels count from 1, and the last one is inside
        frame = Frame(image, width, height, f"{names[folder]}/{file.stem}", 1)
        collector.add_image(frame, objects.corners - (1, 1, 0, 0), classes, ignore=objects.difficult)
    return collector.dataset()


def _read_file(path: Path, skipped: Counter[str], lines: bool) -> tuple[str, tuple[int, int] | None, VocObjects]:
    """The image's name and size, as far as they are given, and what is in it."""
    content = read_xml(path)
    alike = None if lines else split_objects(content)
    if alike:
        objects, rest = alike
        name, size, elements = _parse(rest, path, lines)
        # in a comment, or deeper than below the root, the objects are none
        if [len(element) for element in elements] == [0]:
            return name, size, objects
    name, size, elements = _parse(content, path, lines)
    rows = [row for element in elements if (row := _object(element, path)) is not None]
    skipped["object without a box"] += len(elements) - len(rows)
    corners = np.array([row[1] for row in rows], np.float64).reshape(-1, 4)
    return name, size, VocObjects([row[0] for row in rows], corners, np.array([row[2] for row in rows], np.bool_))


def _parse(content: bytes, path: Path, lines: bool) -> tuple[str, tuple[int, int] | None, list[Element]]:
    """The image's name and size, as far as they are given, and the elements of objects."""
    objects: list[Element] = []
    name, size = "", None
    for element in children_of_root(path, _ROOT, lines=lines, content=content):
        if element.tag == "object":
            objects.append(element)
        elif element.tag == "filename":
            name = (element.text or "").strip()
        elif element.tag == "size":
            size = _size(element, path)
    return name, size, objects


def _object(element: Element, path: Path) -> tuple[str, list[float], bool] | None:
    """The class, sides and difficulty of an object; None where it has no box."""
    name = (element.findtext("name") or "").strip()
    if not name:
        raise UserError(f"{path}:{line_of(element)}: <object> has no name")
    # the object's own box: its parts have boxes too
    corners = element.find("bndbox")
    if corners is None:
        return None
    sides = [number(corners.findtext(side), path, corners, side) for side in SIDES]
    return name, sides, (element.findtext("difficult") or "0").strip().lower() in ("1", "true")


def _size(element: Element, path: Path) -> tuple[int, int] | None:
    """Width and height; None where they are missing or zero, as some tools leave them."""
    sides = [number(element.findtext(side) or "0", path, element, side) for side in ("width", "height")]
    width, height = (int(side) if side >= 1 and side.is_integer() else 0 for side in sides)
    return (width, height) if width and height else None


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return _listed(path) if _is_list(path) else [path]
    return annotation_files(path, ".xml")


def _is_list(path: Path) -> bool:
    return path.is_file() and path.suffix == ".txt" and path.parent.parent.name == "ImageSets"


def _listed(path: Path) -> list[Path]:
    """The annotation files of a list in ``ImageSets``; the lists of one class have a second column, -1: not in it."""
    folder = path.parent.parent.parent / "Annotations"
    rows = [line.split() for line in read_text(path).split("\n") if line.strip()]
    return [folder / f"{row[0]}.xml" for row in rows if row[1:] != ["-1"]]


def _matches(path: Path) -> bool:
    if path.is_file():
        return _is_list(path) or (path.suffix.lower() == ".xml" and root_name(path) == _ROOT)
    files = annotation_files(path, ".xml")
    return bool(files) and root_name(files[0]) == _ROOT


FORMAT = Format(
    name="voc",
    title="Pascal VOC XML",
    tree="""Annotations/<image>.xml, annotations/xmls/<image>.xml, or <image>.xml beside the image
JPEGImages/<image>.jpg, or images/<image>.jpg
ImageSets/Main/train.txt (optional; name it to read its images only)""",
    licence="",
    home="http://host.robots.ox.ac.uk/pascal/VOC",
    matches=_matches,
    read=lambda path, min_visibility: read_voc(path),
)
