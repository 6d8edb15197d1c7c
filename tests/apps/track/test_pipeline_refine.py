"""Tracks refined after the last frame: what reaches the text, the video and the command line."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from command_line import call, fails

from clmot.apps.track import pipeline, sequence
from clmot.apps.track.pipeline import track
from clmot.config import Config, RefineConfig
from clmot.errors import UserError
from clmot.io.frame_source import FrameSource
from clmot.io.mot_text import read_mot_text
from clmot.io.video import decode_video
from clmot.io.video_writer import VideoWriter
from clmot.structures import Detections, Image
from clmot.tracking.decisions import KINDS, read_decisions

WIDTH, HEIGHT, FRAMES, RATE = 160, 96, 50, 10.0
HIDDEN = range(18, 24)
GONE = range(30, 41)


def box_of(frame: int) -> tuple[int, int, int, int]:
    return 5 + 2 * frame, 30, 25 + 2 * frame, 80


@pytest.fixture
def video(tmp_path: Path) -> Path:
    with VideoWriter(tmp_path / "street.mp4", RATE, (WIDTH, HEIGHT)) as writer:
        for frame in range(1, FRAMES + 1):
            image = np.full((HEIGHT, WIDTH, 3), 60, np.uint8)
            # frames are told apart by the brightness of a corner
            image[:8, :8] = 4 * frame
            writer.write(image)
    return tmp_path / "street.mp4"


class Walker:
    """Finds one object that it does not see for 6 frames, and then not for 11, at which the tracker gives it up."""

    classes = ("person",)

    def __init__(self, refine: RefineConfig | None = None, embeddings: bool = True, fail_at: int = 0) -> None:
        config = Config().updated({"tracker": {"lost_seconds": 0.8}})
        self.config = replace(config, refine=refine or RefineConfig())
        self._embeddings = embeddings
        self._fail_at = fail_at
        self._frame = 0

    def require_size(self):
        """It takes images of every size."""

    def detect(self, images: list[Image]) -> list[Detections]:
        return [self._find() for _ in images]

    def _find(self) -> Detections:
        self._frame += 1
        if self._frame == self._fail_at:
            raise KeyboardInterrupt
        n = 0 if self._frame in HIDDEN or self._frame in GONE else 1
        return Detections(
            xyxy=np.array([box_of(self._frame)])[:n],
            score=np.full(n, 0.9),
            class_id=np.zeros(n),
            embedding=np.array([[0.6, 0.8]])[:n] if self._embeddings else None,
        )


def rows_of(path: Path) -> list[tuple[int, int]]:
    return [(row.frame, int(track_id)) for row in read_mot_text(path) for track_id in row.track_id]


def test_without_refinement_the_gaps_are_there(video: Path, tmp_path: Path) -> None:
    [result] = track(video, Walker(), tmp_path / "out", progress=False)
    frames = [frame for frame, _ in rows_of(tmp_path / "out" / "street.txt")]
    assert result.tracks == 2
    assert not {*HIDDEN, *GONE} & {*frames}


def test_text_and_video_are_of_the_refined_tracks(video: Path, tmp_path: Path) -> None:
    refine = RefineConfig(join=0.2, interpolate_seconds=1.5)
    out = tmp_path / "out"
    [result] = track(video, Walker(refine), out, video=True, progress=False)
    assert (result.frames, result.tracks) == (FRAMES, 1)
    assert rows_of(out / "street.txt") == [(frame, 1) for frame in range(1, FRAMES + 1)]
    for row in read_mot_text(out / "street.txt"):
        np.testing.assert_allclose(row.detections.xyxy[0], box_of(row.frame), atol=0.01)
    assert sorted(file.name for file in out.iterdir()) == ["run.json", "street.mp4", "street.txt"]

    plain, drawn = (dict(decode_video(str(path))) for path in (video, out / "street.mp4"))
    assert list(drawn) == list(plain)
    for frame in (1, HIDDEN[2], GONE[5], FRAMES):
        left, _, _, bottom = box_of(frame)
        difference = np.abs(plain[frame].astype(int) - drawn[frame]).max(axis=2) > 50
        assert difference[bottom - 20 : bottom - 3, left - 1 : left + 2].any(axis=1).all()
        assert abs(int(drawn[frame][3, 3, 0]) - 4 * frame) < 12  # on its own picture


def test_the_argument_goes_before_the_models_configuration(video: Path, tmp_path: Path) -> None:
    track(video, Walker(RefineConfig(interpolate_seconds=5)), tmp_path, refine=RefineConfig(), progress=False)
    assert HIDDEN[0] not in dict(rows_of(tmp_path / "street.txt"))
    track(video, Walker(), tmp_path, refine=RefineConfig(interpolate_seconds=0.6), overwrite=True, progress=False)
    frames = dict(rows_of(tmp_path / "street.txt"))
    assert {*HIDDEN} <= {*frames}
    assert not {*GONE} & {*frames}


class TwoBoxes(Walker):
    """Sees the object twice, the second time less surely and elsewhere."""

    def _find(self) -> Detections:
        found = super()._find()
        away = replace(found, xyxy=found.xyxy + 40, score=found.score - 0.1)
        return Detections.join([away, found])


def test_of_a_known_number_no_more_are_kept_and_exactly_so_many_come_out(video: Path, tmp_path: Path) -> None:
    track(video, TwoBoxes(RefineConfig(individuals=1)), tmp_path / "out", progress=False)
    frames = read_mot_text(tmp_path / "out" / "street.txt")
    assert {GONE[0] - 1, FRAMES} < {each.frame for each in frames}
    assert {tuple(each.track_id) for each in frames} == {(1,)}
    for each in frames:
        np.testing.assert_allclose(each.detections.xyxy[0], box_of(each.frame), atol=2)


def test_without_out_the_tracks_are_counted_refined(video: Path) -> None:
    [result] = track(video, Walker(RefineConfig(join=0.2)), progress=False)
    assert (result.tracks, result.text_path) == (1, None)


def test_the_window_shows_what_is_not_yet_refined_and_may_end_it(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[Image] = []
    out = tmp_path / "out"
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(cv2, "namedWindow", lambda *_: None)
    monkeypatch.setattr(cv2, "imshow", lambda _, image: shown.append(image))
    monkeypatch.setattr(cv2, "waitKey", lambda _: ord("q") if len(shown) == 26 else -1)
    monkeypatch.setattr(cv2, "destroyWindow", lambda _: None)
    track(video, Walker(RefineConfig(interpolate_seconds=1)), out, video=True, show=True, progress=False)
    assert [frame for frame, _ in rows_of(out / "street.txt")] == list(range(1, 27))
    drawn = dict(decode_video(str(out / "street.mp4")))
    assert list(drawn) == list(range(1, 27))
    hidden = HIDDEN[2]
    assert shown[hidden - 1][70:90].std() < 1 < drawn[hidden][70:90].std()
    # trails begin anew with the video: none leads to where the object was last shown
    assert drawn[1][76:84, box_of(5)[2] :].std() < 2


def test_an_interrupt_leaves_refined_text_and_no_video(video: Path, tmp_path: Path) -> None:
    model = Walker(RefineConfig(interpolate_seconds=1), fail_at=28)
    with pytest.raises(KeyboardInterrupt):
        track(video, model, tmp_path / "out", video=True, progress=False)
    assert [frame for frame, _ in rows_of(tmp_path / "out" / "street.txt")] == list(range(1, 28))
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["run.json", "street.txt"]


def test_boxes_without_embeddings_cannot_be_joined(video: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="joined by embedding, and the detections have none"):
        track(video, Walker(RefineConfig(join=0.2), embeddings=False), tmp_path / "out", progress=False)
    track(video, Walker(RefineConfig(smooth=True), embeddings=False), tmp_path / "out", progress=False)
    # the first frame of the second track is not yet confirmed
    assert len(rows_of(tmp_path / "out" / "street.txt")) == FRAMES - len(HIDDEN) - len(GONE) - 1


def test_a_camera_is_refused_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def film() -> Iterator[tuple[int, Image]]:
        raise AssertionError("the camera was opened")
        yield

    camera = FrameSource(name="webcam0", frame_rate=None, length=None, live=True, decode=film, origin="0")
    monkeypatch.setattr(pipeline, "open_sources", lambda *_: [camera])
    with pytest.raises(UserError, match="0: tracks are refined after the last frame, and a camera has none"):
        track("0", Walker(RefineConfig(smooth=True)), tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists()


class TestCommandLine:
    @pytest.fixture(autouse=True)
    def _model(self, monkeypatch: pytest.MonkeyPatch) -> None:
        module = SimpleNamespace(load_model=lambda *_, **__: Walker())
        monkeypatch.setitem(__import__("sys").modules, "clmot.inference.model", module)

    def test_flags(self, video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        out = tmp_path / "out"
        base = (video, "--model", "m", "--out", out, "--overwrite")
        assert call("track", *base) == 0
        plain = rows_of(out / "street.txt")
        assert call("track", *base, "--interpolate", "0.6") == 0
        assert len(rows_of(out / "street.txt")) == len(plain) + len(HIDDEN)
        assert call("track", *base, "--join", "0.2", "--interpolate", "2", "--smooth") == 0
        assert rows_of(out / "street.txt") == [(frame, 1) for frame in range(1, FRAMES + 1)]
        assert call("track", *base, "refine.join=0") == 0
        assert rows_of(out / "street.txt") == plain
        assert "2 tracks" in capsys.readouterr().out.splitlines()[-1]

    @pytest.mark.parametrize(
        ("flags", "message"),
        [
            (("--join", "5"), "refine.join must be in [0, 2], got 5"),
            (("--interpolate", "-1"), "refine.interpolate_seconds must be >= 0, got -1"),
        ],
    )
    def test_mistakes(
        self, video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: tuple[str, str], message: str
    ) -> None:
        assert message in fails(capsys, "track", video, "--model", "m", "--out", tmp_path / "out", *flags)
        assert not (tmp_path / "out").exists()


def test_an_explanation_names_the_tracks_as_the_results_do_after_joining(video: Path, tmp_path: Path) -> None:
    refine = RefineConfig(join=0.2, smooth=True)
    plain = track(video, Walker(refine), tmp_path / "plain", progress=False)
    [result] = track(video, Walker(refine), tmp_path / "out", explain=True, progress=False)
    assert result.tracks == plain[0].tracks == 1
    text = (tmp_path / "out" / "street.txt").read_text()
    assert text == (tmp_path / "plain" / "street.txt").read_text()
    told = read_decisions(tmp_path / "out" / "street.explain.npz")
    assert set(told.track_id.tolist()) == {1}
    made = told.take((told.kind == KINDS.index("match")) | (told.kind == KINDS.index("start")))
    pairs = set(zip(made.frame.tolist(), made.track_id.tolist(), strict=True))
    assert pairs - {(max(GONE) + 1, 1)} == set(rows_of(tmp_path / "out/street.txt"))  # there it had no id yet
    assert "street.explain.npz" in json.loads((tmp_path / "out" / "run.json").read_text())["street"]["files"]
    assert not (tmp_path / "plain" / "street.explain.npz").exists()


def test_clmot_track_explains_frames_by_the_numbers_of_the_source(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sequence, "_EXPLAINED", 7)
    monkeypatch.setattr("clmot.inference.model.load_model", lambda *_, **__: Walker())
    state = str(tmp_path / "state")
    for out in ("first", "second"):  # in the second run the tracker's own numbers go on
        call("track", str(video), "--out", str(tmp_path / out), "--explain", "--state", state)
        told = read_decisions(tmp_path / out / "street.explain.npz")
        assert told.frame.tolist() == sorted(told.frame.tolist())
        made = told.take((told.kind == KINDS.index("match")) | (told.kind == KINDS.index("start")))
        pairs = set(zip(made.frame.tolist(), made.track_id.tolist(), strict=True))
        drawn = set(rows_of(tmp_path / out / "street.txt"))
        assert drawn <= pairs
        assert {frame for frame, _ in pairs - drawn} <= {1, max(GONE) + 1}  # there it had no id yet
