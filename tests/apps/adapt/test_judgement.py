import dataclasses

import numpy as np
import pytest

from clmot.apps.adapt.frames import take_frames
from clmot.apps.adapt.judgement import Judgement, comparable_gap, judge
from clmot.apps.adapt.mined_tracklets import find_tracklets
from clmot.apps.adapt.report import MEASURES, decide
from clmot.apps.track.detection import finder_of
from clmot.config import AdaptConfig
from clmot.config.tracker import TrackerConfig
from clmot.evaluation.embedding import EmbeddedSequence, embedding_scores
from clmot.io.progress import progress_bar
from clmot.io.sources import open_one
from clmot.structures import Dataset
from tests.apps.adapt.conftest import Finder


@pytest.fixture
def held_out(video, tmp_path):
    source, config = open_one(video), AdaptConfig(min_seconds=0.2, held_out=0.5)
    with progress_bar(False) as bar:
        tracklets = find_tracklets(source, finder_of(Finder()), TrackerConfig(), config, bar)
        _, late = take_frames(source, tracklets, tmp_path / "frames", bar)
    return Dataset(samples=late, classes=("person",))


def by_colour(image, boxes):
    """Tells the people apart: the mean colour in the middle of a box."""
    rows = []
    for x1, y1, x2, y2 in boxes.astype(int):
        x, y = np.clip([(x1 + x2) // 2, (y1 + y2) // 2], 0, [image.shape[1] - 1, image.shape[0] - 1])
        colour = image[max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3].reshape(-1, 3).mean(axis=0)
        rows.append(colour - 80)
    rows = np.array(rows, np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def by_chance(image, boxes):
    rows = np.random.default_rng(int(image.sum()) % 1000).normal(size=(len(boxes), 8)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def judged(embed, held_out):
    with progress_bar(False) as bar:
        return judge(embed, held_out, {"walk": 10.0}, (160, 96), name="", bar=bar)


def test_what_tells_people_apart_scores_higher_than_chance(held_out):
    good, bad = judged(by_colour, held_out), judged(by_chance, held_out)
    assert good.time["rank-1"] == 1
    assert good.time["mAP"] == pytest.approx(1)
    assert good.views["rank-1"] > 0.8 > 0.7 > bad.views["rank-1"]
    assert good.score > bad.score + 0.2
    assert decide(bad, good)[0]
    assert decide(good, good)[1].endswith("less than 0.005 more")
    assert not decide(good, good)[0]
    kept, reason = decide(good, bad)
    assert not kept
    assert reason.startswith("rolled back: the score went from")
    assert Judgement.from_dict(good.as_dict()).as_dict() == good.as_dict()


def test_a_collapse_is_rolled_back_whatever_it_scores(held_out):
    good = judged(by_colour, held_out)
    collapsed = dataclasses.replace(good, views=good.views | {"collapsed": 1.0})
    assert decide(good, collapsed) == (
        False,
        "rolled back: the new embedding has collapsed, boxes all look alike to it",
    )


def judgement(*values: float) -> Judgement:
    """Of the measures in the report's order."""
    parts: dict[str, dict[str, float]] = {"views": {"collapsed": 0.0}, "time": {}}
    for (part, name, _), value in zip(MEASURES, values, strict=True):
        parts[part][name] = value
    return Judgement(gap=1.0, **parts)


@pytest.mark.parametrize(
    ("after", "kept", "said"),
    [
        # a thousandth more, and six of seven measures worse: alignment and uniformity are better when less
        ((0.524, 0.49, 0.6, 0.6, 0.49, 0.495, 0.495), False, "less than 0.005 more"),
        ((0.4, 0.9, 0.6, 0.6, 0.4, 0.4, 0.4), False, "1 of 7 measures better, 6 worse"),
        ((0.6, 0.6, 0.4, 0.4, 0.6, 0.6, 0.4), True, "6 of 7 measures better, 1 worse"),
        ((0.6, 0.6, 0.5, 0.5, 0.5, 0.5, 0.5), True, "2 of 7 measures better, 0 worse"),
        ((0.502, 0.502, 0.4, 0.4, 0.502, 0.502, 0.502), False, "less than 0.005 more"),
    ],
)
def test_an_adaptation_is_kept_where_it_gains_more_than_noise(after, kept, said):
    decided, reason = decide(judgement(*[0.5] * 7), judgement(*after))
    assert (decided, said in reason) == (kept, True), reason


def test_the_gap_is_shorter_where_no_tracklet_is_long(held_out):
    # frames 21 to 40: 1.9 s at 10 frames a second, 19 s at one
    assert comparable_gap(held_out.samples, {"walk": 10.0}) == pytest.approx(0.95)
    assert comparable_gap(held_out.samples, {"walk": 1.0}) == 1.0
    assert comparable_gap([], {}) == 0


def test_tracklets_never_seen_together_are_not_compared():
    """Two that follow each other are the worst of impostors, and may be one person."""
    seconds = np.array([0, 0, 1, 1, 2, 2, 3, 3], float)
    identities = np.array([0, 1, 0, 1, 0, 2, 0, 2])
    vectors = np.eye(3, dtype=np.float32)[[0, 1, 0, 1, 0, 1, 0, 1]]
    sequence = EmbeddedSequence(embeddings=vectors, identities=identities, seconds=seconds)
    plain, together = (embedding_scores([sequence], (1.0, np.inf), together=each) for each in (False, True))
    assert plain["rank-1"] < 1
    assert together["rank-1"] == 1
    # each of 1 and 2 has two boxes and meets 0 in two frames: of 0's four boxes, three are a second away or more
    assert plain["impostors"] - together["impostors"] == 4
    assert together["genuine"] == plain["genuine"]
