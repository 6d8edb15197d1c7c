"""Reading of image files."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from clmot.errors import UserError, reason_of
from clmot.types import Image


def read_image(path: Path) -> Image:
    """Decode an image file, turned upright as its EXIF orientation says.

    Returns:
        uint8 [height, width, 3], RGB.

    Raises:
        UserError: the file cannot be read, is not an image, or is truncated.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot read the image: {reason_of(error)}") from error
    # decoding from memory, because cv2.imread takes no path beyond ASCII on some systems
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if _is_whole(data) else None
    if image is None:
        raise UserError(f"{path}: not a readable image (corrupt or truncated)")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def _is_whole(data: bytes) -> bool:
    """False for an empty file and for a JPEG without its end: some decoders fill the rest with grey and go on.

    Embedded thumbnails have ends of their own, so the search starts behind the header segments.
    """
    if not data.startswith(b"\xff\xd8"):
        return bool(data)
    position = 2
    while data[position : position + 1] == b"\xff" and data[position + 1 : position + 2] != b"\xda":
        if data[position + 1 : position + 2] == b"\xff":  # fill byte
            position += 1
        else:
            position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return data.find(b"\xff\xd9", position) >= 0
