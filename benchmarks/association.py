"""Milliseconds an update of our tracker and of others takes, by the number of objects.

    python benchmarks/association.py [--json FILE] [--objects 10 50 200 500] [--frames N] [--rounds N] [--ours]

Installs nothing: peers that are not there are named and left out. Only `update` is timed, on detections that each
tracker gets in the form it wants. Our rows with "128-d" use embeddings of that length, which none of the others do.
With numba ours are compiled, but for the row "NumPy". Last come streams of 50 objects in one call of `Trackers`.

The crowd walks at random, at the same density for any number of people. Each is missed 5 % of the time, for a few
frames running; one in fifty detections is false; now and then somebody leaves and somebody else comes.

All trackers run on the same frames in turn, again and again. "quiet" is the mean over frames of each frame's fastest
round: what other programs disturb least. "median" is the median over the rounds of their means. "x ours" is the median
over the rounds of the ratio to our default with embeddings in the same round.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from peer_trackers import Entry, in_numpy, ours, peers, version
from rich.console import Console
from rich.table import Table

from clmot import Detections, Tracker, Trackers
from clmot.config.tracker import PRESETS

CONSOLE = Console(width=100)
DIMENSION = 128
STREAMS, IN_EACH = 16, 50
WARM_UP = 20
"""Frames before the clock starts: until then tracks are still being started and confirmed."""
DEFAULT = f"clmot, {DIMENSION}-d"
PLAIN = f"{DEFAULT}, NumPy"
TOGETHER = f"{STREAMS} streams of {IN_EACH}"
BARS = {(DEFAULT, 50): 0.05, (DEFAULT, 200): 0.2, (PLAIN, 50): 0.25, (PLAIN, 200): 0.55, (TOGETHER, IN_EACH): 0.6}
"""Milliseconds that an update may take, by row and number of objects, on two cores; compiled but for `PLAIN`."""


@dataclass(frozen=True)
class Row:
    """One line of the table; times in milliseconds."""

    name: str
    objects: int
    quiet: float
    median: float
    ratio: float


def crowd(people: int, frames: int, seed: int = 0) -> list[Detections]:
    """Detections of people who walk about in a square that grows with their number."""
    rng = np.random.default_rng(seed)
    side = 120 * np.sqrt(people)
    centre, velocity = rng.uniform(0, side, (people, 2)), rng.normal(0, 1.5, (people, 2))
    height, looks = rng.uniform(60, 140, people), _unit(rng.normal(size=(people, DIMENSION)))
    seen = rng.random(people) < 0.95
    found = []
    for _ in range(frames):
        velocity = 0.99 * velocity + rng.normal(0, 0.2, velocity.shape)
        centre = centre + velocity
        velocity[(centre < 0) | (centre > side)] *= -1
        # a person missed stays missed for three frames on average, and 5 % are
        seen = np.where(seen, rng.random(people) >= 0.05 / 0.95 / 3, rng.random(people) < 1 / 3)
        gone = rng.random(people) < 1 / 500
        centre[gone], looks[gone] = (
            rng.uniform(0, side, (gone.sum(), 2)),
            _unit(rng.normal(size=(gone.sum(), DIMENSION))),
        )
        false = rng.poisson(people / 50)
        places = np.concatenate([centre[seen] + rng.normal(0, 1, (seen.sum(), 2)), rng.uniform(0, side, (false, 2))])
        heights = np.concatenate([height[seen] * rng.normal(1, 0.02, seen.sum()), rng.uniform(60, 140, false)])
        seen_looks = looks[seen] + rng.normal(0, 0.05, (seen.sum(), DIMENSION))
        half = heights[:, None] * [0.2, 0.5]
        order = rng.permutation(len(places))
        found.append(
            Detections(
                xyxy=np.concatenate([places - half, places + half], axis=1)[order],
                score=np.concatenate([rng.beta(6, 1.5, seen.sum()), rng.uniform(0.1, 0.7, false)])[order],
                class_id=np.zeros(len(places), np.int64),
                embedding=_unit(np.concatenate([seen_looks, rng.normal(size=(false, DIMENSION))]))[order],
            )
        )
    return found


def _unit(vectors: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def contenders() -> list[tuple[Entry, bool]]:
    """Trackers, and whether they get embeddings."""
    rows = [
        (ours(DEFAULT, PRESETS["clmot"]), True),
        (ours(PLAIN, PRESETS["clmot"], compiled=False), True),
        (ours("clmot, motion only", replace(PRESETS["clmot"], appearance=False)), False),
    ]
    for name, config in PRESETS.items():
        if name != "clmot":
            with_looks = config.association != "overlap"
            rows.append((ours(f"{name}, {DIMENSION}-d" if with_looks else name, config), with_looks))
    return rows + [(peer, False) for peer in peers()]


def run(entry: Entry, frames: list[Detections]) -> npt.NDArray[np.float64]:
    """Milliseconds of each update after the warm-up."""
    tracker = entry.make(30.0)
    prepared = [tracker.prepare(each) for each in frames]
    times = np.empty(len(frames))
    for i, each in enumerate(prepared):
        began = time.perf_counter()
        tracker.update(each, None)
        times[i] = time.perf_counter() - began
    return 1e3 * times[WARM_UP:]


def measure(objects: int, entries: list[tuple[Entry, bool]], frames: int, rounds: int) -> list[Row]:
    """All trackers in turn, round after round."""
    found = crowd(objects, WARM_UP + frames)
    bare = [replace(each, embedding=None) for each in found]
    times: dict[str, list[npt.NDArray[np.float64]]] = {entry.name: [] for entry, _ in entries}
    for number in range(rounds):
        # whoever comes first would always meet the coldest caches
        first = number % len(entries)
        for entry, with_looks in entries[first:] + entries[:first]:
            times[entry.name].append(run(entry, found if with_looks else bare))
        CONSOLE.print(
            f"{objects} objects, round {number + 1} of {rounds}: {times[DEFAULT][-1].mean():.3f} ms, {DEFAULT}"
        )
    return rows_of(objects, times, DEFAULT)


def measure_streams(frames: int, rounds: int) -> list[Row]:
    """One call for an update of all streams, compiled and not in turn."""
    crowds = zip(*(crowd(IN_EACH, WARM_UP + frames, seed) for seed in range(STREAMS)), strict=True)
    together = [dict(enumerate(each)) for each in crowds]
    times: dict[str, list[npt.NDArray[np.float64]]] = {TOGETHER: [], f"{TOGETHER}, NumPy": []}
    for _ in range(rounds):
        for name, all_rounds in times.items():
            with contextlib.nullcontext() if name == TOGETHER else in_numpy():
                trackers, spent = Trackers(replace(PRESETS["clmot"], camera="none")), []
                for found in together:
                    began = time.perf_counter()
                    trackers.update(found)
                    spent.append(time.perf_counter() - began)
            all_rounds.append(1e3 * np.array(spent[WARM_UP:]))
    return rows_of(IN_EACH, times, TOGETHER)


def rows_of(objects: int, times: dict[str, list[npt.NDArray[np.float64]]], reference: str) -> list[Row]:
    """From milliseconds by row, round and frame."""
    means = {name: np.array([each.mean() for each in runs]) for name, runs in times.items()}
    return [
        Row(
            name=name,
            objects=objects,
            quiet=float(np.min(runs, axis=0).mean()),
            median=float(np.median(means[name])),
            ratio=float(np.median(means[name] / means[reference])),
        )
        for name, runs in times.items()
    ]


def print_table(title: str, rows: list[Row]) -> None:
    table = Table(title=title, title_justify="left", box=None)
    table.add_column("", no_wrap=True, min_width=26)
    for heading in ("quiet ms", "median ms", "x ours"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(row.name, f"{row.quiet:.3f}", f"{row.median:.3f}", f"{row.ratio:.2f}")
    CONSOLE.print(table)
    for row in rows:
        bar = BARS.get((row.name, row.objects))
        if bar is not None:
            CONSOLE.print(f"bar of {bar} ms for {row.name}: {'pass' if row.quiet <= bar else 'FAIL'}, quiet")
    CONSOLE.print()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    parser.add_argument("--objects", type=int, nargs="+", default=[10, 50, 200, 500])
    parser.add_argument("--frames", type=int, default=60, help="timed frames of a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--ours", action="store_true", help="our own trackers only")
    options = parser.parse_args()
    entries, missing, packages = [], {}, {}
    for entry, with_looks in contenders():
        if entry.package and options.ours:
            continue
        reason = entry.missing()
        if reason:
            missing[entry.name] = reason
            CONSOLE.print(f"{entry.name}: {reason}")
            continue
        entries.append((entry, with_looks))
        if entry.package:
            packages[entry.package] = version(entry.package)
    compiled = Tracker().compiled
    CONSOLE.print(", ".join(f"{name} {number}" for name, number in packages.items()))
    CONSOLE.print("ours compiled by numba" if compiled else "ours in NumPy: numba is not installed", "\n")
    rows = []
    for objects in options.objects:
        measured = measure(objects, entries, options.frames, options.rounds)
        print_table(f"{objects} objects", measured)
        rows += measured
    measured = measure_streams(options.frames, options.rounds)
    print_table(f"{STREAMS} streams in one call", measured)
    rows += measured
    if options.json is not None:
        figures = {
            "bars_milliseconds": {f"{name}, {objects} objects": bar for (name, objects), bar in BARS.items()},
            "compiled": compiled,
            "rounds": options.rounds,
            "frames": options.frames,
            "versions": packages,
            "missing": missing,
            "rows": [vars(row) for row in rows],
        }
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
