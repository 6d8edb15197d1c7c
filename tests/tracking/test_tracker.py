import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from clmot.boxes import cxcyah_to_xyxy, iou, xyxy_to_cxcyah
from clmot.config.tracker import TrackerConfig
from clmot.structures import Detections
from clmot.tracking import kalman
from clmot.tracking.tracker import Tracker

WIDTH, HEIGHT = 30.0, 80.0
DIRECTION_FRAMES = 3
NOTHING = Detections(xyxy=np.empty((0, 4)), score=np.empty(0), class_id=np.empty(0))


def boxes_at(centres, scale=1.0):
    centres = np.asarray(centres, np.float64).reshape(-1, 2)
    half = np.outer(np.broadcast_to(scale, len(centres)), [WIDTH / 2, HEIGHT / 2])
    return np.concatenate([centres - half, centres + half], axis=1)


def detect(centres, embedding=None, score=0.9, class_id=0, scale=1.0):
    xyxy = boxes_at(centres, scale)
    n = len(xyxy)
    return Detections(
        xyxy=xyxy, score=np.broadcast_to(score, n), class_id=np.broadcast_to(class_id, n), embedding=embedding
    )


def unit(rng, n, d=32):
    vectors = rng.normal(size=(n, d))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def messy_video(seed, frames=60, objects=8, embeddings=True):
    """Walkers with misses, low scores, wrong detections, look-alikes, two classes, growth and noisy embeddings."""
    rng = np.random.default_rng(seed)
    start, velocity = rng.uniform(0, 300, (objects, 2)), rng.normal(0, 3, (objects, 2))
    looks, kind = unit(rng, objects), rng.integers(0, 2, objects)
    scale, growth = rng.uniform(0.5, 2, objects), rng.normal(1, 0.02, objects)
    looks[1] = looks[0]
    for t in range(frames):
        velocity = np.where(rng.random((objects, 1)) < 0.03, -velocity, velocity)
        start, scale = start + velocity, np.clip(scale * growth, 0.3, 3)
        seen = rng.random(objects) < (0.2 if 25 <= t < 32 else 0.9)
        wrong = int(rng.integers(0, 3))
        centres = np.concatenate([start[seen] + rng.normal(0, 1, (seen.sum(), 2)), rng.uniform(0, 300, (wrong, 2))])
        vectors = np.concatenate([looks[seen] + rng.normal(0, 0.1, (seen.sum(), 32)), unit(rng, wrong)])
        yield Detections(
            xyxy=boxes_at(centres, np.concatenate([scale[seen], np.ones(wrong)])),
            score=rng.uniform(0.05, 1, len(centres)),
            class_id=np.concatenate([kind[seen], rng.integers(0, 2, wrong)]),
            embedding=vectors / np.linalg.norm(vectors, axis=1, keepdims=True) if embeddings else None,
        )


def history(tracker, video):
    """{(frame, box): id} of everything the tracker shows."""
    shown = {}
    for detections in video:
        tracked = tracker.update(detections)
        for xyxy, identity in zip(tracked.detections.xyxy, tracked.track_id, strict=True):
            shown[tracked.frame, tuple(xyxy.tolist())] = int(identity)
    return shown


class LoopTracker:
    """The same rules told for one object at a time, over lists of dicts: the oracle of `Tracker`."""

    def __init__(self, config):
        self.config, self.tracks, self.frame, self.born = config, [], 0, 0
        self.looks, self.known = [], 0

    def observation(self, detection):
        return self.frame, detection["z"][0, :2], detection["box"]

    def box(self, track):
        return cxcyah_to_xyxy(track["state"].position)[0]

    def pair(self, tracks, found, limit, cost):
        if not tracks or not found:
            return
        table = np.array([[cost(t, d) if t["class"] == d["class"] else np.inf for d in found] for t in tracks])
        for row, column in zip(*linear_sum_assignment(np.minimum(table, limit)), strict=True):
            if table[row, column] < limit:
                tracks[row]["found"], found[column]["track"] = found[column], tracks[row]

    def overlap(self, first, second):
        pixel = np.array([0, 0, 1, 1]) * self.config.published_bookkeeping
        return iou((first + pixel)[None], (second + pixel)[None])[0, 0]

    def iou_distance(self, track, detection):
        return 1 - self.overlap(self.box(track), detection["box"])

    def scored_distance(self, track, detection, heights=False):
        overlap = 1 - self.iou_distance(track, detection)
        if heights:
            up, down = zip(self.box(track)[1::2], detection["box"][1::2], strict=True)
            overlap *= max(min(down) - max(up), 0) / (max(down) - min(up))
        return 1 - overlap * (detection["score"] if self.config.fuse_score else 1)

    def heading_distance(self, track, detection):
        """Overlap, made dearer for a detection away from the way that the track was seen to go."""
        if self.iou_distance(track, detection) >= 1:
            return np.inf
        past, agreement = track["past"], 0.0
        recent = [centre for frame, centre, _ in past if frame >= self.frame - DIRECTION_FRAMES]
        origin = recent[0] if recent else past[-1][1]
        heading, line = past[-1][1] - origin, detection["z"][0, :2] - origin
        if np.linalg.norm(heading) * np.linalg.norm(line) > 0:
            turn = np.arctan2(heading[1], heading[0]) - np.arctan2(line[1], line[0])
            agreement = 0.5 - abs((turn + np.pi) % (2 * np.pi) - np.pi) / np.pi
        cost = self.scored_distance(track, detection, self.config.height_overlap)
        return cost - self.config.direction_weight * agreement * detection["score"]

    def distance_to_last(self, track, detection):
        return 1 - self.overlap(track["past"][-1][2], detection["box"])

    def fused(self, track, detection):
        state, z = track["state"], detection["z"][0]
        deviation = np.full(4, state.position[0, 3] / 20)
        deviation[2] = 0.1
        wider = 5 if track["lost"] and not self.config.published_bookkeeping else 1
        motion = np.sum((z - state.position[0]) ** 2 / (wider * state.position_variance[0] + deviation**2))
        cosine = max(0, 1 - float(track["look"] @ detection["look"]))
        weight = self.config.appearance_weight
        if motion > 9.4877:
            return np.inf
        apart = self.config.lost_overlap_weight * self.iou_distance(track, detection) if track["lost"] else 0
        return weight * cosine + (1 - weight) * motion + apart

    def update(self, detections):
        config, self.frame = self.config, self.frame + 1
        found = [
            {
                "box": detections.xyxy[i].astype(np.float64),
                "z": xyxy_to_cxcyah(detections.xyxy[i : i + 1].astype(np.float64)),
                "score": detections.score[i],
                "class": detections.class_id[i],
                "look": None if detections.embedding is None else detections.embedding[i],
                "track": None,
            }
            for i in range(len(detections))
        ]
        sure = [d["look"] for d in found if d["score"] >= config.high_score]
        if detections.embedding is not None and config.mean_subtraction and found:
            self.looks += sure
            known = self.known if self.frame > 1 else len(sure)
            mean = np.sum(self.looks, axis=0) / len(self.looks) * known / (known + config.mean_subtraction)
            for d in found:
                d["look"] = (d["look"] - mean) / np.linalg.norm(d["look"] - mean)
        for track in self.tracks:
            if track["confirmed"] or not config.published_bookkeeping:
                steps = 1.0 if config.published_bookkeeping else 12 / config.frame_rate
                track["state"] = kalman.predict(track["state"], np.array([track["lost"]]), steps)
            track["found"] = None

        def tracks(keep):
            return [track for track in self.tracks if track["found"] is None and keep(track)]

        def free(low, high):
            return [d for d in found if d["track"] is None and low <= d["score"] < high]

        high, low = (config.high_score, np.inf), (config.low_score, config.high_score)
        if detections.embedding is not None:
            self.pair(tracks(lambda t: t["confirmed"]), free(*high), config.appearance_threshold, self.fused)
        else:
            limit = config.motion_only_iou_threshold
            self.pair(tracks(lambda t: t["confirmed"]), free(*high), limit, self.heading_distance)
        for scores, limit in ((high, config.iou_threshold), (low, 0.5)):
            visible = tracks(lambda t: t["confirmed"] and not t["lost"])
            self.pair(visible, free(*scores), limit, self.iou_distance)
        self.pair(tracks(lambda t: t["confirmed"]), free(*high), config.recovery_iou_threshold, self.distance_to_last)
        self.pair(tracks(lambda t: not t["confirmed"]), free(*high), 0.7, self.scored_distance)

        for track in list(self.tracks):
            match = track["found"]
            kept = config.lost_seconds * config.frame_rate
            age = self.frame - track["last"]
            if match is not None:
                track["ended"] = track.get("ended") or age > kept + 1
                track.update(state=kalman.update(track["state"], match["z"]), last=self.frame, lost=False)
                self.known += not track["confirmed"]
                track["confirmed"] = True
                track["past"] = [*track["past"], self.observation(match)][-DIRECTION_FRAMES - 1 :]
                if match["look"] is not None and match["score"] >= config.high_score:
                    sure = (match["score"] - config.high_score) / (1 - config.high_score)
                    new = 0.1 * (1 if config.published_bookkeeping else sure)
                    look = (1 - new) * track["look"] + new * match["look"]
                    track["look"] = look / np.linalg.norm(look)
            else:
                track["lost"] = True
                if config.published_bookkeeping:
                    kept = -1 if track.get("ended") else kept + 1
                if not track["confirmed"] or age > kept:
                    self.tracks.remove(track)
        surest = sorted(free(config.new_track_score, np.inf), key=lambda d: -d["score"])
        there = [d for d in found if d["track"] is not None]
        for detection in surest:
            others = [d["box"] for d in there if d["class"] == detection["class"]]
            there.append(detection)
            if any(iou(detection["box"][None], other[None])[0, 0] >= config.new_track_overlap for other in others):
                continue
            track = {"state": kalman.initiate(detection["z"]), "look": detection["look"], "class": detection["class"]}
            track["past"] = [self.observation(detection)]
            track |= {"first": self.frame, "last": self.frame, "lost": False, "confirmed": self.frame == 1}
            detection["track"], self.born = track, self.born + 1
            self.known += track["confirmed"]
            self.tracks.append(track | {"found": detection, "id": self.born})
        gone = []
        for a in self.tracks if config.published_bookkeeping else []:
            for b in self.tracks:
                if not a["lost"] and b["lost"] and a["class"] == b["class"]:
                    if 1 - self.overlap(self.box(a), self.box(b)) < 0.15:
                        gone.append(id(b if a["last"] - a["first"] > b["last"] - b["first"] else a))
        self.tracks = [track for track in self.tracks if id(track) not in gone]
        shown = [track for track in self.tracks if track["confirmed"] and not track["lost"]]
        return {(self.frame, tuple(t["found"]["box"].tolist())): t["id"] for t in shown}


@pytest.mark.parametrize(
    ("preset", "embeddings"),
    [("clmot", True), ("clmot", False), ("fairmot", True), ("fairmot", False), ("byte", False)],
)
@pytest.mark.parametrize("seconds", [0.1, 0.3])
@pytest.mark.parametrize("seed", range(3))
def test_equals_the_loop_tracker(seed, seconds, embeddings, preset):
    config = TrackerConfig.named(
        preset, lost_seconds=seconds, boxes="detection", appearance_trust=0.0, nearest_distance=0.0
    )
    video = list(messy_video(seed, embeddings=embeddings))
    tracker, oracle = Tracker(config), LoopTracker(config)
    shown = history(tracker, video)
    expected = {}
    for detections in video:
        expected |= oracle.update(detections)
    assert shown.keys() == expected.keys()
    pairs = {(shown[key], expected[key]) for key in shown}
    assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs}) > 3
    beliefs = np.concatenate([track["state"].position for track in oracle.tracks])
    np.testing.assert_allclose(np.sort(tracker._tracks.motion.position, axis=0), np.sort(beliefs, axis=0), atol=1e-6)


def test_every_tracker_counts_from_one():
    video = list(messy_video(0))
    first, second = Tracker(), Tracker()
    shown = history(first, video)
    assert history(second, video) == shown
    assert sorted(set(shown.values())) == list(range(1, max(shown.values()) + 1))
    first.reset()
    assert history(first, video) == shown


def test_rows_keep_the_given_order_boxes_and_scores():
    tracker = Tracker()
    for detections in messy_video(3):
        tracked = tracker.update(detections)
        given_rows = [tuple(row) for row in np.column_stack([detections.xyxy, detections.score])]
        shown_rows = [tuple(row) for row in np.column_stack([tracked.detections.xyxy, tracked.detections.score])]
        assert shown_rows == [row for row in given_rows if row in set(shown_rows)]
        assert len(set(tracked.track_id.tolist())) == len(tracked)
    assert len(tracked) > 3


def test_nothing_for_two_thousand_frames():
    tracker = Tracker()
    look = np.eye(3)[:1]
    assert len(tracker.update(NOTHING)) == 0
    for _ in range(3):
        tracker.update(detect([50, 50], look))
    for _ in range(2000):
        assert len(tracker.update(NOTHING)) == 0
    assert len(tracker.update(detect([50, 50], look))) == 0  # unconfirmed: not the first frame of the video
    tracked = tracker.update(detect([50, 50], look))
    assert (tracked.frame, tracked.track_id.tolist()) == (2006, [2])


@pytest.mark.parametrize("embeddings", [True, False])
def test_a_thousand_objects(embeddings):
    rng = np.random.default_rng(0)
    centres = np.stack(np.meshgrid(np.arange(40) * 40.0, np.arange(25) * 90.0), axis=-1).reshape(-1, 2)
    looks = unit(rng, 1000) if embeddings else None
    tracker = Tracker()
    for t in range(3):
        tracked = tracker.update(detect(centres + t, looks))
        assert set(tracked.track_id.tolist()) == set(range(1, 1001))
        if t == 0:
            ids = tracked.track_id
        np.testing.assert_array_equal(tracked.track_id, ids)


@pytest.mark.parametrize("embeddings", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_perfect_detections_on_straight_paths(seed, embeddings):
    rng = np.random.default_rng(seed)
    n = 12
    start = np.stack([rng.uniform(0, 500, n), np.arange(n) * 100.0], axis=1)
    speed = np.stack([rng.uniform(-6, 6, n), np.zeros(n)], axis=1)
    looks = unit(rng, n) if embeddings else None
    if embeddings:  # lanes cross: motion alone would have to guess
        start[:, 1] /= 4
    tracker = Tracker()
    for t in range(100):
        tracked = tracker.update(detect(start + t * speed, looks))
        if t == 0:
            ids = tracked.track_id
        np.testing.assert_array_equal(tracked.track_id, ids)


def ids_after_reversal(tracker, looks):
    """Ids before and after a walker turns round behind a wall, 14 frames long."""
    for t in range(30):
        before = tracker.update(detect([100 + 2 * t, 200], looks)).track_id.tolist()
    for _ in range(14):
        assert len(tracker.update(NOTHING)) == 0
    for t in range(5):
        after = tracker.update(detect([146 - 2 * t, 200], looks)).track_id.tolist()
    return before, after


def test_appearance_recognises_a_walker_that_turned_round():
    look = np.eye(8)[:1]
    config = TrackerConfig(recovery_iou_threshold=0.0)  # it comes back near where it was last seen
    assert ids_after_reversal(Tracker(config), look) == ([1], [1])
    assert ids_after_reversal(Tracker(config), None) == ([1], [2])
    assert ids_after_reversal(Tracker(replace(config, appearance=False)), look) == ([1], [2])
    assert ids_after_reversal(Tracker(), None) == ([1], [1])


@pytest.mark.parametrize(("hidden", "expected"), [(1, 1), (20, 1), (21, 2)])
@pytest.mark.parametrize("embeddings", [True, False])
def test_lost_tracks_are_kept_as_long_as_configured(hidden, expected, embeddings):
    tracker = Tracker(TrackerConfig(lost_seconds=2.0, frame_rate=10.0))
    look = np.eye(4)[:1] if embeddings else None
    for _ in range(5):
        tracker.update(detect([50, 50], look))
    for _ in range(hidden):
        tracker.update(NOTHING)
    tracker.update(detect([50, 50], look))
    assert tracker.update(detect([50, 50], look)).track_id.tolist() == [expected]


BYTE = TrackerConfig(high_score=0.4, low_score=0.1, new_track_score=0.5, appearance_threshold=0.4)


def test_low_scores_continue_a_track_but_start_none():
    def shown(config):
        tracker = Tracker(config)
        score = [0.9] * 5 + [0.2] * 10 + [0.9] * 2
        return [tracker.update(detect([50 + 3 * t, 50], score=s)).track_id.tolist() for t, s in enumerate(score)]

    assert shown(BYTE) == [[1]] * 17
    assert shown(replace(BYTE, low_score=0.4))[5:15] == [[]] * 10
    tracker = Tracker(BYTE)
    for _ in range(5):
        assert len(tracker.update(detect([50, 50], score=0.2))) == 0


def test_scores_between_high_and_new_continue_a_track_but_start_none():
    tracker = Tracker(BYTE)
    assert len(tracker.update(detect([50, 50], score=0.45))) == 0
    assert len(tracker.update(detect([50, 50], score=0.45))) == 0
    tracker.update(detect([50, 50], score=0.55))
    assert tracker.update(detect([50, 50], score=0.45)).track_id.tolist() == [1]


def test_scores_below_high_start_no_track_however_low_the_start_is():
    tracker = Tracker(TrackerConfig(high_score=0.6, new_track_score=0.3))
    assert len(tracker.update(detect([50, 50], score=0.5))) == 0
    assert len(tracker.update(detect([50, 50], score=0.7))) == 0
    assert tracker.update(detect([50, 50], score=0.5)).track_id.tolist() == []  # unconfirmed: high scores only
    tracker.update(detect([50, 50], score=0.7))
    assert tracker.update(detect([50, 50], score=0.7)).track_id.tolist() == [1]


def test_a_lost_track_stops_growing():
    tracker = Tracker(TrackerConfig(motion_only_iou_threshold=0.5))
    for t in range(20):
        tracker.update(detect([500, 500], scale=1 + 0.1 * t))
    for _ in range(20):
        tracker.update(NOTHING)
    assert tracker.update(detect([500, 500], scale=3)).track_id.tolist() == [1]


@pytest.mark.parametrize("published", [False, True])
def test_low_scores_do_not_touch_the_embedding(published):
    look, smear = np.eye(4)[:1], np.eye(4)[1:2]

    def last_ids(score):
        tracker = Tracker(replace(BYTE, published_bookkeeping=published))
        for _ in range(5):
            tracker.update(detect([50, 50], look))
        for _ in range(15):
            tracker.update(detect([50, 50], smear, score))
        for _ in range(10):
            tracker.update(NOTHING)
        for _ in range(2):
            ids = tracker.update(detect([85, 50], look)).track_id.tolist()  # out of reach by overlap
        return ids

    assert last_ids(0.2) == [1]
    assert last_ids(0.9) == [2]  # the smear was learnt


def test_classes_never_mix():
    tracker = Tracker()
    look = np.eye(4)[:1]
    for _ in range(3):
        tracker.update(detect([50, 50], look, class_id=0))
    for score in (0.9, 0.2, 0.9, 0.9):
        tracked = tracker.update(detect([50, 50], look, score=score, class_id=7))
        assert 1 not in tracked.track_id
    assert tracked.track_id.tolist() == [2]
    assert tracker.update(detect([50, 50], look, class_id=0)).track_id.tolist() == [1]


def test_a_flash_gets_no_id():
    tracker = Tracker()
    tracker.update(detect([50, 50]))
    assert tracker.update(detect([[50, 50], [300, 50]])).track_id.tolist() == [1]
    assert tracker.update(detect([50, 50])).track_id.tolist() == [1]
    tracker.update(detect([[50, 50], [500, 50]]))
    assert tracker.update(detect([[50, 50], [500, 50]])).track_id.tolist() == [1, 2]


def test_first_stage_without_embeddings_accepts_less_overlap():
    def ids(config):
        tracker = Tracker(config)
        tracker.update(detect([0, 0]))
        for t in (18, 36):  # IoU 0.25
            tracked = tracker.update(detect([t, 0]))
        return tracked.track_id.tolist()

    assert ids(TrackerConfig(nearest_distance=0.0)) == [1]
    assert ids(TrackerConfig(nearest_distance=0.0, motion_only_iou_threshold=0.5)) != [1]


def test_of_duplicates_the_one_followed_for_a_shorter_time_ends():
    first, second = np.eye(4)[:1], np.eye(4)[1:2]

    def new_in_the_place_of_a_lost_one(published):
        tracker = Tracker(TrackerConfig(published_bookkeeping=published, recovery_iou_threshold=0.0))
        for _ in range(3):
            tracker.update(detect([50, 50], first))
        tracker.update(NOTHING)
        return [tracker.update(detect([50, 50], second)).track_id.tolist() for _ in range(3)]

    assert new_in_the_place_of_a_lost_one(True) == [[], [], []]
    assert new_in_the_place_of_a_lost_one(False) == [[], [2], [2]]

    def old_walks_over_a_lost_one(published, start=1):
        tracker = Tracker(TrackerConfig(published_bookkeeping=published, recovery_iou_threshold=0.0))
        for t in range(37):
            centres, looks = [[2 * t, 50]], first
            if start <= t < 15 or t >= 35:
                centres, looks = [*centres, [40, 50]], np.concatenate([first, second])
            tracked = tracker.update(detect(centres, looks))
        return tracked.track_id.tolist()

    assert old_walks_over_a_lost_one(True) == [1, 3]
    assert old_walks_over_a_lost_one(True, start=0) == [1, 3]
    # one that came first, and was seen in four frames only, does not end the one that walks over it
    tracker = Tracker(TrackerConfig(published_bookkeeping=True, recovery_iou_threshold=0.0))
    for t in range(37):
        centres, looks = ([[2 * t, 50]], first) if t >= 2 else (np.empty((0, 2)), first[:0])
        if t < 4:
            centres, looks = [*centres, [40, 50]], np.concatenate([looks, second])
        tracked = tracker.update(detect(centres, looks))
    assert tracked.track_id.tolist() == [2]
    assert old_walks_over_a_lost_one(False) == [1, 2]


def test_frame_numbers():
    tracker = Tracker()
    assert tracker.update(NOTHING).frame == 1
    assert tracker.update(NOTHING, frame=7).frame == 7
    assert tracker.update(NOTHING).frame == 8
    with pytest.raises(ValueError, match="frame 8 comes after frame 8"):
        tracker.update(NOTHING, frame=8)
    with pytest.raises(ValueError, match="frame 0"):
        Tracker().update(NOTHING, frame=0)


@pytest.mark.parametrize("time", [True, "3", [1], 1j, np.datetime64("2026-01-01")])
def test_a_time_that_is_no_number_is_refused_by_name(time):
    with pytest.raises(TypeError, match=r"time is .*, not a number of seconds"):
        Tracker().update(NOTHING, time=time)


def test_embeddings_must_stay_of_one_length():
    tracker = Tracker()
    tracker.update(detect([50, 50], np.eye(4)[:1]))
    with pytest.raises(ValueError, match="length 5, those of the tracks 4"):
        tracker.update(detect([50, 50], np.eye(5)[:1]))
    with pytest.raises(ValueError, match="length 0"):
        tracker.update(detect([50, 50]))
    assert tracker.update(detect([50, 50], np.eye(4)[:1])).track_id.tolist() == [1]


@pytest.mark.parametrize("package", ["torch", "cv2", "clmot.io.camera_motion_text"])
def test_imports_nothing_for_networks_or_images(package):
    code = f"import sys, clmot; clmot.Tracker(); assert '{package}' not in sys.modules, '{package} was imported'"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("size", [(40, 40), (90, 30), (12, 30)])
@pytest.mark.parametrize("speed", [0.55, 0.65])
@pytest.mark.parametrize("embeddings", [True, False])
def test_who_moves_more_than_half_its_width_a_frame_is_one_track(size, speed, embeddings):
    """A newcomer beside somebody who stands; they hardly overlap themselves, or do not at all."""
    tracker, width, height = Tracker(), *size
    shown = []
    for t in range(40):
        standing, left = [10, 300, 50, 400], 20 + speed * width * (t - 3)
        boxes = np.array([standing] if t < 3 else [standing, [left, 50, left + width, 50 + height]], float)
        n = len(boxes)
        found = Detections(
            xyxy=boxes, score=np.full(n, 0.9), class_id=np.zeros(n), embedding=np.eye(2)[:n] if embeddings else None
        )
        shown.append(tracker.update(found).track_id.tolist())
    assert shown == 4 * [[1]] + 36 * [[1, 2]]


@pytest.mark.parametrize("aspect", [0.4, 1.0, 2.5])
@pytest.mark.parametrize("widths", [0.6, 0.75, 0.9])
def test_a_newcomer_that_does_not_overlap_itself_has_one_id(aspect, widths):
    tracker, ids, shown = Tracker(), set(), 0
    for n in range(40):
        left = [100, 300, 500] + ([20 + (n - 3) * widths * 40 * aspect] if n >= 3 else [])
        top = [400, 400, 400, 100][: len(left)]
        boxes = [[x, y, x + 40 * aspect, y + 40] for x, y in zip(left, top, strict=True)]
        tracked = tracker.update(Detections(xyxy=boxes, score=[0.9] * len(boxes), class_id=[0] * len(boxes)))
        moving = tracked.track_id[tracked.detections.xyxy[:, 1] < 200].tolist()
        ids.update(moving)
        shown += len(moving)
    assert ids == {4}
    assert shown == 36
