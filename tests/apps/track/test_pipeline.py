import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from clmot.apps.track import pipeline
from clmot.apps.track.pipeline import find_in, track
from clmot.config import Config, RefineConfig, TrackerConfig
from clmot.errors import UserError
from clmot.io.mot_text import read_mot_text
from clmot.io.reading import Reading
from clmot.io.sources import FrameSource
from clmot.io.video import decode_video, probe_video
from clmot.io.video_writer import VideoWriter
from clmot.structures import Detections, Image, TrackedFrame
from clmot.tracking.tracker import Tracker

WIDTH, HEIGHT = 160, 96


def object_box(frame: int) -> tuple[float, float, float, float]:
    """Where the scene's one object is: it moves right by 3 pixels a frame."""
    return (10 + 3.0 * frame, 20, 34 + 3.0 * frame, 80)


def make_frame(frame: int) -> Image:
    image = np.full((HEIGHT, WIDTH, 3), 60, np.uint8)
    left, top, right, bottom = map(int, object_box(frame))
    image[top:bottom, left:right] = (230, 40, 40)
    return image


class RedThings:
    """A model that finds the red object by its colour, so that it needs no frame numbers."""

    classes = ("thing",)

    def __init__(self, fail_at: int | None = None, failure: type[BaseException] = KeyboardInterrupt) -> None:
        self.config = Config()
        self.batches: list[int] = []
        self._fail_at, self._failure = fail_at, failure

    def detect_batch(self, images: list[Image]) -> list[Detections]:
        self.batches.append(len(images))
        if self._fail_at is not None and sum(self.batches) >= self._fail_at:
            raise self._failure
        return [self._find(image) for image in images]

    def _find(self, image: Image) -> Detections:
        rows, columns = np.nonzero(image[..., 0].astype(int) - image[..., 1] > 100)
        if not len(rows):
            return Detections(xyxy=np.empty((0, 4)), score=np.empty(0), class_id=np.empty(0))
        box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        return Detections(xyxy=np.array([box]), score=np.array([0.9]), class_id=np.array([0]))


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    yield
    assert not any(thread.name == "prefetch" for thread in threading.enumerate())


@pytest.fixture
def video(tmp_path: Path) -> Path:
    with VideoWriter(tmp_path / "street.mp4", 12.5, (WIDTH, HEIGHT)) as writer:
        for frame in range(1, 31):
            writer.write(make_frame(frame))
    return tmp_path / "street.mp4"


def make_sequence(folder: Path, frames: range) -> Path:
    (folder / "img1").mkdir(parents=True)
    for frame in frames:
        cv2.imwrite(str(folder / "img1" / f"{frame:06d}.png"), make_frame(frame)[..., ::-1])
    (folder / "seqinfo.ini").write_text(f"[Sequence]\nname={folder.name}\nframeRate=7\n")
    return folder


def video_times(path: Path) -> list[float]:
    reading = Reading(path.name)
    return [reading.seconds(number) or 0.0 for number, _ in decode_video(str(path), reading=reading)]


def files(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


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


@pytest.mark.parametrize("kind", [str, Path])
def test_a_model_may_be_a_path(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[str] | type[Path]
) -> None:
    def load_model(path: str | Path) -> RedThings:
        if Path(path).name != "run":
            raise UserError(f"{path}: no such run")
        return RedThings()

    monkeypatch.setitem(sys.modules, "clmot.inference.model", SimpleNamespace(load_model=load_model))
    assert track(video, kind(tmp_path / "run"), progress=False)[0].tracks == 1
    with pytest.raises(UserError, match="mistyped: no such run"):
        track(video, kind(tmp_path / "mistyped"), tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists()


def test_an_output_folder_that_cannot_be_made(video: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UserError, match=r"file.*: cannot make the output folder: "):
            track(video, RedThings(), out, progress=False)


def test_progress_goes_to_standard_error(video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    track(video, RedThings())
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "street" in printed.err
    assert "30/30" in printed.err
    assert "frames/s" in printed.err
    track(video, RedThings(), progress=False)
    assert capsys.readouterr().err == ""


class TestOverlap:
    """Decoding, the network and the caller each in a thread of their own."""

    @pytest.fixture
    def source(self) -> FrameSource:
        return self.source_of(make_frame, 30)

    @staticmethod
    def source_of(make: Callable[[int], Image], frames: int, live: bool = False) -> FrameSource:
        def decode() -> Iterator[tuple[int, Image]]:
            for number in range(1, frames + 1):
                yield number, make(number)

        return FrameSource(name="made", frame_rate=25, length=frames, live=live, decode=decode)  # type: ignore[arg-type]

    @pytest.mark.parametrize("batch_size", [1, 4])
    def test_results_are_those_of_one_thing_after_the_other(
        self, video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch_size: int
    ) -> None:
        shown: list[bytes] = []
        draw = pipeline.Sinks.write

        def write(sinks: pipeline.Sinks, image: Image, tracked: TrackedFrame) -> None:
            shown.append(image.tobytes() + tracked.detections.xyxy.tobytes() + tracked.track_id.tobytes())
            draw(sinks, image, tracked)

        monkeypatch.setattr(pipeline.Sinks, "write", write)
        for name, overlap in (("overlapped", True), ("serial", False)):
            track(video, RedThings(), tmp_path / name, batch_size=batch_size, overlap=overlap, progress=False)
        texts = [(tmp_path / name / "street.txt").read_bytes() for name in ("overlapped", "serial")]
        assert len(shown) == 60
        assert shown[:30] == shown[30:]
        assert len(texts[0].splitlines()) == 30
        assert texts[0] == texts[1]

    def test_all_three_stages_run_at_the_same_time(self) -> None:
        together = threading.Barrier(3, timeout=20)

        def make(number: int) -> Image:
            # frames 1 and 2 fill the pipeline: from then on, each stage waits until both others are at work
            if number > 2:
                together.wait()
            return make_frame(number)

        def find(batch: object) -> list[Detections]:
            [(number, image)] = batch  # type: ignore[misc]
            if 1 < number < 10:
                together.wait()
            return [RedThings()._find(image)]

        taken = []
        for number, _, _ in find_in(self.source_of(make, 10), find):
            taken.append(number)
            if number < 9:
                together.wait()
        assert taken == list(range(1, 11))

    def test_serial_is_the_calling_thread_alone(self) -> None:
        threads: set[int] = set()

        def note(value: object) -> object:
            threads.add(threading.get_ident())
            return value

        source = self.source_of(lambda number: note(make_frame(number)), 5)  # type: ignore[arg-type, return-value]
        found = find_in(source, lambda batch: note([RedThings()._find(image) for _, image in batch]), 2, overlap=False)  # type: ignore[arg-type, return-value]
        assert [number for number, _, _ in found] == [1, 2, 3, 4, 5]
        assert threads == {threading.get_ident()}

    @pytest.mark.parametrize("overlap", [True, False])
    @pytest.mark.parametrize("stage", ["decode", "network", "association", "write"])
    def test_an_error_of_any_stage_is_raised_as_it_is_and_what_came_before_is_kept(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str, overlap: bool
    ) -> None:
        calls = 0

        def fails(call: Callable[..., object], *arguments: object, **options: object) -> object:
            nonlocal calls
            calls += 1
            if calls == 12:
                raise UserError(f"{stage}: broken at the twelfth frame")
            return call(*arguments, **options)

        make, model = make_frame, RedThings()
        match stage:
            case "decode":
                make = partial(fails, make_frame)  # type: ignore[assignment]
            case "network":
                model.detect_batch = partial(fails, model.detect_batch)  # type: ignore[method-assign, assignment]
            case "association":
                update = Tracker.update
                monkeypatch.setattr(Tracker, "update", lambda *a, **o: fails(update, *a, **o))
            case "write":
                write = pipeline.Sinks.write
                monkeypatch.setattr(pipeline.Sinks, "write", lambda *a, **o: fails(write, *a, **o))
        monkeypatch.setattr(pipeline, "open_sources", lambda *_: [self.source_of(make, 30)])
        with pytest.raises(UserError, match=f"^{stage}: broken at the twelfth frame$") as caught:
            track("made", model, tmp_path, overlap=overlap, progress=False)
        # as above: nobody may count on the garbage collector
        assert caught.tb
        assert not any(thread.name == "prefetch" for thread in threading.enumerate())
        assert [row.frame for row in read_mot_text(tmp_path / "made.txt")] == list(range(1, 12))

    def test_breaking_off_ends_all_threads(self, source: FrameSource) -> None:
        before = threading.active_count()
        found = find_in(source, lambda batch: [RedThings()._find(image) for _, image in batch])
        assert next(found)[0] == 1
        assert threading.active_count() == before + 2
        found.close()
        assert threading.active_count() == before

    @pytest.mark.parametrize("batch_size", [1, 8])
    def test_a_slow_consumer_does_not_make_frames_pile_up(self, batch_size: int) -> None:
        made = 0

        def make(number: int) -> Image:
            nonlocal made
            made = number
            return make_frame(number)

        ahead = max(4, batch_size)
        most = 0
        find = lambda batch: [RedThings()._find(image) for _, image in batch]  # noqa: E731
        for number, _, _ in find_in(self.source_of(make, 100), find, batch_size):
            if number == 1:
                deadline = time.monotonic() + 20
                while made < 1 + 2 * ahead and time.monotonic() < deadline:
                    time.sleep(0.01)
                time.sleep(0.05)  # for more, if there is nothing to stop it
            most = max(most, made - number)
        # waiting for the network and one on its way, the batch in it, waiting for us
        assert 2 * ahead <= most <= (ahead + 1) + batch_size + ahead

    def test_a_camera_s_frames_do_not_get_old(self) -> None:
        at_end = threading.Event()

        def make(number: int) -> Image:
            if number == 100:
                at_end.set()
            return make_frame(number)

        found = find_in(
            self.source_of(make, 100, live=True), lambda batch: [RedThings()._find(image) for _, image in batch]
        )
        taken = [next(found)[0]]
        assert at_end.wait(20)
        taken += [number for number, _, _ in found]
        # of those found before the pause one waits and one is held; then come the newest
        assert len(taken) <= 1 + 2 + 1 + 4
        assert taken[-4:] == [97, 98, 99, 100]

    def test_an_interrupt_stops_everything_at_once(self, video: Path, tmp_path: Path) -> None:
        class Slow(RedThings):
            def detect_batch(self, images: list[Image]) -> list[Detections]:
                time.sleep(0.2)
                if sum(self.batches) == 4:
                    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
                return super().detect_batch(images)

        model = Slow()
        # processes started in the background ignore it
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            with pytest.raises(KeyboardInterrupt):
                track(video, model, tmp_path, progress=False)
        finally:
            signal.signal(signal.SIGINT, before)
        assert sum(model.batches) <= 10  # of 30
        rows = read_mot_text(tmp_path / "street.txt")
        assert [row.frame for row in rows] == list(range(1, len(rows) + 1))
        assert len(rows) >= 1


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


def test_real_sequence(real_data: Path, tmp_path: Path) -> None:
    class Annotator(RedThings):
        """Answers with the ground truth, frame after frame."""

        def __init__(self) -> None:
            super().__init__()
            self.truth = iter(read_mot_text(real_data / "mot" / "TUD-Stadtmitte" / "gt" / "gt.txt"))

        def detect_batch(self, images: list[Image]) -> list[Detections]:
            found = [next(self.truth).detections for _ in images]
            return [replace(each, score=np.full(len(each), 0.9)) for each in found]

    [result] = track(real_data / "mot" / "TUD-Stadtmitte", Annotator(), tmp_path, video=True, progress=False)
    assert result.frames == 179
    assert 10 <= result.tracks <= 14  # ten people, some of them hidden for a while
    assert probe_video(str(tmp_path / "TUD-Stadtmitte.mp4"))[:2] == (25, 179)


class TestContinuing:
    """Ids go on over the break of a camera, and from one recording to the next."""

    @staticmethod
    def run(
        numbers: list[int],
        live: bool,
        tmp_path: Path,
        state: Path | None = None,
        left: int = 10,
        seconds: dict[int, float] | None = None,
    ) -> list[int]:
        """Ids in each of the numbered frames; the object stands still, as far from the left as that."""
        image = np.full((HEIGHT, WIDTH, 3), 60, np.uint8)
        image[20:80, left : left + 24] = (230, 40, 40)
        source = FrameSource(
            name="cam",
            frame_rate=10,
            length=None,
            live=live,
            decode=lambda **_: ((number, image) for number in numbers),
        )
        for number, each in (seconds or {}).items():
            source.reading.stamp(number, each)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pipeline, "open_sources", lambda *_: [source])
            track("cam", RedThings(), tmp_path, state=state, overwrite=True, overlap=False, progress=False)
        rows = read_mot_text(tmp_path / "cam.txt")
        assert {row.frame for row in rows} <= set(numbers)
        return [int(row.track_id[0]) for row in rows]

    def test_a_break_of_a_camera_ends_no_track(self, tmp_path: Path) -> None:
        numbers = [1, 2, 3, *range(303, 306)]  # away for 30 s, and tracks are kept for 2 s
        assert self.run(numbers, True, tmp_path) == [1] * 6
        assert self.run(numbers, False, tmp_path) == [1, 1, 1, 2, 2]

    def test_a_pause_in_a_video_of_variable_frame_rate_is_as_long_as_it_was(self, tmp_path: Path) -> None:
        """At 10 frames/s tracks are kept for 2 s; there is no frame in between, but time."""
        for pause, ids in ((1.9, [1] * 6), (5, [1, 1, 1, 2, 2])):
            times = [0, 0.1, 0.2, 0.2 + pause, 0.3 + pause, 0.4 + pause]
            seconds = dict(enumerate(times, 1))
            assert self.run([1, 2, 3, 4, 5, 6], False, tmp_path, seconds=seconds) == ids

    @pytest.mark.parametrize("live", [True, False])
    def test_the_next_recording(self, tmp_path: Path, live: bool) -> None:
        state = tmp_path / "new" / "tracker.state"
        state.parent.mkdir()
        assert self.run([1, 2, 3], live, tmp_path, state) == [1, 1, 1]
        assert self.run([1, 2, 3], live, tmp_path, state) == [1, 1, 1]
        # somebody else, far from there, is confirmed in the second frame
        assert self.run([1, 2, 3], live, tmp_path, state, left=120) == [2, 2]

    def test_a_camera_after_an_hour(self, tmp_path: Path) -> None:
        state = tmp_path / "tracker.state"
        self.run([1, 2, 3], True, tmp_path, state)
        os.utime(state, (time.time() - 3600,) * 2)
        assert self.run([1, 2, 3], True, tmp_path, state) == [2, 2]

    def test_state_that_does_not_fit(self, tmp_path: Path) -> None:
        state = tmp_path / "tracker.state"
        state.write_text("nothing")
        with pytest.raises(UserError, match=r"tracker\.state: is [a-z ]+, no tracker state of clmot"):
            self.run([1, 2, 3], True, tmp_path, state)
        assert state.read_text() == "nothing"
        Tracker().save(state)
        longer = Tracker()
        longer.update(Detections(xyxy=[[10, 20, 34, 80]], score=[0.9], class_id=[0], embedding=[[1, 0]]))
        longer.save(state)
        with pytest.raises(UserError, match=r"tracker\.state: cannot go on from this tracker state: embeddings"):
            self.run([1, 2, 3], True, tmp_path, state)

    def test_is_for_one_source(self, video: Path, tmp_path: Path) -> None:
        other = tmp_path / "other.mp4"
        other.write_bytes(video.read_bytes())
        with pytest.raises(UserError, match="is for one source, and there are 2"):
            track([video, other], RedThings(), state=tmp_path / "s", progress=False)


def test_results_can_be_read_while_they_grow(video: Path, tmp_path: Path) -> None:
    lines = []

    class Looks(RedThings):
        def detect_batch(self, images: list[Image]) -> list[Detections]:
            growing = tmp_path / "out" / "street.txt.partial"
            lines.append(growing.read_text().splitlines() if growing.exists() else [])
            return super().detect_batch(images)

    track(video, Looks(), tmp_path / "out", overlap=False, progress=False)
    whole = (tmp_path / "out" / "street.txt").read_text().splitlines()
    assert lines == [whole[:number] for number in range(30)]


@pytest.mark.parametrize("source", [None, 1.5, True, np.zeros((4, 4, 3), np.uint8), [None]], ids=str)
def test_what_is_no_source_is_refused(source):
    with pytest.raises(TypeError, match="a source is a path, an address or a webcam's number"):
        track(source, RedThings(), progress=False)


def test_what_is_no_model_is_refused(tmp_path):
    cv2.imwrite(str(tmp_path / "1.png"), make_frame(1))
    with pytest.raises(TypeError, match="model is None: give a "):
        track(tmp_path, None, progress=False)
