"""PANDA: wide scenes in gigapixel photos and videos (Wang et al. 2020, arXiv:2003.04852).

Photos: ``image_annos/person_bbox_train.json`` maps ``<scene>/<image>.jpg`` to ``image size`` and ``objects list``;
persons have ``rects`` (``full body``, ``visible body``, ``head``), all else a ``rect``. Images are
``image_train/<scene>/<image>.jpg``. Videos: ``video_annos/<scene>/tracks.json`` lists tracks of rectangles by 1-based
frame, ``seqinfo.json`` beside it the image names, which are in ``video_train/<scene>``. A rectangle has corners ``tl``
and ``br`` whose ``x`` and ``y`` are shares of the image's size.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from clmot import boxes as box
from clmot.datasets.readers.assembly import Frame
from clmot.datasets.readers.collector import Collector, Object
from clmot.datasets.readers.formats import Format
from clmot.datasets.readers.json_files import load_json
from clmot.errors import UserError
from clmot.structures import Dataset

_PHOTO_FILE = "person_bbox_train.json"
_VISIBLE_SHARE = {"": 1.0, "normal": 1.0, "hide": 0.5, "serious hide": 0.25, "disappear": 0.0}
"""How much of a person is taken to be visible at each of the levels of occlusion that tracks name."""


def read_panda(path: Path, *, min_visibility: float = 0.1) -> Dataset:
    """Read PANDA-Image (full bodies, no identities) or PANDA-Video (identities included).

    `Sample.ignore` are objects that are no single person (crowds, fake persons, regions to ignore) and persons less
    visible than `min_visibility`: in photos by the area of the visible body, in videos by the level of occlusion. The
    photos of a scene are one sequence, because its people may be in several of them.

    Args:
        path: ``person_bbox_train.json``, or a folder that has it or ``<scene>/tracks.json`` in it or one below.
        min_visibility: smallest visible share of a person to count.

    Raises:
        UserError: nothing there; annotations are faulty (named by object); no image is there.
    """
    photos, scenes = _annotation_files(path)
    collector = Collector(["person"])
    for file in photos:
        _read_photos(file, collector, min_visibility)
    for file in scenes:
        _read_scene(file, collector, min_visibility)
    if not photos and not scenes:
        raise UserError(f"{path}: no {_PHOTO_FILE} and no <scene>/tracks.json there")
    return collector.dataset()


def _annotation_files(path: Path) -> tuple[list[Path], list[Path]]:
    """The files of photos and of video scenes."""
    if path.is_file():
        return ([path], []) if path.name == _PHOTO_FILE else ([], [path])
    photos = [file for place in ("", "image_annos") if (file := path / place / _PHOTO_FILE).is_file()]
    scenes = [file for depth in ("", "*/", "*/*/") for file in sorted(path.glob(f"{depth}tracks.json"))]
    return photos, [file for file in scenes if (file.parent / "seqinfo.json").is_file()]


def _read_photos(file: Path, collector: Collector, min_visibility: float) -> None:
    content = load_json(file)
    if not isinstance(content, dict) or not content:
        raise UserError(f"{file}: expected an object with an entry for each image")
    roots = _image_roots(file)
    numbers: dict[str, int] = {}
    for name in sorted(content):
        where = f"{file}: {name}"
        image = next((root / name for root in roots if (root / name).is_file()), None)
        if image is None:
            collector.absent.add(name, file, roots)
            continue
        size = _get(content[name], "image size", dict, where)
        width, height = (_side(size, side, f"{where}.image size") for side in ("width", "height"))
        objects = []
        for i, each in enumerate(_get(content[name], "objects list", list, where)):
            at = f"{where}.objects list[{i}]"
            if _get(each, "category", str, at) != "person":
                left, top, right, bottom = _corners(each, "rect", width, height, at)
                objects.append(Object(left, top, right, bottom, 0, ignore=True))
                continue
            rects = _get(each, "rects", dict, at)
            full = _corners(rects, "full body", width, height, f"{at}.rects")
            visible = _corners(rects, "visible body", width, height, f"{at}.rects") if "visible body" in rects else full
            areas = box.area(np.array([full, visible]))
            objects.append(Object(*full, 0, ignore=bool(areas[1] < min_visibility * areas[0])))
        scene = Path(name).parent.as_posix()
        numbers[scene] = numbers.get(scene, 0) + 1
        collector.add(Frame(image, width, height, scene, numbers[scene]), objects)


def _read_scene(file: Path, collector: Collector, min_visibility: float) -> None:
    info_file = file.parent / "seqinfo.json"
    info = load_json(info_file)
    names = _get(info, "imUrls", list, str(info_file))
    width, height = (_side(info, side, str(info_file)) for side in ("imWidth", "imHeight"))
    if not names or not all(isinstance(name, str) for name in names):
        raise UserError(f"{info_file}: imUrls is no list of image names")
    objects: list[list[Object]] = [[] for _ in names]
    tracks = load_json(file)
    if not isinstance(tracks, list):
        raise UserError(f"{file}: expected a list of tracks")
    for i, track in enumerate(tracks):
        identity = _get(track, "track id", int, f"{file}: tracks[{i}]")
        for j, each in enumerate(_get(track, "frames", list, f"{file}: tracks[{i}]")):
            at = f"{file}: tracks[{i}].frames[{j}]"
            number = _get(each, "frame id", int, at)
            if not 1 <= number <= len(names):
                raise UserError(f"{at}.frame id is {number}, expected 1 to {len(names)}")
            occlusion = each.get("occlusion", "")
            if occlusion not in _VISIBLE_SHARE:
                levels = ", ".join(filter(None, _VISIBLE_SHARE))
                raise UserError(f"{at}.occlusion is {occlusion!r}, expected one of {levels}")
            corners = _corners(each, "rect", width, height, at)
            hidden = _VISIBLE_SHARE[occlusion] < min_visibility
            objects[number - 1].append(Object(*corners, 0, ignore=hidden, identity=identity))
    scene, roots = file.parent.name, _image_roots(file.parent)
    for number, (name, present) in enumerate(zip(names, objects, strict=True), 1):
        image = next((path for root in roots if (path := root / scene / name).is_file()), None)
        if image is None:
            collector.absent.add(f"{scene}/{name}", info_file, roots)
            continue
        collector.add(Frame(image, width, height, scene, number), present)


def _get(record: Any, key: str, kind: type, where: str) -> Any:
    """A required value of some type."""
    value = record.get(key) if isinstance(record, dict) else None
    if not isinstance(value, kind) or isinstance(value, bool):
        expected = {"int": "a whole number", "str": "a text", "list": "a list", "dict": "an object"}[kind.__name__]
        raise UserError(f"{where}.{key} is {value!r}, expected {expected}")
    return value


def _side(record: Any, key: str, where: str) -> int:
    value: int = _get(record, key, int, where)
    if value < 1:
        raise UserError(f"{where}.{key} is {value}, expected a number >= 1")
    return value


def _corners(record: Any, key: str, width: int, height: int, where: str) -> tuple[float, float, float, float]:
    """Left, top, right, bottom in pixels."""
    rect = _get(record, key, dict, where)
    values = [
        corner.get(axis) if isinstance(corner := rect.get(name), dict) else None
        for name in ("tl", "br")
        for axis in ("x", "y")
    ]
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        raise UserError(f"{where}.{key} is {rect!r}, expected tl and br with numbers x and y")
    left, top, right, bottom = np.array(values, np.float64) * (width, height, width, height)
    return float(left), float(top), float(right), float(bottom)


def _image_roots(file: Path) -> list[Path]:
    """Where the scenes' images may be: an archive of the data set is often split into several folders."""
    folder = file.absolute().parent
    return [
        folder,
        folder.parent,
        *sorted(path for path in folder.parent.iterdir() if path.is_dir() and path != folder),
    ]


def _matches(path: Path) -> bool:
    if path.is_file():
        return path.name == _PHOTO_FILE or (path.name == "tracks.json" and (path.parent / "seqinfo.json").is_file())
    return any(map(len, _annotation_files(path)))


FORMAT = Format(
    name="panda",
    title="PANDA: wide scenes in gigapixel photos and videos",
    tree="""image_annos/person_bbox_train.json and image_train/<scene>/<image>.jpg, or
video_annos/<scene>/{tracks,seqinfo}.json and video_train/<scene>/<image>.jpg""",
    licence="see the home page (non-commercial research)",
    home="https://www.gigavision.cn",
    matches=_matches,
    read=lambda path, min_visibility: read_panda(path, min_visibility=min_visibility),
)
