import csv

import numpy as np
import pytest

from clmot.io.track_table import TrackTable
from clmot.structures import Detections, TrackedFrame


@pytest.mark.parametrize(("across", "down", "speed"), [(3, 4, 50.0), (0, 4, 40.0), (3, 0, 30.0)])
def test_speed_is_the_way_of_the_centre_a_second(across: float, down: float, speed: float) -> None:
    """At 10 frames a second; the first box has not moved yet."""
    table, text = TrackTable("csv", ("person",), lambda frame: (frame - 1) / 10), ""
    for number in range(1, 9):
        left, top = across * number, down * number
        box = np.array([[left, top, left + 10, top + 20]], np.float32)
        found = Detections(xyxy=box, score=np.ones(1, np.float32), class_id=np.zeros(1, np.int64))
        text += table(TrackedFrame(frame=number, detections=found, track_id=np.array([7])))
    assert [float(row["speed"]) for row in csv.DictReader(text.splitlines())] == [0.0, *[speed] * 7]
