"""PANDA: wide scenes in gigapixel photos and videos (Wang et al. 2020, arXiv:2003.04852).

Photos: ``image_annos/person_bbox_train.json`` maps ``<scene>/<image>.jpg`` to ``image size`` and ``objects list``;
persons have ``rects`` (``full body``, ``visible body``, ``head``), all else a ``rect``. Images are
``image_train/<scene>/<image>.jpg``. Videos: ``video_annos/<scene>/tracks.json`` lists tracks of rectangles by 1-based
frame, ``seqinfo.json`` beside it the image names, which are in ``video_train/<scene>``. A rectangle has corners ``tl``
and ``br`` whose ``x`` and ``y`` are shares of the image's size.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
from msgspec import Meta, Struct

from clmot import boxes as box
from clmot.datasets.readers.assembly import Frame
from clmot.datasets.readers.collector import Collector, Object
from clmot.datasets.readers.formats import Format
from clmot.datasets.readers.json_files import as_kind, load_json
from clmot.datasets.readers.places import ImageFinder
from clmot.errors import UserError
from clmot.io.folders import folders_in
from clmot.structures import Dataset

_Side = Annotated[int, Meta(ge=1)]


class _Point(Struct):
    x: float
    y: float


class _Rect(Struct):
    tl: _Point
    br: _Point

    def xyxy(self, width: int, height: int) -> tuple[float, float, float, float]:
        return self.tl.x * width, self.tl.y * height, self.br.x * width, self.br.y * height


class _Bodies(Struct, rename={"full": "full body", "visible": "visible body"}):
    full: _Rect
    visible: _Rect | None = None


class _Person(Struct, tag_field="category", tag="person"):
    rects: _Bodies


class _Other(Struct):
    category: str
    rect: _Rect


class _Size(Struct):
    width: _Side
    height: _Side


class _Photo(Struct, rename={"size": "image size", "objects": "objects list"}):
    size: _Size
    objects: list[dict[str, Any]]


class _Seen(Struct, rename={"number": "frame id"}):
    number: int
    rect: _Rect
    occlusion: str = ""


class _Track(Struct, rename={"identity": "track id"}):
    identity: int
    frames: list[_Seen]


class _Video(Struct):
    imUrls: Annotated[list[str], Meta(min_length=1)]
    imWidth: _Side
    imHeight: _Side


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
    finder = _image_finder(file)
    numbers: dict[str, int] = {}
    for name in sorted(content):
        image = finder(name)
        if image is None:
            collector.absent.add(name, file, finder.places)
            continue
        photo: _Photo = as_kind(content[name], _Photo, file, name)
        width, height = photo.size.width, photo.size.height
        objects = []
        for i, each in enumerate(photo.objects):
            place = f"{name}.objects list[{i}]"
            if each.get("category") != "person":
                other: _Other = as_kind(each, _Other, file, place)
                objects.append(Object(*other.rect.xyxy(width, height), 0, ignore=True))
                continue
            bodies: _Bodies = as_kind(each, _Person, file, place).rects
            full = bodies.full.xyxy(width, height)
            areas = box.area(np.array([full, (bodies.visible or bodies.full).xyxy(width, height)]))
            objects.append(Object(*full, 0, ignore=bool(areas[1] < min_visibility * areas[0])))
        scene = Path(name.replace("\\", "/")).parent.as_posix()
        numbers[scene] = numbers.get(scene, 0) + 1
        collector.add(Frame(image, width, height, scene, numbers[scene]), objects)


def _read_scene(file: Path, collector: Collector, min_visibility: float) -> None:
    info_file = file.parent / "seqinfo.json"
    info: _Video = load_json(info_file, _Video)
    names, width, height = info.imUrls, info.imWidth, info.imHeight
    objects: list[list[Object]] = [[] for _ in names]
    tracks: list[_Track] = load_json(file, list[_Track])
    for i, track in enumerate(tracks):
        for j, each in enumerate(track.frames):
            place = f"{file}: $[{i}].frames[{j}]"
            if each.occlusion not in _VISIBLE_SHARE:
                levels = ", ".join(filter(None, _VISIBLE_SHARE))
                raise UserError(f"{place}.occlusion is {each.occlusion!r}, expected one of {levels}")
            if not 1 <= each.number <= len(names):
                raise UserError(f"{place}.frame id is {each.number}, expected 1 to {len(names)}")
            hidden = _VISIBLE_SHARE[each.occlusion] < min_visibility
            found = Object(*each.rect.xyxy(width, height), 0, ignore=hidden, identity=track.identity)
            objects[each.number - 1].append(found)
    scene, finder = file.parent.name, _image_finder(file.parent)
    for number, (name, present) in enumerate(zip(names, objects, strict=True), 1):
        image = finder(f"{scene}/{name}")
        if image is None:
            collector.absent.add(f"{scene}/{name}", info_file, finder.places)
            continue
        collector.add(Frame(image, width, height, scene, number), present)


def _image_finder(file: Path) -> ImageFinder:
    """Finds images in the scenes' folders: an archive of the data set is often split into several folders."""
    above = file.absolute().parent.parent
    return ImageFinder(file, places=[above, *folders_in(above)])


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
