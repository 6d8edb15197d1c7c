"""Counting: against supervision's zones, a path of one's own, and what stands in the files."""

import csv
import json
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from command_line import call, fails

from clmot.apps.count.count import LEFT, RIGHT, count
from clmot.apps.count.geometry import crossings, inside, occupancy, parse_shape, visits
from clmot.apps.report.results import load_results
from tests.apps.conftest import FRAMES, WIDTH, Street, place


def tracks_file(folder: Path, paths: dict[int, list[tuple[int, float, float]]], size: float = 20) -> Path:
    """Results whose boxes have their feet at (x, y) in frames."""
    lines = [
        f"{frame},{track},{x - size / 2 + 1:.2f},{y - 2 * size + 1:.2f},{size},{2 * size},0.9,-1,-1,-1"
        for track, path in paths.items()
        for frame, x, y in path
    ]
    (folder / "a.txt").write_text("\n".join(lines))
    return folder / "a.txt"


def walk(seed: int, n: int = 12, frames: int = 80) -> dict[int, list[tuple[int, float, float]]]:
    rng = np.random.default_rng(seed)
    found = {}
    for track in range(1, n + 1):
        place, way = rng.uniform(50, 350, 2), rng.normal(0, 7, 2)
        found[track] = []
        for frame in range(1, frames + 1):
            way += rng.normal(0, 1.5, 2)
            way = np.where((place < 40) & (way < 0) | (place > 360) & (way > 0), -way, way)  # back into the picture
            place = place + way
            found[track].append((frame, *place.round(1).tolist()))
    return found


@pytest.mark.parametrize("seed", range(4))
def test_crossings_of_a_long_line_by_small_boxes_are_those_of_supervision(tmp_path: Path, seed: int) -> None:
    supervision = pytest.importorskip("supervision")
    paths = walk(seed)
    line = parse_shape("-900,258,1300,142", "line", 1)  # they differ in where it ends
    theirs = supervision.LineZone(
        start=supervision.Point(-900, 258),
        end=supervision.Point(1300, 142),
        triggering_anchors=[supervision.Position.BOTTOM_CENTER],
    )
    there: Counter[str] = Counter()
    for frame in range(1, 81):
        feet = np.array([path[frame - 1][1:] for path in paths.values()])
        boxes = np.concatenate([feet - np.array([0.1, 0.4]), feet + np.array([0.1, 0])], axis=1).astype(np.float32)
        found = supervision.Detections(xyxy=boxes, tracker_id=np.array(list(paths)))
        into, out = theirs.trigger(found)
        there.update({LEFT: int(into.sum()), RIGHT: int(out.sum())})
    results = load_results(tracks_file(tmp_path, paths, 0.2))
    counts = count(results, [line])
    ours = Counter(each.direction for each in counts.crossings)
    assert sum(there.values()) > 8
    assert ours == there


@pytest.mark.parametrize("seed", range(3))
def test_who_is_inside_is_whom_opencv_finds_there(seed: int) -> None:
    rng = np.random.default_rng(seed)
    zone = rng.uniform(0, 100, (6, 2)).round(2)  # its sides cross
    points = rng.uniform(-10, 110, (400, 2)).round(2) + 0.001
    oracle = np.array([crossed_upwards(point, zone) % 2 == 1 for point in points])
    assert np.array_equal(inside(points, zone), oracle)
    convex = cv2.convexHull(zone.astype(np.float32))[:, 0].astype(np.float64)
    expected = [cv2.pointPolygonTest(convex.astype(np.float32), point.tolist(), False) > 0 for point in points]
    assert np.array_equal(inside(points, convex), expected)


def crossed_upwards(point: np.ndarray, zone: np.ndarray) -> int:
    """How many sides a ray to the right meets."""
    met = 0
    for (x1, y1), (x2, y2) in zip(zone, np.roll(zone, -1, axis=0), strict=True):
        if min(y1, y2) <= point[1] < max(y1, y2):
            met += x1 + (point[1] - y1) / (y2 - y1) * (x2 - x1) > point[0]
    return met


def test_directions_are_as_seen_along_the_line_and_turn_with_it() -> None:
    points, height = np.array([[10.0, 50], [90, 50]]), np.full(2, 20.0)
    up, down = np.array([[50.0, 100], [50, 0]]), np.array([[50.0, 0], [50, 100]])
    assert crossings(points, height, up) == [(1, True)]  # looking up, the right of the screen is on the right
    assert crossings(points, height, down) == [(1, False)]
    assert crossings(points[::-1], height, up) == [(1, False)]


def test_a_way_around_the_end_of_a_line_or_a_step_onto_it_is_no_crossing() -> None:
    line = np.array([[50.0, 0], [50, 40]])
    around = np.array([[30.0, 20], [30, 60], [70, 60], [70, 20]])
    assert crossings(around, np.full(4, 20.0), line) == []
    onto = np.array([[30.0, 20], [50.4, 20], [49.7, 20], [50.6, 20], [30, 20]])  # within a twentieth of the height
    assert crossings(onto, np.full(5, 20.0), line) == []
    over = np.array([[30.0, 20], [50.4, 20], [49.7, 20], [70, 20]])
    assert crossings(over, np.full(4, 20.0), line) == [(3, False)]


def test_a_visit_outlives_a_short_gap_and_ends_with_a_step_outside() -> None:
    frame = np.array([1, 2, 3, 6, 7, 20, 21])
    within = np.array([False, True, True, True, True, True, False])
    assert visits(within, frame, 5) == [(1, 4), (5, 5)]
    assert visits(within, frame, 2) == [(1, 2), (3, 4), (5, 5)]
    assert visits(np.zeros(7, bool), frame, 5) == []
    assert occupancy(np.arange(1, 8), np.array([2, 3]), np.array([3, 6])).tolist() == [0, 1, 2, 1, 1, 1, 0]


def test_dwell_and_occupancy_of_one_who_walks_through(tmp_path: Path) -> None:
    path = tracks_file(tmp_path, {1: [(frame, 10.0 * frame, 50) for frame in range(1, 21)]})
    counts = count(load_results(path), zones=[parse_shape("gate=45,0,145,0,145,100,45,100", "zone", 1)])
    (visit,) = counts.visits
    assert (visit.first, visit.last, visit.track) == (5, 14, 1)
    assert visit.seconds == pytest.approx(10 / 30)
    assert counts.totals()["zones"]["gate"] == {
        "visits": {"all": 1, "object": 1},
        "tracks": 1,
        "most at once": 1,
        "mean occupancy": 0.5,
        "mean dwell": 0.333,
        "longest dwell": 0.333,
    }


def test_clmot_count_writes_tables_plot_and_picture(
    street: Street,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = street.write(lambda who, _: who)
    out, middle = tmp_path / "counts", WIDTH // 2
    zone = f"zone, left=0,0,{middle},0,{middle},120,0,120"
    code = call(
        "count", path, "--line", f"mid={middle},110,{middle},10", "--zone", zone, "--video", street.video, "--out", out
    )
    assert code == 0
    assert "to the right" in capsys.readouterr().out
    rows = list(csv.DictReader((out / "street.crossings.csv").open()))
    first = next(frame for frame in range(1, FRAMES) if place(2, frame)[0] + 10 < middle - 3)
    second = next(frame for frame in range(1, FRAMES) if place(1, frame)[0] + 10 > middle + 3)
    assert [(row["track"], row["direction"], int(row["frame"])) for row in rows] == [
        ("2", LEFT, first),
        ("1", RIGHT, second),
    ] or [(row["track"], row["direction"], int(row["frame"])) for row in rows] == [
        ("1", RIGHT, second),
        ("2", LEFT, first),
    ]
    assert float(rows[0]["seconds"]) == pytest.approx((int(rows[0]["frame"]) - 1) / 10)
    assert {row["zone"] for row in csv.DictReader((out / "street.visits.csv").open())} == {"zone, left"}
    totals = json.loads((out / "street.counts.json").read_text())
    assert totals["lines"]["mid"][LEFT]["all"] == totals["lines"]["mid"][RIGHT]["all"] == 1
    picture = cv2.imread(str(out / "street.counts.jpg"))
    assert picture.shape[:2] == (120, WIDTH)
    assert cv2.imread(str(out / "street.counts.png")) is not None


def test_python_counts_in_a_file_by_the_words_of_the_command_line(street: Street) -> None:
    path = street.write(lambda who, _: who)
    counts = count(path, [f"{WIDTH // 2},110,{WIDTH // 2},10"], [f"left=0,0,{WIDTH // 2},0,{WIDTH // 2},120,0,120"])
    assert [each.line for each in counts.crossings] == ["line 1", "line 1"]
    assert {each.zone for each in counts.visits} == {"left"}


def test_ground_truth_is_counted_beside_and_the_error_is_told(
    street: Street, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # the results miss one of two crossings, and cut the other's visit in two
    street.write(lambda who, frame: None if who == 2 and frame > 15 else who if frame < 10 else 5 + who)
    middle = WIDTH // 2
    given = ["--line", f"mid={middle},110,{middle},10", "--zone", f"all=0,0,{WIDTH},0,{WIDTH},120,0,120"]
    assert call("count", street.results, *given, "--gt", street.truth, "--out", tmp_path / "out") == 0
    told = json.loads((tmp_path / "out" / "street.counts.json").read_text())
    assert told["truth"]["lines"]["mid"] == {way: {"all": 1, "person": 1} for way in (LEFT, RIGHT)}
    assert told["truth"]["zones"]["all"]["visits"]["all"] == 2
    assert told["zones"]["all"]["visits"]["all"] == 4
    assert told["error"] == {"absolute": 3, "true": 4, "relative": 0.75}
    assert "count error: 3 of 4" in capsys.readouterr().out


def test_evaluate_has_the_error_of_counting_as_a_score(
    street: Street, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    street.write(lambda who, frame: None if who == 2 and frame > 15 else who if frame < 10 else 5 + who)
    middle = WIDTH // 2
    plan = {
        "lines": {"mid": [[middle, 110], [middle, 10]]},
        "zones": {"all": [[0, 0], [WIDTH, 0], [WIDTH, 120], [0, 120]]},
    }
    for file in (tmp_path / "street.plan.json", tmp_path / "mid.json"):
        file.write_text(json.dumps(plan))
    for given in (tmp_path, tmp_path / "mid.json"):
        out = tmp_path / "scores.json"
        assert call("evaluate", street.results, "--gt", street.truth, "--plan", given, "--json", out) == 0
        told = json.loads(out.read_text())["count errors"][str(street.results)]
        assert told["street"] == told["combined"] == {"absolute": 3, "true": 4, "relative": 0.75}
        assert "75.0%" in capsys.readouterr().out
    assert call("count", street.results, "--plan", tmp_path / "mid.json", "--gt", street.truth) == 0
    assert "count error: 3 of 4" in capsys.readouterr().out
    (tmp_path / "street.plan.json").unlink()
    assert "has no plan of these" in fails(capsys, "evaluate", street.results, "--gt", street.truth, "--plan", tmp_path)


def test_hostile_names_are_text_in_tables_plot_and_picture(
    street: Street, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    street.write(lambda who, _: who)
    (street.results / "labels.txt").write_text('\x1b[31mred $x_{$ <b>,"\nother\n')
    line, zone = f"$a_{{b$\x1b[2J={WIDTH // 2},110,{WIDTH // 2},10", f"_$=0,0,{WIDTH},0,{WIDTH},120"
    given = ["--line", line, "--zone", zone, "--video", street.video, "--out", tmp_path / "out"]
    assert call("count", street.results, *given) == 0
    assert "\x1b" not in capsys.readouterr().out
    rows = list(csv.DictReader((tmp_path / "out" / "street.crossings.csv").open()))
    assert {(row["line"], row["class"]) for row in rows} == {("$a_{b$ [2J", '\u241b[31mred $x_{$ <b>,"')}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "give a --line, a --zone or a --plan"),
        (["--line", "1,2,3"], "--line is '1,2,3', expected x1,y1,x2,y2"),
        (["--line", "1,2,1,2"], "its two points are the same"),
        (["--line", "a=1,2,nan,2"], "expected x1,y1,x2,y2"),
        (["--zone", "0,0,1,1,2,2"], "has no inside"),
        (["--zone", "0,0,1,1,2"], "expected x1,y1,x2,y2,x3,y3"),
        (["--line", "a=0,0,1,1", "--zone", "a=0,0,1,0,1,1"], "two lines or zones are called 'a'"),
        (["--line", "0,0,1,1", "--fps", "0"], "--fps must be > 0"),
        (["--line", "0,0,1,1", "--longest-gap", "-1"], "--longest-gap must be >= 0"),
    ],
)
def test_a_wrong_line_or_zone_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], given: list[str], message: str
) -> None:
    path = tracks_file(tmp_path, {1: [(1, 10, 50)]})
    assert message in fails(capsys, "count", path, *given)
