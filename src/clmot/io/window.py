"""A window that shows frames while they are tracked."""

from __future__ import annotations

import os
import sys
from typing import Self

import cv2

from clmot.errors import UserError
from clmot.structures import Image

_QUIT_KEYS = (ord("q"), 27)  # 27 is Esc


class Window:
    """A desktop window for images, closed with the ``with`` block.

    Args:
        title: what its title bar says.

    Raises:
        UserError: there is no display, or this OpenCV is built without windows.
    """

    def __init__(self, title: str) -> None:
        # Qt ends the whole process where it finds no display, so it is not asked
        if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            raise UserError("no display to show frames on (DISPLAY is not set); write a video instead")
        self._title = title
        try:
            cv2.namedWindow(title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
        except cv2.error as error:
            raise UserError("this OpenCV cannot open windows; write a video instead") from error

    def show(self, image: Image) -> bool:
        """Show an image; False once the user asked to stop with q or Esc."""
        cv2.imshow(self._title, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        return (cv2.waitKey(1) & 0xFF) not in _QUIT_KEYS

    def close(self) -> None:
        """Close the window."""
        cv2.destroyWindow(self._title)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
