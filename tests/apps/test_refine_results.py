"""Finished results made better, and as tables."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from command_line import call, fails

from clmot.io.mot_text import read_mot_rows
from clmot.io.track_table import TrackTable
from clmot.structures import Detections, TrackedFrame


def frame(number: int, *tracks: tuple[int, float]) -> TrackedFrame:
    """Boxes of 10x20 pixels at x."""
    left = np.array([x for _, x in tracks], np.float32)
    xyxy = np.stack([left, 0 * left, left + 10, 0 * left + 20], axis=1)
    found = Detections(xyxy=xyxy, score=0 * left + 0.5, class_id=np.zeros(len(left), np.int64))
    return TrackedFrame(frame=number, detections=found, track_id=np.array([track for track, _ in tracks]))


@pytest.fixture
def results(tmp_path) -> Path:
    """At 10 frames a second: track 1 with a gap of four frames, track 2 of three frames."""
    rows = [(number, 1, 10 * number) for number in (1, 2, 3, 8, 9, 10)] + [(number, 2, 300) for number in (4, 5, 6)]
    file = tmp_path / "results" / "street.txt"
    file.parent.mkdir()
    file.write_text("".join(f"{number},{track},{x},20,10,20,0.9,-1,-1,-1\n" for number, track, x in sorted(rows)))
    return file


def test_gaps_are_closed_and_short_tracks_left_out(results, tmp_path, capsys):
    options = ("--interpolate", 1, "--min-seconds", 0.5, "--fps", 10)
    assert call("refine", results, "--out", tmp_path / "refined", *options) == 0
    rows = read_mot_rows(tmp_path / "refined" / "street.txt")
    assert rows.identity.tolist() == [1] * 10
    assert rows.boxes[:, 0].tolist() == [10 * number - 1 for number in range(1, 11)]
    assert "2 -> 1 tracks" in capsys.readouterr().out


def test_the_record_of_the_results_knows_the_frame_rate(results, tmp_path):
    """Three frames are 0.3 s at 10 frames a second and 0.1 s at 30."""
    settings = {"tracker": {"frame_rate": 10}}
    (results.parent / "run.json").write_text(json.dumps({"street": {"settings": settings}}))
    assert call("refine", results.parent, "--out", tmp_path / "kept", "--min-seconds", 0.25) == 0
    assert set(read_mot_rows(tmp_path / "kept" / "street.txt").identity.tolist()) == {1, 2}
    assert call("refine", results.parent, "--out", tmp_path / "left", "--min-seconds", 0.25, "--fps", 30) == 0
    assert set(read_mot_rows(tmp_path / "left" / "street.txt").identity.tolist()) == {1}


def test_as_many_tracks_as_individuals(results, tmp_path, capsys):
    """Two one after the other are one individual, whose gaps the other fills; two at once cannot be."""
    assert call("refine", results, "--out", tmp_path / "one", "--individuals", 1, "--fps", 10) == 0
    assert set(read_mot_rows(tmp_path / "one" / "street.txt").identity.tolist()) == {1}
    with results.open("a") as file:
        file.write("4,3,90,20,10,20,0.9,-1,-1,-1\n")
    message = fails(capsys, "refine", results, "--out", tmp_path / "two", "--individuals", 1, "--fps", 10)
    assert f"{results}: frame 4: 2 are seen at once, and there are to be 1 individuals" in message


def test_what_cannot_be_refined_is_one_line(results, tmp_path, capsys):
    out = ("--out", tmp_path / "refined")
    assert "nothing to do" in fails(capsys, "refine", results, *out)
    assert "give --source VIDEO and --model" in fails(capsys, "refine", results, *out, "--join", 0.2)
    assert "choose another --out" in fails(capsys, "refine", results, "--out", results.parent, "--smooth")
    results.write_text("1,-1,10,20,10,20,0.9,-1,-1,-1\n")
    assert "detections without track ids" in fails(capsys, "refine", results, *out, "--smooth")


@pytest.mark.parametrize("form", ["csv", "json"])
def test_tables_have_seconds_names_and_speeds(results, tmp_path, form):
    """Track 1 moves by 10 pixels a frame, 100 a second."""
    assert call("refine", results, "--out", tmp_path / "table", "--format", form, "--fps", 10) == 0
    text = (tmp_path / "table" / f"street.{form}").read_text()
    rows = json.loads(text) if form == "json" else list(csv.DictReader(text.splitlines()))
    assert len(rows) == 9
    first, last = rows[0], rows[-1]
    assert (first["frame"], float(first["seconds"]), float(first["speed"])) in ((1, 0.0, 0.0), ("1", 0.0, 0.0))
    assert (float(last["seconds"]), float(last["left"]), float(last["score"])) == (0.9, 99, 0.9)
    assert float(last["speed"]) == pytest.approx(100)


def test_speed_is_the_mean_of_half_a_second():
    """Standing for a second, then moving 4 pixels a tenth of a second: 40 pixels a second, half a second later."""
    table = TrackTable("csv", ("person",), lambda number: number / 10)
    speeds = []
    for number in range(21):
        row = table(frame(number + 1, (7, 100 + 4 * max(0, number - 10))))
        speeds.append(float(row.strip().split(",")[-1]))
    assert speeds[:11] == [0] * 11
    assert speeds[13] == pytest.approx(3 * 4 / 0.5)
    assert speeds[15:] == [40] * 6


def test_an_empty_table_is_still_json():
    table = TrackTable("json", ("person",), float)
    assert json.loads(table.first + table(frame(1)) + table.last) == []
    text = table.first + table(frame(1, (1, 5))) + table(frame(2)) + table(frame(3, (1, 6), (2, 9))) + table.last
    assert [(row["frame"], row["track"], row["class"]) for row in json.loads(text)] == [
        (1, 1, "person"),
        (3, 1, "person"),
        (3, 2, "person"),
    ]
