"""Why the tracker decided: the terms that are shown add up to its cost, and the setting that is named changes it."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from clmot.apps.report.events import Event
from clmot.apps.report.results import Results
from clmot.apps.report.why import why
from clmot.config.tracker import PRESETS, TrackerConfig
from clmot.structures import Detections, TrackedFrame
from clmot.tracking.decisions import KINDS, STAGES
from clmot.tracking.postprocess.track_table import to_rows
from clmot.tracking.tracker import Tracker

CONFIGS = {
    "fused": TrackerConfig(appearance_trust=0, camera="none"),
    "gated": TrackerConfig(appearance_trust=0, camera="none", association="gated"),
    "byte": PRESETS["byte"],
    "ocsort": PRESETS["ocsort"],
}


def crowd(seed: int, frames: int = 60, n: int = 14) -> list[Detections]:
    """Walkers that cross, vanish and look alike to some degree."""
    rng = np.random.default_rng(seed)
    place, speed = rng.uniform(0, 250, (n, 2)), rng.normal(0, 4, (n, 2))
    looks, found = rng.normal(size=(n, 8)), []
    for _ in range(frames):
        place, speed = place + speed, speed + rng.normal(0, 0.5, speed.shape)
        seen = np.flatnonzero(rng.random(n) < 0.85)
        vectors = looks[seen] + rng.normal(0, 0.5, (len(seen), 8))
        half = np.array([15, 40])
        found.append(
            Detections(
                xyxy=np.concatenate([place[seen] - half, place[seen] + half], axis=1),
                score=rng.uniform(0.3, 1, len(seen)),
                class_id=np.zeros(len(seen)),
                embedding=vectors / np.linalg.norm(vectors, axis=1, keepdims=True),
            )
        )
    return found


def tracked(config: TrackerConfig, video: list[Detections]) -> Results:
    tracker = Tracker(config)
    frames = [tracker.update(found, explain=True) for found in video]
    plain = [TrackedFrame(frame=f.frame, detections=f.detections, track_id=f.track_id) for f in frames]
    record = {"settings": {"tracker": dataclasses.asdict(config)}}
    return Results(
        name="a",
        file=Path("a.txt"),
        rows=to_rows(plain),
        classes=(),
        frame_rate=30.0,
        record=record,
        decisions=tracker.explained(),
    )


@pytest.mark.parametrize("name", CONFIGS)
def test_the_parts_that_are_shown_add_up_to_the_cost_of_the_pair_and_of_the_rival(name: str) -> None:
    results, stages = tracked(CONFIGS[name], crowd(1)), set()
    near = 0.02 if name == "byte" else 0.005  # whose overlaps are those of boxes a pixel larger
    decisions = results.decisions
    assert decisions is not None
    for row in np.flatnonzero(decisions.kind == KINDS.index("match")).tolist():
        track, frame = int(decisions.track_id[row]), int(decisions.frame[row])
        event = Event(kind="jump", frame=frame, before=frame - 1, tracks=(track,), severity=1, text="")
        told = why(event, results)
        assert told is not None
        if "began track" in told["text"]:
            continue
        stages.add(STAGES[decisions.stage[row]])
        nearest_by_place = STAGES[decisions.stage[row]] == "nearest" and np.isnan(decisions.appearance[row])
        if nearest_by_place:
            continue
        total = sum(term["cost"] or 0 for term in told["terms"])
        assert total == pytest.approx(decisions.cost[row], abs=near), told
        if told["rival"]:
            rival = sum(term["rival_cost"] or 0 for term in told["terms"])
            assert rival == pytest.approx(decisions.rival_cost[row], abs=near), told
        assert sum(term["decided"] for term in told["terms"]) == 1
        assert f"cost {decisions.cost[row]:.2f}" in told["text"]
    assert "first" in stages


def test_the_threshold_that_is_named_joins_what_began_a_track() -> None:
    config = dataclasses.replace(
        CONFIGS["fused"], mean_subtraction=0, recovery_iou_threshold=0.0, lost_overlap_weight=0
    )
    looks = np.eye(4)[[0]], np.array([[0.1, 0.995, 0, 0]])

    def found(look: np.ndarray) -> Detections:
        n = len(look)
        return Detections(xyxy=[[0, 0, 40, 100]] * n, score=[0.9] * n, class_id=[0] * n, embedding=look)

    video = [found(looks[0]), found(looks[0][:0]), found(looks[1]), found(looks[1])]
    results = tracked(config, video)
    told = why(Event(kind="split", frame=4, before=1, tracks=(1, 2), severity=1, text=""), results)
    assert told is not None
    assert "began track 2" in told["text"]
    name, _, value = told["setting"].removeprefix("tracker.").split(" ")[0].partition("=")
    assert name == "appearance_threshold"
    wider = dataclasses.replace(config, **{name: float(value)})
    assert np.unique(tracked(wider, video).rows.track_id).tolist() == [1]
    narrower = dataclasses.replace(config, **{name: float(value) - 0.02})
    assert np.unique(tracked(narrower, video).rows.track_id).tolist() == [1, 2]


def test_results_without_an_explanation_give_no_reason() -> None:
    results = dataclasses.replace(tracked(CONFIGS["fused"], crowd(2, frames=5)), decisions=None)
    assert why(Event(kind="jump", frame=3, before=2, tracks=(1,), severity=1, text=""), results) is None
