"""A comparison small enough to be run whole: networks of a few channels, six frames to train on, two short clips."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from clmot.synthetic import write_scenes

TINY: dict[str, Any] = {
    "model": {
        "encoder": "resnet10t",
        "encoder_options": {"channels": [8, 8, 16, 16]},
        "image_size": [128, 96],
        "width": 8,
        "stripes": 2,
        "embedding_dimension": 16,
    },
    "train": {"batch_size": 2, "warmup_steps": 1, "device": "cpu", "precision": "32-true"},
    "data": {"workers": 0},
}


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bench-scenes")
    write_scenes(
        folder, still_frames=6, still_sequences=2, clips=2, clip_frames=9, frame_rate=4, size=(256, 160), seed=3
    )
    return folder


@pytest.fixture
def write_plan(scenes: Path, tmp_path: Path):
    """Writes a plan's file; what is given replaces the defaults."""

    def write(**changes: Any) -> Path:
        content = {
            "steps": 2,
            "data": {"train": str(scenes / "stills"), "test": str(scenes / "clips")},
            "settings": TINY,
            "methods": ["ours"],
        } | changes
        file = tmp_path / "bench.yaml"
        file.write_text(yaml.safe_dump(content))
        return file

    return write
