"""A detector's scores: what boxes they leave, and their way from the sample to the batch."""

import dataclasses
import logging
from pathlib import Path

import cv2
import numpy as np
import pytest
from data_builders import sample_of
from hypothesis import given
from hypothesis import strategies as st

from clmot.config import DataConfig, LossConfig, ViewsConfig, load_config
from clmot.datasets.box_weights import weigh_by_score
from clmot.errors import UserError
from clmot.structures import Dataset, Sample
from clmot.views.loader import pack
from clmot.views.pair_dataset import PairDataset

HERE = Path("det.txt")


def scored(scores, ignore=None, classes=None, image="a.png", sequence="s", frame=1) -> Sample:
    n = len(scores)
    columns = {"identities": np.arange(n), "scores": scores, "ignore": ignore, "classes": classes}
    given = {name: value for name, value in columns.items() if value is not None}
    rows = [[12 * i, 10, 12 * i + 10, 60] for i in range(n)]
    return sample_of(rows, image=image, sequence=sequence, frame=frame, **given)


def weighed(scores, min_score=None, **facts) -> tuple[Sample, Dataset]:
    dataset = Dataset(samples=[scored(scores, **facts)], classes=("person", "car", "dog"))
    after = weigh_by_score(dataset, min_score, HERE)
    return after.samples[0], after


def test_ground_truth_counts_in_full_and_is_left_alone():
    sample = dataclasses.replace(scored([1, 1, 1]), scores=None)
    assert sample.scores.tolist() == [1, 1, 1]
    assert sample.scores.dtype == np.float32
    dataset = Dataset(samples=[sample], classes=("person", "never seen"))
    assert weigh_by_score(dataset, 0.9, HERE) is dataset


def test_high_scores_weigh_low_ones_are_ignored_and_the_rest_is_left_out():
    sample, after = weighed([0.95, 0.4, 0.39, 0.1, 0.09, 0.0])
    np.testing.assert_allclose(sample.scores, [0.95, 0.4, 0.39, 0.1])
    assert sample.ignore.tolist() == [False, False, True, True]
    assert sample.identities.tolist() == [0, 1, 2, 3]
    assert +after.skipped == {"score below 0.1": 2}


def test_a_threshold_of_ones_own():
    assert weighed([0.9, 0.7, 0.5], 0.7)[0].ignore.tolist() == [False, False, True]
    assert weighed([0.9, 0.05, 0.01], 0.05)[0].ignore.tolist() == [False, False], "nothing is ignored below 0.1"
    assert weighed([0.9, 0.5], ignore=[True, False])[0].ignore.tolist() == [True, False]


@pytest.mark.parametrize("scores", [[-0.5, 0.3, 2.5], [12.0, 55.0, 98.0], [0.5, 0.9, 1.01]])
def test_scores_that_are_no_chances_need_a_threshold_and_count_in_full(scores):
    with pytest.raises(UserError, match=rf"det.txt: scores go from .*\(data.min_score\); {scores[1]:g} takes"):
        weighed(scores)
    sample, after = weighed(scores, scores[1])
    assert sample.scores.tolist() == [1, 1]
    assert sample.identities.tolist() == [1, 2]
    assert sample.ignore.tolist() == [False, False]
    assert +after.skipped == {f"score below {scores[1]:g}": 1}


def test_scores_that_are_no_numbers_are_left_out():
    sample, after = weighed([0.9, np.nan, np.inf])
    assert sample.identities.tolist() == [0]
    assert +after.skipped == {"score that is no number": 2}


def test_a_threshold_that_leaves_nothing_is_a_mistake():
    with pytest.raises(UserError, match=r"det.txt: no box has a score of 0.9 \(they go up to 0.8\)"):
        weighed([0.8, 0.2], 0.9)


def test_classes_without_a_box_that_counts_are_gone():
    sample, after = weighed([0.9, 0.8, 0.2], classes=[2, 0, 1])
    assert after.classes == ("person", "dog")
    assert sample.classes.tolist() == [1, 0, 0]


def test_one_line_says_what_became_of_the_boxes(caplog):
    caplog.set_level(logging.INFO, "clmot")
    weighed([0.9, 0.7, 0.2])
    assert caplog.messages == [
        "det.txt: 2 boxes of a detector count by their scores, 0.80 on average; 1 low-score ones are ignored"
    ]


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=8), st.floats(0, 1))
def test_no_box_below_the_threshold_is_an_object(scores, threshold):
    try:
        sample, after = weighed(scores, threshold)
    except UserError:
        assert max(scores) < np.float32(threshold)
        return
    if all(score == 1 for score in scores):
        return
    assert (sample.scores[~sample.ignore] >= np.float32(threshold)).all()
    assert len(sample.boxes) + sum(after.skipped.values()) == len(scores)
    assert (~sample.ignore).sum() == sum(np.float32(score) >= np.float32(threshold) for score in scores)


@pytest.mark.parametrize(("value", "threshold"), [("auto", None), ("0.3", 0.3), ("-0.5", -0.5), ("55", 55.0)])
def test_setting(value, threshold):
    config = load_config(overrides=[f"data.min_score={value}"])
    assert config.data.score_threshold == threshold


@pytest.mark.parametrize("value", ["none", "nan", "inf", ""])
def test_setting_that_is_no_number(value):
    with pytest.raises(UserError, match=r"data\.min_score must be a number or auto"):
        DataConfig(min_score=value)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Two sequences of two frames with boxes of all scores; one score is 0."""
    samples = []
    rng = np.random.default_rng(0)
    for number in range(4):
        image = tmp_path / f"{number}.png"
        cv2.imwrite(str(image), rng.integers(0, 256, (100, 200, 3), np.uint8))
        scores = [0.3 + 0.1 * number, 1, 0.55, 0, 0.9]
        samples.append(scored(scores, image=str(image), sequence="ab"[number // 2], frame=number % 2 + 1))
    return Dataset(samples=samples, classes=("person",))


def scores_of(dataset: Dataset, batch) -> np.ndarray:
    """The score of each box of a batch, looked up where it came from."""
    rows = zip(batch.frame_index.tolist(), batch.object_index.tolist(), strict=True)
    return np.array([dataset.samples[frame].scores[row] for frame, row in rows])


def test_every_box_of_a_batch_has_the_score_that_it_was_read_with(dataset):
    pairs = PairDataset(dataset, ViewsConfig(), (128, 96))
    batch = pack([pairs[index, index] for index in range(4)])
    assert len(batch.scores) == len(batch.boxes) > 20
    np.testing.assert_array_equal(batch.scores.numpy(), scores_of(dataset, batch))
    assert batch.ignore[batch.scores == 0].all()
    assert (batch.scores == 0).any()


def test_a_matched_neighbour_keeps_its_own_score(dataset):
    pairs = PairDataset(dataset, ViewsConfig(neighbour=1.0), (128, 96))
    first, second = pairs[0, 0].views
    row = {int(index): float(score) for index, score in zip(second.object_index, second.scores, strict=True)}
    assert row[0] == pytest.approx(0.4)
    assert dict(zip(first.object_index.tolist(), first.scores.tolist(), strict=True))[0] == pytest.approx(0.3)


def test_a_box_of_score_zero_is_an_ignored_box(dataset):
    """To the bit, in images, boxes and losses."""
    import torch

    from clmot.losses.criterion import criterion
    from clmot.structures import OutputMaps, TrainingOutput

    ignored = [
        dataclasses.replace(sample, ignore=sample.scores == 0, scores=np.where(sample.scores == 0, 1, sample.scores))
        for sample in dataset.samples
    ]
    totals = []
    for each in (dataset, dataclasses.replace(dataset, samples=ignored)):
        pairs = PairDataset(each, ViewsConfig(), (128, 96))
        batch = pack([pairs[index, index] for index in range(4)])
        generator = torch.Generator().manual_seed(0)
        maps = OutputMaps(*(torch.randn(8, k, 24, 32, generator=generator) for k in (1, 4, 2)), ())
        embeddings = torch.nn.functional.normalize(torch.randn(len(batch.boxes), 8, generator=generator), dim=1)
        terms = criterion(TrainingOutput(maps, embeddings, None), batch, LossConfig(), lambda d, e, _: d + e, 4)
        totals.append(terms)
    assert torch.equal(totals[0].total, totals[1].total)
