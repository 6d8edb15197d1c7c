import numpy as np
import pytest

from clmot.evaluation.two_view import (
    EmbeddedViews,
    compare_views,
    effective_rank,
    embed_views,
    label_free_scores,
    mean_subtracted,
    suggested_threshold,
)
from clmot.structures import View, ViewPair


def views_of(noise: float, frames: int = 6, objects: int = 5, dimension: int = 16, seed: int = 0) -> EmbeddedViews:
    """Each object of each frame twice, frames of three sequences; an object's two views differ by noise."""
    rng = np.random.default_rng(seed)
    frame, object_index = (part.ravel().repeat(2) for part in np.mgrid[:frames, :objects])
    centres = rng.normal(size=(frames * objects, dimension)).repeat(2, axis=0)
    embeddings = centres + noise * rng.normal(size=centres.shape)
    return EmbeddedViews(
        embeddings=(embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)).astype(np.float32),
        object_index=object_index,
        frame_index=frame,
        sequence_index=frame % 3,
    )


def scores_of(views: EmbeddedViews) -> dict[str, float]:
    return label_free_scores(views, compare_views(views))


def test_equals_the_loop():
    views = views_of(0.7)
    genuine, impostor, first = [], [], []
    for i, mine in enumerate(views.embeddings):
        same, other = [], []
        for j, theirs in enumerate(views.embeddings):
            cosine = float(mine @ theirs)
            if i == j:
                continue
            if views.frame_index[i] == views.frame_index[j]:
                (same if views.object_index[i] == views.object_index[j] else other).append(cosine)
            elif views.sequence_index[i] != views.sequence_index[j]:
                other.append(cosine)
        genuine += same
        impostor += other
        first.append(max(same) > max(other))
    found = scores_of(views)
    threshold = np.quantile(impostor, 0.99)
    assert 0.2 < found["rank-1"] < 1
    assert found["rank-1"] == pytest.approx(np.mean(first))
    assert found["alignment"] == pytest.approx(np.mean([2 - 2 * s for s in genuine]), rel=1e-5)
    assert found["uniformity"] == pytest.approx(np.log(np.mean([np.exp(-2 * (2 - 2 * s)) for s in impostor])), rel=1e-5)
    assert suggested_threshold(compare_views(views)) == pytest.approx(1 - np.quantile(genuine, 0.01), abs=1e-6)
    assert found["TPR@FAR=0.01"] == pytest.approx(np.mean(np.array(genuine) >= threshold), abs=0.02)
    assert found["chance"] == pytest.approx(1 / (1 + 8 + 40))


def test_mean_subtracted_views_are_less_the_mean_of_their_sequence():
    views = views_of(0.7)
    seen = mean_subtracted(views, 2.0)
    for sequence in np.unique(views.sequence_index):
        here = views.sequence_index == sequence
        frames = [set(views.object_index[here & (views.frame_index == f)]) for f in np.unique(views.frame_index[here])]
        known = max(len(objects) for objects in frames)
        expected = views.embeddings[here] - views.embeddings[here].mean(axis=0) * known / (known + 2)
        expected /= np.linalg.norm(expected, axis=1, keepdims=True)
        np.testing.assert_allclose(seen.embeddings[here], expected, atol=1e-5)
    assert mean_subtracted(views, 0.0).embeddings.tolist() == views.embeddings.tolist()


def test_better_embeddings_score_better():
    good, poor = scores_of(views_of(0.2)), scores_of(views_of(1.5))
    assert good["rank-1"] > poor["rank-1"]
    assert good["alignment"] < poor["alignment"]
    assert good["rank-1"] == 1
    assert not good["collapsed"]
    assert not poor["collapsed"]


@pytest.mark.parametrize("direction", [np.ones(16), np.eye(16)[3]])
def test_a_collapse_is_noticed(direction):
    views = views_of(0.5)
    embeddings = direction + 0.05 * views.embeddings
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    found = scores_of(
        EmbeddedViews(
            embeddings=embeddings.astype(np.float32),
            object_index=views.object_index,
            frame_index=views.frame_index,
            sequence_index=views.sequence_index,
        )
    )
    assert found["collapsed"]


def test_effective_rank():
    assert effective_rank(np.eye(6, dtype=np.float32)) == pytest.approx(6)
    assert effective_rank(np.ones((9, 4), np.float32)) == pytest.approx(1)
    assert effective_rank(np.repeat(np.eye(3, 8, dtype=np.float32), 5, axis=0)) == pytest.approx(3)


def view(boxes: list[int], ignored: tuple[int, ...], unknown: tuple[int, ...]) -> View:
    n = len(boxes)
    placed = np.array([[b, 0, b + 10, 10] for b in boxes], np.float32).reshape(-1, 4)
    return View(
        image=np.zeros((8, 8, 3), np.uint8),
        boxes=placed,
        classes=np.zeros(n, np.int64),
        ignore=np.isin(np.arange(n), ignored),
        object_index=np.where(np.isin(np.arange(n), unknown), -1, np.array(boxes, np.int64)),
        frame_index=np.full(n, 7),
        sequence_index=np.full(n, 2),
        identities=np.full(n, -1),
        matrix=np.eye(3),
    )


def test_boxes_that_do_not_count_are_left_out():
    pair = ViewPair(views=(view([3, 4, 5], ignored=(1,), unknown=()), view([5, 6], ignored=(), unknown=(1,))))
    found = embed_views([pair], lambda image, boxes: boxes[:, :1] @ np.ones((1, 2), np.float32))
    assert found.object_index.tolist() == [3, 5, 5]
    assert found.embeddings.tolist() == [[3, 3], [5, 5], [5, 5]]
    assert found.frame_index.tolist() == [7, 7, 7]


def test_nothing_to_compare():
    nothing = scores_of(embed_views([ViewPair(views=(view([], (), ()), view([], (), ())))], lambda image, boxes: boxes))
    assert nothing["boxes"] == 0
    assert np.isnan(nothing["rank-1"])
    assert not nothing["collapsed"]
    alone = scores_of(views_of(0.5, frames=1, objects=1))
    assert np.isnan(alone["rank-1"])
    assert alone["alignment"] > 0
