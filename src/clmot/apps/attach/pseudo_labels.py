"""Pseudo-labels: what a detector finds in images without annotation, as a data set to learn on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from clmot.detectors.output_parser import require_detections
from clmot.errors import UserError, plural
from clmot.io.folders import IMAGE_SUFFIXES, natural_order
from clmot.io.image import read_image
from clmot.io.progress import progress_bar
from clmot.protocols import Detector
from clmot.structures import Dataset, Sample


def pseudo_labels(detector: Detector, paths: Sequence[Path], *, progress: bool = True) -> Dataset:
    """Run a detector over the images in some folders.

    The images of one folder are one sequence: they may be the frames of a video, which must not serve as each other's
    negatives.

    Args:
        detector: finds the boxes.
        paths: folders with images in them or in folders below.
        progress: show a progress bar on standard error.

    Returns:
        A sample for each image, with the detector's scores.

    Raises:
        UserError: there is no image, one cannot be read, or the detector finds nothing at all.
    """
    images = [found for path in paths for found in _images(path)]
    samples = []
    with progress_bar(progress) as bar:
        task = bar.add_task("finding boxes", total=len(images), note="")
        for path, sequence, frame in images:
            image = read_image(path)
            (found,) = require_detections(detector.detect([image]), 1, detector)
            samples.append(
                Sample(
                    image=path,
                    width=image.shape[1],
                    height=image.shape[0],
                    sequence=sequence,
                    frame=frame,
                    boxes=found.xyxy,
                    classes=found.class_id,
                    ignore=np.zeros(len(found), np.bool_),
                    identities=np.full(len(found), -1, np.int64),
                    scores=found.score,
                )
            )
            bar.update(task, advance=1)
    if not any(len(sample.boxes) for sample in samples):
        raise UserError(
            f"{', '.join(map(str, paths))}: the detector finds nothing in {plural(len(images), 'image')}; "
            "check its classes, or lower detect.score_threshold"
        )
    return Dataset(samples=samples, classes=tuple(detector.classes))


def _images(root: Path) -> Iterator[tuple[Path, str, int]]:
    """Images below a folder: path, sequence, and frame number in it."""
    if not root.is_dir():
        raise UserError(f"{root}: no folder of images for the detector to look at")
    files = [file for file in root.rglob("*") if file.suffix.lower() in IMAGE_SUFFIXES and file.name[0] != "."]
    if not files:
        raise UserError(f"{root}: no images in it or below")
    by_folder: dict[Path, list[Path]] = {}
    for file in sorted(files):
        by_folder.setdefault(file.parent, []).append(file)
    for folder, members in by_folder.items():
        sequence = str(folder.absolute())
        for frame, file in enumerate(sorted(members, key=natural_order), 1):
            yield file, sequence, frame
