import numpy as np
import pytest
from data_builders import sample_of
from scipy.stats import mannwhitneyu

from clmot.evaluation.baselines import histogram_embedding
from clmot.evaluation.embedding import (
    EmbeddedSequence,
    areas_by_gap,
    embed_sequences,
    embedding_scores,
    hardest_decidability,
    self_overlap,
)


def sequence(
    seed: int = 0, people: int = 4, moments: int = 9, noise: float = 0.6, dimension: int = 8
) -> EmbeddedSequence:
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(people, dimension))
    identities = np.tile(np.arange(people), moments)
    embeddings = centres[identities] + noise * rng.normal(size=(people * moments, dimension))
    return EmbeddedSequence(
        embeddings=(embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)).astype(np.float32),
        identities=identities,
        seconds=np.repeat(np.arange(moments) * 0.5, people),
    )


def loop_scores(sequences, gap, rate):
    """The definitions, written out."""
    genuine, impostor, first, precision = [], [], [], []
    for s in sequences:
        n = len(s.identities)
        for i in range(n):
            ranked = []
            for j in range(n):
                apart = abs(s.seconds[i] - s.seconds[j])
                if i == j or apart == 0 or not gap[0] <= apart < gap[1]:
                    continue
                cosine = float(s.embeddings[i] @ s.embeddings[j])
                same = bool(s.identities[i] == s.identities[j])
                (genuine if same else impostor).append(cosine)
                ranked.append((cosine, same))
            hits = [same for _, same in sorted(ranked, key=lambda pair: -pair[0])]
            if any(hits):
                first.append(hits[0])
                places = [k for k, hit in enumerate(hits) if hit]
                precision.append(np.mean([(k + 1) / (place + 1) for k, place in enumerate(places)]))
    for threshold in sorted(impostor + genuine):
        if np.mean(np.array(impostor) >= threshold) <= rate:
            return np.mean(first), np.mean(precision), np.mean(np.array(genuine) >= threshold)
    return np.mean(first), np.mean(precision), 0.0


@pytest.mark.parametrize("gap", [(1.0, np.inf), (0.0, 1.0), (2.0, 3.0)])
@pytest.mark.parametrize("rate", [0.1, 0.01])
def test_equals_the_loop(gap, rate):
    sequences = [sequence(0), sequence(1, people=3, moments=7)]
    actual = embedding_scores(sequences, gap)
    rank_1, mean_precision, passing = loop_scores(sequences, gap, rate)
    assert actual["rank-1"] == pytest.approx(rank_1, abs=1e-9)
    assert actual["mAP"] == pytest.approx(mean_precision, abs=1e-9)
    # cosines are told apart to 1e-4: a pair or two may lie on the threshold
    assert actual[f"TPR@FAR={rate:g}"] == pytest.approx(passing, abs=0.02)


def test_rows_are_taken_in_blocks(monkeypatch):
    whole = embedding_scores([sequence(2)])
    monkeypatch.setattr("clmot.evaluation.embedding._ROWS", 5)
    assert embedding_scores([sequence(2)]) == pytest.approx(whole, nan_ok=True)


def test_rates_of_less_than_one_impostor_pair_say_nothing():
    """Forty people at two moments: 1560 impostor pairs a moment apart."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(80, 32))
    one = EmbeddedSequence(
        embeddings=(vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32),
        identities=np.tile(np.arange(40), 2),
        seconds=np.repeat([0.0, 2.0], 40),
    )
    scores = embedding_scores([one])
    assert scores["impostors"] == 1560
    told = {
        rate: not np.isnan(scores[f"TPR@FAR={rate}"]) for rate in ("0.1", "0.01", "0.001", "0.0001", "1e-05", "1e-06")
    }
    assert list(told.values()) == [True, True, True, False, False, False]


def test_nothing_to_compare_is_not_a_number():
    scores = embedding_scores([sequence(5)], gap=(100.0, np.inf))
    assert scores["queries"] == 0
    assert np.isnan(scores["rank-1"])
    assert np.isnan(scores["TPR@FAR=0.1"])
    assert np.isnan(embedding_scores([])["mAP"])


def test_embeds_the_boxes_that_count(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "clmot.evaluation.embedding.read_image", lambda path: np.full((4, 4, 3), int(path.stem), np.uint8)
    )

    def sample(frame):
        known = {"ignore": [False, True, False], "identities": [7, 8, -1]}
        file = tmp_path / f"{frame}.png"
        return sample_of(np.arange(12), image=file, size=(4, 4), sequence="street", frame=frame, **known)

    def embed(image, boxes):
        return np.concatenate([np.full((len(boxes), 1), image[0, 0, 0], np.float32), boxes], axis=1)

    (found,) = embed_sequences([sample(f) for f in (1, 2, 3)], embed, {"street": 10.0}, every=2)
    assert found.identities.tolist() == [7, 7]
    assert found.seconds.tolist() == [0.1, 0.3]
    assert found.embeddings.tolist() == [[1, 0, 1, 2, 3], [3, 0, 1, 2, 3]]


def test_histogram_knows_colours_and_where_they_are():
    image = np.zeros((60, 60, 3), np.uint8)
    image[:30, :20], image[30:, :20] = (200, 30, 30), (30, 30, 200)  # red over blue
    image[:30, 20:40], image[30:, 20:40] = (30, 30, 200), (200, 30, 30)  # blue over red
    image[:30, 40:], image[30:, 40:] = (200, 30, 30), (30, 30, 200)
    boxes = np.array([[0, 0, 20, 60], [20, 0, 40, 60], [40, 0, 60, 60], [70, 0, 80, 60], [-10, 0, 20, 60]], np.float32)
    cosine = (found := histogram_embedding(image, boxes)) @ found.T
    assert cosine[0, 2] == pytest.approx(1, abs=1e-6)
    assert cosine[0, 1] == pytest.approx(0, abs=1e-6)
    assert found[3].sum() == 0
    assert cosine[0, 4] == pytest.approx(1, abs=1e-6)


def test_mean_subtraction_is_the_trackers_frame_after_frame():
    found = sequence(people=5, moments=6)
    subtracted = found.mean_subtracted(2.0)
    # the order in which boxes are listed does not matter, only when they were seen
    order = np.random.default_rng(1).permutation(len(found.identities))
    shuffled = EmbeddedSequence(
        embeddings=found.embeddings[order], identities=found.identities[order], seconds=found.seconds[order]
    ).mean_subtracted(2.0)
    np.testing.assert_allclose(shuffled.embeddings, subtracted.embeddings[order], atol=1e-5)
    for i, second in enumerate(found.seconds):
        before = found.seconds <= second
        known = len(set(found.identities[before]))
        expected = found.embeddings[i] - found.embeddings[before].mean(axis=0) * known / (known + 2)
        np.testing.assert_allclose(subtracted.embeddings[i], expected / np.linalg.norm(expected), atol=1e-5)
    assert found.mean_subtracted(0.0).embeddings.tolist() == found.embeddings.tolist()


@pytest.mark.parametrize("together", [False, True])
def test_area_by_gap_equals_the_rank_sum(together):
    """Mann and Whitney's U over genuine times impostor pairs is the area under the ROC curve."""
    edges, parts = [0.0, 2.0, 3.0, np.inf], [sequence(0), sequence(1, people=3, moments=7)]
    for gap, actual in enumerate(areas_by_gap(parts, edges, together=together)):
        pairs = {True: [], False: []}
        for s in parts:
            moments = {who: set(s.seconds[s.identities == who]) for who in s.identities}
            for i in range(len(s.seconds)):
                for j in range(i):
                    apart = abs(s.seconds[i] - s.seconds[j])
                    met = bool(moments[s.identities[i]] & moments[s.identities[j]])
                    if apart > 0 and edges[gap] <= apart < edges[gap + 1] and (met or not together):
                        pairs[bool(s.identities[i] == s.identities[j])].append(s.embeddings[i] @ s.embeddings[j])
        expected = mannwhitneyu(pairs[True], pairs[False]).statistic / len(pairs[True]) / len(pairs[False])
        assert actual == pytest.approx(expected, abs=2e-3)  # cosines are told apart to 1e-4
    assert np.isnan(areas_by_gap(parts, [100.0, np.inf])[0])


@pytest.mark.parametrize("gap", [0.3, 1.0, 5.0])
def test_the_hardest_is_the_one_fewest_deviations_away(gap):
    """Against a loop over pairs of identities."""
    part = sequence(4, people=5)
    expected = {}
    for one in np.unique(part.identities):
        own = part.identities == one
        apart = min(gap, np.ptp(part.seconds[own]) / 2)
        cosine = part.embeddings @ part.embeddings.T
        far = np.abs(part.seconds[:, None] - part.seconds) >= max(apart, 1e-9)
        apart_by = []
        for other in np.unique(part.identities):
            theirs = part.identities == other
            genuine, impostor = (cosine[own][:, each][far[own][:, each]] for each in (own, theirs))
            if other != one and set(part.seconds[own]) & set(part.seconds[theirs]) and len(genuine) and len(impostor):
                spread = np.sqrt((np.std(genuine) ** 2 + np.std(impostor) ** 2) / 2)
                apart_by.append((np.mean(genuine) - np.mean(impostor)) / max(spread, 0.05))
        if apart_by:
            expected[int(one)] = min(apart_by)
    assert len(expected) > 2
    actual = hardest_decidability(part, gap)
    assert actual.keys() == expected.keys()
    np.testing.assert_allclose(list(actual.values()), list(expected.values()), rtol=1e-4)


def test_self_overlap_is_that_of_an_object_with_its_next_place():
    """One stands, one moves half its width, one jumps; boxes of nobody do not count."""

    def frame(number, left):
        boxes = [[left * step, 0, left * step + 10, 20] for step in (0, 1, 4)] + [[90, 0, 99, 9]]
        return sample_of(boxes, frame=number, identities=[7, 8, 9, -1])

    found = self_overlap([frame(1, 0), frame(2, 5)])
    assert (found.median, found.none, found.steps) == (pytest.approx(1 / 3), pytest.approx(1 / 3), 3)
    assert found.sparse
    assert not self_overlap([frame(1, 0), frame(2, 0)]).sparse
    assert self_overlap([frame(1, 0)]).steps == 0
