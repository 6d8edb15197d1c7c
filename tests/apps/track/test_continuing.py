"""Ids go on over the break of a camera, and from one recording to the next."""

import os
import time
from pathlib import Path

import numpy as np
import pytest

from clmot.apps.track import pipeline
from clmot.apps.track.pipeline import track
from clmot.config import TrackerConfig
from clmot.errors import UserError
from clmot.io.frame_source import FrameSource
from clmot.io.mot_text import read_mot_text
from clmot.structures import Detections
from clmot.tracking.camera_motion import CameraMotion
from clmot.tracking.continued import ContinuedTracker
from clmot.tracking.tracker import Tracker
from tests.apps.track.conftest import HEIGHT, WIDTH, RedThings


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

    def test_the_state_of_another_model_is_refused(self, tmp_path: Path) -> None:
        state = tmp_path / "new" / "tracker.state"
        for model in ("one", "one"):
            with ContinuedTracker(Tracker(), file=state, model=model) as tracker:
                tracker.update(np.array([[0, 0, 20, 40, 0.9]]), None, 1)
        before = state.read_bytes()
        with pytest.raises(UserError, match=r"tracker\.state: its tracks have embeddings of another model"):
            ContinuedTracker(Tracker(), file=state, model="two")
        of_one_source = Tracker(TrackerConfig(camera="file", camera_file="none.txt"), CameraMotion("none"))
        with pytest.raises(UserError, match="camera=file for the frame numbers of one"):
            ContinuedTracker(of_one_source, file=state)
        assert state.read_bytes() == before
        assert len(Tracker.load(state).update(np.array([[0, 0, 20, 40, 0.9]]))) == 1

    def test_a_state_s_folder_that_cannot_be_made_is_said_before_tracking(self, video: Path, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(UserError, match=r"s: cannot write the tracker state: (Not a directory|File exists)"):
            track(video, RedThings(), tmp_path / "out", state=tmp_path / "file" / "s", progress=False)
        assert not (tmp_path / "out" / "street.txt").exists()

    def test_is_for_one_source(self, video: Path, tmp_path: Path) -> None:
        other = tmp_path / "other.mp4"
        other.write_bytes(video.read_bytes())
        with pytest.raises(UserError, match="is for one source, and there are 2"):
            track([video, other], RedThings(), state=tmp_path / "s", progress=False)
