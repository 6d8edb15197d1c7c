"""The records of COCO files, typed: what is missing or of the wrong type is named by its path."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from msgspec import Meta, Struct

EXPECTED = "a COCO file with images, annotations and categories"
"""What a COCO file is, for error messages."""

Id = int | str
Number = float | None
"""Null is what JSON writers put where a number is not finite."""
_Side = Annotated[int, Meta(ge=1)]
_Identity = Annotated[int, Meta(le=2**63 - 1)] | None


class Image(Struct, gc=False):
    """An image, of a video or alone."""

    id: Id
    file_name: str
    width: _Side | None = None
    height: _Side | None = None
    video_id: Id | float | None = None
    frame_id: Any = None


class Annotation(Struct, gc=False):
    """A box: left, top, width, height in pixels, which need not be finite."""

    image_id: Id
    category_id: Id
    bbox: tuple[Number, Number, Number, Number]
    iscrowd: Any = None
    ignore: Any = None
    track_id: _Identity = None
    instance_id: _Identity = None
    score: Number = 1.0
    attributes: Any = None


class Category(Struct):
    """A class of objects."""

    id: Id
    name: str


class Video(Struct):
    """The images that name it are its frames."""

    id: Id
    name: Any = None


class CocoFile(Struct):
    """A whole file."""

    images: list[Image]
    annotations: list[Annotation]
    categories: list[Category]
    videos: list[Video] = []


def same_ids(keys: Iterable[Id], known: Iterable[Id]) -> dict[Id, Id]:
    """The one of the known ids that each key stands for: itself, else the one written alike (``3`` and ``"3"``).

    Keys that stand for none are left out.
    """
    exact = dict.fromkeys(known)
    written = {str(key): key for key in exact}
    found = {key: key if key in exact else written.get(str(key)) for key in keys}
    return {key: one for key, one in found.items() if one is not None}
