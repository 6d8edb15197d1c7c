import pytest

from clmot.config.tracker import TrackerConfig
from clmot.errors import UserError
from clmot.io.frame_choice import frames_in
from clmot.tracking.tracker import Tracker


@pytest.mark.parametrize(
    ("seconds", "rate", "expected"),
    # 0.58 x 50 is 28.999999999999996 in floating point
    [(0.58, 50, 29), (1, 29.97, 30), (2, 0.4, 1), (2, 0.1, 1), (1e-9, 30, 1), (0.1, 24, 2), (0, 30, 0)],
)
def test_durations_round_and_are_never_below_one_frame(seconds, rate, expected):
    assert frames_in(seconds, rate) == expected
    assert TrackerConfig(lost_seconds=seconds, frame_rate=rate).lost_frames == expected


def test_one_miss_at_one_picture_every_five_seconds_keeps_the_id():
    tracker, box = Tracker(TrackerConfig(frame_rate=0.2)), [[10, 10, 50, 90, 0.9]]
    ids = [tracker.update(found).track_id.tolist() for found in (box, box, [], box)]
    assert ids == [[1], [1], [], [1]]


@pytest.mark.parametrize("field", ["frame_rate", "lost_seconds"])
@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_endless_durations_are_refused(field, value):
    with pytest.raises(UserError, match=f"tracker.{field}"):
        TrackerConfig(**{field: value})
