import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from clmot.errors import UserError
from clmot.io.named_arrays import write_arrays
from clmot.reid.gallery import Gallery, farthest_points
from clmot.reid.track_names import name_tracks
from clmot.structures import Detections, TrackedFrame

LOOKS = {"Ada": [1.0, 0, 0, 0], "Ben": [0, 1.0, 0, 0], "Cy": [0, 0, 1.0, 0]}


def gallery_of(looks=LOOKS, **options):
    gallery = Gallery(**options)
    for name, vector in looks.items():
        gallery.enrol(name, [vector])
    return gallery


def seen(frame, ids, embedding):
    n = len(ids)
    corner = np.arange(n)[:, None] * 50.0
    return TrackedFrame(
        frame=frame,
        detections=Detections(
            xyxy=np.concatenate([corner, corner, corner + 20, corner + 40], axis=1),
            score=np.ones(n),
            class_id=np.zeros(n),
            embedding=np.asarray(embedding, np.float32).reshape(n, 4),
        ),
        track_id=np.asarray(ids, np.int64),
    )


def test_nearest_of_several_embeddings_counts():
    rng = np.random.default_rng(0)
    gallery, kept = Gallery(size=5), {}
    for name in ("a", "b", "c"):
        kept[name] = rng.normal(size=(4, 6)).astype(np.float32)
        gallery.enrol(name, kept[name][:1] * 7)  # of any length
        gallery.enrol(name, kept[name][1:])
    asked = rng.normal(size=(3, 6))

    def cosine(x, y):
        return 1 - x @ y / np.linalg.norm(x) / np.linalg.norm(y)

    expected = [[min(cosine(x, y) for y in kept[name]) for name in gallery.names] for x in asked]
    np.testing.assert_allclose(gallery.distances(asked), expected, atol=1e-6)


def test_who_is_known_who_is_not_and_by_how_much():
    gallery = gallery_of()
    found = gallery.recognise([[0.9, 0.1, 0, 0], [0, 0, 0, 1], [0, 0.1, 1, 0]], threshold=0.2)
    assert found.names == ["Ada", None, "Cy"]
    own = 1 - 0.9 / np.hypot(0.9, 0.1)
    other = 1 - 0.1 / np.hypot(0.9, 0.1)
    assert found.distance[0] == pytest.approx(own, abs=1e-6)
    assert found.margin[0] == pytest.approx(other - own, abs=1e-6)
    assert found.distance[1] == 1


def test_a_distance_of_just_the_threshold_is_too_far():
    gallery = gallery_of({"Ada": [1.0, 0]})
    side = [[0.0, 1.0]]  # at distance 1 exactly
    for exclusive in (False, True):
        assert gallery.recognise(side, threshold=1.0, exclusive=exclusive).names == [None]
        assert gallery.recognise(side, threshold=1.001, exclusive=exclusive).names == ["Ada"]
    assert gallery.recognise(side, threshold=1.0).margin.tolist() == [np.inf]


def test_who_might_be_two_is_nobody_where_a_margin_is_asked_for():
    gallery = gallery_of()
    between = [[1, 0.95, 0, 0]]
    assert gallery.recognise(between, threshold=0.5).names == ["Ada"]
    assert gallery.recognise(between, threshold=0.5, margin=0.1).names == [None]
    assert gallery.recognise([[1, 0.1, 0, 0]], threshold=0.5, margin=0.1).names == ["Ada"]


def test_nobody_is_in_two_places_of_a_frame():
    gallery = gallery_of({"Ada": [1.0, 0.0], "Ben": [0.8, 0.6]})
    both_like_ada = [[1.0, 0.05], [1.0, 0.2]]
    assert gallery.recognise(both_like_ada, threshold=0.5, exclusive=False).names == ["Ada", "Ada"]
    found = gallery.recognise(both_like_ada, threshold=0.5)
    assert found.names == ["Ada", "Ben"]
    assert found.margin[1] < 0


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.integers(0, 6), st.integers(1, 5))
def test_exclusive_names_are_the_best_assignment_and_follow_their_embeddings(seed, n, individuals):
    rng = np.random.default_rng(seed)
    gallery = gallery_of({f"p{i}": rng.normal(size=3) for i in range(individuals)})
    asked = rng.normal(size=(n, 3))
    found = gallery.recognise(asked, threshold=0.6)
    table = np.minimum(gallery.distances(asked), 0.6)
    rows, columns = linear_sum_assignment(table)
    best = table[rows, columns].sum() + 0.6 * (n - len(rows))
    given_names = [name for name in found.names if name]
    assert len(set(given_names)) == len(given_names)
    total = sum(d if name else 0.6 for name, d in zip(found.names, found.distance, strict=True))
    assert total == pytest.approx(best, abs=1e-5)
    order = rng.permutation(n)
    moved = gallery.recognise(asked[order], threshold=0.6)
    assert moved.names == [found.names[i] for i in order]


def test_an_empty_gallery_knows_nobody_and_no_embeddings_are_nobody():
    found = Gallery().recognise(np.ones((2, 4)))
    assert found.names == [None, None]
    assert np.isinf(found.distance).all()
    assert gallery_of().recognise(np.empty((0, 4))).names == []


def test_recent_keeps_the_last_and_diverse_keeps_the_spread():
    angles = np.deg2rad([0, 1, 2, 3, 4, 90, 5, 45])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    recent, diverse = Gallery(size=3, keep="recent"), Gallery(size=3)
    for gallery in (recent, diverse):
        gallery.enrol("x", vectors[:5])
        gallery.enrol("x", vectors[5:])
    np.testing.assert_allclose(recent.embeddings("x"), vectors[-3:], atol=1e-6)
    kept = np.rad2deg(np.arctan2(*diverse.embeddings("x").T[::-1]))
    assert 90 == pytest.approx(kept.max(), abs=1e-3)
    assert any(abs(kept - 45) < 1e-3)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 12))
def test_farthest_points_against_a_loop(seed, n, count):
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(n, 5))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    count = min(count, n)
    distance = [[1 - float(a @ b) for b in vectors] for a in vectors]
    taken = [min(range(n), key=lambda i: sum(distance[i]))]
    while len(taken) < count:
        rest = [i for i in range(n) if i not in taken]
        taken.append(max(rest, key=lambda i: min(distance[i][j] for j in taken)))
    assert farthest_points(vectors, count) == sorted(taken)


def test_a_gallery_comes_back_from_its_file(tmp_path):
    rng = np.random.default_rng(1)
    gallery = Gallery(size=4, keep="recent")
    for name in ("Zoë/1", "Ada", "__metadata__"):
        gallery.enrol(name, rng.normal(size=(6, 16)))
    gallery.save(tmp_path / "g")
    back = Gallery.load(tmp_path / "g")
    assert (back.names, back.size, back.keep) == (gallery.names, 4, "recent")
    assert all(np.array_equal(back.embeddings(name), gallery.embeddings(name)) for name in gallery.names)
    Gallery().save(tmp_path / "empty")
    assert len(Gallery.load(tmp_path / "empty")) == 0


def test_a_damaged_file_is_one_line(tmp_path):
    gallery_of().save(tmp_path / "g")
    content = (tmp_path / "g").read_bytes()
    (tmp_path / "cut").write_bytes(content[:-3])
    write_arrays(tmp_path / "less", "gallery", {"0": np.eye(2)}, {"names": ["a", "b"], "size": 4, "keep": "recent"})
    write_arrays(tmp_path / "nan", "gallery", {"0": np.eye(2) * np.nan}, {"names": ["a"], "size": 4, "keep": "recent"})
    write_arrays(tmp_path / "odd", "gallery", {"0": np.eye(2)}, {"names": ["a"], "size": 4, "keep": "new"})
    for name in ("cut", "less", "nan", "nowhere", "odd"):
        with pytest.raises(UserError, match=name) as caught:
            Gallery.load(tmp_path / name)
        assert "\n" not in str(caught.value)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("clmot.io.named_arrays.__version__", "99.0")
        write_arrays(tmp_path / "later", "gallery", {"0": np.eye(2)}, {"names": ["a"], "size": 4, "keep": "new"})
    with pytest.raises(UserError, match=r"later: written by clmot 99\.0, which is newer than this clmot"):
        Gallery.load(tmp_path / "later")


@pytest.mark.parametrize(
    ("embeddings", "message"),
    [
        ([], r"\[n, d\]"),
        (np.empty((0, 4)), "no embeddings"),
        ([[1, np.nan, 0, 0]], "not finite"),
        ([[0, 0, 0, 0]], "zero"),
        ([[1, 0]], "another model"),
    ],
)
def test_what_cannot_be_enrolled_changes_nothing(embeddings, message):
    gallery = gallery_of()
    with pytest.raises(ValueError, match=message):
        gallery.enrol("Dee", embeddings)
    assert gallery.names == tuple(LOOKS)
    gallery.forget("Ada")
    assert "Ada" not in gallery
    with pytest.raises(UserError, match="size"):
        Gallery(size=0)
    with pytest.raises(UserError, match="keep"):
        Gallery(keep="best")


def test_tracks_are_named_by_the_votes_of_their_detections():
    rng = np.random.default_rng(2)
    look = {track: np.array(LOOKS[name]) for track, name in ((4, "Ada"), (9, "Cy"))} | {7: np.array([0, 0, 0, 1.0])}
    frames = []
    for frame in range(1, 11):
        vectors = [look[track] + rng.normal(0, 0.05, 4) for track in look]
        if frame <= 3:
            vectors[0] = np.array([0, 1.0, 0, 0])  # three of ten look like Ben
        frames.append(seen(frame, list(look), vectors))
    named = name_tracks(frames, gallery_of(), threshold=0.3)
    assert {track: each.name for track, each in named.items()} == {4: "Ada", 7: None, 9: "Cy"}
    assert (named[4].share, named[4].detections) == (0.7, 10)
    assert 0 < named[4].distance < 0.05
    # whom one looks like who is not known, by the mean over all of the track's boxes
    vectors = np.stack([each.detections.embedding[2] for each in frames])
    mean = gallery_of().distances(vectors).mean(axis=0)
    assert named[7].nearest == gallery_of().names[int(np.argmin(mean))]
    assert named[7].nearest_distance == pytest.approx(mean.min(), abs=1e-6)
    assert name_tracks(frames, gallery_of(), min_share=0.8)[4].name is None


def test_two_tracks_share_a_name_only_if_they_are_never_seen_together():
    ada, like_ada = [1.0, 0, 0, 0], [1.0, 0.3, 0, 0]
    one = {"Ada": ada}
    frames = [seen(t, [1], [ada]) for t in range(1, 6)]
    frames += [seen(6, [1, 2], [ada, like_ada])]
    frames += [seen(t, [2], [like_ada]) for t in range(7, 11)]
    frames += [seen(t, [3], [ada]) for t in range(11, 14)]
    named = name_tracks(frames, gallery_of(one))
    assert {track: each.name for track, each in named.items()} == {1: "Ada", 2: None, 3: "Ada"}


def test_tracks_without_embeddings_cannot_be_named():
    tracked = seen(1, [1], [[1.0, 0, 0, 0]])
    bare = TrackedFrame(
        frame=1,
        detections=Detections(xyxy=tracked.detections.xyxy, score=np.ones(1), class_id=np.zeros(1)),
        track_id=tracked.track_id,
    )
    with pytest.raises(ValueError, match="frame 1"):
        name_tracks([bare], gallery_of())
    assert name_tracks([seen(1, [], np.empty((0, 4)))], gallery_of()) == {}


def test_detections_are_enrolled_by_their_embeddings():
    found = Detections(xyxy=[[0, 0, 1, 1]], score=[1], class_id=[0], embedding=[[0, 2]])
    gallery = Gallery()
    gallery.enrol("Ada", found)
    assert gallery.embeddings("Ada").tolist() == [[0, 1]]
    assert gallery.recognise(found).names == ["Ada"]
    with pytest.raises(ValueError, match="have no embeddings"):
        gallery.enrol("Ben", Detections(xyxy=[[0, 0, 1, 1]], score=[1], class_id=[0]))


@pytest.mark.parametrize("name", [None, 7, ("Ada",)])
def test_names_that_would_be_others_after_loading_are_refused(name):
    gallery = Gallery()
    with pytest.raises(TypeError, match="name is a text"):
        gallery.enrol(name, [[1, 0]])
    assert not len(gallery)


@pytest.mark.parametrize("size", ["x", 1.5, True, None, 0])
def test_sizes_that_are_none(size):
    with pytest.raises(UserError, match="whole number >= 1"):
        Gallery(size)
