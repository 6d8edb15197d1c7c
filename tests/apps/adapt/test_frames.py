import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clmot.apps.adapt.frames import FEW_FRAMES, STRETCH, choose_frames, read_frames, take_frames, write_frames
from clmot.apps.adapt.mined_tracklets import find_tracklets
from clmot.config import AdaptConfig
from clmot.io.image import read_image
from clmot.io.progress import progress_bar
from clmot.io.sources import open_one
from tests.apps.adapt.conftest import Finder


@given(st.integers(0, 4000), st.sampled_from([5.0, 25.0, 30.0]), st.integers(2, 400))
def test_frames_are_some_of_every_second_and_not_too_many(count, frame_rate, most):
    numbers = np.arange(7, 7 + count)
    kept = choose_frames(numbers, frame_rate, most)
    assert len(kept) <= most
    assert np.isin(kept, numbers).all()
    assert (np.diff(kept) > 0).all()
    if count <= FEW_FRAMES and count <= most:
        assert len(kept) == count
    if count >= FEW_FRAMES <= most:
        assert len(kept) >= min(FEW_FRAMES, most // STRETCH * STRETCH) / 2


def test_a_long_video_is_kept_in_stretches_from_start_to_end():
    kept = choose_frames(np.arange(1, 10_001), 10.0, 100)
    assert len(kept) == 100
    assert (np.diff(kept) == 2).sum() == 5 * (STRETCH - 1)
    assert kept[0] == 1
    assert kept[-1] > 9900


@pytest.fixture
def taken(video, tmp_path):
    config, source = AdaptConfig(min_frames=3), open_one(video)
    with progress_bar(False) as bar:
        tracklets = find_tracklets(source, Finder(), config, bar)
        return tracklets, take_frames(source, tracklets, tmp_path / "frames", bar)


def test_frames_hold_tracklets_and_are_read_back(taken, tmp_path):
    tracklets, (learned, held_out) = taken
    assert [sample.frame for sample in learned + held_out] == list(range(1, 41))
    assert [sample.frame < tracklets.split for sample in learned + held_out] == [True] * 32 + [False] * 8
    write_frames(learned, ("car", "person"), tmp_path)
    read = read_frames(tmp_path, ("car", "person"))
    # no box is a person here, and yet the class stays
    assert read.classes == ("car", "person")
    assert len(read.samples) == len(learned)
    for before, after in zip(learned, read.samples, strict=True):
        order = [np.lexsort(each.boxes.T) for each in (before, after)]
        for name in ("boxes", "classes", "identities", "ignore", "scores"):
            one, two = (getattr(each, name)[rows] for each, rows in zip((before, after), order, strict=True))
            np.testing.assert_allclose(one, two, rtol=1e-6, err_msg=name)
        assert read_image(after.image).shape == (after.height, after.width, 3)


def test_frames_with_a_lone_tracklet_teach_nothing(taken, tmp_path, video):
    tracklets, _ = taken
    alone = {number: np.where(each == each.max(), each, -1) for number, each in tracklets.numbers.items()}
    object.__setattr__(tracklets, "numbers", alone)
    with progress_bar(False) as bar:
        assert take_frames(open_one(video), tracklets, tmp_path, bar) == ([], [])
