"""The detection stage: from frames to frames with detections, in threads of their own."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from collections.abc import Callable, Generator, Iterator, Sequence

import numpy as np

from clmot.detectors.output_parser import require_detections
from clmot.io.frame_source import FrameSource
from clmot.protocols import Detector
from clmot.structures import Detections, Embed, Image

Finder = Callable[[Sequence[tuple[int, Image]]], list[Detections]]
"""Numbered frames to what is in them."""

FoundFrames = Generator[tuple[int, Image, Detections], None, None]
"""Frame numbers, images and what is in them, in order."""


def finder_of(detector: Detector, embed: Embed | None = None) -> Finder:
    """A detector's objects in numbered frames, with the embeddings that `embed` reads at them if it is given."""

    def find(batch: Sequence[tuple[int, Image]]) -> list[Detections]:
        images = [image for _, image in batch]
        found = require_detections(detector.detect(images), len(images), detector)
        if embed is None:
            return found
        return [
            dataclasses.replace(each, embedding=embed(image, each.xyxy)) if len(each) else each
            for image, each in zip(images, found, strict=True)
        ]

    return find


PASSED_OVER = Detections(
    xyxy=np.zeros((0, 4), np.float32), score=np.zeros(0, np.float32), class_id=np.zeros(0, np.int64)
)
"""Of frames that no detector has seen; this very object, as others may be empty too."""


def find_in(source: FrameSource, find: Finder, batch_size: int = 1, overlap: bool = True, step: int = 1) -> FoundFrames:
    """Number, image and objects of each frame of a source. Closing it closes the source.

    Args:
        source: the frames.
        find: the detector; called in one thread from first to last, which is not this one if stages overlap.
        batch_size: frames that are found together.
        overlap: decode and find in threads of their own, each a batch of frames ahead, or four.
        step: find in every so many frames; those between come with `PASSED_OVER`.
    """
    ahead = max(4, step * batch_size)

    def found() -> FoundFrames:
        with contextlib.closing(source.ahead(ahead) if overlap else source.decode()) as frames:
            yield from detect(frames, find, batch_size, step)

    # a camera's frames shall not wait here as well: its source drops those that there is no time for
    return source.prefetched(found(), batch_size if source.live else ahead) if overlap else found()


def without_first(count: int, found: FoundFrames) -> FoundFrames:
    """All but the first frames; closing it closes `found`."""
    with contextlib.closing(found):
        yield from itertools.islice(found, count, None)


def detect(frames: Iterator[tuple[int, Image]], find: Finder, batch_size: int = 1, step: int = 1) -> FoundFrames:
    """Frame number, image and what is in it, `batch_size` frames at a time; `step` as of `find_in`."""
    while batch := list(itertools.islice(frames, step * batch_size)):
        found = find(batch[::step])
        for index, (number, image) in enumerate(batch):
            yield number, image, PASSED_OVER if index % step else found[index // step]
