"""The objects of a Pascal VOC file that are laid out alike, as tools write them: read by a pattern, not by a parser.

A parser spends its time on elements, of which each object has about ten. A pattern made of the first object reads all
the others at once; a file whose objects it does not match to the last character is left to the parser.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from clmot.structures import BoolArray, Float64Array

SIDES = ("xmin", "ymin", "xmax", "ymax")

STAND_IN = b"<object/>"
"""What stands for all objects in the rest of the file."""

_START, _END = b"<object>", b"</object>"
_BLANKS = rb"[ \t\r\n]*"
_VALUE = rb"[ -%'-;=?-~]*"
"""Text that is the same in every encoding and has no part of XML in it."""

_tag = re.compile(rb"<([^<>]*)>")
_is_name = re.compile(rb"[A-Za-z_][A-Za-z0-9_.-]*").fullmatch

_NAME, _DIFFICULT = b"object/name", b"object/difficult"
_BOX = tuple(f"object/bndbox/{side}".encode() for side in SIDES)


class VocObjects(NamedTuple):
    """The n objects of a file, in its order.

    Attributes:
        names: of their classes.
        corners: float64 [n, 4], the `SIDES` as they are in the file.
        difficult: bool [n].
    """

    names: list[str]
    corners: Float64Array
    difficult: BoolArray


def split_objects(content: bytes) -> tuple[VocObjects, bytes] | None:
    """The objects of an XML file, if they stand together and are laid out alike, and the rest with their `STAND_IN`.

    They are children of the root, and the whole is well-formed, if that is so of the stand-in and the rest.

    Returns:
        None where there is no object, they are not alike, or one of them may be at fault.
    """
    start, end = content.find(_START), content.rfind(_END) + len(_END)
    if not 0 <= start < end:
        return None
    body = content[start:end]
    layout = _layout(tuple(_tag.findall(body[: body.index(_END) + len(_END)])))
    if layout is None:
        return None
    pattern, group = layout
    columns = list(zip(*pattern.findall(body), strict=True))
    if not columns or sum(map(len, columns[0])) != len(body):
        return None
    name_of = {text: text.decode().strip() for text in {*columns[group[_NAME]]}}
    try:
        corners = np.array([[*map(float, columns[group[side]])] for side in _BOX])
    except ValueError:
        return None
    if not all(name_of.values()):
        return None
    difficult = np.zeros(len(corners.T), np.bool_)
    if _DIFFICULT in group:
        difficult[:] = [text.strip().lower() in (b"1", b"true") for text in columns[group[_DIFFICULT]]]
    names = [name_of[text] for text in columns[group[_NAME]]]
    return VocObjects(names, corners.T, difficult), content[:start] + STAND_IN + content[end:]


@lru_cache(maxsize=64)
def _layout(tags: tuple[bytes, ...]) -> tuple[re.Pattern[bytes], dict[bytes, int]] | None:
    """What matches one object of some tags, and the numbers of the groups by path; None where a path is not there.

    The first group is the whole.
    """
    group: dict[bytes, int] = {}
    pattern = b"("
    inside: list[bytes] = []
    boxes = 0
    for tag, following in zip(tags, (*tags[1:], b""), strict=True):
        if tag[:1] == b"/":
            if not inside or inside.pop() != tag[1:]:
                return None
            pattern += b"</" + re.escape(tag[1:]) + b">" + _BLANKS
            continue
        if not _is_name(tag):
            return None
        inside.append(tag)
        path = b"/".join(inside)
        boxes += path == b"object/bndbox"
        pattern += b"<" + re.escape(tag) + b">"
        if following != b"/" + tag:
            pattern += _BLANKS
        elif path in (_NAME, _DIFFICULT, *_BOX) and path not in group:
            group[path] = len(group) + 1
            pattern += b"(" + _VALUE + b")"
        else:
            pattern += _VALUE
    if inside or boxes != 1 or not {_NAME, *_BOX} <= group.keys():
        return None
    return re.compile(pattern + b")"), group
