"""What looks wrong without ground truth: faults that were put in are found, and nothing is where there are none."""

from dataclasses import replace

import numpy as np
import pytest

from clmot.apps.report.appearance import read_appearance, visibility
from clmot.apps.report.events import Event
from clmot.apps.report.measured import Measured
from clmot.apps.report.results import load_results
from clmot.apps.report.suspects import find_suspects
from clmot.io.sources import open_one
from clmot.tracking.decisions import Decisions
from tests.apps.conftest import FRAMES, SWAPPED, Street


def measured(street: Street) -> Measured:
    source = open_one(street.video)
    results = load_results(street.results, source)
    return Measured(results, read_appearance(results, source, progress=False), visibility(results))


def suspects(street: Street) -> list[Event]:
    return find_suspects(measured(street))


def test_nothing_is_suspicious_about_tracks_that_are_right(street: Street) -> None:
    street.write(lambda who, _: who)
    assert suspects(street) == []


def test_two_that_change_places_where_they_pass_are_the_first_suspect(street: Street) -> None:
    first = suspects(street)[0]
    assert set(first.tracks) <= {1, 2}
    assert abs(first.frame - SWAPPED) <= 5


def test_two_that_change_places_far_apart_are_teleports(street: Street) -> None:
    street.write(lambda who, frame: who if frame < 8 else 3 - who)
    first = suspects(street)[0]
    assert (first.kind, first.frame, first.before) == ("teleport", 8, 7)


def test_a_track_cut_in_two_is_one_object_and_names_both(street: Street) -> None:
    street.write(lambda who, frame: 7 if who == 1 and frame >= 12 else None if (who, frame) == (1, 11) else who)
    (event,) = suspects(street)
    assert (event.kind, event.tracks, event.before, event.frame) == ("split", (1, 7), 10, 12)


def test_a_track_of_half_a_second_is_listed_last(street: Street) -> None:
    street.write(lambda who, frame: who if who == 1 or not 18 <= frame < 23 else None)
    path = street.results / "street.txt"
    path.write_text(path.read_text() + "".join(f"{f},9,{5 + f},10,20,60,0.9,-1,-1,-1\n" for f in range(20, 25)))
    assert [event.kind for event in suspects(street)][-1] == "short"


def test_ids_and_the_order_of_rows_change_nothing(street: Street) -> None:
    path = street.write(lambda who, frame: who if frame < SWAPPED else 3 - who)
    before = [(each.kind, each.frame, round(each.severity, 6)) for each in suspects(street)]
    lines = path.read_text().splitlines()
    np.random.default_rng(0).shuffle(lines)
    renamed = [line.split(",") for line in lines]
    path.write_text("\n".join(",".join([row[0], {"1": "40", "2": "3"}[row[1]], *row[2:]]) for row in renamed))
    assert [(each.kind, each.frame, round(each.severity, 6)) for each in suspects(street)] == before


@pytest.mark.parametrize("frames", [1, 2])
def test_results_of_a_frame_or_two_hold_no_suspects(street: Street, frames: int) -> None:
    street.write(lambda who, frame: who if frame <= frames else None)
    assert suspects(street) == []


def test_boxes_beyond_the_image_and_the_video_are_borne(street: Street) -> None:
    path = street.write(lambda who, _: who)
    path.write_text(path.read_text() + f"3,5,-500,-500,20,60,0.9,-1,-1,-1\n{FRAMES + 9},1,10,30,20,60,0.9,-1,-1,-1\n")
    assert {each.kind for each in suspects(street)} <= {"short", "teleport", "jump", "split"}


def test_a_close_call_of_the_tracker_names_who_would_have_had_the_box(street: Street) -> None:
    street.write(lambda who, _: who)
    one = {name: np.full(3, np.nan, np.float32) for name, kind in Decisions.__annotations__.items() if "32" in kind}
    numbers = {"frame": [8, 30, 30], "kind": [0, 0, 0], "track_id": [1, 1, 2], "stage": [1, 1, 1]}
    numbers |= {"detection": [0, 0, 1], "rival_id": [2, 0, 9]}
    table = {name: np.array(values, np.int64) for name, values in numbers.items()}
    one |= {"cost": np.float32([0.3, 0.3, 0.3]), "rival_cost": np.float32([0.32, 0.31, 0.31])}
    found = measured(street)
    found.results = replace(found.results, decisions=Decisions(**table, **one))
    (event,) = find_suspects(found)  # a rival without an id, or who is in no result, is nobody to look at
    assert (event.kind, event.frame, event.before, event.tracks) == ("margin", 8, 7, (1, 2))
