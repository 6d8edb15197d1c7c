"""Seconds to score tracks: 50 objects, 1000 frames, 3 sequences, read from text; and to draw sequences anew.

    python benchmarks/evaluation.py [--json FILE] [--objects N] [--frames N] [--sequences N] [--repeats N]

Prints the best of the repeats next to the goal of 5 s for the defaults. TrackEval itself, which computes the metrics,
takes most of it; ``bootstrap`` is what 1000 draws of sequences add.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from clmot.evaluation.benchmarks import find_truth
from clmot.evaluation.metrics import Metrics
from clmot.evaluation.mot import Measurement, evaluate
from clmot.io.frame_choice import FrameChoice

GOAL = 5.0
"""Seconds."""


def write_case(root: Path, objects: int, frames: int, sequences: int) -> None:
    """Objects that walk through each other, and results with misses, shifts and changing ids."""
    rng = np.random.default_rng(0)
    (root / "results").mkdir()
    for number in range(sequences):
        position, speed = rng.uniform(0, 1800, (objects, 2)), rng.normal(0, 2, (objects, 2))
        truth, found = [], []
        for frame in range(1, frames + 1):
            position = (position + speed) % 1800
            shifted = position + rng.normal(0, 4, position.shape)
            for i, seen in enumerate(rng.random(objects) > 0.1):
                truth.append("{},{},{:.2f},{:.2f},60,150,1,1,1\n".format(frame, i + 1, *position[i]))
                if seen:
                    identity = i + 1 + objects * (frame // 200)
                    found.append("{},{},{:.2f},{:.2f},60,150,0.9,-1,-1,-1\n".format(frame, identity, *shifted[i]))
        folder = root / "gt" / f"s{number}" / "gt"
        folder.mkdir(parents=True)
        (folder / "gt.txt").write_text("".join(truth))
        (root / "results" / f"s{number}.txt").write_text("".join(found))


def seconds(work: Callable[[], object], repeats: int) -> float:
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return min(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    parser.add_argument("--objects", type=int, default=50)
    parser.add_argument("--frames", type=int, default=1000)
    parser.add_argument("--sequences", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_case(root, options.objects, options.frames, options.sequences)
        plain = seconds(lambda: evaluate(root / "results", root / "gt"), options.repeats)
        measured = Measurement(Metrics(), root / "results", find_truth(root / "gt"), FrameChoice())
    table = {"evaluate": plain, "bootstrap": seconds(lambda: measured.replicates(1000, 0), options.repeats)}
    print(f"{'':<12}{'seconds':>10}{'of goal':>10}")
    for name, value in table.items():
        print(f"{name:<12}{value:>10.2f}{value / GOAL:>9.0%}")
    if options.json is not None:
        options.json.write_text(json.dumps({"seconds": table, "goal": GOAL}, indent=2) + "\n")


if __name__ == "__main__":
    main()
