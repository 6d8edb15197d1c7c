"""What a detector found in a sequence, in one file: boxes, embeddings and the camera's motion.

`clmot detect --embeddings` and `clmot tune` write such files; `clmot track --boxes` and `clmot tune` read them, and
need no network then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clmot.config.tracker import TrackerConfig
from clmot.io.named_arrays import read_arrays, write_arrays
from clmot.row_data import joined
from clmot.structures import Detections, Int64Array, TrackedFrame
from clmot.tracking.camera_motion import CameraMotion
from clmot.tracking.tracker import Tracker

SUFFIX = ".safetensors"

_KIND = "detections"
_DATA = "data."
"""What arrays of `Detections.data` are called before their names."""


@dataclass(frozen=True, kw_only=True, eq=False)
class CachedSequence:
    """All that a tracker wants to know of a sequence.

    Attributes:
        name: the sequence.
        frame_rate: frames a second, None where nobody says.
        frame: int64 [t], numbers of the frames.
        detections: [t], what was found in each.
        camera: float64 [t, 2, 3], how the camera moved to each frame from the one before; None where nobody looked.
        size: width and height of the frames, None where there were no images or they differ.
    """

    name: str
    frame_rate: float | None
    frame: Int64Array
    detections: Sequence[Detections]
    camera: npt.NDArray[np.float64] | None = None
    size: tuple[int, int] | None = None

    @property
    def has_embeddings(self) -> bool:
        """Whether what was found has embeddings."""
        return any(len(found) and found.embedding is not None for found in self.detections)

    def track(self, config: TrackerConfig) -> list[TrackedFrame]:
        """What `clmot track` would make of the sequence."""
        config = config.at(self.frame_rate)
        camera, image = None, None
        if self.camera is not None:
            camera = CameraMotion("file", dict(zip(self.frame.tolist(), self.camera, strict=True)))
        if self.size is not None:
            # the border needs a size and no picture: a single pixel, repeated without taking memory
            image = np.broadcast_to(np.zeros(1, np.uint8), (self.size[1], self.size[0], 3))
        tracker = Tracker(config, camera)
        return [
            tracker.update(found, image, frame=frame)
            for frame, found in zip(self.frame.tolist(), self.detections, strict=True)
        ]

    def save(self, path: Path, origin: Mapping[str, Any]) -> None:
        """Write the sequence to a file, with what it was made from.

        Raises:
            UserError: it cannot be written.
        """
        rows = [found for found in self.detections if len(found)]
        arrays: dict[str, npt.NDArray[Any]] = {
            "frame": self.frame,
            "count": np.array([len(found) for found in self.detections], np.int64),
            "xyxy": np.concatenate([np.empty((0, 4), np.float32), *(found.xyxy for found in rows)]),
            "score": np.concatenate([np.empty(0, np.float32), *(found.score for found in rows)]),
            "class_id": np.concatenate([np.empty(0, np.int64), *(found.class_id for found in rows)]),
        }
        embedding = [found.embedding for found in rows if found.embedding is not None]
        if embedding:
            arrays["embedding"] = np.concatenate(embedding)
        if self.camera is not None:
            arrays["camera"] = self.camera
        arrays |= {_DATA + name: value for name, value in (joined([found.data for found in rows]) or {}).items()}
        notes = {"name": self.name, "frame_rate": self.frame_rate, "size": self.size, "origin": origin}
        write_arrays(path, _KIND, arrays, notes)

    @classmethod
    def load(cls, path: Path) -> tuple[CachedSequence, dict[str, Any]]:
        """Read a sequence and what it was made from.

        Raises:
            UserError: the file cannot be read or is something else.
        """
        arrays, notes = read_arrays(path, _KIND)
        ends = np.cumsum(arrays["count"])
        embedding = arrays.get("embedding")
        data = {name.removeprefix(_DATA): value for name, value in arrays.items() if name.startswith(_DATA)}
        columns = {name: arrays[name] for name in ("xyxy", "score", "class_id")}
        found = Detections(**columns, embedding=embedding, data=data or None)
        sequence = cls(
            name=notes["name"],
            frame_rate=notes["frame_rate"],
            frame=arrays["frame"],
            detections=[found[end - count : end] for count, end in zip(arrays["count"], ends, strict=True)],
            camera=arrays.get("camera"),
            size=tuple(notes["size"]) if notes["size"] else None,
        )
        return sequence, dict(notes["origin"])
