"""Tracking that is ended at any moment, and goes on in the middle of its video with the same results."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clmot.io.frame_source import FrameSource
from clmot.io.named_arrays import Arrays, read_arrays, write_arrays
from clmot.io.video import Frames
from clmot.structures import Detections, TrackedFrame

_KIND = "unfinished tracking"


class Checkpoint:
    """Where a video is, written every so often: all that the rest of its results depends on.

    What was found and drawn before is not kept, so videos, explanations and tables are begun again with their video
    (`clmot.apps.track.outputs.Outputs.can_go_on`).

    Args:
        file: is read where it exists, and written.
        seconds: between two writes.

    Attributes:
        stop: end tracking at the next frame, after one more write.
        frames: how many frames have been read; for those who want to know whether any come.
    """

    def __init__(self, file: Path, seconds: float) -> None:
        self._file, self._every, self._last = file, seconds, time.monotonic()
        self.stop, self.frames = False, 0

    @property
    def due(self) -> bool:
        """Whether it is time for the next write."""
        return self.stop or time.monotonic() - self._last >= self._every

    def write(self, parts: Mapping[str, Mapping[str, npt.NDArray[Any]]]) -> None:
        """Write the arrays of each part.

        Raises:
            UserError: the file cannot be written.
        """
        arrays = {f"{part}/{name}": value for part, values in parts.items() for name, value in values.items()}
        write_arrays(self._file, _KIND, arrays, {})
        self._last = time.monotonic()

    def read(self) -> dict[str, Arrays]:
        """What was written, empty where nothing was.

        Raises:
            UserError: the file cannot be read.
        """
        parts: dict[str, Arrays] = {}
        if self._file.exists():
            for key, value in read_arrays(self._file, _KIND)[0].items():
                part, _, name = key.partition("/")
                parts.setdefault(part, {})[name] = value
        return parts

    def watched(self, source: FrameSource, passed: int) -> FrameSource:
        """The source without its first frames, which are decoded all the same: where they lie cannot be known."""

        def decode() -> Frames:
            frames: Iterator[tuple[int, Any]] = source.decode()
            try:
                for count, frame in enumerate(frames, 1):
                    self.frames = count
                    if count > passed:
                        yield frame
            finally:
                frames.close()  # type: ignore[attr-defined]

        return replace(source, decode=decode)


def pack_frames(frames: Sequence[TrackedFrame]) -> Arrays:
    """Tracked frames as arrays, with the embeddings where every box has one."""
    found = [each.detections for each in frames]
    arrays: Arrays = {
        "frame": np.array([each.frame for each in frames], np.int64),
        "count": np.array([len(each) for each in frames], np.int64),
        "track_id": np.concatenate([np.empty(0, np.int64), *(each.track_id for each in frames)]),
        "rows": np.concatenate([np.empty(0, np.int64), *(each.rows for each in frames)]),
        "xyxy": np.concatenate([np.empty((0, 4), np.float32), *(each.xyxy for each in found)]),
        "score": np.concatenate([np.empty(0, np.float32), *(each.score for each in found)]),
        "class_id": np.concatenate([np.empty(0, np.int64), *(each.class_id for each in found)]),
    }
    embedding = [each.embedding for each in found if len(each)]
    if embedding and all(each is not None for each in embedding):
        arrays["embedding"] = np.concatenate(embedding)  # type: ignore[arg-type]
    return arrays


def unpack_frames(arrays: Mapping[str, npt.NDArray[Any]]) -> list[TrackedFrame]:
    """What `pack_frames` was given."""
    xyxy, score, class_id = (arrays[name] for name in ("xyxy", "score", "class_id"))
    found = Detections(xyxy=xyxy, score=score, class_id=class_id, embedding=arrays.get("embedding"))
    ends = np.cumsum(arrays["count"]).tolist()
    spans = [slice(end - count, end) for end, count in zip(ends, arrays["count"].tolist(), strict=True)]
    return [
        TrackedFrame(frame=frame, detections=found[span], track_id=arrays["track_id"][span], rows=arrays["rows"][span])
        for frame, span in zip(arrays["frame"].tolist(), spans, strict=True)
    ]
