"""Pascal VOC XML: one file an image, as VOCdevkit has them and as labelImg and its like write them.

A box's ``xmin`` to ``ymax`` number pixels that it includes, counted from 1: a box over the whole of an image of
width W has ``xmin`` 1 and ``xmax`` W.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from clmot.datasets.readers.assembly import Frame
from clmot.datasets.readers.collector import Collector, Object, sequence_name
from clmot.datasets.readers.formats import Format
from clmot.datasets.readers.places import ImageFinder, annotation_files
from clmot.datasets.readers.xml_files import XmlFile, root_name
from clmot.errors import UserError
from clmot.io.folders import describe_folder
from clmot.io.image_size import read_image_size
from clmot.io.text import read_lines
from clmot.structures import Dataset

_ROOT = "annotation"
_SIDES = ("xmin", "ymin", "xmax", "ymax")
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
    for file in files:
        name, size, rows = _read_file(file, collector.skipped)
        image = finder(name) or finder(file.stem)
        if image is None:
            collector.absent.add(name or file.stem, file, finder.places)
            continue
        width, height = size or read_image_size(image)
        frame = Frame(image, width, height, sequence_name(file.with_suffix(""), file.parent), 1)
        collector.add(frame, [Object(*sides, collector.class_id(label), ignore) for label, sides, ignore in rows])
    return collector.dataset()


_Row = tuple[str, tuple[float, float, float, float], bool]
"""Class, box and whether to ignore it."""


def _read_file(path: Path, skipped: Counter[str]) -> tuple[str, tuple[int, int] | None, list[_Row]]:
    """The image's name and size, as far as they are given, and what is in it."""
    file, name, size = XmlFile(path), "", None
    rows: list[_Row] = []
    for element in file.children(_ROOT):
        if element.tag == "filename":
            name = (element.text or "").strip()
        elif element.tag == "size":
            sides = [file.number(element, side, element.findtext(side) or "0") for side in ("width", "height")]
            # missing, or zero, as some tools leave them
            size = (int(sides[0]), int(sides[1])) if all(s >= 1 and s.is_integer() for s in sides) else None
        elif element.tag == "object":
            label = (element.findtext("name") or "").strip()
            if not label:
                raise file.fault(element, "<object> has no name")
            # the object's own box: its parts have boxes too
            corners = element.find("bndbox")
            if corners is None:
                skipped["object without a box"] += 1
                continue
            left, top, right, bottom = (file.number(corners, side, corners.findtext(side) or "") for side in _SIDES)
            ignore = (element.findtext("difficult") or "0").strip().lower() in ("1", "true")
            # pixels count from 1, and the last one is inside
            rows.append((label, (left - 1, top - 1, right, bottom), ignore))
    return name, size, rows


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return _listed(path) if _is_list(path) else [path]
    return annotation_files(path, ".xml")


def _is_list(path: Path) -> bool:
    return path.is_file() and path.suffix == ".txt" and path.parent.parent.name == "ImageSets"


def _listed(path: Path) -> list[Path]:
    """The annotation files of a list in ``ImageSets``; the lists of one class have a second column, -1: not in it."""
    folder = path.parent.parent.parent / "Annotations"
    rows = [line.split() for _, line in read_lines(path)]
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
