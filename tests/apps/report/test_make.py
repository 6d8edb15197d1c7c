"""What a report holds."""

import base64
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from command_line import call, fails

from clmot.apps.report.make import make_report
from clmot.apps.report.page import report_page
from clmot.apps.track.pipeline import track
from clmot.errors import UserError
from clmot.evaluation.benchmarks import find_truth
from clmot.evaluation.mot import evaluate, sequence_data
from clmot.io.frame_choice import FrameChoice
from clmot.shipped import DEFAULT
from tests.apps.conftest import COLOURS, FRAMES, SWAPPED, Street, content_of, place
from tests.evaluation.test_identity_events import CLEAR, until


def picture(address: str) -> np.ndarray:
    data = base64.b64decode(address.removeprefix("data:image/jpeg;base64,"))
    return cv2.cvtColor(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def who_is_on(address: str) -> int:
    """Whose colour fills the middle of a crop."""
    image = picture(address)
    height, width = image.shape[:2]
    middle = image[height // 3 : -height // 3, width // 3 : -width // 3].mean(axis=(0, 1))
    return min(COLOURS, key=lambda who: np.abs(middle - COLOURS[who]).sum())


def test_switches_show_the_right_frames_boxes_and_crops_of_both_tracks(street: Street) -> None:
    out = street.folder / "report.html"
    call("report", str(street.results), "--video", str(street.video), "--gt", str(street.truth), "--out", str(out))
    data = content_of(out.read_text())
    assert dict(tile[:2] for tile in data["tiles"])["IDSW"] == "2"
    assert [event["kind"] for event in data["events"]] == ["switch", "switch"]
    for event, who in zip(data["events"], (1, 2), strict=True):
        assert event["frame"] == SWAPPED
        assert event["tracks"] == [who, 3 - who]
        assert [shot["frame"] for shot in event["frames"]] == [SWAPPED - 1, SWAPPED]
        left, top, width, height = place(1, SWAPPED)
        assert {tuple(box) for box in event["frames"][1]["boxes"]} >= {(2, left, top, width, height)}
        for row in event["crops"]:
            assert [who_is_on(crop["image"]) for crop in row["before"]] == [row["track"]] * 2
            assert [who_is_on(crop["image"]) for crop in row["after"]] == [3 - row["track"]] * 2
            assert [crop["frame"] for crop in row["before"]] == [SWAPPED - 5, SWAPPED - 1]
    (first, second) = data["tracks"]
    assert first["segments"][0][:2] == [1, FRAMES]
    assert first["colour"] != second["colour"]


def test_a_fragment_is_a_gap_in_the_timeline_and_is_listed(street: Street) -> None:
    street.write(lambda who, frame: None if who == 1 and 10 <= frame < 15 else who)
    made = make_report(
        street.results, street.video, street.folder / "a.html", ground_truth=street.truth, progress=False
    )
    assert made.events == {"fragment": 1}
    data = content_of(made.path.read_text())
    assert [part[:2] for part in data["tracks"][0]["segments"]] == [[1, 9], [15, FRAMES]]
    assert "after 5 frames without a track" in data["events"][0]["text"]


HOSTILE = "</script><script>alert(1)</script>\"'><img src=x onerror=alert(2)> \u202egpj.exe \x1b[31mred " + "x" * 300


def test_hostile_names_are_text_and_nothing_else_runs_or_is_fetched(street: Street) -> None:
    record = {"street": {"model": HOSTILE, "classes": [HOSTILE, "b"], "settings": {"tracker": {HOSTILE: HOSTILE}}}}
    (street.results / "run.json").write_text(json.dumps(record))
    made = make_report(street.results, street.video, street.folder / "a.html", progress=False)
    page = made.path.read_text()
    assert "<script>alert" not in page
    assert "<img" not in page
    assert page.count("<script") == 2
    assert "default-src 'none'" in page
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in page
    assert "\x1b" not in page
    assert ["Model", HOSTILE.replace("\x1b", "\u241b").replace("\u202e", "\ufffd")] in content_of(page)["facts"]


def test_pictures_of_the_less_bad_events_give_way_to_the_limit(street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = iter(range(1, 10_000))
    street.write(lambda who, frame: next(ids) if frame % 4 == 0 else 10_000 * who + frame // 4)
    whole = make_report(street.results, street.video, street.folder / "a.html", ground_truth=street.truth)
    assert whole.size == whole.path.stat().st_size
    limit = whole.size * 2 // 3
    monkeypatch.setattr("clmot.apps.report.make.report_page", lambda *arguments: report_page(*arguments, largest=limit))
    less = make_report(street.results, street.video, street.folder / "b.html", ground_truth=street.truth)
    assert less.size <= limit
    events = content_of(less.path.read_text())["events"]
    pictured = [bool(event["frames"]) for event in events]
    assert pictured == sorted(pictured, reverse=True)
    assert 0 < sum(pictured) < len(events)
    assert [event["text"] for event in events] == [
        event["text"] for event in content_of(whole.path.read_text())["events"]
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no box in it"),
        ("1,-1,5,5,20,60,0.9,-1,-1,-1\n", "track them first"),
        ("1,2,3\n", "expected 7 to 10"),
        (None, "no such file or folder"),
    ],
)
def test_what_is_no_result_is_one_line(
    street: Street, text: str | None, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = street.folder / "other.txt"
    if text is not None:
        file.write_text(text)
    assert message in fails(capsys, "report", file, "--video", street.video, "--out", street.folder / "a.html")
    assert not (street.folder / "a.html").exists()


def test_another_video_than_the_one_that_was_tracked_is_one_line(
    street: Street, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    path = street.write(lambda who, _: who)
    rows = [row.split(",") for row in path.read_text().splitlines()]
    path.write_text("\n".join(",".join([str(int(row[0]) + 1000), *row[1:]]) for row in rows))
    out = street.folder / "a.html"
    assert "name the video that was tracked" in fails(capsys, "report", path, "--video", street.video, "--out", out)
    path.write_text("\n".join(",".join(row) for row in rows) + "\n70,9,1,1,20,60,0.9,-1,-1,-1\n")
    make_report(path, street.video, out, progress=False)
    assert f"ends with frame {FRAMES}, and {path} has boxes up to 70" in caplog.text


def test_results_beside_those_of_others_are_found_by_the_name_of_the_video(street: Street, tmp_path: Path) -> None:
    street.write(lambda who, _: 50 + who, "other")
    made = make_report(street.results, street.video, tmp_path / "a.html", progress=False)
    assert content_of(made.path.read_text())["name"] == "street"
    (street.results / "street.txt").rename(street.results / "third.txt")
    with pytest.raises(UserError, match="results of 2 sequences and none is called street"):
        make_report(street.results, street.video, tmp_path / "b.html", progress=False)


def test_the_report_of_real_people_lists_the_switches_that_trackeval_counts(real_data: Path, tmp_path: Path) -> None:
    sequence = real_data / "mot" / "TUD-Stadtmitte"
    track(sequence, DEFAULT, tmp_path / "results", explain=True, progress=False)
    make_report(tmp_path / "results", sequence, tmp_path / "a.html", ground_truth=sequence, progress=False)
    data = content_of((tmp_path / "a.html").read_text())
    listed = [event for event in data["events"] if event["kind"] == "switch"]

    # TrackEval's own count grows in exactly the frames that are listed
    truth = find_truth(sequence)["TUD-Stadtmitte"]
    _, matched = sequence_data(tmp_path / "results" / "TUD-Stadtmitte.txt", truth, FrameChoice())
    counts = [0, *(CLEAR().eval_sequence(until(matched["person"], time))["IDSW"] for time in range(1, 180))]
    frames = np.repeat(np.arange(1, 180), np.diff(counts))
    assert len(frames) >= 2
    assert sorted(event["frame"] for event in listed) == frames.tolist()
    scores = evaluate(tmp_path / "results", sequence).combined
    assert {name: value for name, value, _ in data["tiles"]}["IDSW"] == f"{scores['IDSW']}" == f"{len(listed)}"

    for event in listed:
        before, after = event["frames"]
        assert before["frame"] < after["frame"] == event["frame"]
        old, new = event["tracks"]
        assert old in {box[0] for box in before["boxes"]}
        assert new in {box[0] for box in after["boxes"]}
        assert [row["track"] for row in event["crops"]] == [old, new]
        assert event["crops"][1]["after"][0]["frame"] == event["frame"]
        assert event["why"]["text"]
