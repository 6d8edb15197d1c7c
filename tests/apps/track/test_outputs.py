"""What is written and shown, and when."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from clmot.apps.track import pipeline
from clmot.apps.track.pipeline import track
from clmot.config import RefineConfig
from clmot.errors import UserError
from clmot.io.mot_text import read_mot_text
from clmot.io.video import decode_video, probe_video
from clmot.io.video_writer import VideoWriter
from clmot.structures import Detections, Image
from tests.apps.track.conftest import HEIGHT, WIDTH, RedThings, files, make_frame, make_sequence, video_times


class TestTime:
    """A video whose frames come at uneven times."""

    TIMES = np.cumsum([0, 1, 1, 8, 1, 19, 1, 40, 1, 1]) / 30

    @pytest.fixture
    def uneven(self, tmp_path: Path) -> Path:
        with VideoWriter(tmp_path / "uneven.mp4", 30, (WIDTH, HEIGHT)) as writer:
            for number, seconds in enumerate(self.TIMES.tolist(), 1):
                writer.write(make_frame(number), number, seconds)
        return tmp_path / "uneven.mp4"

    @pytest.mark.parametrize("refine", [{}, {"smooth": True}])
    def test_results_and_video_keep_time(self, uneven: Path, tmp_path: Path, refine: dict[str, bool]) -> None:
        track(
            uneven,
            RedThings(),
            tmp_path / "out",
            refine=RefineConfig(**refine),  # type: ignore[arg-type]
            video=True,
            times=True,
            progress=False,
        )
        assert video_times(tmp_path / "out" / "uneven.mp4") == pytest.approx(self.TIMES, abs=1e-3)
        times = np.loadtxt(tmp_path / "out" / "uneven.times.csv", delimiter=",", skiprows=1)
        np.testing.assert_allclose(times, np.column_stack([range(1, 11), self.TIMES]), atol=1e-3)

    def test_the_user_corrects_the_frame_rate(
        self, uneven: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen = []
        tracker = pipeline.Tracker
        monkeypatch.setattr(pipeline, "Tracker", lambda config: (seen.append(config.frame_rate), tracker(config))[1])
        track(uneven, RedThings(), tmp_path / "out", video=True, frame_rate=5, progress=False)
        assert seen == [5]
        assert video_times(tmp_path / "out" / "uneven.mp4") == pytest.approx(np.arange(10) / 5)


def test_frames_without_objects(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for frame in range(1, 4):
        cv2.imwrite(str(tmp_path / "empty" / f"{frame}.png"), np.zeros((48, 64, 3), np.uint8))
    [result] = track(tmp_path / "empty", RedThings(), tmp_path / "out", video=True, progress=False)
    assert (result.frames, result.tracks) == (3, 0)
    assert (tmp_path / "out" / "empty.txt").read_text() == ""
    assert probe_video(str(tmp_path / "out" / "empty.mp4"))[1] == 3


def test_images_of_several_sizes_make_one_video(tmp_path: Path) -> None:
    (tmp_path / "shots").mkdir()
    for number, shape in enumerate([(48, 64), (64, 48), (100, 100)], 1):
        cv2.imwrite(str(tmp_path / "shots" / f"{number}.png"), np.full((*shape, 3), 128, np.uint8))
    track(tmp_path / "shots", RedThings(), tmp_path / "out", video=True, progress=False)
    assert [image.shape for _, image in decode_video(str(tmp_path / "out" / "shots.mp4"))] == [(48, 64, 3)] * 3


def test_the_source_is_never_replaced(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = video.read_bytes()
    monkeypatch.chdir(video.parent)
    for source, out in ((video, video.parent), ("street.mp4", video.parent), (video, ".")):
        with pytest.raises(UserError, match=r"street\.mp4: is a source, and the video would replace it"):
            track(source, RedThings(), out, video=True, progress=False)
    assert video.read_bytes() == before
    assert files(video.parent) == ["street.mp4"]
    track(video, RedThings(), video.parent, progress=False)
    assert files(video.parent) == ["run.json", "street.mp4", "street.txt"]


def test_an_output_folder_that_cannot_be_made(video: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UserError, match=r"file.*: cannot make the folder: "):
            track(video, RedThings(), out, progress=False)


class TestShow:
    def test_without_a_display_nothing_is_written(
        self, video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sys.platform", "linux")
        monkeypatch.delenv("DISPLAY", raising=False)
        monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
        with pytest.raises(UserError, match="no display to show frames on"):
            track(video, RedThings(), tmp_path / "out", show=True, progress=False)
        assert not (tmp_path / "out").exists()

    def test_shows_each_frame_until_the_user_stops(
        self, video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shown: list[Image] = []
        closed: list[str] = []
        monkeypatch.setenv("DISPLAY", ":0")
        monkeypatch.setattr(cv2, "namedWindow", lambda *_: None)
        monkeypatch.setattr(cv2, "imshow", lambda _, image: shown.append(image))
        monkeypatch.setattr(cv2, "waitKey", lambda _: ord("q") if len(shown) == 12 else -1)
        monkeypatch.setattr(cv2, "destroyWindow", closed.append)
        [result] = track(video, RedThings(), tmp_path / "out", show=True, progress=False)
        assert result.frames == len(shown) == 12
        assert closed == ["clmot"]
        assert [row.frame for row in read_mot_text(tmp_path / "out" / "street.txt")] == list(range(1, 13))
        # OpenCV shows BGR: the red object has its red last
        assert shown[0][50, 30].argmax() == 2


@pytest.mark.parametrize("bad", [1, 6, 9])
def test_a_corrupt_image_is_left_out_and_counted(tmp_path: Path, bad: int) -> None:
    sequence = make_sequence(tmp_path / "A", range(1, 10))
    (sequence / "img1" / f"00000{bad}.png").write_bytes(b"broken")
    [result] = track(sequence, RedThings(), tmp_path / "out", video=True, times=True, progress=False)
    assert (result.frames, result.undecodable, result.tracks) == (8, 1, 1)
    numbers = [number for number in range(1, 10) if number != bad]
    assert [row.frame for row in read_mot_text(tmp_path / "out" / "A.txt")] == numbers
    assert files(tmp_path / "out") == ["A.mp4", "A.times.csv", "A.txt", "run.json"]
    times = np.loadtxt(tmp_path / "out" / "A.times.csv", delimiter=",", skiprows=1)
    np.testing.assert_allclose(times, [[number, (number - 1) / 7] for number in numbers], atol=1e-4)
    assert video_times(tmp_path / "out" / "A.mp4") == pytest.approx(times[:, 1] - times[0, 1], abs=1e-3)


def test_too_many_corrupt_images_are_an_error_that_keeps_the_rest(tmp_path: Path) -> None:
    sequence = make_sequence(tmp_path / "A", range(1, 10))
    for number in (2, 4, 6, 7, 8):
        (sequence / "img1" / f"00000{number}.png").write_bytes(b"broken")
    with pytest.raises(UserError, match="A: 5 of 9 frames cannot be decoded"):
        track(sequence, RedThings(), tmp_path / "out", progress=False)
    assert [row.frame for row in read_mot_text(tmp_path / "out" / "A.txt")] == [1, 3, 5, 9]


def test_results_can_be_read_while_they_grow(video: Path, tmp_path: Path) -> None:
    lines = []

    class Looks(RedThings):
        def detect(self, images: list[Image]) -> list[Detections]:
            growing = tmp_path / "out" / "street.txt.partial"
            lines.append(growing.read_text().splitlines() if growing.exists() else [])
            return super().detect(images)

    track(video, Looks(), tmp_path / "out", overlap=False, progress=False)
    whole = (tmp_path / "out" / "street.txt").read_text().splitlines()
    assert lines == [whole[:number] for number in range(30)]
