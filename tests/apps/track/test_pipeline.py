"""From a source to results."""

import re
import sys
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from clmot.apps.track import pipeline
from clmot.apps.track.pipeline import track
from clmot.config import TrackerConfig
from clmot.errors import UserError
from clmot.io.mot_text import read_mot_text
from clmot.io.video import decode_video, probe_video
from clmot.structures import Detections, Image
from clmot.tracking.tracker import Tracker
from tests.apps.track.conftest import RedThings, files, make_frame, make_sequence, object_box


def test_one_object_is_one_track_in_text_and_video(video: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "results"
    [result] = track(video, RedThings(), out, video=True, progress=False)
    assert (result.name, result.frames, result.tracks) == ("street", 30, 1)
    assert result.frames_per_second == pytest.approx(30 / result.seconds)
    assert (result.text_path, result.video_path) == (out / "street.txt", out / "street.mp4")
    assert files(out) == ["run.json", "street.mp4", "street.txt"]

    rows = read_mot_text(out / "street.txt")
    assert [row.frame for row in rows] == list(range(1, 31))
    assert all(row.track_id.tolist() == [1] for row in rows)
    for row in rows:
        np.testing.assert_allclose(row.detections.xyxy[0], object_box(row.frame), atol=1.5)
        assert row.detections.score[0] == pytest.approx(0.9)

    assert probe_video(str(out / "street.mp4"))[:2] == (12.5, 30)
    plain, drawn = (dict(decode_video(str(path))) for path in (video, out / "street.mp4"))
    difference = np.abs(plain[20].astype(int) - drawn[20]).max(axis=2) > 50
    left, top, _, bottom = map(round, object_box(20))
    assert difference[top + 3 : bottom - 3, left - 1 : left + 2].any(axis=1).all()  # the box
    assert difference[bottom - 3 : bottom + 2, left - 20 : left].any()  # the trail
    assert not difference[:, : left - 62].any()


def test_classes_reach_the_file(video: Path, tmp_path: Path) -> None:
    class TwoKinds(RedThings):
        """Also finds something of the second class that stands still, now before and now after the red object."""

        classes = ("thing", "post")

        def _find(self, image: Image) -> Detections:
            red = super()._find(image)
            order = [[0, 1], [1, 0]][int(red.xyxy[0, 0]) % 2]
            post = np.array([[130.0, 10, 150, 60]])
            both = Detections(xyxy=np.concatenate([red.xyxy, post]), score=np.full(2, 0.9), class_id=np.array([0, 1]))
            return both[order]

    track(video, TwoKinds(), tmp_path / "two", video=True, progress=False)
    rows = read_mot_text(tmp_path / "two" / "street.txt")
    kinds = {
        (i, c) for row in rows for i, c in zip(row.track_id.tolist(), row.detections.class_id.tolist(), strict=True)
    }
    assert sum(map(len, rows)) == 60
    assert sorted(kind for _, kind in kinds) == [0, 1]
    assert len({identity for identity, _ in kinds}) == 2
    for row in rows:
        assert row.detections.xyxy[row.detections.class_id == 1, 0].tolist() == [130]
    assert (tmp_path / "two" / "street.txt").read_text().splitlines()[0].count(",") == 8

    track(video, RedThings(), tmp_path / "one", progress=False)
    assert (tmp_path / "one" / "street.txt").read_text().splitlines()[0].endswith(",-1,-1,-1")


def test_sequences_each_begin_at_id_one_and_keep_their_frame_numbers(tmp_path: Path) -> None:
    make_sequence(tmp_path / "data" / "A", range(1, 6))
    make_sequence(tmp_path / "data" / "B", range(11, 15))
    results = track(str(tmp_path / "data"), RedThings(), str(tmp_path / "out"), progress=False)
    assert [(result.name, result.frames, result.tracks) for result in results] == [("A", 5, 1), ("B", 4, 1)]
    assert files(tmp_path / "out") == ["A.txt", "B.txt", "run.json"]
    rows = read_mot_text(tmp_path / "out" / "B.txt")
    assert [(row.frame, *row.track_id) for row in rows] == [(11, 1), (12, 1), (13, 1), (14, 1)]


@pytest.mark.parametrize(("batch_size", "batches"), [(1, [1] * 30), (8, [8, 8, 8, 6]), (100, [30])])
def test_batches_change_speed_and_nothing_else(
    video: Path, tmp_path: Path, batch_size: int, batches: list[int]
) -> None:
    model = RedThings()
    track(video, model, tmp_path / "out", batch_size=batch_size, progress=False)
    assert model.batches == batches
    track(video, RedThings(), tmp_path / "reference", progress=False)
    assert (tmp_path / "out" / "street.txt").read_text() == (tmp_path / "reference" / "street.txt").read_text()


def test_without_out_nothing_is_written(video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    [result] = track(video, RedThings(), progress=False)
    assert (result.frames, result.text_path, result.video_path) == (30, None, None)
    assert files(tmp_path) == ["street.mp4"]


def test_tracker_gets_the_sources_frame_rate_where_it_has_one(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[TrackerConfig] = []

    class Recorder(Tracker):
        def __init__(self, config: TrackerConfig | None = None) -> None:
            assert config is not None
            used.append(config)
            super().__init__(config)

    monkeypatch.setattr(pipeline, "Tracker", Recorder)
    model = RedThings()
    model.config = replace(model.config, tracker=TrackerConfig(frame_rate=3, lost_seconds=2))
    own = TrackerConfig(frame_rate=4, lost_seconds=5)
    sequence = make_sequence(tmp_path / "A", range(1, 4))
    track(sequence, model, progress=False)
    track(sequence, model, tracker=own, progress=False)
    track(sequence / "img1", model, progress=False)  # plain images have no frame rate
    track(video, model, progress=False)
    assert [(config.frame_rate, config.lost_seconds) for config in used] == [(7, 2), (7, 5), (3, 2), (12.5, 2)]


@pytest.mark.parametrize("failure", [KeyboardInterrupt, RuntimeError])
def test_what_was_tracked_before_a_failure_is_kept(video: Path, tmp_path: Path, failure: type[BaseException]) -> None:
    out = tmp_path / "out"
    with pytest.raises(failure) as caught:
        track(video, RedThings(fail_at=18, failure=failure), out, video=True, progress=False)
    # the traceback keeps every local variable alive, and with them a source that nobody closed
    assert caught.tb
    assert not any(thread.name == "prefetch" for thread in threading.enumerate())
    assert files(out) == ["run.json", "street.mp4", "street.txt"]
    assert [row.frame for row in read_mot_text(out / "street.txt")] == list(range(1, 18))
    assert len(list(decode_video(str(out / "street.mp4")))) == 17


def test_bad_input_is_found_before_anything_is_written(video: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    for source in (broken, tmp_path / "nowhere.mp4"):
        with pytest.raises(UserError, match=source.name):
            track(source, RedThings(), out, video=True, progress=False)
    with pytest.raises(UserError, match="batch size must be >= 1"):
        track(video, RedThings(), out, batch_size=0, progress=False)
    with pytest.raises(UserError, match="a video needs an output folder"):
        track(video, RedThings(), video=True, progress=False)
    assert not out.exists()


@pytest.mark.parametrize("kind", [str, Path])
def test_a_model_may_be_a_path(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[str] | type[Path]
) -> None:
    def load_model(path: str | Path, **_: object) -> RedThings:
        if Path(path).name != "run":
            raise UserError(f"{path}: no such run")
        return RedThings()

    monkeypatch.setitem(sys.modules, "clmot.inference.model", SimpleNamespace(load_model=load_model))
    assert track(video, kind(tmp_path / "run"), progress=False)[0].tracks == 1
    with pytest.raises(UserError, match="mistyped: no such run"):
        track(video, kind(tmp_path / "mistyped"), tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists()


def test_progress_without_a_terminal_is_a_line_now_and_then(
    video: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("FIRST_LINE", "NEXT_LINE"):
        monkeypatch.setattr(f"clmot.io.progress.{name}", 0.0)
    with caplog.at_level("INFO", "clmot"):
        track(video, RedThings())
    last = [line for line in caplog.messages if line.startswith("street ")][-1]
    assert re.fullmatch(r"street 30/30, 0:00:\d\d, [\d.]+ frames/s", last)
    caplog.clear()
    track(video, RedThings(), progress=False)
    assert not [line for line in caplog.messages if line.startswith("street ")]
    assert capsys.readouterr().out == ""


def test_real_sequence(real_data: Path, tmp_path: Path) -> None:
    class Annotator(RedThings):
        """Answers with the ground truth, frame after frame."""

        def __init__(self) -> None:
            super().__init__()
            self.truth = iter(read_mot_text(real_data / "mot" / "TUD-Stadtmitte" / "gt" / "gt.txt"))

        def detect(self, images: list[Image]) -> list[Detections]:
            found = [next(self.truth).detections for _ in images]
            return [replace(each, score=np.full(len(each), 0.9)) for each in found]

    [result] = track(real_data / "mot" / "TUD-Stadtmitte", Annotator(), tmp_path, video=True, progress=False)
    assert result.frames == 179
    assert 10 <= result.tracks <= 14  # ten people, some of them hidden for a while
    assert probe_video(str(tmp_path / "TUD-Stadtmitte.mp4"))[:2] == (25, 179)


@pytest.mark.parametrize("source", [None, 1.5, True, np.zeros((4, 4, 3), np.uint8), [None]], ids=str)
def test_what_is_no_source_is_refused(source):
    with pytest.raises(TypeError, match="a source is a path, an address or a webcam's number"):
        track(source, RedThings(), progress=False)


def test_what_is_no_model_is_refused(tmp_path):
    cv2.imwrite(str(tmp_path / "1.png"), make_frame(1))
    with pytest.raises(TypeError, match="None is no detector: it has no classes and no detect"):
        track(tmp_path, None, progress=False)
