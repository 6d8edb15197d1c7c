import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clmot.structures import Detections, TrackedFrame
from clmot.tracking.postprocess.merge_tracks import join_tracklets

ANYWHERE = 1e9
HALF = np.array([10, 20], np.float32)


def make_frames(tracks):
    """Frames from tracks of (id, {frame: centre}, embedding, class)."""
    frames = []
    for number in sorted({frame for _, places, *_ in tracks for frame in places}):
        here = [(i, p[number], e, c) for i, p, e, c in tracks if number in p]
        centre = np.array([place for _, place, *_ in here], np.float32)
        frames.append(
            TrackedFrame(
                frame=number,
                detections=Detections(
                    xyxy=np.concatenate([centre - HALF, centre + HALF], axis=1),
                    score=np.full(len(here), 0.9),
                    class_id=np.array([c for *_, c in here]),
                    embedding=np.array([e for *_, e, _ in here]),
                ),
                track_id=np.array([i for i, *_ in here]),
            )
        )
    return frames


def span(first, last, place=(0.0, 0.0)):
    return dict.fromkeys(range(first, last + 1), place)


def direction(degrees):
    return np.array([np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees)), 0], np.float32)


def join(tracks, threshold=0.3, max_gap=100, max_speed=ANYWHERE):
    return join_tracklets(make_frames(tracks), threshold, max_gap, max_speed)


def random_tracks(rng, n):
    tracks = []
    for i in rng.permutation(n):
        first = int(rng.integers(1, 40))
        embedding = rng.normal(size=3).astype(np.float32)
        tracks.append((int(i) + 1, span(first, first + int(rng.integers(0, 12))), embedding, int(rng.integers(0, 2))))
    return tracks


def brute_force(tracks, threshold, max_gap):
    """Of all ways to give each track at most one successor, the one that saves most."""
    n = len(tracks)
    unit = [e / np.linalg.norm(e) for _, _, e, _ in tracks]

    def saving(a, b):
        gap = min(tracks[b][1]) - max(tracks[a][1])
        allowed = 0 < gap <= max_gap and tracks[a][3] == tracks[b][3]
        return threshold - (1 - float(unit[a] @ unit[b])) if allowed else -np.inf

    best, best_value = (), 0.0
    pairs = [(a, b) for a in range(n) for b in range(n) if a != b and saving(a, b) > 0]
    for k in range(1, n):
        for chosen in itertools.combinations(pairs, k):
            if len({a for a, _ in chosen}) == k == len({b for _, b in chosen}):
                value = sum(saving(a, b) for a, b in chosen)
                if value > best_value:
                    best, best_value = chosen, value
    new = {i: track[0] for i, track in enumerate(tracks)}
    for a, b in sorted(best, key=lambda pair: min(tracks[pair[0]][1])):
        new[b] = new[a]
    return {track[0]: new[i] for i, track in enumerate(tracks)}


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 5), threshold=st.floats(0.05, 1.9), max_gap=st.integers(1, 40))
def test_equals_brute_force(seed, n, threshold, max_gap):
    tracks = random_tracks(np.random.default_rng(seed), n)
    _, mapping = join(tracks, threshold, max_gap)
    assert mapping == brute_force(tracks, threshold, max_gap)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**32 - 1))
def test_laws(seed):
    """No id twice in a frame; all else stays; the order of frames and boxes does not matter; joins stay joined."""
    rng = np.random.default_rng(seed)
    frames = make_frames(random_tracks(rng, 25))
    joined, mapping = join_tracklets(frames, 0.6, 30, ANYWHERE)
    assert len(set(mapping.values())) < len(mapping)
    for before, after in zip(frames, joined, strict=True):
        assert after.frame == before.frame
        assert after.detections is before.detections
        assert after.track_id.tolist() == [mapping[i] for i in before.track_id.tolist()]
        assert len(np.unique(after.track_id)) == len(after)

    shuffled = []
    for tracked in frames:
        order = rng.permutation(len(tracked))
        shuffled.append(
            TrackedFrame(frame=tracked.frame, detections=tracked.detections[order], track_id=tracked.track_id[order])
        )
    _, again = join_tracklets([shuffled[i] for i in rng.permutation(len(shuffled))], 0.6, 30, ANYWHERE)
    assert again == mapping

    rename = dict(zip(mapping, rng.permutation(1000)[: len(mapping)].tolist(), strict=True))
    renamed = [
        TrackedFrame(
            frame=tracked.frame,
            detections=tracked.detections,
            track_id=np.array([rename[i] for i in tracked.track_id.tolist()]),
        )
        for tracked in frames
    ]
    _, under_other_names = join_tracklets(renamed, 0.6, 30, ANYWHERE)
    assert under_other_names == {rename[old]: rename[new] for old, new in mapping.items()}


def test_chains_get_the_first_tracks_id():
    tracks = [(9, span(1, 5), direction(0), 0), (2, span(8, 9), direction(3), 0), (5, span(11, 20), direction(6), 0)]
    frames, mapping = join(tracks)
    assert mapping == {9: 9, 2: 9, 5: 9}
    assert {i for tracked in frames for i in tracked.track_id.tolist()} == {9}


def test_the_best_for_all_is_not_the_best_for_each():
    """The first to end is nearest to one start, and only it can have the other."""
    tracks = [
        (1, span(1, 5), direction(0), 0),
        (2, span(1, 6), direction(-20), 0),
        (3, span(8, 9), direction(5), 0),
        (4, span(8, 9), direction(40), 0),
    ]
    assert join(tracks, threshold=0.4)[1] == {1: 1, 2: 2, 3: 2, 4: 1}


@pytest.mark.parametrize(
    ("second", "options", "joined"),
    [
        ((2, span(6, 9), direction(10), 0), {}, True),
        ((2, span(5, 9), direction(10), 0), {}, False),  # both in frame 5
        ((2, span(6, 9), direction(10), 1), {}, False),  # another class
        ((2, span(6, 9), direction(60), 0), {}, False),  # looks different
        ((2, span(15, 19), direction(10), 0), {"max_gap": 10}, True),
        ((2, span(16, 19), direction(10), 0), {"max_gap": 10}, False),
        # 40 pixels high: 5 frames at 0.5 heights, and one height on top
        ((2, span(10, 19, (139, 0)), direction(10), 0), {"max_speed": 0.5}, True),
        ((2, span(10, 19, (141, 0)), direction(10), 0), {"max_speed": 0.5}, False),
        ((2, span(20, 19 + 9, (141, 0)), direction(10), 0), {"max_speed": 0.5}, True),
    ],
)
def test_what_may_be_joined(second, options, joined):
    tracks = [(1, span(1, 5), direction(0), 0), second]
    assert join(tracks, **options)[1] == {1: 1, 2: 1 if joined else 2}


def test_the_mean_embedding_counts():
    """One bad frame at the end of a track does not decide; nor does the length of vectors."""
    frames = make_frames([(1, span(1, 9), direction(0), 0), (2, span(12, 15), direction(5) * 7, 0)])
    frames[8].detections.embedding[:] = direction(90) * 5
    assert join_tracklets(frames, 0.2, 50, ANYWHERE)[1] == {1: 1, 2: 1}


def test_empty_input():
    assert join_tracklets([], 0.3, 10, 1) == ([], {})
    empty = TrackedFrame(
        frame=3,
        detections=Detections(xyxy=np.empty((0, 4)), score=np.empty(0), class_id=np.empty(0)),
        track_id=np.empty(0, np.int64),
    )
    frames, mapping = join_tracklets([empty], 0.3, 10, 1)
    assert ([tracked.frame for tracked in frames], mapping) == ([3], {})
    frames, mapping = join_tracklets([*make_frames([(1, span(1, 2), direction(0), 0)]), empty], 0.3, 10, 1)
    assert ([tracked.frame for tracked in frames], mapping) == ([1, 2, 3], {1: 1})


def test_boxes_without_embeddings_are_refused():
    frames = make_frames([(1, span(1, 3), direction(0), 0)])
    bare = Detections(xyxy=frames[2].detections.xyxy, score=np.ones(1), class_id=np.zeros(1))
    with pytest.raises(ValueError, match="embedding of each box"):
        join_tracklets([*frames[:2], TrackedFrame(frame=3, detections=bare, track_id=np.array([1]))], 0.3, 10, 1)


def test_thousands_of_tracks_of_people_who_come_back_are_joined():
    """People who are seen again and again: each has a look of its own and comes back within the gap."""
    rng = np.random.default_rng(0)
    people = rng.normal(size=(20, 64)).astype(np.float32)
    tracks = []
    for person in range(20):
        frame = int(rng.integers(1, 30))
        for _ in range(100):
            look = people[person] + 0.1 * rng.normal(size=64).astype(np.float32)
            tracks.append((len(tracks) + 1, span(frame, frame + 3), look, 0))
            frame += 4 + int(rng.integers(1, 20))
    frames = make_frames(tracks)
    _, mapping = join_tracklets(frames, 0.3, 100, ANYWHERE)
    assert len(set(mapping.values())) == 20
    assert all((old - 1) // 100 == (new - 1) // 100 for old, new in mapping.items())
