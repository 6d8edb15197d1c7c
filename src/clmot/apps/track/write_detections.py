"""Detections of every frame as files, for `track` and `clmot.apps.tune` to take as ``boxes``."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from clmot.apps.track.cached_sequence import SUFFIX
from clmot.apps.track.configured_model import as_configured
from clmot.apps.track.detection import find_in, finder_of
from clmot.apps.track.detection_store import Gathered
from clmot.apps.track.object_choice import ObjectChoice
from clmot.apps.track.result_folder import RESERVED, claimed, model_facts, recorded
from clmot.apps.track.slices import sliced
from clmot.apps.track.summary import SequenceSummary
from clmot.boxes import xyxy_to_ltwh
from clmot.io.atomic import make_folder, write_whole_json
from clmot.io.frame_choice import FrameChoice
from clmot.io.frame_source import FrameSource
from clmot.io.image import write_image
from clmot.io.mot_writer import TrackWriter, mot_rows
from clmot.io.progress import progress_bar
from clmot.io.sources import open_sources
from clmot.protocols import Detector
from clmot.row_data import as_lists, coco_data
from clmot.structures import Detections, Image, TrackedFrame
from clmot.visualize.draw import draw_boxes, track_colour
from clmot.visualize.draw_data import draw_data

_log = logging.getLogger(__name__)


def write_detections(
    source: str | Path | Sequence[str | Path],
    model: Detector | str | Path,
    out: str | Path,
    *,
    frames: FrameChoice | None = None,
    objects: ObjectChoice | None = None,
    slices: int = 0,
    overwrite: bool = False,
    batch_size: int = 1,
    save_images: bool = False,
    embeddings: bool = False,
    progress: bool = True,
) -> dict[Path, int]:
    """Find the objects in every sequence of a source.

    Args:
        source: as `clmot.track`.
        model: finds them; as of `clmot.track`.
        out: folder for ``<sequence>.txt`` (MOTChallenge detections, with a class column where there are several
            classes) and ``<sequence>.json`` (COCO: images, categories, annotations with scores), each of which is there
            only when it is whole; made if missing.
        frames: detect in these frames only.
        objects: which of the objects that are found are written; by default all.
        slices: as of `clmot.track`.
        overwrite: files of the same names in `out` may be replaced.
        batch_size: frames that go through the network together.
        save_images: also draw what was found, in ``<sequence>/``.
        embeddings: also write ``<sequence>.safetensors`` with embeddings and the camera's motion, with which
            `clmot.track` and `clmot.tune` need no network (`clmot.apps.track.cached_sequence`).
        progress: show a progress bar on standard error.

    Returns:
        The files, and how many boxes are in each.

    Raises:
        UserError: the source cannot be read, or `out` cannot be written.

    Examples:
        >>> files = clmot.detect("street.mp4", "clmot-pedestrian", "det")
    """
    folder, written, model = Path(out), {}, as_configured(model)
    sources = [each.only(frames) if frames else each for each in open_sources(source, RESERVED)]
    origins = {each.name: each.origin for each in sources}
    objects = objects or ObjectChoice()
    find = objects.applied(sliced(finder_of(model), slices) if slices else finder_of(model), model.classes)
    facts = {**model_facts(model, frames), **objects.as_dict(), "settings": {"detect": asdict(model.config.detect)}}
    with claimed(folder, origins, model.classes, overwrite=overwrite), progress_bar(progress) as bar:
        for each in sources:
            file, summary = folder / f"{each.name}.txt", SequenceSummary()
            files = [file, file.with_suffix(".json"), file.with_suffix(SUFFIX) if embeddings else None]
            task = bar.add_task(each.name, total=each.length, note="")
            found = summary.observe(find_in(each, find, batch_size))
            with (
                recorded(files, each.name, {"source": each.origin, **facts}, summary.as_dict),
                TrackWriter(file, partial(mot_rows, with_classes=len(model.classes) > 1)) as writer,
                contextlib.closing(found),
            ):
                coco, kept = CocoDetections(each, model.classes), Gathered(each) if embeddings else None
                for number, image, detections in found:
                    without_ids = np.full(len(detections), -1)
                    writer.write(TrackedFrame(frame=number, detections=detections, track_id=without_ids))
                    coco.add(number, image, detections)
                    if kept:
                        kept.add(number, image, detections)
                    if save_images:
                        _draw(folder / each.name / f"{number:06d}.jpg", image, detections, model.classes)
                    bar.update(task, advance=1)
                if kept:
                    kept.sequence().save(file.with_suffix(SUFFIX), {**facts, "source": each.origin})
                coco.write(folder / f"{each.name}.json")
            if not summary.boxes:
                _log.warning("%s: %s", each.name, summary.explain_nothing(model, None))
            written[file] = summary.boxes
    return written


class CocoDetections:
    """Detections of a sequence as COCO: of images by their file names, of videos by the names that extracting gives.

    Args:
        source: the sequence.
        classes: class names.
    """

    def __init__(self, source: FrameSource, classes: Sequence[str]) -> None:
        self._source = source
        self._content: dict[str, list[dict[str, Any]]] = {
            "images": [],
            "annotations": [],
            "categories": [{"id": number, "name": name} for number, name in enumerate(classes, 1)],
        }

    def add(self, number: int, image: Image, found: Detections) -> None:
        """What was found in a frame."""
        file = self._source.images.get(number, Path(f"{number:06d}.jpg"))
        height, width = image.shape[:2]
        entry = {"id": number, "file_name": file.name, "width": width, "height": height, "frame_id": number}
        self._content["images"].append(entry)
        ltwh = xyxy_to_ltwh(found.xyxy.astype(np.float64)).round(3)
        data = as_lists(found.data)
        rows = zip(ltwh.tolist(), found.class_id.tolist(), found.score.tolist(), strict=True)
        for row, (sides, class_id, score) in enumerate(rows):
            self._content["annotations"].append(
                {
                    **coco_data({name: values[row] for name, values in data.items()}),
                    "id": len(self._content["annotations"]) + 1,
                    "image_id": number,
                    "category_id": class_id + 1,
                    "bbox": sides,
                    "area": round(sides[2] * sides[3], 3),
                    "iscrowd": 0,
                    "score": round(score, 6),
                }
            )

    def write(self, file: Path) -> None:
        """Write the file.

        Raises:
            UserError: it cannot be written.
        """
        write_whole_json(file, self._content, "detections")


def _draw(file: Path, image: Image, found: Detections, classes: Sequence[str]) -> None:
    names = [f"{classes[class_id]} " if len(classes) > 1 else "" for class_id in found.class_id.tolist()]
    labels = [f"{name}{score:.2f}" for name, score in zip(names, found.score.tolist(), strict=True)]
    make_folder(file.parent)
    colours = [track_colour(class_id) for class_id in found.class_id.tolist()]
    drawn = draw_boxes(image, found.xyxy, labels, colours)
    draw_data(drawn, found, colours)
    write_image(file, drawn, "the picture", quality=85)
