"""The store of detections: what a detector finds in sequences, found once and kept in files.

Detections do not depend on the association, and finding them takes most of the time of tracking. The same goes for the
camera's motion. `clmot detect --embeddings` writes such files, `clmot tune`, `clmot bench` and `clmot demo` keep what
they find in them, and `boxes` of `clmot.track` and `clmot tune` takes them.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clmot.apps.track.cached_sequence import SUFFIX, CachedSequence
from clmot.apps.track.detection import Finder, detect
from clmot.io.atomic import make_folder
from clmot.io.frame_source import FrameSource
from clmot.io.locks import alone
from clmot.io.progress import progress_bar
from clmot.structures import Detections, Image
from clmot.tracking.camera_motion import CameraMotion

_log = logging.getLogger(__name__)


class Gathered:
    """Gathers a `CachedSequence`, frame by frame.

    Args:
        source: the frames.
        camera: how its motion is told, of `clmot.tracking.camera_motion.Method`.
        images: whether the source's frames are real ones.
    """

    def __init__(self, source: FrameSource, camera: str = "sparse-flow", images: bool = True) -> None:
        self._source, self._motion, self._images = source, CameraMotion(camera), images
        self._frames: list[int] = []
        self._found: list[Detections] = []
        self._camera: list[npt.NDArray[np.float64]] = []
        self._sizes: set[tuple[int, int]] = set()

    def add(self, number: int, image: Image, found: Detections) -> None:
        """What was found in the next frame."""
        self._frames.append(number)
        self._found.append(found)
        if self._motion.method != "none":
            self._camera.append(self._motion.estimate(image, found.xyxy, number))
        self._sizes.add((image.shape[1], image.shape[0]))

    def sequence(self) -> CachedSequence:
        """All of them."""
        return CachedSequence(
            name=self._source.name,
            frame_rate=self._source.frame_rate,
            frame=np.array(self._frames, np.int64),
            detections=self._found,
            camera=np.stack(self._camera) if self._camera else None,
            size=next(iter(self._sizes)) if self._images and len(self._sizes) == 1 else None,
        )


def find_once(
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
    files = {name: folder / f"{name}{SUFFIX}" for name in sources}
    missing = [name for name, file in files.items() if not _is_current(file, origins[name])]
    found_by = finders() if missing else {}
    make_folder(folder)
    with progress_bar(progress and bool(missing)) as bar:
        for name in missing:
            source, gathered = sources[name], Gathered(sources[name], camera, images)
            with alone(folder / name, wait=True):
                if _is_current(files[name], origins[name]):  # another process has found them meanwhile
                    continue
                task = bar.add_task(f"{name}: detections", total=source.length, note="")
                with contextlib.closing(iter(source)) as decoded:
                    for number, image, found in detect(decoded, found_by[name]):
                        gathered.add(number, image, found)
                        bar.update(task, advance=1)
                gathered.sequence().save(files[name], origins[name])
    return list(files.values())


def _is_current(file: Path, origin: Mapping[str, Any]) -> bool:
    if not file.is_file():
        return False
    _, made_from = CachedSequence.load(file)
    if made_from != dict(origin):
        _log.info("%s: made from something else; finding the detections anew", file)
        return False
    return True
