"""Frames a second of the synthetic scenes on one core: rendering alone, and rendering, JPEG and text together.

    python benchmarks/synthetic.py [--json FILE] [--frames N] [--repeats N]

Prints the best of the repeats and the ratio to the goal of 100 frames/s, per second of the core's own time (what other
programs take of it does not count) and per second on the clock; building the streets is part of the second row.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from clmot.synthetic import Scene, write_scenes

GOAL = 100.0
"""Frames a second at 512x288."""


def rates(work: Callable[[], None], frames: int) -> tuple[float, float]:
    """Frames a second of processor time and of wall-clock time."""
    processor, wall = time.process_time(), time.perf_counter()
    work()
    return frames / (time.process_time() - processor), frames / (time.perf_counter() - wall)


def render_rates(frames: int, seed: int) -> tuple[float, float]:
    scene = Scene(np.random.default_rng(seed), frames=frames)

    def work() -> None:
        for frame in range(frames):
            scene.render(frame)

    return rates(work, frames)


def write_rates(frames: int, seed: int) -> tuple[float, float]:
    stills = frames // 2
    with tempfile.TemporaryDirectory() as folder:

        def work() -> None:
            write_scenes(
                Path(folder),
                still_frames=stills,
                still_sequences=max(stills // 20, 1),
                clips=1,
                clip_frames=frames - stills,
                seed=seed,
            )

        return rates(work, frames)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    print(f"{'512x288, one core':<20}{'frames/s':>10}{'of goal':>10}{'on the clock':>14}")
    table = {}
    for name, measure in (("render", render_rates), ("render and write", write_rates)):
        processor, wall = np.max([measure(options.frames, seed) for seed in range(options.repeats)], axis=0).tolist()
        print(f"{name:<20}{processor:>10.0f}{processor / GOAL:>9.1f}x{wall:>14.0f}")
        table[name] = {"processor": processor, "wall": wall}
    if options.json is not None:
        options.json.write_text(json.dumps({"frames_per_second": table, "goal": GOAL}, indent=2) + "\n")


if __name__ == "__main__":
    main()
