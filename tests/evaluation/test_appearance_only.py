"""Association by looks alone, next to TrackEval."""

import numpy as np
import pytest

from clmot.evaluation.appearance_only import associate, best_association, identity_f1
from clmot.evaluation.embedding import EmbeddedSequence
from clmot.evaluation.mot import evaluate


def sequence(noise: float, frames: int = 20, people: int = 4, seed: int = 0) -> EmbeddedSequence:
    rng = np.random.default_rng(seed)
    embeddings = np.tile(np.eye(people, 8), (frames, 1)) + noise * rng.normal(size=(frames * people, 8))
    return EmbeddedSequence(
        embeddings=(embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)).astype(np.float32),
        identities=np.tile(np.arange(people), frames),
        seconds=np.repeat(np.arange(frames) / 10, people),
    )


def test_clear_looks_are_followed():
    found = sequence(0.05)
    tracks = associate(found, 0.5)
    assert (tracks == found.identities).all()
    assert best_association(found)[0] == 100
    # nobody matches: a track a box
    assert len(set(associate(found, -1.0))) == len(tracks)


def test_two_of_one_frame_are_never_one():
    found = sequence(2.0)
    for threshold in (0.1, 0.5, 2.0):
        tracks = associate(found, threshold)
        for moment in np.unique(found.seconds):
            at_once = tracks[found.seconds == moment]
            assert len(set(at_once)) == len(at_once)


def test_someone_away_is_found_again():
    whole = sequence(0.05)
    away = (whole.identities == 2) & (whole.seconds > 0.5) & (whole.seconds < 1.5)
    part = EmbeddedSequence(
        embeddings=whole.embeddings[~away], identities=whole.identities[~away], seconds=whole.seconds[~away]
    )
    assert (associate(part, 0.5) == part.identities).all()


def test_idf1_is_that_of_trackeval(tmp_path):
    """Boxes far apart, so that each can only be matched with itself."""
    found = sequence(0.35)
    tracks = associate(found, 0.4)
    assert 30 < identity_f1(found.identities, tracks) < 95
    frames = np.round(found.seconds * 10).astype(int) + 1
    truth, result = tmp_path / "gt" / "s" / "gt", tmp_path / "results"
    truth.mkdir(parents=True)
    result.mkdir()
    rows = list(zip(frames, found.identities, tracks, strict=True))
    (truth / "gt.txt").write_text("".join(f"{f},{i + 1},{100 * i},10,20,40,1,1,1\n" for f, i, _ in rows))
    (result / "s.txt").write_text("".join(f"{f},{t + 1},{100 * i},10,20,40,1,-1,-1,-1\n" for f, i, t in rows))
    scores = evaluate(result, tmp_path / "gt").combined
    assert scores["IDF1"] == pytest.approx(identity_f1(found.identities, tracks))
    assert np.isnan(identity_f1(found.identities[:0], tracks[:0]))
