"""Detections of every frame as files, for `track` and `clmot.apps.tune` to take as ``boxes``."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np

from clmot.apps.track.detection import find_in, finder_of
from clmot.apps.track.result_folder import RESERVED, claim, model_facts, recorded
from clmot.apps.track.summary import SequenceSummary
from clmot.io.frame_choice import FrameChoice
from clmot.io.mot_writer import TrackWriter, mot_rows
from clmot.io.progress import progress_bar
from clmot.io.sources import open_sources
from clmot.protocols import ConfiguredDetector
from clmot.structures import TrackedFrame

_log = logging.getLogger(__name__)


def write_detections(
    source: str | Path | Sequence[str | Path],
    model: ConfiguredDetector,
    out: str | Path,
    *,
    frames: FrameChoice | None = None,
    overwrite: bool = False,
    batch_size: int = 1,
    progress: bool = True,
) -> dict[Path, int]:
    """Find the objects in every sequence of a source.

    Args:
        source: as `clmot.track`.
        model: finds them.
        out: folder for ``<sequence>.txt`` (MOTChallenge detections, with a class column where there are several
            classes), each of which is there only when it is whole; made if missing.
        frames: detect in these frames only.
        overwrite: files of the same names in `out` may be replaced.
        batch_size: frames that go through the network together.
        progress: show a progress bar on standard error.

    Returns:
        The files, and how many boxes are in each.

    Raises:
        UserError: the source cannot be read, or `out` cannot be written.
    """
    folder, written = Path(out), {}
    sources = [each.only(frames) if frames else each for each in open_sources(source, RESERVED)]
    claim(folder, {each.name: each.origin for each in sources}, model.classes, overwrite=overwrite)
    facts = {**model_facts(model, frames), "settings": {"detect": asdict(model.config.detect)}}
    with progress_bar(progress) as bar:
        for each in sources:
            file, summary = folder / f"{each.name}.txt", SequenceSummary()
            task = bar.add_task(each.name, total=each.length, note="")
            found = summary.observe(find_in(each, finder_of(model), batch_size))
            with (
                recorded([file], each.name, {"source": each.origin, **facts}, summary.as_dict),
                TrackWriter(file, partial(mot_rows, with_classes=len(model.classes) > 1)) as writer,
                contextlib.closing(found),
            ):
                for number, _, detections in found:
                    without_ids = np.full(len(detections), -1)
                    writer.write(TrackedFrame(frame=number, detections=detections, track_id=without_ids))
                    bar.update(task, advance=1)
            if not summary.boxes:
                _log.warning("%s: %s", each.name, summary.explain_nothing(model, None))
            written[file] = summary.boxes
    return written
