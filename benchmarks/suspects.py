"""Faults put into tracks on purpose, and how many of them `clmot report` lists without ground truth.

Ids are swapped for 20 frames (where two boxes are nearest to each other), tracks are cut in two, and pairs of tracks
that follow one another become one. A fault is found where an event of one of its tracks lies within half a second of
it among the first events of the list. Precision is the share of those events that tell of a fault.

    CLMOT_DATA=... python benchmarks/suspects.py --base truth --results DIR
    CLMOT_DATA=... python benchmarks/suspects.py --base results --results DIR
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from clmot.apps.report.appearance import read_appearance, visibility
from clmot.apps.report.events import Event
from clmot.apps.report.measured import Measured
from clmot.apps.report.results import Results, load_results
from clmot.apps.report.suspects import find_suspects
from clmot.apps.report.truth import compare_with_truth, truth_as_results
from clmot.io.sources import open_one
from clmot.tracking.postprocess.track_table import Rows

SEQUENCES = ("TUD-Stadtmitte", "TUD-Campus", "PETS09-S2L1", "MOT16-11")
KINDS = ("swap", "cut", "merge")
LISTED = 50


@dataclass
class Fault:
    """What was done to which tracks, and when."""

    kind: str
    tracks: set[int]
    frames: list[tuple[int, int]]  # spans in which it may be seen


def seeded(ids: np.ndarray, rows: Rows, rate: float, rng: np.random.Generator, count: int) -> tuple[np.ndarray, list]:
    """New ids, and the faults in them; faults keep a second and a half, or their tracks, apart."""
    ids, faults, fresh = ids.copy(), [], int(ids.max()) + 1000
    margin = round(1.5 * rate)
    busy: list[tuple[set[int], int, int]] = []

    def free(tracks: set[int], low: int, high: int) -> bool:
        return all(not (tracks & other) or high + margin < start or low - margin > end for other, start, end in busy)

    kinds = list(rng.permutation([KINDS[i % 3] for i in range(count)]))
    for kind in kinds:
        for _ in range(200):
            tracks = np.unique(ids)
            if kind == "cut":
                one = int(rng.choice(tracks))
                frames = np.sort(rows.frame[ids == one])
                if len(frames) < 12:
                    continue
                at = int(frames[rng.integers(5, len(frames) - 5)])
                if not free({one}, at, at):
                    continue
                ids[(ids == one) & (rows.frame >= at)] = fresh
                faults.append(Fault(kind, {one, fresh}, [(at - 1, at)]))
                busy.append(({one, fresh}, at, at))
                fresh += 1
            elif kind == "swap":
                one, two = (int(each) for each in rng.choice(tracks, 2, replace=False))
                a, b = (np.flatnonzero(ids == each) for each in (one, two))
                common, at_a, at_b = np.intersect1d(rows.frame[a], rows.frame[b], return_indices=True)
                if len(common) < 36:
                    continue
                ca, cb = (
                    (rows.xyxy[part[at], :2] + rows.xyxy[part[at], 2:]) / 2 for part, at in ((a, at_a), (b, at_b))
                )
                apart = np.linalg.norm(ca - cb, axis=1)
                apart[:5] = apart[-26:] = np.inf
                at = int(common[apart.argmin()])
                end = int(common[apart.argmin() + 20])
                if not free({one, two}, at, end):
                    continue
                span = (rows.frame >= at) & (rows.frame < end)
                mine, other = span & (ids == one), span & (ids == two)
                ids[mine], ids[other] = two, one
                faults.append(Fault(kind, {one, two}, [(at - 1, at), (end - 1, end)]))
                busy.append(({one, two}, at, end))
            else:
                first = {int(t): int(rows.frame[ids == t].min()) for t in tracks}
                last = {int(t): int(rows.frame[ids == t].max()) for t in tracks}
                pairs = [(a, b) for a in first for b in first if last[a] < first[b] <= last[a] + 5 * rate]
                pairs = [
                    p
                    for p in pairs
                    if min((ids == p[0]).sum(), (ids == p[1]).sum()) >= 6
                    and not any({*p} & fault.tracks for fault in faults)
                ]
                if not pairs:
                    kind = "cut"
                    continue
                one, two = pairs[rng.integers(len(pairs))]
                if not free({one, two}, last[one], first[two]):
                    continue
                faults.append(Fault(kind, {one}, [(last[one], first[two])]))
                busy.append(({one, two}, last[one], first[two]))
                ids[ids == two] = one
            break
    return ids, faults


def found_by(event, fault: Fault, tolerance: float) -> bool:
    if not set(event.tracks) & fault.tracks:
        return False
    return any(event.frame >= low - tolerance and event.before <= high + tolerance for low, high in fault.frames)


def tell_real(loaded: Results, truth: Path, looks: np.ndarray, shown: np.ndarray) -> None:
    """How many of the switches and merges that ground truth knows of are listed, and how many events are of one."""
    real = [each for each in compare_with_truth(loaded, truth).events if each.kind != "fragment"]
    events = find_suspects(Measured(loaded, looks, shown))[:LISTED]
    tolerance = max(3, 0.5 * loaded.frame_rate)

    def same(one: Event, other: Event) -> bool:
        near = one.frame >= other.before - tolerance and one.before <= other.frame + tolerance
        return near and bool({*one.tracks} & {*other.tracks})

    found = [any(same(each, other) for each in events) for other in real]
    right = sum(any(same(each, other) for other in real) for each in events)
    brief = sum(each.severity <= 5 for each, there in zip(real, found, strict=True) if not there)
    print(
        f"{loaded.name}: {sum(found)} of {len(real)} real switches and merges are listed ({brief} of those missed last "
        f"5 frames or less), {right} of {len(events)} events are of one"
    )


def run(data: Path, base: str, results: Path, model: str | None, rounds: int, per_round: int, verbose: bool):
    embed = None
    if model:
        from clmot.inference.model import load_model

        embed = load_model(model).embed
    table = {}
    for name in SEQUENCES:
        source = open_one(data / name)
        loaded = load_results(results, source)
        if base == "truth":
            loaded = truth_as_results(loaded, data / name)
        looks, shown = read_appearance(loaded, source, embed, progress=False), visibility(loaded)
        if base == "results":
            tell_real(loaded, data / name, looks, shown)
        loaded = replace(loaded, decisions=None)
        clean = find_suspects(Measured(loaded, looks, shown))
        hits, total, right, listed = dict.fromkeys(KINDS, 0), dict.fromkeys(KINDS, 0), 0, 0
        at_most = []
        for seed in range(rounds):
            rng = np.random.default_rng([seed, len(name)])
            ids, faults = seeded(loaded.rows.track_id, loaded.rows, loaded.frame_rate, rng, per_round)
            order = np.lexsort((loaded.rows.frame, ids))
            rows = replace(loaded.rows, track_id=ids)[order]
            changed = replace(loaded, rows=rows)
            events = find_suspects(Measured(changed, looks[order], shown[order]))[:LISTED]
            tolerance = max(3, 0.5 * loaded.frame_rate)
            for fault in faults:
                ranks = [rank for rank, each in enumerate(events) if found_by(each, fault, tolerance)]
                total[fault.kind] += 1
                hits[fault.kind] += bool(ranks)
                at_most.append(ranks[0] if ranks else None)
                if verbose and not ranks:
                    print("   missed", name, seed, fault)
            right += sum(any(found_by(each, fault, tolerance) for fault in faults) for each in events)
            listed += len(events)
            first = len(faults)
            table.setdefault("first", []).append(
                sum(any(found_by(each, fault, tolerance) for fault in faults) for each in events[:first]) / first
            )
        table[name] = {
            "faults": sum(total.values()),
            "recall": sum(hits.values()) / sum(total.values()),
            **{f"recall {kind}": hits[kind] / total[kind] if total[kind] else None for kind in KINDS},
            "precision": right / max(listed, 1),
            "events": listed / rounds,
            "events without faults": len(clean),
            "median rank": float(np.median([rank for rank in at_most if rank is not None])) + 1,
        }
        print(name, json.dumps({key: round(v, 3) if isinstance(v, float) else v for key, v in table[name].items()}))
    rows = [table[name] for name in SEQUENCES]
    faults = sum(row["faults"] for row in rows)
    print(
        f"all: {faults} faults, recall {sum(row['recall'] * row['faults'] for row in rows) / faults:.3f}, precision "
        f"of the list {np.mean([row['precision'] for row in rows]):.3f}, of as many first events as there are faults "
        f"{np.mean(table['first']):.3f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", choices=("truth", "results"), default="truth")
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--model")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--per-round", type=int, default=5)
    parser.add_argument("--verbose", action="store_true")
    given = parser.parse_args()
    data = Path(os.environ["CLMOT_DATA"]) / "mot"
    run(data, given.base, given.results, given.model, given.rounds, given.per_round, given.verbose)


if __name__ == "__main__":
    main()
