"""The size of an image, from the header of its file."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from clmot.io.image import read_image

_EXIF_OF_PNG = (b"eXIf", b"Raw profile type")
_ORIENTATION = 0x0112
"""EXIF tag; values from 5 on turn the image by a quarter."""


def read_image_size(path: Path) -> tuple[int, int]:
    """Width and height as `read_image` returns the image: upright, as its EXIF orientation says.

    Pixels are decoded only where Pillow does not know the file, or it is turned and no JPEG.

    Raises:
        UserError: the file cannot be read or is no image.
    """
    most, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None  # no limit: nothing is decoded
    try:
        with path.open("rb") as file, Image.open(file) as image:
            # looking for what a PNG says behind its pixels decodes them
            says = image.format != "PNG" or any(mark in path.read_bytes() for mark in _EXIF_OF_PNG)
            turned = says and image.getexif().get(_ORIENTATION, 1) >= 5
            if not turned:
                return image.size
            if image.format == "JPEG":
                return image.size[1], image.size[0]
    except Exception:  # no image, or a header out of the ordinary: decoding says which
        pass
    finally:
        Image.MAX_IMAGE_PIXELS = most
    height, width = read_image(path).shape[:2]
    return width, height
