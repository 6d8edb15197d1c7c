import json
import math

import numpy as np
import pytest

from clmot.apps.adapt.frames import take_frames
from clmot.apps.adapt.judgement import EDGES, Judgement, embedded, gain, judge
from clmot.apps.adapt.mined_tracklets import find_tracklets
from clmot.apps.adapt.report import decide
from clmot.apps.track.detection import finder_of
from clmot.config import AdaptConfig
from clmot.config.tracker import TrackerConfig
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
        return judge(embedded(embed, held_out, {"walk": 10.0}, "", bar), prior=0.0)


def test_what_tells_people_apart_scores_higher_than_chance(held_out):
    good, bad = judged(by_colour, held_out), judged(by_chance, held_out)
    assert min(good.hardest["walk"]) > 5
    assert bad.score < 1
    # 20 frames at ten a second: no pair is two seconds apart
    assert good.by_gap[:2] == [1.0, 1.0]
    assert all(math.isnan(area) for area in good.by_gap[2:])
    assert decide(bad, good)[0]
    assert decide(good, good) == (
        False,
        f"no evidence of gain, the old weights stay: d' against the hardest other tracklet went from {good.score:.2f} "
        f"to {good.score:.2f}, by +0.00 (95 % interval +0.00 to +0.00 over 3 tracklets)",
    )
    assert not decide(good, bad)[0]
    # NaN is null in JSON
    read = Judgement.from_dict(json.loads(json.dumps(good.as_dict()).replace("NaN", "null")))
    np.testing.assert_equal(read.as_dict(), good.as_dict())


def judgement(values):
    return Judgement(hardest={"street": list(values)}, by_gap=[0.9] * (len(EDGES) - 1))


@pytest.mark.parametrize(
    ("rise", "noise", "tracklets", "kept"),
    [(0.02, 0.01, 20, True), (0.02, 0.1, 20, False), (0.02, 0.1, 1000, True), (-0.02, 0.01, 20, False)],
)
def test_a_gain_within_the_noise_of_few_tracklets_is_none(rise, noise, tracklets, kept):
    rng = np.random.default_rng(3)
    before = rng.uniform(0.6, 0.8, tracklets)
    after = before + rise + noise * rng.normal(size=tracklets)
    assert decide(judgement(before), judgement(after))[0] == kept
    mean, low, high = gain(judgement(before), judgement(after))
    # the bootstrap of a mean is the normal interval, where there are enough
    error = 1.96 * np.std(after - before) / tracklets**0.5
    np.testing.assert_allclose(
        [low, mean, high], np.mean(after - before) + error * np.array([-1, 0, 1]), atol=error / 5
    )


def test_the_pairing_counts():
    """Tracklets differ far more than embeddings do: what rises for each a little is a gain all the same."""
    before = np.linspace(0.5, 0.9, 12)
    assert decide(judgement(before), judgement(before + 0.01))[0]


def test_nothing_to_judge_by_is_no_gain():
    nothing = Judgement(hardest={"street": []}, by_gap=[math.nan] * (len(EDGES) - 1))
    assert decide(nothing, nothing) == (
        False,
        "no evidence of gain, the old weights stay: no held-out tracklet is seen beside another",
    )
