"""Small sequences of text files: people who cross each other, and a detector that is not sure of them."""

from pathlib import Path

import numpy as np
import pytest


def write_sequence(folder: Path, seed: int, frames: int = 20, objects: int = 4) -> None:
    """Ground truth (MOT16 columns) and noisy detections, without images."""
    rng = np.random.default_rng(seed)
    start, velocity = rng.uniform(40, 260, (objects, 2)), rng.normal(0, 4, (objects, 2))
    truth, found = [], []
    for frame in range(1, frames + 1):
        for row, (x, y) in enumerate((start + frame * velocity).tolist()):
            truth.append(f"{frame},{row + 1},{x:.2f},{y:.2f},30,80,1,1,1")
            if rng.random() < 0.85:
                dx, dy = rng.normal(0, 3, 2)
                found.append(f"{frame},-1,{x + dx:.2f},{y + dy:.2f},30,80,{rng.uniform(0.2, 0.9):.3f},-1,-1,-1")
        x, y = rng.uniform(0, 300, 2)
        found.append(f"{frame},-1,{x:.2f},{y:.2f},30,80,{rng.uniform(0, 0.6):.3f},-1,-1,-1")
    for name, rows in (("gt", truth), ("det", found)):
        (folder / name).mkdir(parents=True)
        (folder / name / f"{name}.txt").write_text("\n".join(rows) + "\n")
    (folder / "seqinfo.ini").write_text(f"[Sequence]\nname={folder.name}\nframeRate=20\nseqLength={frames}\n")


@pytest.fixture(scope="session")
def streets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("streets")
    for seed, name in enumerate(("first", "second")):
        write_sequence(folder / name, seed)
    return folder
