"""The detection stage: what detectors may give, and threads of their own."""

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clmot.apps.track import pipeline
from clmot.apps.track.detection import find_in
from clmot.apps.track.pipeline import track
from clmot.errors import UserError
from clmot.io.frame_source import FrameSource
from clmot.io.mot_text import read_mot_text
from clmot.structures import Detections, Image, TrackedFrame
from clmot.tracking.tracker import Tracker
from tests.apps.track.conftest import (
    RedThings,
    make_frame,
    object_box,
    video_times,
)


class OwnDetector:
    """As `clmot.protocols.Detector` says, and nothing more; its output goes through a function first."""

    classes = ("thing",)

    def __init__(self, change: Callable[[list[Detections]], object] = lambda found: found) -> None:
        self._change = change

    def detect(self, images: list[Image]) -> object:
        return self._change(RedThings().detect(images))


def test_a_detector_of_one_s_own_is_tracked_by_motion(video: Path, tmp_path: Path) -> None:
    [result] = track(video, OwnDetector(), tmp_path / "out", progress=False)
    assert (result.frames, result.tracks) == (30, 1)
    record = json.loads((tmp_path / "out" / "run.json").read_text())["street"]
    assert (record["model"], record["classes"]) == (None, ["thing"])
    # the scores are those that suit a detector, as with LIBRARY:NAME
    assert record["settings"]["tracker"]["new_track_score"] == 0.6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda found: [replace(each, score=100 * each.score) for each in found], "scores from 90 to 90; chances"),
        (lambda found: found[0], "detect gave Detections; a list of clmot.Detections is needed"),
        (lambda found: [each.xyxy for each in found], "detect gave a list with ndarray; a list"),
        (lambda found: [], "detect gave 0 Detections for 1 image"),
        (lambda found: None, "detect gave NoneType; a list"),
    ],
    ids=["percentages", "one", "arrays", "none", "None"],
)
@pytest.mark.parametrize("how", ["model", "detector"])
def test_output_that_no_detector_may_give_is_refused_in_one_line(
    video: Path, change: Callable[[list[Detections]], object], message: str, how: str
) -> None:
    own: Any = OwnDetector(change)
    model, detector = (own, None) if how == "model" else (RedThings(), own)
    with pytest.raises(UserError, match=f"^detector OwnDetector: .*{message}"):
        track(video, model, detector=detector, progress=False)


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
        draw = pipeline.Outputs.write

        def write(sinks: pipeline.Outputs, image: Image, tracked: TrackedFrame) -> None:
            shown.append(image.tobytes() + tracked.detections.xyxy.tobytes() + tracked.track_id.tobytes())
            draw(sinks, image, tracked)

        monkeypatch.setattr(pipeline.Outputs, "write", write)
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
                model.detect = partial(fails, model.detect)  # type: ignore[method-assign, assignment]
            case "association":
                update = Tracker.update
                monkeypatch.setattr(Tracker, "update", lambda *a, **o: fails(update, *a, **o))
            case "write":
                write = pipeline.Outputs.write
                monkeypatch.setattr(pipeline.Outputs, "write", lambda *a, **o: fails(write, *a, **o))
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
            def detect(self, images: list[Image]) -> list[Detections]:
                time.sleep(0.2)
                if sum(self.batches) == 4:
                    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
                return super().detect(images)

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


@pytest.mark.parametrize("batch_size", [1, 4])
def test_fast_looks_at_every_second_frame_and_carries_tracks_between(
    video: Path, tmp_path: Path, batch_size: int
) -> None:
    seen: list[int] = []

    def note(found: list[Detections]) -> list[Detections]:
        seen.append(len(found))
        return found

    [result] = track(
        video, OwnDetector(note), tmp_path / "out", fast=True, batch_size=batch_size, video=True, progress=False
    )
    assert (result.frames, result.tracks) == (30, 1)
    assert sum(seen) == 15
    frames = {each.frame: each for each in read_mot_text(tmp_path / "out" / "street.txt")}
    first = min(frames)
    assert sorted(frames) == list(range(first, 31))
    boxes = {number: each.detections.xyxy[0] for number, each in frames.items()}
    for number in range(first + 1, 30, 2):
        np.testing.assert_allclose(boxes[number], (boxes[number - 1] + boxes[number + 1]) / 2, atol=0.02)
        np.testing.assert_allclose(boxes[number], object_box(number), atol=3)
    # after the last frame that was looked at, tracks stay
    np.testing.assert_array_equal(boxes[30], boxes[29])
    assert len(list(video_times(tmp_path / "out" / "street.mp4"))) == 30
    assert json.loads((tmp_path / "out" / "run.json").read_text())["street"]["fast"] is True
