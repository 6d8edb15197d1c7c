"""Where identities go wrong, against the counts of TrackEval up to each frame."""

import contextlib
import io
from pathlib import Path

import numpy as np
import pytest

from clmot.evaluation.benchmarks import find_truth
from clmot.evaluation.identity_events import identity_events
from clmot.evaluation.mot import sequence_data
from clmot.io.frame_choice import FrameChoice

with contextlib.redirect_stdout(io.StringIO()):
    from trackeval.metrics import CLEAR


def random_sequence(folder: Path, seed: int) -> dict:
    """Walkers with annotated identities, and tracks of them that break, swap and miss; some frames lack one of both."""
    rng = np.random.default_rng(seed)
    (folder / "gt").mkdir(parents=True)
    n, truth, found = 6, [], []
    place, speed, ids = rng.uniform(0, 200, (n, 2)), rng.normal(0, 4, (n, 2)), np.arange(n) + 1
    for frame in range(1, 61):
        place += speed
        if rng.random() < 0.2:
            one, two = rng.choice(n, 2, replace=False)
            ids[[one, two]] = ids[[two, one]]
        if rng.random() < 0.1:
            ids[rng.integers(n)] = rng.integers(100, 900)
        ids = np.array([each if (ids == each).sum() == 1 else each + 1000 + i for i, each in enumerate(ids)])
        for who in range(n):
            left, top = place[who]
            if frame % 17 and rng.random() < 0.95:
                truth.append(f"{frame},{who + 1},{left:.2f},{top:.2f},30,80,1,-1,-1,-1")
            if frame % 13 and rng.random() < 0.85:
                dx, dy = rng.normal(0, 4, 2)
                found.append(f"{frame},{ids[who]},{left + dx:.2f},{top + dy:.2f},30,80,0.9,-1,-1,-1")
    (folder / "gt" / "gt.txt").write_text("\n".join(truth))
    (folder / "found.txt").write_text("\n".join(found))
    _, data = sequence_data(folder / "found.txt", find_truth(folder)[folder.name], FrameChoice())
    return data["person"]


def until(data: dict, time: int) -> dict:
    """The first frames only."""
    cut = {name: data[name][:time] for name in ("gt_ids", "tracker_ids", "similarity_scores")}
    counts = {f"num_{kind}_dets": sum(map(len, cut[f"{kind}_ids"])) for kind in ("gt", "tracker")}
    return {**data, **cut, **counts, "num_timesteps": time}


@pytest.mark.parametrize("seed", range(3))
def test_switches_and_fragments_are_those_of_trackeval_frame_by_frame(tmp_path: Path, seed: int) -> None:
    data = random_sequence(tmp_path / "walk", seed)
    events = identity_events(data)
    metric, switches, fragments = CLEAR(), 0, 0
    for time in range(1, data["num_timesteps"] + 1):
        fields = metric.eval_sequence(until(data, time))
        frame = int(data["frames"][time - 1])
        switches += sum(each.kind == "switch" and each.frame == frame for each in events)
        fragments += sum((each.kind == "fragment" or each.gap) and each.frame == frame for each in events)
        # TrackEval's count of fragments needs identities that were tracked at all, as ours
        assert (fields["IDSW"], fields["Frag"]) == (switches, fragments), frame
    assert switches > 20
    assert fragments > 20


def test_a_switch_names_the_identity_both_tracks_and_how_long_each_had_it(tmp_path: Path) -> None:
    folder = tmp_path / "two"
    (folder / "gt").mkdir(parents=True)
    rows = [(frame, who, 100 * who) for frame in range(1, 21) for who in (1, 2)]
    (folder / "gt/gt.txt").write_text("\n".join(f"{f},{who},{x},0,30,80,1,-1,-1,-1" for f, who, x in rows))
    named = {1: [7, 8], 2: [8, 7]}  # they change places at frame 13; nobody was there in frames 11 and 12
    (folder / "found.txt").write_text(
        "\n".join(f"{f},{named[who][f > 12]},{x},0,30,80,1,-1,-1,-1" for f, who, x in rows if f not in (11, 12))
    )
    _, data = sequence_data(folder / "found.txt", find_truth(folder)["two"], FrameChoice())
    first, second = identity_events(data["person"])
    assert (first.kind, first.frame, first.last_frame, first.identity) == ("switch", 13, 10, 1)
    assert (first.before, first.after, first.other, first.length) == (7, 8, 2, 8)
    assert (second.identity, second.before, second.after, second.other) == (2, 8, 7, 1)


def test_a_track_that_goes_on_with_somebody_new_is_a_merge_that_no_switch_counts(tmp_path: Path) -> None:
    folder = tmp_path / "two"
    (folder / "gt").mkdir(parents=True)
    (folder / "gt/gt.txt").write_text(
        "\n".join(f"{f},{1 if f < 6 else 2},{100 if f < 6 else 400},0,30,80,1,-1,-1,-1" for f in range(1, 16))
    )
    (folder / "found.txt").write_text(
        "\n".join(f"{f},3,{100 if f < 6 else 400},0,30,80,1,-1,-1,-1" for f in range(1, 16))
    )
    _, data = sequence_data(folder / "found.txt", find_truth(folder)["two"], FrameChoice())
    (event,) = identity_events(data["person"])
    assert (event.kind, event.frame, event.last_frame) == ("merge", 6, 5)
    assert (event.identity, event.other, event.before, event.after, event.length) == (2, 1, 3, 3, 5)
