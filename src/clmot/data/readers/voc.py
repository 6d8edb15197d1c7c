"""Pascal VOC XML: one file an image, as VOCdevkit has them and as labelImg and its like write them.

A box's ``xmin`` to ``ymax`` number pixels that it includes, counted from 1: a box over the whole of an image of
width W has ``xmin`` 1 and ``xmax`` W.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from xml.etree.ElementTree import Element

from clmot.data.readers.assembly import Frame
from clmot.data.readers.collector import Collector, Object, sequence_name
from clmot.data.readers.formats import Format
from clmot.data.readers.xml_files import children_of_root, line_of, number, read_twice, root_name
from clmot.errors import UserError
from clmot.io.image_size import read_image_size
from clmot.io.sequences import describe_folder
from clmot.io.sources import IMAGE_SUFFIXES, natural_order
from clmot.types import Dataset

_ROOT = "annotation"
_SUFFIXES = (".jpg", *sorted(IMAGE_SUFFIXES - {".jpg"}), ".JPG", ".JPEG", ".PNG")
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

    Raises:
        UserError: no annotations there, a faulty file (with its line), an image missing on disk.
    """
    files = _listed(path) if _is_list(path) else _annotation_files(path)
    if not files:
        raise UserError(f"{path}: no Pascal VOC annotations ({describe_folder(path)}); expected {EXPECTED}")
    collector = Collector()
    for file in files:
        name, size, objects = read_twice(partial(_read_file, file, collector))
        image = _find_image(file, name)
        width, height = size or read_image_size(image)
        sequence = sequence_name(file.with_suffix(""), file.parent)
        collector.add(Frame(image, width, height, sequence, 1), objects)
    return collector.dataset()


def _read_file(path: Path, collector: Collector, lines: bool) -> tuple[str, tuple[int, int] | None, list[Object]]:
    """The image's name and size, as far as they are given, and what is in it."""
    objects: list[Object] = []
    name, size = "", None
    for element in children_of_root(path, _ROOT, lines=lines):
        if element.tag == "object":
            objects.append(_object(element, path, collector))
        elif element.tag == "filename":
            name = (element.text or "").strip()
        elif element.tag == "size":
            size = _size(element, path)
    return name, size, objects


def _object(element: Element, path: Path, collector: Collector) -> Object:
    name = (element.findtext("name") or "").strip()
    if not name:
        raise UserError(f"{path}:{line_of(element)}: <object> has no name")
    # the object's own box: its parts have boxes too
    corners = element.find("bndbox")
    if corners is None:
        raise UserError(f"{path}:{line_of(element)}: <object> has no bndbox")
    try:
        left, top, right, bottom = [float(corners.findtext(side, "")) for side in _SIDES]
    except ValueError:
        # slower, and names the fault
        left, top, right, bottom = [number(corners.findtext(side), path, corners, side) for side in _SIDES]
    difficult = (element.findtext("difficult") or "0").strip().lower() in ("1", "true")
    return Object(left - 1, top - 1, right, bottom, collector.class_id(name), difficult)


def _size(element: Element, path: Path) -> tuple[int, int] | None:
    """Width and height; None where they are missing or zero, as some tools leave them."""
    sides = [number(element.findtext(side) or "0", path, element, side) for side in ("width", "height")]
    width, height = (int(side) if side >= 1 and side.is_integer() else 0 for side in sides)
    return (width, height) if width and height else None


def _find_image(path: Path, name: str) -> Path:
    """The image of an annotation file: by ``filename``, else by the file's own name."""
    # written on other machines: keep the name of a Windows or Unix path
    name = name.replace("\\", "/").rsplit("/", 1)[-1]
    folders = [path.parent.parent / "JPEGImages", path.parent.parent / "images", path.parent, path.parent.parent]
    stems = dict.fromkeys([path.stem, name] if name else [path.stem])
    for folder in folders:
        if name and Path(name).suffix.lower() in IMAGE_SUFFIXES and (folder / name).is_file():
            return folder / name
        for stem in stems:
            for suffix in _SUFFIXES:
                image = folder / f"{stem}{suffix}"
                if image.is_file():
                    return image
    looked_in = ", ".join(str(folder) for folder in folders)
    raise UserError(f"{path}: image {name or path.stem} not found; looked in {looked_in}")


def _annotation_files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    for folder in (path / "Annotations", path / "annotations", path):
        files = [file for file in folder.glob("*.xml") if not file.name.startswith(".")]
        if files:
            return sorted(files, key=natural_order)
    return []


def _is_list(path: Path) -> bool:
    return path.is_file() and path.suffix == ".txt" and path.parent.parent.name == "ImageSets"


def _listed(path: Path) -> list[Path]:
    """The annotation files of a list in ``ImageSets``; the lists of one class have a second column, -1: not in it."""
    folder = path.parent.parent.parent / "Annotations"
    rows = [
        line.split() for line in path.read_text(encoding="utf-8-sig", errors="replace").splitlines() if line.strip()
    ]
    return [folder / f"{row[0]}.xml" for row in rows if row[1:] != ["-1"]]


def _matches(path: Path) -> bool:
    if path.is_file():
        return _is_list(path) or (path.suffix.lower() == ".xml" and root_name(path) == _ROOT)
    files = _annotation_files(path)
    return bool(files) and root_name(files[0]) == _ROOT


FORMAT = Format(
    name="voc",
    title="Pascal VOC XML",
    tree="""Annotations/<image>.xml, or <image>.xml beside the image
JPEGImages/<image>.jpg, or images/<image>.jpg
ImageSets/Main/train.txt (optional; name it to read its images only)""",
    licence="",
    home="http://host.robots.ox.ac.uk/pascal/VOC",
    matches=_matches,
    read=lambda path, min_visibility: read_voc(path),
)
