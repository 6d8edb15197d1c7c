"""What a detector finds in the sequences of a data set, found once and kept in files.

Detections do not depend on the association, and finding them takes most of the time of tracking. The same goes for the
camera's motion.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clmot.apps.track.detection import Finder, detect
from clmot.config.tracker import TrackerConfig
from clmot.io.frame_source import FrameSource
from clmot.io.named_arrays import read_arrays, write_arrays
from clmot.io.progress import progress_bar
from clmot.structures import Detections, Int64Array, TrackedFrame
from clmot.tracking.camera_motion import CameraMotion
from clmot.tracking.tracker import Tracker

_KIND = "detections"

_log = logging.getLogger(__name__)


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
        found = Detections(xyxy=arrays["xyxy"], score=arrays["score"], class_id=arrays["class_id"], embedding=embedding)
        sequence = cls(
            name=notes["name"],
            frame_rate=notes["frame_rate"],
            frame=arrays["frame"],
            detections=[found[end - count : end] for count, end in zip(arrays["count"], ends, strict=True)],
            camera=arrays.get("camera"),
            size=tuple(notes["size"]) if notes["size"] else None,
        )
        return sequence, dict(notes["origin"])


def watch(
    sources: Mapping[str, FrameSource],
    finders: Callable[[], Mapping[str, Finder]],
    folder: Path,
    origins: Mapping[str, Mapping[str, Any]],
    *,
    camera: str = "none",
    images: bool = True,
    progress: bool = True,
) -> list[Path]:
    """Find what is in every frame of the sources, unless a file says it already.

    Args:
        sources: by sequence.
        finders: makes by sequence what detects; called only if it is needed.
        folder: for ``<sequence>.safetensors``.
        origins: by sequence, plain values that tell what its file is made from: with others, it is made anew.
        camera: how its motion is told, of `clmot.tracking.camera_motion.Method`.
        images: whether the sources' frames are real ones.
        progress: show a progress bar on standard error.

    Returns:
        The files, in the order of the sources.

    Raises:
        UserError: a frame cannot be read, or a file cannot be written.
    """
    files = {name: folder / f"{name}.safetensors" for name in sources}
    missing = [name for name, file in files.items() if not _is_current(file, origins[name])]
    found_by = finders() if missing else {}
    with progress_bar(progress and bool(missing)) as bar:
        for name in missing:
            source, motion = sources[name], CameraMotion(camera)
            task = bar.add_task(f"{name}: detections", total=source.length, note="")
            frames, detections, matrices, sizes = [], [], [], set()
            with contextlib.closing(iter(source)) as decoded:
                for number, image, found in detect(decoded, found_by[name]):
                    frames.append(number)
                    detections.append(found)
                    if camera != "none":
                        matrices.append(motion.estimate(image, found.xyxy, number))
                    sizes.add((image.shape[1], image.shape[0]))
                    bar.update(task, advance=1)
            CachedSequence(
                name=name,
                frame_rate=source.frame_rate,
                frame=np.array(frames, np.int64),
                detections=detections,
                camera=np.stack(matrices) if matrices else None,
                size=sizes.pop() if images and len(sizes) == 1 else None,
            ).save(files[name], origins[name])
    return list(files.values())


def _is_current(file: Path, origin: Mapping[str, Any]) -> bool:
    if not file.is_file():
        return False
    _, made_from = CachedSequence.load(file)
    if made_from != dict(origin):
        _log.info("%s: made from something else; finding the detections anew", file)
        return False
    return True
