"""What is written into a folder of results, what is kept of what was there, and what is said of how it came about."""

import json
import logging
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from clmot.apps.track import outputs as sinks
from clmot.apps.track.pipeline import track
from clmot.apps.track.result_folder import claimed
from clmot.apps.track.summary import SequenceSummary
from clmot.apps.track.write_detections import write_detections
from clmot.config import Config
from clmot.config.tracker import TrackerConfig
from clmot.errors import UserError
from clmot.io.mot_text import read_mot_text
from clmot.io.sources import open_sources
from clmot.io.video import probe_video
from clmot.io.video_writer import VideoWriter
from clmot.structures import Detections, Image, TrackedFrame


class Corner:
    """Finds one box in the corner of each image, with a score; its score of real boxes can be asked with no threshold.

    Boxes below `config.detect.score_threshold` are left out, as a network does it.
    """

    fingerprint = "abc"

    def __init__(self, score: float = 0.9, classes: tuple[str, ...] = ("person",)) -> None:
        self.config, self.score, self.classes = Config(), score, classes

    def detect(self, images: list[Image]) -> list[Detections]:
        number = int(self.score >= self.config.detect.score_threshold)
        box, score = np.array([[2.0, 2, 20, 30]])[:number], np.array([self.score])[:number]
        return [Detections(xyxy=box, score=score, class_id=np.zeros(number)) for _ in images]


def make_video(file: Path, frames: int = 4) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    with VideoWriter(file, 10, (48, 32)) as writer:
        for _ in range(frames):
            writer.write(np.full((32, 48, 3), 90, np.uint8))
    return file


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_videos_of_one_name_from_two_cameras_do_not_overwrite_each_other(tmp_path: Path) -> None:
    videos = [make_video(tmp_path / camera / "rec.mp4", frames) for camera, frames in (("cam1", 4), ("cam2", 5))]
    results = track(videos, Corner(), tmp_path / "out", progress=False)
    assert [(result.name, result.frames) for result in results] == [("cam1-rec", 4), ("cam2-rec", 5)]
    assert names(tmp_path / "out") == ["cam1-rec.txt", "cam2-rec.txt", "run.json"]
    assert len(read_mot_text(tmp_path / "out" / "cam2-rec.txt")) == 5


@pytest.mark.parametrize(
    ("files", "given", "expected"),
    [
        (["v/a.mp4", "v/b.avi"], ["v"], ["a", "b"]),
        (["v/a10.mp4", "v/a2.mp4", "v/.hidden.mp4", "v/notes.txt"], ["v"], ["a2", "a10"]),
        (["v/a.mp4", "v/a.avi"], ["v"], ["a-1", "a-2"]),
        (["1/a.mp4", "2/a.mp4", "2/b.mp4"], ["*/a.mp4"], ["1-a", "2-a"]),
        (["1/x/a.mp4", "2/x/A.mp4"], ["1/x/a.mp4", "2/x/A.mp4"], ["1-x-a", "2-x-A"]),
        (["1/a.mp4", "2/b.mp4"], ["1", "2/b.mp4"], ["a", "b"]),
        (["labels.mp4"], ["labels.mp4"], ["labels-1"]),
        (["[1]/a.mp4"], ["[1]/a.mp4"], ["a"]),
    ],
)
def test_every_source_gets_a_name_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: list[str], given: list[str], expected: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    content = make_video(tmp_path / "made.mp4", 1).read_bytes()
    for file in files:
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).write_bytes(content)
    assert [each.name for each in open_sources(given, ["labels"])] == expected


def test_images_of_one_folder_that_are_named_singly_are_one_sequence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("walk/10.png", "walk/9.png", "walk/1.png", "alone.png"):
        Path(name).parent.mkdir(exist_ok=True)
        cv2.imwrite(name, np.zeros((8, 8, 3), np.uint8))
    make_video(tmp_path / "a.mp4", 1)
    found = open_sources(["alone.png", "walk/10.png", "a.mp4", "walk/9.png"])
    assert [(each.name, each.length) for each in found] == [("alone", 1), ("walk", 2), ("a", 1)]
    assert found[1].images == {1: Path("walk/9.png"), 2: Path("walk/10.png")}
    (pattern,) = open_sources(["walk/*.png"])
    assert list(pattern.images or {}) == [1, 2, 3]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["a.mp4", "./a.mp4"], "a.mp4: is named twice"),
        (["a.mp4", "x/../a.mp4"], "a.mp4: is named twice"),
        (["x*.mp4"], r"x\*\.mp4: no video or folder is called so \(0 files\)"),
        (["1.png", "2.png", "1.png"], r"1\.png: is named twice"),
        (["1.png", "1.png"], r"1\.png: is named twice"),
        ([], "no source: name a video"),
    ],
)
def test_sources_that_cannot_be_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    make_video(tmp_path / "a.mp4", 1)
    (tmp_path / "x").mkdir()
    for number in (1, 2):
        cv2.imwrite(f"{number}.png", np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(UserError, match=message):
        open_sources(given)


def test_results_are_not_overwritten_unasked_and_leave_no_old_video_behind(tmp_path: Path) -> None:
    video, out = make_video(tmp_path / "street.mp4"), tmp_path / "out"
    track(video, Corner(), out, video=True, progress=False)
    before = {file.name: file.read_bytes() for file in out.iterdir()}
    with pytest.raises(UserError, match=r"street\.txt \(and 1 more\): exists already; .*--overwrite"):
        track(video, Corner(0.5), out, progress=False)
    assert {file.name: file.read_bytes() for file in out.iterdir()} == before
    track(video, Corner(0.5), out, overwrite=True, progress=False)
    assert names(out) == ["run.json", "street.txt"]
    assert read_mot_text(out / "street.txt")[0].detections.score[0] == 0.5


def test_a_video_that_is_no_result_is_never_removed(tmp_path: Path) -> None:
    film = make_video(tmp_path / "out" / "street.mp4")
    frames = tmp_path / "street"
    frames.mkdir()
    cv2.imwrite(str(frames / "1.png"), np.zeros((32, 48, 3), np.uint8))
    before = film.read_bytes()
    for overwrite, message in ((False, "exists already"), (True, "is not from clmot track as far as run.json tells")):
        with pytest.raises(UserError, match=message):
            track(frames, Corner(), tmp_path / "out", overwrite=overwrite, progress=False)
    # a source that lies where its results go is no old result of itself
    track(film, Corner(), film.parent, progress=False)
    track(film, Corner(), film.parent, overwrite=True, progress=False)
    assert film.read_bytes() == before


def test_run_json_says_how_each_result_came_about(tmp_path: Path) -> None:
    out = tmp_path / "out"
    track(make_video(tmp_path / "a.mp4"), Corner(), out, video=True, progress=False)
    track(make_video(tmp_path / "b.mp4", 2), Corner(0.5), out, progress=False)
    record = json.loads((out / "run.json").read_text())
    assert record.keys() == {"a", "b"}
    assert record["a"]["files"] == ["a.txt", "a.mp4"]
    b = record["b"]
    assert (b["files"], b["source"], b["fingerprint"]) == (["b.txt"], str(tmp_path / "b.mp4"), "abc")
    assert b["boxes from"] is None
    assert (b["frames"], b["boxes"], b["best score"], b["complete"]) == (2, 2, 0.5, True)
    assert b["settings"]["tracker"]["frame_rate"] == 10
    assert {"python", "numpy", "torch"} <= b["versions"].keys()


def test_numbers_of_classes_mean_one_thing_in_a_folder(tmp_path: Path) -> None:
    out = tmp_path / "out"
    a, b = make_video(tmp_path / "a.mp4"), make_video(tmp_path / "b.mp4")
    track(a, Corner(classes=("car", "van")), out, progress=False)
    for classes in (("van", "car"), ("person",)):
        with pytest.raises(UserError, match=r"the classes of a\.txt there are car, van, of the new results "):
            track(b, Corner(classes=classes), out, progress=False)
    track(b, Corner(classes=("car", "van")), out, progress=False)
    # where nothing else is left, they may change
    track([a, b], Corner(), out, overwrite=True, progress=False)
    assert names(out) == ["a.txt", "b.txt", "run.json"]


def test_what_failed_at_its_first_frame_needs_no_overwrite(tmp_path: Path) -> None:
    class Broken(Corner):
        def detect(self, images: list[Image]) -> list[Detections]:
            raise UserError("broken")

    with pytest.raises(UserError, match="broken"):
        track(make_video(tmp_path / "a.mp4"), Broken(), tmp_path / "out", progress=False)
    assert names(tmp_path / "out") == []


@pytest.mark.parametrize("moment", ["draw_tracks", "fit"])
def test_text_and_video_have_the_same_frames_after_ctrl_c(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    calls = 0
    original = getattr(sinks, moment)

    def interrupts(*arguments: object) -> object:
        nonlocal calls
        calls += 1
        if calls == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return original(*arguments)

    monkeypatch.setattr(sinks, moment, interrupts)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            track(make_video(tmp_path / "a.mp4", 9), Corner(), tmp_path / "out", video=True, progress=False)
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(read_mot_text(tmp_path / "out" / "a.txt")) == 3
    assert probe_video(str(tmp_path / "out" / "a.mp4"))[1] == 3
    record = json.loads((tmp_path / "out" / "run.json").read_text())["a"]
    assert (record["files"], record["complete"]) == (["a.txt", "a.mp4"], False)


@pytest.fixture
def _messages(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level("WARNING", logger="clmot"):
        yield


@pytest.mark.parametrize(
    ("score", "settings", "expected"),
    [
        (
            0.08,
            {"detect": {"score_threshold": 0.2}},
            ["nothing scored detect.score_threshold=0.2, the best in 3 frames looked at again 0.08", "classes: person"],
        ),
        (0.15, {"detect": {"score_threshold": 0.2}}, ["detect.score_threshold=0.075 tracker.high_score=0.12"]),
        (0.2, {}, ["the best of 4 boxes scored 0.2, and tracks start at 0.5", "try tracker.high_score=0.16"]),
        (0.9, {"model": {"image_size": [512, 288]}}, []),
    ],
)
@pytest.mark.usefixtures("_messages")
def test_no_tracks_explain_themselves(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, score: float, settings: dict, expected: list[str]
) -> None:
    model = Corner(score)
    model.config = model.config.updated(settings)
    [result] = track(make_video(tmp_path / "a.mp4"), model, progress=False)
    assert (result.tracks == 0) == bool(expected)
    text = "\n".join(each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING)
    for part in [*expected, *(["classes: person; try "] if expected else [])]:
        assert part in text
    assert bool(text) == bool(expected)
    # what is advised does help
    if "tracker.high_score" in text:
        advice = text.split("; try ")[1].split(", or ")[0].split()
        changes = dict(each.split("=") for each in advice)
        for key, value in changes.items():
            section, name = key.split(".")
            model.config = model.config.updated({section: {name: float(value)}})
        assert track(tmp_path / "a.mp4", model, progress=False)[0].tracks == 1


@pytest.mark.usefixtures("_messages")
def test_detections_that_are_none_explain_themselves(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    model = Corner(0.15)
    model.config = model.config.updated({"detect": {"score_threshold": 0.2}})
    write_detections(make_video(tmp_path / "a.mp4"), model, tmp_path / "det", progress=False)
    assert "a: no boxes: nothing scored detect.score_threshold=0.2, the best in 3 frames" in caplog.text
    assert "try detect.score_threshold=0.075, or" in caplog.text


@pytest.mark.usefixtures("_messages")
def test_tracks_that_a_filter_hides_are_not_put_down_to_something_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = Corner(0.9)
    model.config = model.config.updated({"tracker": {"min_area": 10_000}})
    assert track(make_video(tmp_path / "a.mp4"), model, progress=False)[0].tracks == 0
    assert "or tracker.min_area=10000 hid what was" in caplog.text


@pytest.mark.usefixtures("_messages")
def test_boxes_of_other_frames_explain_themselves(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "boxes.txt").write_text("99,-1,5,5,10,10,0.9\n")
    model = Corner()
    model.config = replace(model.config, tracker=replace(model.config.tracker, appearance=False))
    track(make_video(tmp_path / "a.mp4"), model, boxes=tmp_path / "boxes.txt", progress=False)
    assert "the file has no boxes in these frames" in caplog.text


def test_scores_suit_what_finds_the_boxes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A box of 0.55 starts a track of heatmaps, none of a detector; what was chosen stays; other scales have theirs."""
    caplog.set_level(logging.INFO, logger="clmot")
    video = make_video(tmp_path / "a.mp4")

    def tracks(score: float, *changes: dict, boxes: bool = True) -> int:
        model = Corner(score)
        model.config = replace(model.config, tracker=replace(model.config.tracker, appearance=False))
        for each in changes:
            model.config = model.config.updated(each)
        rows = [f"{t},-1,5,5,10,10,{score}" for t in range(1, 5)]
        (tmp_path / "boxes.txt").write_text("\n".join(rows) + ("\n4,-1,30,5,10,10,-1\n" if score > 1 else "\n"))
        caplog.clear()
        [result] = track(video, model, boxes=tmp_path / "boxes.txt" if boxes else None, progress=False)
        return result.tracks

    assert tracks(0.55, boxes=False) == 1
    assert "at least 0.4, to continue a track 0.2, to start one 0.5" in caplog.text
    assert tracks(0.55) == 0
    assert "at least 0.5, to continue a track 0.1, to start one 0.6" in caplog.text
    assert tracks(0.55, {"tracker": {"new_track_score": 0.52}}) == 1
    assert tracks(3.0) == 1
    assert "at least 0.3, to continue a track 0.1, to start one 0.3" in caplog.text


def test_many_short_tracks_are_told_with_numbers() -> None:
    """Nine of twelve tracks live half a second, two of three boxes score too low to start one."""
    summary, config = SequenceSummary(), TrackerConfig(frame_rate=20)
    for t in range(1, 41):
        ids = [1, 2, 3, *([3 + t // 4] if t < 40 else [])]
        boxes = np.arange(len(ids) * 4.0).reshape(-1, 4) + np.array([0, 0, 9, 9])
        found = Detections(xyxy=boxes, score=np.full(len(ids), 0.3 if t % 3 else 0.9), class_id=np.zeros(len(ids)))
        list(summary.observe(each for each in [(t, np.zeros((4, 4, 3), np.uint8), found)]))
        summary.follow(TrackedFrame(frame=t, detections=found, track_id=np.array(ids)))
    told = summary.doubt_scores(config)
    assert told.startswith("9 of 12 tracks live less than a second, and 67% of the boxes in use score too low to start")
    assert summary.doubt_scores(replace(config, frame_rate=2)) == ""


def test_of_two_runs_at_once_with_one_name_the_second_is_told(tmp_path: Path) -> None:
    origins = {"street": "a/street.mp4"}
    with claimed(tmp_path, origins, ["person"]):
        with (
            pytest.raises(UserError, match=r"street\.txt: another process is writing it"),
            claimed(tmp_path, {"street": "b/street.mp4"}, ["person"]),
        ):
            pass
        with claimed(tmp_path, {"other": "other.mp4"}, ["person"]):
            (tmp_path / "street.txt").write_text("")
    with pytest.raises(UserError, match="exists already"), claimed(tmp_path, origins, ["person"]):
        pass
    assert [file.name for file in tmp_path.iterdir()] == ["street.txt"]
