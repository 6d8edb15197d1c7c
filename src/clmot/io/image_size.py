"""The size of an image, from the first bytes of its file."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

from clmot.errors import UserError, reason_of
from clmot.io.image import read_image

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8"
_ORIENTATION = 0x0112
"""EXIF tag; values from 5 on turn the image by a quarter."""


def read_image_size(path: Path) -> tuple[int, int]:
    """Width and height as `read_image` returns the image: upright, as its EXIF orientation says.

    JPEG and PNG headers are read without decoding; other files, and headers out of the ordinary, are decoded.

    Raises:
        UserError: the file cannot be read or is no image.
    """
    try:
        with path.open("rb") as file:
            start = file.read(len(_PNG))
            file.seek(0)
            if start == _PNG:
                size = _png_size(file)
            elif start.startswith(_JPEG):
                size = _jpeg_size(file)
            else:
                size = None
    except OSError as error:
        raise UserError(f"{path}: cannot read the image: {reason_of(error)}") from error
    except struct.error:
        size = None
    if size is None or min(size) < 1:
        height, width = read_image(path).shape[:2]
        return width, height
    return size


def _png_size(file: BinaryIO) -> tuple[int, int] | None:
    """The size in the first chunk; None if there is EXIF data before the pixels, for which the image is decoded."""
    file.seek(len(_PNG))
    size: tuple[int, int] | None = None
    while True:
        length, kind = struct.unpack(">I4s", file.read(8))
        if kind == b"IHDR":
            size = struct.unpack(">II", file.read(8))
            length -= 8
        elif kind == b"eXIf":
            return None
        elif kind in (b"IDAT", b"IEND"):
            return size
        file.seek(length + 4, 1)


def _jpeg_size(file: BinaryIO) -> tuple[int, int] | None:
    """The size in the frame header, sides swapped where an EXIF segment before it says so."""
    file.seek(len(_JPEG))
    turned = False
    while True:
        lead, marker = struct.unpack(">BB", file.read(2))
        while marker == 0xFF:  # fill bytes
            (marker,) = struct.unpack(">B", file.read(1))
        if lead != 0xFF:
            return None
        (length,) = struct.unpack(">H", file.read(2))
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            _, height, width = struct.unpack(">BHH", file.read(5))
            return (height, width) if turned else (width, height)
        segment = file.read(length - 2)
        if marker == 0xE1 and segment.startswith(b"Exif\0\0"):
            turned = _orientation(segment[6:]) >= 5


def _orientation(tiff: bytes) -> int:
    """The EXIF orientation, 1 (upright) to 8; 1 where it is not given."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return 1
    (offset,) = struct.unpack_from(order + "I", tiff, 4)
    (entries,) = struct.unpack_from(order + "H", tiff, offset)
    for i in range(entries):
        tag, _, _, value = struct.unpack_from(order + "HHIH", tiff, offset + 2 + 12 * i)
        if tag == _ORIENTATION:
            return int(value)
    return 1
