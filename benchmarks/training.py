"""Images a second in training, by recipe; how long it waits for data; and how many views one core makes.

    python benchmarks/training.py [DATA ...] [--recipes NAME ...] [--steps N] [--workers N] [--json FILE]

By default on a synthetic street of 1280x720, which it makes. Each recipe trains for some steps, from random weights, by
`clmot train` as it is; the first step does not count.

"views/s": images that one core reads, changes and packs, in a thread that nothing else waits for (processor time).
"images/s": that training takes. "waiting": share of its time without data. Where views/s times workers is well above
images/s, no faster reading would help.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from clmot.config import Config, load_config
from clmot.datasets.readers import read_dataset
from clmot.synthetic import write_scenes
from clmot.training.trainer import train
from clmot.views.loader import pack
from clmot.views.pair_dataset import PairDataset

CONSOLE = Console(width=120)
COLUMNS = ("views/s", "images/s", "waiting")


def views_per_second(data: list[Path], config: Config, pairs: int = 40) -> float:
    """Of one core."""
    dataset = PairDataset(read_dataset(data), config.views, config.model.image_size, 0, config.data.tracklets)
    draws = np.random.default_rng(0).integers(0, len(dataset), pairs).tolist()
    began = time.thread_time()
    for start in range(0, pairs, config.train.batch_size):
        numbers = range(start, min(start + config.train.batch_size, pairs))
        pack([dataset.with_replacement((draws[number], number))[0] for number in numbers])
    return 2 * pairs / (time.thread_time() - began)


def measure(data: list[Path], config: Config, folder: Path) -> dict[str, float]:
    """Train for the configured steps."""
    train(data, folder, config, progress=False)
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    first, last = (next(line for line in order if "seconds" in line) for order in (lines, lines[::-1]))
    steps, seconds = last["step"] - first["step"], last["seconds"] - first["seconds"]
    waiting = last["seconds_waiting_for_data"] - first["seconds_waiting_for_data"]
    images = 2 * config.train.batch_size
    return {
        "views/s": views_per_second(data, config),
        "images/s": steps * images / seconds,
        "waiting": waiting / seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="*", type=Path, help="what `clmot train` takes")
    parser.add_argument("--recipes", nargs="+", default=["demo", "street", "mobilenet", "dla34"])
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    options = parser.parse_args()
    found: dict[str, Any] = {}
    table = Table("recipe", "input", "batch", *COLUMNS, box=None)
    with tempfile.TemporaryDirectory() as temporary:
        folder, data = Path(temporary), options.data
        if not data:
            write_scenes(folder / "scenes", size=(1280, 720), still_frames=40, still_sequences=4, clips=0)
            data = [folder / "scenes" / "stills"]
        for recipe in options.recipes:
            settings = ["model.pretrained=none", f"data.workers={options.workers}", f"train.steps={options.steps}"]
            config = load_config(recipe, overrides=settings)
            found[recipe] = measure(data, config, folder / recipe)
            size = "{}x{}".format(*config.model.image_size)
            shown = [f"{found[recipe][name]:{'.0%' if name == 'waiting' else '.1f'}}" for name in COLUMNS]
            CONSOLE.print(f"{recipe}: " + ", ".join(f"{a} {b}" for a, b in zip(shown, COLUMNS, strict=True)))
            table.add_row(recipe, size, str(config.train.batch_size), *shown)
    CONSOLE.print(table)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
