"""Results of a video, as `clmot track` leaves them."""

from pathlib import Path

import numpy as np
import pytest
from convert_data import FRAMES, HEIGHT, NAMES, ROWS, WIDTH

from clmot.io.video_writer import VideoWriter


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Results of the video beside them, as `clmot track` leaves them."""
    folder = tmp_path / "results"
    folder.mkdir()
    (folder / "street.txt").write_text(ROWS)
    (folder / "labels.txt").write_text("".join(f"{name}\n" for name in NAMES), encoding="utf-8")
    with VideoWriter(tmp_path / "street.mp4", 10, (WIDTH, HEIGHT)) as writer:
        for number in range(FRAMES + 3):
            writer.write(np.zeros((HEIGHT, WIDTH, 3), np.uint8), number + 1, number / 10)
    return folder / "street.txt"
