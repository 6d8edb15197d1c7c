import time

import pytest
import torch

from clmot.errors import UserError
from clmot.training.device_loader import DeviceLoader, ThroughputMeter


class Parcel:
    """Stands in for a batch."""

    def __init__(self, number):
        self.number = number

    def to(self, device, non_blocking=False):
        return self


def test_everything_arrives_in_order():
    assert [parcel.number for parcel in DeviceLoader(map(Parcel, range(4)), torch.device("cpu"))] == [0, 1, 2, 3]


def test_time_spent_waiting_is_the_loaders_alone():
    def slow():
        for number in range(3):
            time.sleep(0.05)
            yield Parcel(number)

    feed = DeviceLoader(slow(), torch.device("cpu"))
    for _ in feed:
        time.sleep(0.1)
    assert 0.15 <= feed.seconds_waiting < 0.3


def test_mistakes_in_the_data_pass_through():
    def broken():
        yield Parcel(0)
        raise UserError("an image cannot be read")

    feed = DeviceLoader(broken(), torch.device("cpu"))
    next(feed)
    with pytest.raises(UserError, match="an image cannot be read"):
        next(feed)


def test_pace_leaves_out_the_first_step(monkeypatch):
    now = iter([100.0, 110.0, 111.0, 114.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(now))
    pace = ThroughputMeter(images=8)
    pace.step(9.0)
    assert pace.summary() == ""
    pace.step(9.5)
    pace.step(10.0)
    assert (pace.seconds, pace.seconds_waiting) == (14.0, 10.0)
    assert pace.summary() == "4.0 images/s, 25% of the time waiting for data"
