"""Reading and writing of image files."""

from __future__ import annotations

import contextlib
import io
import logging
import math
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from clmot.errors import UserError, reason_of
from clmot.io.atomic import write_whole_bytes
from clmot.io.folders import IMAGE_SUFFIXES
from clmot.structures import Image

_JPEG, _JPEG_END = b"\xff\xd8", b"\xff\xd9"
_TIFF = b"II*\0", b"MM\0*"
_FULL_SCALES = (1.0, *(float(2**bits - 1) for bits in (8, 10, 12, 14, 16)))
_LOOKED_AT = 8
"""So many images of a folder tell how many of their bits are used."""
_SMALL_PART = 1 / 8
_MOST_PIXELS = 1 << 30
"""OpenCV decodes no more."""
_READ_AHEAD = b"\xfe" * 8
"""libjpeg wants 8 bytes ahead of what it decodes; these are the codes of few values, so little can pass for pixels."""

_log = logging.getLogger(__name__)


def read_image(path: Path) -> Image:
    """Decode an image file, turned upright as its EXIF orientation says.

    Values of more than 8 bits are scaled as the values of the folder's images ask for, the same for all of them
    (`value_range`).

    Returns:
        uint8 [height, width, 3], RGB.

    Raises:
        UserError: the file cannot be read, is not an image, or is truncated.
    """
    return read_with_depth(path)[0]


def write_image(path: Path, image: Image, what: str, *, quality: int = 95) -> None:
    """Write an image in the format that the file's ending names, all or nothing.

    Args:
        path: the file.
        image: uint8 [height, width, 3], RGB.
        what: it is, for messages: ``the picture``.
        quality: of a JPEG.

    Raises:
        UserError: the file cannot be written.
    """
    write_whole_bytes(path, encoded_image(image, path.suffix, quality), what)


def encoded_image(image: Image, suffix: str, quality: int = 95) -> bytes:
    """An image (uint8 [height, width, 3], RGB) as the content of a file with this ending."""
    _, encoded = cv2.imencode(suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return encoded.tobytes()


def read_with_depth(path: Path) -> tuple[Image, str]:
    """As `read_image`, and how its values were scaled, in a few words; none where they have 8 bits.

    Raises:
        UserError: as `read_image`.
    """
    image = _decode(path)
    depth = ""
    if image.dtype != np.uint8:
        floating = image.dtype.kind == "f"
        black, white = value_range(path.parent, floating)
        depth = _depth(black, white, floating)
        image = np.nan_to_num(image.astype(np.float64), nan=black, posinf=white, neginf=black).clip(black, white)
        image = ((image - black) * (255 / (white - black))).round().astype(np.uint8)
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8), depth


@lru_cache(maxsize=4096)
def value_range(folder: Path, floating: bool) -> tuple[float, float]:
    """The values that stand for black and white in the images of a folder that have more than 8 bits.

    16-bit files of cameras with 10, 12 or 14 bits use a small part of what they could hold, and nothing says so.
    The values in eight images of the folder, evenly spread, tell. Black is 0, white the smallest of 255, 1023, 4095,
    16383 and 65535 that is not below the largest (of floating-point files 1 may be white too). Where there are negative
    values, or all lie within an eighth of that range far from 0, as temperatures do, the smallest is black and the
    largest white. One answer for a folder keeps the frames of a sequence at one brightness. It is logged.
    """
    scales = _FULL_SCALES if floating else _FULL_SCALES[1:]
    ends = np.array([*_values(folder, floating)]).reshape(-1, 2)
    low, high = (
        (float(ends[:, 0].min()), float(ends[:, 1].max())) if len(ends) else (0.0, scales[0 if floating else -1])
    )
    black, white = 0.0, next((each for each in scales if high <= each), high)
    if low < high and (low < 0 or high - low < _SMALL_PART * white):
        black, white = low, high
    _log.info("%s: %s", folder, _depth(black, white, floating))
    return black, white


def _depth(black: float, white: float, floating: bool) -> str:
    if black:
        return f"images of more than 8 bits, with values far from 0: {black:g} is black, {white:g} is white"
    if floating:
        return f"floating-point images, in which {white:g} is white"
    return f"images of more than 8 bits, of which {math.ceil(math.log2(white + 1))} are used: {white:g} is white"


def _values(folder: Path, floating: bool) -> Iterator[tuple[float, float]]:
    """The smallest and the largest value of some images."""
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    for index in sorted({round(share) for share in np.linspace(0, len(paths) - 1, _LOOKED_AT)}):
        try:
            image = _decode(paths[index])
        except UserError:
            continue
        if image.dtype != np.uint8 and (image.dtype.kind == "f") == floating:
            known = image[np.isfinite(image)]
            if known.size:
                yield float(known.min()), float(known.max())


def _decode(path: Path) -> npt.NDArray[Any]:
    """The image as it stands in the file, [height, width, 3], BGR."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot read the image: {reason_of(error)}") from error
    try:
        image = _wide_tiff(data) if data.startswith(_TIFF) else None
        if image is None and data and (not data.startswith(_JPEG) or (data := _whole_jpeg(data))):
            # decoding from memory, because cv2.imread takes no path beyond ASCII on some systems
            image = _opencv_decode(data, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    if image is None:
        raise UserError(f"{path}: not a readable image (corrupt or truncated)")
    return image


def _opencv_decode(data: bytes, flags: int) -> npt.NDArray[Any] | None:
    with quiet_opencv():
        try:
            return cv2.imdecode(np.frombuffer(data, np.uint8), flags)
        except cv2.error as error:
            raise UserError("an image of more than 2^30 pixels, or than memory holds") from error


@contextlib.contextmanager
def quiet_opencv() -> Iterator[None]:
    """OpenCV's own account of what fails is long, and ours follows."""
    level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(level)


def _wide_tiff(data: bytes) -> npt.NDArray[Any] | None:
    """A TIFF of 32 or 64 bits, which OpenCV decodes only as it stands, [height, width, 3], BGR; None for others."""
    image = _opencv_decode(data, cv2.IMREAD_UNCHANGED)
    if image is None or image.dtype.itemsize < 4:
        return None
    return image[..., :3] if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)


def _whole_jpeg(data: bytes) -> bytes:
    """A JPEG with its end marker; nothing where it is cut off in its pixels: some decoders fill the rest with grey.

    Embedded thumbnails have ends of their own, so the search starts behind the header segments.
    """
    position = 2
    while data[position : position + 1] == b"\xff" and data[position + 1 : position + 2] != b"\xda":
        if data[position + 1 : position + 2] == b"\xff":  # fill byte
            position += 1
        else:
            position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    if data.find(_JPEG_END, position) >= 0:
        return data
    return data + _JPEG_END if _has_all_pixels(data) else b""


def _has_all_pixels(data: bytes) -> bool:
    """Whether a JPEG without its end marker decodes to its last pixel (of a progressive one nobody can tell)."""
    # not by Image.open, which other packages (ultralytics) put another function in the place of
    from PIL.JpegImagePlugin import JpegImageFile

    try:
        with JpegImageFile(io.BytesIO(data + _READ_AHEAD)) as picture:
            if math.prod(picture.size) > _MOST_PIXELS:
                return False
            picture.load()
    except (OSError, ValueError, SyntaxError):
        return False
    return True
