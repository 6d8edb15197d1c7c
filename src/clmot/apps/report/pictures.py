"""What events and tracks look like: crops and frames as JPEG, taken in one pass over the video."""

from __future__ import annotations

import base64
import contextlib
import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from clmot.apps.report.events import Event
from clmot.apps.report.results import Results
from clmot.errors import UserError
from clmot.io.frame_source import FrameSource
from clmot.io.image import encoded_image
from clmot.io.progress import progress_bar
from clmot.structures import Image
from clmot.tracking.postprocess.track_table import Rows

_log = logging.getLogger(__name__)

_APART = 0.4
"""Seconds between the two crops of a track on one side of an event."""
_CROP_HEIGHT, _CROP_MARGIN, _CROP_QUALITY = 144, 0.12, 78
_WIDEST_CROP = 2.0
"""Of a crop's height: what is wider is scaled down to that."""
_FRAME_WIDTH, _FRAME_QUALITY = 720, 68
_MOST_PICTURED = 150
_MOST_THUMBNAILS = 600

Shot = tuple[int, int]
"""A frame and a track."""


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """What was taken.

    Attributes:
        frames: by number, JPEG of the whole frame.
        crops: by frame and track, JPEG of the box and some of what is around it.
        size: width and height of the video in pixels; (0, 0) where no frame could be read.
    """

    frames: dict[int, bytes]
    crops: dict[Shot, bytes]
    size: tuple[int, int]


def crops_of(event: Event, results: Results) -> dict[int, tuple[list[int], list[int]]]:
    """By track, the frames whose crops show it before and after an event, up to two each, in order of time."""
    apart = max(1, round(_APART * results.frame_rate))
    found = {}
    for track in event.tracks:
        frames = results.tracks[track].frame
        before, after = frames[frames <= event.before], frames[frames >= event.frame]
        if event.before >= event.frame:
            before = before[:-1]
        found[track] = (_two(before[::-1], apart)[::-1], _two(after, apart))
    return found


def thumbnail_of(track: Rows) -> int:
    """The frame in which a track is shown best: where its score, and then its box, is largest."""
    height = track.xyxy[:, 3] - track.xyxy[:, 1]
    return int(track.frame[np.lexsort((height, track.score.round(1)))[-1]])


def take_pictures(results: Results, events: Sequence[Event], source: FrameSource, *, progress: bool = True) -> Pictures:
    """Look through the video once for all that the events and tracks need.

    Args:
        results: the tracks.
        events: the worst first; those after a number that no report can hold get no pictures.
        source: the video.
        progress: show a progress bar on standard error.

    Raises:
        UserError: the video cannot be read, or has none of the frames.
    """
    whole: set[int] = set()
    crops: dict[int, set[int]] = defaultdict(set)
    for event in events[:_MOST_PICTURED]:
        whole |= {event.before, event.frame}
        for track, sides in crops_of(event, results).items():
            for frame in (*sides[0], *sides[1]):
                crops[frame].add(track)
    longest = sorted(results.tracks, key=lambda track: -len(results.tracks[track]))
    for track in longest[:_MOST_THUMBNAILS]:
        crops[thumbnail_of(results.tracks[track])].add(track)
    taken = Pictures(frames={}, crops={}, size=(0, 0))
    size, number, last = (0, 0), 0, max((*whole, *crops))
    with progress_bar(progress) as bar, contextlib.closing(iter(source)) as frames:
        task = bar.add_task(f"{results.name}: pictures", total=source.length, note="")
        for number, image in frames:
            bar.update(task, advance=1)
            size = (image.shape[1], image.shape[0])
            if number in whole:
                taken.frames[number] = _frame(image)
            for track in crops.get(number, ()):
                rows = results.tracks[track]
                box = rows.xyxy[int(rows.frame.searchsorted(number))]
                if (crop := crop_of(image, box.tolist())) is not None:
                    taken.crops[number, track] = encoded_image(crop, ".jpg", _CROP_QUALITY)
            if number >= last:
                break
    if not taken.crops:
        raise UserError(f"{source.origin}: shows none of the boxes of {results.file}; name the video that was tracked")
    if number < last:
        _log.warning("%s: ends with frame %d, and %s has boxes up to %d", source.origin, number, results.file, last)
    return Pictures(frames=taken.frames, crops=taken.crops, size=size)


def crop_of(image: Image, box: Sequence[float]) -> Image | None:
    """A box with a margin, as far as it lies in the image, at the height of all crops; None where nothing does."""
    left, top, right, bottom = box
    margin = _CROP_MARGIN * max(right - left, bottom - top)
    height, width = image.shape[:2]
    columns = slice(max(0, round(left - margin)), min(width, round(right + margin)))
    rows = slice(max(0, round(top - margin)), min(height, round(bottom + margin)))
    part = image[rows, columns]
    if not part.size:
        return None
    scale = min(_CROP_HEIGHT / part.shape[0], _WIDEST_CROP * _CROP_HEIGHT / part.shape[1])
    size = max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(np.ascontiguousarray(part), size, interpolation=method), np.uint8)


def data_address(jpeg: bytes) -> str:
    """A JPEG as an address that holds all of it."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode('ascii')}"


def _frame(image: Image) -> bytes:
    scale = min(1.0, _FRAME_WIDTH / image.shape[1])
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    return encoded_image(small, ".jpg", _FRAME_QUALITY)


def _two(frames: Iterable[int], apart: int) -> list[int]:
    """The first of some frames, and the first that is so far from it."""
    found: list[int] = []
    for frame in frames:
        if not found:
            found.append(int(frame))
        elif abs(int(frame) - found[0]) >= apart:
            return [found[0], int(frame)]
    return found
