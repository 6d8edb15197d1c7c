import copy
import dataclasses
import zipfile

import numpy as np
import pytest
from test_tracker import messy_video, unit

from clmot.boxes import iou
from clmot.config.tracker import PRESETS, TrackerConfig
from clmot.errors import UserError
from clmot.structures import Detections
from clmot.tracking.decisions import KINDS, STAGES, Decisions, read_decisions, write_decisions
from clmot.tracking.multi_stream import Trackers
from clmot.tracking.tracker import Tracker

CONFIGS = {  # none of them asks for images
    **{name: dataclasses.replace(config, camera="none") for name, config in PRESETS.items()},
    "gated": TrackerConfig(association="gated", appearance_trust=0),
    "always": TrackerConfig(appearance_trust=0, direction_weight=0),
}


def explained(config, video):
    """Shown tracks of each frame, and all decisions."""
    tracker = Tracker(config)
    shown = [tracker.update(found, explain=True) for found in video]
    return shown, tracker.explained()


def of_kind(decisions, kind):
    return decisions.take(decisions.kind == KINDS.index(kind))


@pytest.mark.parametrize(("name", "embeddings"), [*((name, True) for name in CONFIGS), ("clmot", False)])
def test_tracks_are_the_same_and_every_shown_box_is_a_match_or_a_start(name, embeddings):
    video = list(messy_video(3, frames=40, embeddings=embeddings))
    plain = Tracker(CONFIGS[name])
    expected = [plain.update(found) for found in video]
    shown, decisions = explained(CONFIGS[name], video)
    for first, second in zip(expected, shown, strict=True):
        assert np.array_equal(first.as_array(), second.as_array())
    told = {
        (frame, track, row)
        for kind in ("match", "start")
        for rows in [of_kind(decisions, kind)]
        for frame, track, row in zip(rows.frame.tolist(), rows.track_id.tolist(), rows.detection.tolist(), strict=True)
    }
    drawn = {(each.frame, int(i), int(row)) for each in shown for i, row in zip(each.track_id, each.rows, strict=True)}
    assert drawn <= told
    starts = of_kind(decisions, "start").track_id
    assert sorted(starts.tolist()) == sorted({track for _, track, _ in told})
    ends = of_kind(decisions, "end")
    alive = set(plain._tracks.track_id.tolist())
    assert set(ends.track_id.tolist()) == set(starts.tolist()) - alive
    assert plain.explained().frame.size == 0


def test_terms_are_those_of_the_pair_and_the_cost_is_what_the_stage_makes_of_them():
    config = CONFIGS["always"]
    tracker = Tracker(config)
    seen = 0
    for found in messy_video(5):
        before = copy.deepcopy(tracker)
        tracker.update(found, explain=True)
        rows = tracker.explained()
        assert rows.kind.tolist() == [] or set(rows.stage[rows.kind == 0].tolist()) <= set(range(1, 7))
        tracks = before._tracks
        tracks.predict(config.steps_a_second / config.frame_rate)
        score, boxes = found.score, found.xyxy
        embedding = before._running_mean(
            found.embedding[np.argsort(-score, kind="stable")], int((score >= 0.5).sum()), before._next_id - 1
        )[np.argsort(np.argsort(-score, kind="stable"))]
        for k in np.flatnonzero((rows.kind == 0) & (rows.frame == tracker._frame)):
            (i,) = np.flatnonzero(tracks.track_id == rows.track_id[k])[:1].tolist() or (None,)
            if i is None:  # had no id yet
                continue
            j = rows.detection[k]
            cosine = 1 - float(tracks.embedding[i] @ embedding[j])
            overlap = 1 - float(iou(tracks.boxes()[i : i + 1], boxes[j : j + 1])[0, 0])
            place, height = tracks.motion.position[i], tracks.motion.position[i, 3]
            noise = np.square([height / 20, height / 20, 0.1, height / 20])
            x1, y1, x2, y2 = boxes[j].astype(np.float64)
            measured = np.array([(x1 + x2) / 2, (y1 + y2) / 2, (x2 - x1) / (y2 - y1), y2 - y1])
            motion = (np.square(measured - place) / (tracks.motion.position_variance[i] + noise)).sum()
            assert rows.appearance[k] == pytest.approx(cosine, abs=1e-5)
            assert rows.overlap[k] == pytest.approx(overlap, abs=1e-5)
            assert rows.motion[k] == pytest.approx(motion, rel=1e-4, abs=1e-5)
            assert rows.score[k] == pytest.approx(score[j])
            if rows.stage[k] == 1:
                lost = tracks.detection[i] < 0
                wide = 5 * tracks.motion.position_variance[i] if lost else tracks.motion.position_variance[i]
                apart = (np.square(measured - place) / (wide + noise)).sum()
                cost = config.appearance_weight * cosine + (1 - config.appearance_weight) * apart
                cost += lost * config.lost_overlap_weight * overlap
                assert rows.cost[k] == pytest.approx(cost, abs=1e-4)
                assert rows.limit[k] == pytest.approx(config.appearance_threshold)
            seen += 1
    assert seen > 200


def boxes(*lefts):
    left = np.array(lefts, np.float64)
    return np.stack([left, np.zeros(len(left)), left + 40, np.full(len(left), 100.0)], axis=1)


def look(vectors, *lefts, score=0.9):
    n = len(lefts)
    return Detections(xyxy=boxes(*lefts), score=np.full(n, score), class_id=np.zeros(n), embedding=vectors)


PLAIN = TrackerConfig(
    mean_subtraction=0, appearance_trust=0, new_track_overlap=1.0, camera="none", lost_seconds=1.0, frame_rate=10
)


def test_two_that_could_have_been_swapped_tell_each_others_cost_and_the_margin():
    looks = unit(np.random.default_rng(0), 2, 8)
    tracker = Tracker(PLAIN)
    tracker.update(look(looks, 0, 12))
    tracker.update(look(looks[::-1], 12, 0), explain=True)  # in another order
    rows = tracker.explained()
    assert rows.track_id.tolist() == [1, 2]
    assert rows.rival_id.tolist() == [2, 1]
    assert rows.detection.tolist() == [1, 0]
    apart = 1 - float(looks[0] @ looks[1])
    assert rows.appearance == pytest.approx([0, 0], abs=1e-6)
    assert rows.rival_appearance == pytest.approx([apart, apart], abs=1e-5)
    assert rows.margin == pytest.approx(np.minimum(rows.rival_cost, rows.limit) - rows.cost, abs=1e-6)


def test_a_start_names_the_track_that_would_have_had_it_and_the_limit_that_refused():
    looks = np.eye(4)[:2]
    tracker = Tracker(dataclasses.replace(PLAIN, recovery_iou_threshold=0.0))
    tracker.update(look(looks[:1], 0), explain=True)
    tracker.update(look(looks[:0]), explain=True)
    other = np.array([[0.1, 0.995, 0, 0]])
    for _ in range(2):  # where it was, with another look, and again to get an id
        tracker.update(look(other, 4), explain=True)
    rows = tracker.explained()
    start = rows.take(np.flatnonzero((rows.kind == KINDS.index("start")) & (rows.track_id == 2)))
    assert start.frame.tolist() == [3]
    assert start.rival_id.tolist() == [1]
    assert STAGES[start.stage[0]] == "first"
    assert start.appearance[0] == pytest.approx(1 - 0.1 / np.linalg.norm(other), abs=1e-4)
    assert start.cost[0] > start.limit[0] == pytest.approx(PLAIN.appearance_threshold)
    assert start.margin[0] == pytest.approx(start.limit[0] - start.cost[0], abs=1e-6)
    (lost,) = of_kind(rows, "lost").frame.tolist()
    assert lost == 2


def test_an_end_is_told_in_the_frame_in_which_the_track_is_forgotten_also_after_a_pause():
    tracker = Tracker(PLAIN)
    for frame in (1, 2):
        tracker.update(look(np.eye(4)[:1], 0), frame=frame, explain=True)
    tracker.update(look(np.eye(4)[:0]), frame=100, explain=True)
    rows = of_kind(tracker.explained(), "end")
    assert (rows.frame.tolist(), rows.track_id.tolist()) == ([100], [1])


def test_explaining_some_frames_only_tells_of_those():
    tracker = Tracker(PLAIN)
    looks = np.eye(4)[:1]
    for t in range(6):
        tracker.update(look(looks, 3 * t), explain=t in (3, 5))
    assert tracker.explained().frame.tolist() == [4, 6]


def test_reading_after_every_frame_tells_the_same_as_once_at_the_end():
    video = list(messy_video(7))
    _, whole = explained(CONFIGS["always"], video)
    tracker, parts = Tracker(CONFIGS["always"]), []
    for found in video:
        tracker.update(found, explain=True)
        parts.append(tracker.explained())
    joined = Decisions.join(parts)
    key = ("track_id", "kind", "frame")
    first, second = (each.take(np.lexsort([getattr(each, k) for k in key])) for each in (whole, joined))
    for field in dataclasses.fields(Decisions):
        if not field.name.startswith("rival_id"):  # who had no id yet is known at the end only
            assert np.array_equal(getattr(first, field.name), getattr(second, field.name), equal_nan=True), field.name


def test_streams_explain_themselves():
    trackers = Trackers(PLAIN)
    for _ in range(2):
        trackers.update({"door": look(np.eye(4)[:1], 0), "yard": look(np.eye(4)[:2], 0, 90)}, explain=True)
    assert [len(trackers[name].explained().frame) for name in ("door", "yard")] == [2, 4]


def test_columns_come_back_and_are_a_table_for_pandas(tmp_path):
    _, decisions = explained(CONFIGS["always"], messy_video(2))
    write_decisions([decisions], tmp_path / "a.explain.npz")
    back = read_decisions(tmp_path / "a.explain.npz")
    for field in dataclasses.fields(Decisions):
        assert np.array_equal(getattr(back, field.name), getattr(decisions, field.name), equal_nan=True)
    with np.load(tmp_path / "a.explain.npz") as file:
        assert {each.shape for each in file.values()} == {(len(decisions),)}
        assert set(file["kind"].tolist()) <= set(KINDS)


@pytest.mark.parametrize("content", ["text", "zip", "columns", "names"])
def test_what_is_no_explanation_is_one_line(tmp_path, content):
    path = tmp_path / "a.explain.npz"
    if content == "text":
        path.write_text("1,2,3")
    elif content == "zip":
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("a.txt", "b")
    else:
        _, decisions = explained(CONFIGS["always"], messy_video(2, frames=4))
        columns = {name: value for name, value in vars(decisions).items() if content == "names" or name != "cost"}
        np.savez(path, **columns)
    with pytest.raises(UserError, match="no explanation of clmot track --explain") as caught:
        read_decisions(path)
    assert "\n" not in str(caught.value)
