"""Image files that hold several pictures: those that move (GIF, WebP, PNG), and pages of a TIFF."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from clmot.errors import UserError
from clmot.io.frame_source import FrameSource
from clmot.io.reading import Reading
from clmot.io.video import Frames

_PAGES = frozenset({".tif", ".tiff"})
ANIMATION_SUFFIXES = _PAGES | {".apng", ".gif", ".png", ".webp"}

_OF_8_BITS = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB"})
"""Pillow's modes."""


def open_animation(path: Path) -> FrameSource | None:
    """The source of an image file that moves, or has pages of one size; None where it holds a single picture.

    Raises:
        UserError: the pages have more than 8 bits.
    """
    from PIL import Image as Pillow

    seconds, announced, mode = [0.0], 1, ""
    try:
        with Pillow.open(path) as file:
            mode = file.mode
            for index in itertools.count() if path.suffix.lower() in ANIMATION_SUFFIXES else (0,):
                size = file.size
                file.seek(index)
                if path.suffix.lower() in _PAGES and file.size != size:
                    raise EOFError  # a thumbnail, or the same picture smaller
                file.load()  # some formats know the duration then only
                # browsers show what has no duration for a tenth of a second
                seconds.append(seconds[-1] + (file.info.get("duration") or 100) / 1000)
    except EOFError:
        announced = len(seconds) - 1
    except Exception:  # Pillow raises whatever it stumbles upon
        announced = max(announced, len(seconds))
    if max(announced, len(seconds) - 1) == 1:
        return None
    if mode not in _OF_8_BITS:
        raise UserError(f"{path}: holds {len(seconds) - 1} pages of more than 8 bits; write each as a file of its own")
    reading = Reading(str(path))
    return FrameSource(
        name=path.stem,
        frame_rate=(len(seconds) - 1) / seconds[-1],
        length=len(seconds) - 1,
        decode=partial(_play, path, seconds, announced, reading),
        origin=str(path),
        reading=reading,
    )


def _play(path: Path, seconds: Sequence[float], announced: int, reading: Reading) -> Frames:
    """The pictures that were found to be whole, at their times."""
    from PIL import Image as Pillow

    reading.restart()
    with Pillow.open(path) as file:
        for number in range(1, len(seconds)):
            file.seek(number - 1)
            reading.note(number, seconds[number - 1])
            yield number, np.asarray(file.convert("RGB"))
    reading.lose(announced + 1 - len(seconds), f"ends after frame {len(seconds) - 1}")
    reading.check()
