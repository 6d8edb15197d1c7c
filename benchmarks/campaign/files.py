"""What an entrance is, and the small files that are valid."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

SIZE = (64, 48)
SEEDS = yaml.safe_load((Path(__file__).parent / "seeds.yaml").read_text())
TEXTS = SEEDS["texts"]
"""Valid small files."""


@dataclasses.dataclass
class Entrance:
    """One thing that reads files.

    Attributes:
        name: for the table and ``--only``.
        file: that is changed; it has valid content now, and files that go with it lie beside.
        read: what is called after each change, with the file.
        kind: of its content, as of `campaign.mutate.mutated`.
        share: of all executions, the dearer ones have less.
    """

    name: str
    file: Path
    read: Callable[[Path], Any]
    kind: str = "text"
    share: float = 1.0

    def __post_init__(self) -> None:
        self.content = self.file.read_bytes()


def picture(number: int, suffix: str = ".jpg") -> bytes:
    pixels = np.random.default_rng(number).integers(0, 255, (*SIZE[::-1], 3), np.uint8)
    return cv2.imencode(suffix, cv2.GaussianBlur(pixels, (9, 9), 0))[1].tobytes()


def put(file: Path, content: str | bytes) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


MOT = "".join(f"{frame},{track},{9 * frame}.5,{track},20,15,1,1,1\n" for frame in (1, 2, 3) for track in (1, 2))
RESULTS = "".join(f"{f},{t},{9 * f}.5,{9 + t},20,15,0.9,1,-1,-1\n" for f in (1, 2, 3) for t in (1, 2))
