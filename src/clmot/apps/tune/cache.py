"""What a detector finds in the sequences of a data set, found once and kept in files.

Detections do not depend on the association, and finding them takes most of the time of tracking. The same goes for the
camera's motion.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from clmot.apps.track.cached_sequence import SUFFIX, CachedSequence
from clmot.apps.track.detection import Finder, detect
from clmot.io.frame_source import FrameSource
from clmot.io.progress import progress_bar
from clmot.tracking.camera_motion import CameraMotion

_log = logging.getLogger(__name__)


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
    files = {name: folder / f"{name}{SUFFIX}" for name in sources}
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
