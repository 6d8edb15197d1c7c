import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clmot.apps.adapt.frames import FRAMES_PER_SECOND, STRETCH, choose_frames, read_frames, take_frames, write_frames
from clmot.apps.adapt.mined_tracklets import find_tracklets
from clmot.apps.track.detection import finder_of
from clmot.config import AdaptConfig
from clmot.config.tracker import TrackerConfig
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
    if count <= most:
        assert len(kept) == count
    elif count / frame_rate * FRAMES_PER_SECOND > most > STRETCH:
        assert len(kept) > most - 2 * STRETCH  # stretches are whole
    else:
        assert (np.diff(kept) <= max(1, round(frame_rate / FRAMES_PER_SECOND))).all() or most <= STRETCH


def test_a_long_video_is_kept_in_stretches_from_start_to_end():
    kept = choose_frames(np.arange(1, 10_001), 10.0, 100)
    assert len(kept) == 100
    assert (np.diff(kept) == 2).sum() == 5 * (STRETCH - 1)
    assert kept[0] == 1
    assert kept[-1] > 9900


@pytest.fixture
def taken(video, tmp_path):
    config, source = AdaptConfig(min_seconds=0.2), open_one(video)
    with progress_bar(False) as bar:
        tracklets = find_tracklets(source, finder_of(Finder()), TrackerConfig(), config, bar)
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


def test_frames_with_a_lone_clear_box_teach_nothing(taken, tmp_path, video):
    tracklets, _ = taken
    object.__setattr__(
        tracklets, "clear", {number: np.arange(len(each)) < 1 for number, each in tracklets.clear.items()}
    )
    with progress_bar(False) as bar:
        assert take_frames(open_one(video), tracklets, tmp_path, bar) == ([], [])
