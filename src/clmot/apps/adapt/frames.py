"""Frames of a video with its tracklets as a data set on disk, which training reads and anyone can look at."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from clmot.apps.adapt.mined_tracklets import Tracklets
from clmot.datasets.readers.coco import read_coco
from clmot.datasets.writers import coco
from clmot.io.atomic import make_folder
from clmot.io.frame_choice import frames_in
from clmot.io.frame_source import FrameSource
from clmot.io.image import write_image
from clmot.structures import Dataset, Int64Array, Sample

if TYPE_CHECKING:
    from rich.progress import Progress

MOST_FRAMES = 2000
"""Frames kept of the learned part of a video and of the part held out: all, or fewer of each second, or stretches."""

FRAMES_PER_SECOND = 5.0
"""Of a second so many are kept at least."""

STRETCH = 20
"""Frames kept in a row of a video that is too long to keep all."""


def choose_frames(numbers: Int64Array, frame_rate: float, most: int = MOST_FRAMES) -> Int64Array:
    """Which frames of a video to keep: all, of a long video some of every second, of a longer one stretches of these.

    Args:
        numbers: int64 [n], ascending.
        frame_rate: frames a second.
        most: of these at most.

    Returns:
        Every n-th of the numbers, at least `FRAMES_PER_SECOND`. Where these are more than `most`, stretches of
        `STRETCH` of them, evenly spread.
    """
    kept = numbers[:: max(1, min(frames_in(1 / FRAMES_PER_SECOND, frame_rate), -(-len(numbers) // most)))]
    if len(kept) <= most:
        return kept
    stretch = np.arange(len(kept)) // STRETCH
    chosen = np.linspace(0, stretch[-1], max(1, most // STRETCH)).round()
    return kept[np.isin(stretch, chosen)][:most]


def take_frames(
    source: FrameSource, tracklets: Tracklets, folder: Path, bar: Progress
) -> tuple[list[Sample], list[Sample]]:
    """Write the frames to learn from and those held out, each only if two clear boxes or more are in it.

    Args:
        source: the video, which is read a second time.
        tracklets: what is in it.
        folder: the images ``000001.jpg`` ... are written here.
        bar: gets a task.

    Returns:
        Samples to learn from and samples held out. Boxes that are not clear are ignored; `Sample.identities` are
        tracklets, -1 for clear boxes in none: of those nothing is known but the frame.

    Raises:
        UserError: a frame cannot be read or written.
    """
    numbers = np.array([number for number, clear in tracklets.clear.items() if clear.sum() > 1], np.int64)
    parts = (numbers[numbers < tracklets.split], numbers[numbers >= tracklets.split])
    chosen = {int(each) for part in parts for each in choose_frames(part, tracklets.frame_rate)}
    samples = []
    make_folder(folder)
    task = bar.add_task(f"{tracklets.name}: keeping frames", total=len(chosen), note="")
    with contextlib.closing(iter(source)) as frames:
        for number, image in frames:
            if number in chosen:
                file = folder / f"{number:06d}.jpg"
                write_image(file, image, "the frame")
                samples.append(_sample(file, image.shape[1], image.shape[0], number, tracklets))
                bar.update(task, advance=1)
                if len(samples) == len(chosen):
                    break
    held_out = [sample for sample in samples if sample.frame >= tracklets.split]
    return samples[: len(samples) - len(held_out)], held_out


def write_frames(samples: Sequence[Sample], classes: Sequence[str], folder: Path) -> None:
    """Write ``annotations.json`` (COCO), in which tracklets are identities.

    Raises:
        UserError: it cannot be written.
    """
    coco.WRITER.write(Dataset(samples=samples, classes=tuple(classes)), folder, images="reference")


def read_frames(folder: Path, classes: Sequence[str]) -> Dataset:
    """What `write_frames` wrote, with all the classes that the model knows, seen or not.

    Raises:
        UserError: a file is missing or broken.
    """
    dataset = read_coco(folder / "annotations.json")
    class_map = np.array([list(classes).index(name) for name in dataset.classes], np.int64)
    samples = tuple(dataclasses.replace(sample, classes=class_map[sample.classes]) for sample in dataset.samples)
    return Dataset(samples=samples, classes=tuple(classes))


def _sample(file: Path, width: int, height: int, number: int, tracklets: Tracklets) -> Sample:
    found, identities = tracklets.found[number], tracklets.numbers[number]
    return Sample(
        image=file,
        width=width,
        height=height,
        sequence=tracklets.name,
        frame=number,
        boxes=found.xyxy,
        classes=found.class_id,
        ignore=~tracklets.clear[number],
        identities=identities,
        scores=found.score,
    )
