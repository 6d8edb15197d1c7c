import dataclasses

import numpy as np
import pytest

from clmot.datasets.splits import every_nth, first_half, second_half

# the frames of MOT17's training sequences, and how many FairMOT's list of the first halves holds of each
MOT17 = {"02": 600, "04": 1050, "05": 837, "09": 525, "10": 654, "11": 900, "13": 750}


@pytest.fixture
def frames_of(make_sample):
    def make(lengths):
        blank = make_sample([])
        return [
            dataclasses.replace(blank, sequence=name, frame=frame)
            for name, length in lengths.items()
            for frame in range(1, length + 1)
        ]

    return make


def places(samples):
    return [(sample.sequence, sample.frame) for sample in samples]


def test_halves_are_those_of_fairmot(frames_of):
    samples = frames_of(MOT17)
    first, second = first_half(samples), second_half(samples)
    assert len(first) == 2657
    assert max(frame for name, frame in places(first) if name == "05") == 418
    assert min(frame for name, frame in places(second) if name == "05") == 419
    assert sorted(places(first) + places(second)) == places(samples)


def test_a_sequence_of_one_frame_is_second_half(frames_of):
    assert first_half(frames_of({"a": 1})) == []
    assert places(second_half(frames_of({"a": 1}))) == [("a", 1)]


def test_every_nth_starts_at_the_first_frame_there_is(frames_of):
    samples = frames_of({"a": 11, "b": 3})[2:]
    assert places(every_nth(samples, 5)) == [("a", 3), ("a", 8), ("b", 1)]
    assert places(every_nth(samples, 1)) == places(samples)
    with pytest.raises(ValueError, match="at least 1, got 0"):
        every_nth(samples, 0)


def test_the_order_of_the_samples_within_a_sequence_does_not_matter(frames_of):
    samples = frames_of({"a": 9})
    for seed in range(5):
        shuffled = [samples[i] for i in np.random.default_rng(seed).permutation(9)]
        assert places(first_half(shuffled)) == places(samples[:4])
        assert places(second_half(shuffled)) == places(samples[4:])
        assert places(every_nth(shuffled, 4)) == places(samples[::4])
