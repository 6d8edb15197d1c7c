"""Tracking that was ended in the middle of a video goes on to the same results."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clmot.apps.track.checkpoint import Checkpoint, pack_frames, unpack_frames
from clmot.apps.track.pipeline import track
from clmot.config import Config, RefineConfig
from clmot.errors import UserError
from clmot.io.frame_choice import FrameChoice
from clmot.io.interrupts import Terminated
from clmot.structures import Detections, Image, TrackedFrame
from tests.apps.track.conftest import RedThings


class Walkers:
    """Finds people who come and go, with embeddings that are not the same in a batch and alone."""

    classes = ("person", "car")
    config = Config()
    ended_at = 0

    def __init__(self) -> None:
        self.seen = 0
        self.checkpoint: Checkpoint | None = None

    def detect(self, images: list[Image]) -> list[Detections]:
        self.seen += len(images)
        if self.checkpoint and self.seen >= self.ended_at:
            self.checkpoint.stop = True
        return [self.found(image, len(images)) for image in images]

    def found(self, image: Image, together: int) -> Detections:
        seed = int(image.astype(np.int64).sum() % 2**31)
        rng = np.random.default_rng(seed)
        left = np.sort(rng.uniform(0, 80, 3)) + np.arange(3) * 60
        xyxy = np.column_stack([left, left * 0 + 20, left + 20, left * 0 + 70]).astype(np.float32)
        embedding = rng.normal(size=(3, 8)) + together
        embedding /= np.linalg.norm(embedding, axis=1, keepdims=True)
        kinds = rng.integers(0, 2, 3)
        return Detections(
            xyxy=xyxy,
            score=np.array([0.9, 0.6, 0.3], np.float32),
            class_id=kinds,
            embedding=embedding.astype(np.float32),
        )


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"times": True, "batch_size": 3},
        {"fast": True, "batch_size": 2, "overlap": False},
        {"refine": RefineConfig(interpolate_seconds=0.5, join=0.3)},
        {"vote_classes": True, "frames": FrameChoice(every=2)},
        {"text_format": "csv"},
        {"video": True},
    ],
    ids=["text", "times", "fast", "refined", "votes", "csv", "video"],
)
def test_results_are_the_same_bytes_however_often_it_was_ended(
    street_video: Path, tmp_path: Path, options: dict[str, Any]
) -> None:
    options = {"progress": False, **options}
    (quiet,) = track(street_video, Walkers(), tmp_path / "quiet", **options)
    out, rounds = tmp_path / "out", 0
    for rounds in range(40):
        checkpoint, walkers = Checkpoint(out / "state", 1e9), Walkers()
        if rounds < 3:
            walkers.checkpoint, walkers.ended_at = checkpoint, 5 + rounds
        try:
            (result,) = track(street_video, walkers, out, overwrite=True, checkpoint=checkpoint, **options)
        except Terminated:
            for file in out.glob("*.txt"):  # which the end has given its name
                file.rename(f"{file}.partial")
            for file in out.glob("*.times.csv"):
                file.rename(f"{file}.partial")
            continue
        break
    assert rounds == 3
    for file in (tmp_path / "quiet").iterdir():
        if file.suffix in (".txt", ".csv"):
            assert (out / file.name).read_bytes() == file.read_bytes(), file.name
    assert (result.frames, result.tracks) == (quiet.frames, quiet.tracks)
    again = "video" in options or options.get("text_format") == "csv"
    assert walkers.seen == 40 or not again, "from the beginning"
    assert again or walkers.seen < 40, "from the middle"


def test_rows_that_were_lost_are_noticed(street_video: Path, tmp_path: Path) -> None:
    checkpoint, things = Checkpoint(tmp_path / "state", 0.0), RedThings()
    track(street_video, things, tmp_path, checkpoint=checkpoint, progress=False)
    (tmp_path / "street.txt.partial").write_text("1,2\n")
    with pytest.raises(UserError, match=r"street\.txt\.partial: has lost rows"):
        track(street_video, things, tmp_path, checkpoint=checkpoint, progress=False, overwrite=True)


def test_tracked_frames_come_back_from_arrays() -> None:
    box = Detections(
        xyxy=np.array([[0, 0, 2, 2.5]], np.float32),
        score=np.array([0.3], np.float32),
        class_id=np.array([1]),
        embedding=np.array([[0.6, 0.8]], np.float32),
    )
    frames = [
        TrackedFrame(frame=2, detections=box, track_id=np.array([7]), rows=np.array([3])),
        TrackedFrame(frame=3, detections=box[:0], track_id=np.zeros(0, np.int64)),
    ]
    back = unpack_frames(pack_frames(frames))
    assert [each.frame for each in back] == [2, 3]
    assert [each.track_id.tolist() for each in back] == [[7], []]
    assert back[0].rows.tolist() == [3]
    assert np.array_equal(back[0].detections.embedding, box.embedding)  # type: ignore[arg-type]
    assert unpack_frames(pack_frames([])) == []
