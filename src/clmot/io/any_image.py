"""Whatever people have an image in, as the one form that the rest works with. Imports no OpenCV."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from clmot.structures import Image


class Tensor(Protocol):
    """A tensor of torch, on whatever device."""

    def detach(self) -> Any:
        """Without its gradient."""


class Picture(Protocol):
    """An image of PIL."""

    def getexif(self) -> Any:
        """What the camera says."""


AnyImage = npt.NDArray[Any] | Tensor | Picture | str | Path
"""Whatever `as_image` takes."""

_TAKEN = (
    "an array or tensor uint8 [height, width, 3] (RGB; also grey, or RGBA), a PIL image, or the path of an image file"
)


def as_image(value: AnyImage, name: str = "image") -> Image:
    """An image as uint8 [height, width, 3], RGB; such an array is given back as it is.

    Args:
        value: an array or tensor uint8 [h, w, 3] (RGB), [h, w, 4] (RGBA: the alpha channel is left out), [h, w] or
            [h, w, 1] (grey); a PIL image of 8 bits, turned upright as its EXIF orientation says; or the path of a file.
        name: what messages call it.

    Raises:
        TypeError: it is something else.
        ValueError: an array of another shape or type, which could mean several things, or without pixels.
        UserError: the file cannot be read.
    """
    if isinstance(value, str | Path):
        from clmot.io.image import read_image

        return read_image(Path(value))
    given: Any = value
    if hasattr(given, "getexif"):
        from PIL import ImageOps

        if given.mode in ("I", "F") or given.mode.startswith("I;"):
            raise ValueError(f"{name} is a PIL image of mode {given.mode}, not of 8 bits: scale it to uint8 first")
        given = np.array(ImageOps.exif_transpose(given).convert("RGB"))
    if hasattr(given, "detach"):
        given = given.detach().cpu().numpy()
    if not hasattr(given, "__array__"):
        raise TypeError(f"{name} is {_kind(given)}; give {_TAKEN}")
    array = np.asarray(given)
    shape = list(array.shape)
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4):
        first = " (channels come last: image.transpose(1, 2, 0))" if array.ndim == 3 and shape[0] in (1, 3, 4) else ""
        raise ValueError(f"{name} must be uint8 [height, width, 3], got {array.dtype} {shape}{first}")
    if array.dtype != np.uint8:
        raise ValueError(
            f"{name} must be uint8 [height, width, 3], got {array.dtype} {shape}: scale it to 0..255 first"
        )
    if not array.size:
        raise ValueError(f"{name} has no pixels: {shape}")
    return array if array.shape[2] == 3 else array[..., :3] if array.shape[2] == 4 else array.repeat(3, axis=2)


def as_images(values: Iterable[AnyImage]) -> list[Image]:
    """Several images, each as `as_image` has it, contiguous in memory.

    Raises:
        TypeError: it is one image, or nothing of the kind.
        ValueError: as `as_image`.
        UserError: as `as_image`.
    """
    one = isinstance(values, str | Path) or hasattr(values, "getexif") or getattr(values, "ndim", 4) != 4
    if one or not isinstance(values, Iterable):
        raise TypeError(f"images are a list, got {_kind(values)}: give [image], or call detect(image) for one")
    return [np.ascontiguousarray(as_image(value, f"image {number}")) for number, value in enumerate(values)]


def _kind(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"a {type(value).__name__} of {len(value)}"
    shape = f" {list(value.shape)}" if hasattr(value, "shape") else ""
    return "None" if value is None else f"{type(value).__name__}{shape}"
