"""A street of two people who change places in the results, and what the report's page holds."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from clmot.io.video_writer import VideoWriter
from tests.apps.chromium import CHROMIUM

WIDTH, HEIGHT, FRAMES, RATE = 240, 120, 40, 10.0
SWAPPED = 21
"""From this frame on each has the other's id."""
COLOURS = {1: (200, 40, 40), 2: (40, 60, 200)}


def place(who: int, frame: int) -> tuple[int, int, int, int]:
    """Left, top, width, height: they walk towards each other and pass."""
    left = 20 + 4 * frame if who == 1 else 200 - 4 * frame
    return left, 30 if who == 1 else 36, 20, 60


@dataclass
class Street:
    """Video, results and ground truth."""

    folder: Path
    video: Path
    results: Path
    truth: Path

    def write(self, ids: Any, name: str = "street") -> Path:
        """Results in which `ids(who, frame)` is the id of each; None leaves the box out."""
        rows = [
            f"{frame},{ids(who, frame)},{place(who, frame)[0] + 1},{place(who, frame)[1] + 1},20,60,0.9,-1,-1,-1"
            for frame in range(1, FRAMES + 1)
            for who in (1, 2)
            if ids(who, frame) is not None
        ]
        self.results.mkdir(exist_ok=True)
        path = self.results / f"{name}.txt"
        path.write_text("\n".join(rows) + "\n")
        return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        with driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"]) as opened:
            yield opened


@pytest.fixture(scope="session")
def street_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("video") / "street.mp4"
    with VideoWriter(path, RATE, (WIDTH, HEIGHT)) as writer:
        for frame in range(1, FRAMES + 1):
            image = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
            for who, colour in COLOURS.items():
                left, top, width, height = place(who, frame)
                cv2.rectangle(image, (left, top), (left + width - 1, top + height - 1), colour, cv2.FILLED)
            writer.write(image)
    return path


@pytest.fixture
def street(tmp_path: Path, street_video: Path) -> Street:
    truth = tmp_path / "truth" / "street"
    (truth / "gt").mkdir(parents=True)
    rows = [
        f"{frame},{who},{','.join(map(str, place(who, frame)))},1,-1,-1,-1"
        for frame in range(1, FRAMES + 1)
        for who in (1, 2)
    ]
    (truth / "gt" / "gt.txt").write_text("\n".join(rows))
    made = Street(tmp_path, street_video, tmp_path / "results", tmp_path / "truth")
    made.write(lambda who, frame: who if frame < SWAPPED else 3 - who)
    return made


def content_of(page: str) -> dict[str, Any]:
    """What the page's own code reads."""
    (found,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    return json.loads(found)
