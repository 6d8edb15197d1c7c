"""Clips of a few frames with detections, and a job that tracks them by motion."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clmot.apps.many.sources import list_videos
from clmot.apps.many.video import Video
from clmot.apps.many.work import Job
from clmot.io.video_writer import VideoWriter

FRAMES = 12


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``v/c0.mp4`` to ``v/c5.mp4``, and ``b/c0.txt`` ...; no two are alike."""
    folder = tmp_path_factory.mktemp("clips")
    for name in ("v", "b"):
        (folder / name).mkdir()
    for clip in range(6):
        rows = []
        with VideoWriter(folder / "v" / f"c{clip}.mp4", 10, (64, 48)) as writer:
            for frame in range(1, FRAMES + clip + 1):
                image = np.full((48, 64, 3), 60 + 5 * clip, np.uint8)
                image[10:40, 2 * frame : 2 * frame + 12] = 200
                writer.write(image)
                rows.append(f"{frame},-1,{2 * frame + clip},10,12,30,0.9,-1,-1,-1")
        (folder / "b" / f"c{clip}.txt").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture
def job(clips: Path, tmp_path: Path) -> Job:
    settings = [({"tracker": {"appearance": False, "camera": "none"}}, "test")]
    options: dict[str, Any] = {"boxes": str(clips / "b"), "overlap": False}
    return Job(out=tmp_path / "out", model="clmot-pedestrian", device="cpu", settings=settings, options=options)


def with_option(job: Job, **options: Any) -> Job:
    return replace(job, options={**job.options, **options})


def videos_of(folder: Path) -> list[Video]:
    return list_videos([folder / "v"], {})
