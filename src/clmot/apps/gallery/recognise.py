"""Named identities in videos that were tracked: enrolled from tracks or crops, recognised in other videos.

The gallery itself (`clmot.reid.gallery`) knows embeddings only; here they are read from images.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from clmot.errors import UserError, reason_of
from clmot.io.any_image import AnyImage, as_image
from clmot.io.frame_choice import FrameChoice
from clmot.io.frame_source import FrameSource
from clmot.io.mot_sequences import DEFAULT_FRAME_RATE
from clmot.io.mot_text import read_mot_text
from clmot.io.progress import progress_bar
from clmot.io.video_writer import VideoWriter
from clmot.reid.gallery import Gallery
from clmot.reid.track_names import NamedTrack, name_tracks
from clmot.structures import Embed, Float32Array, TrackedFrame
from clmot.visualize.draw import draw_tracks, fit


def enrol_crops(gallery: Gallery, name: str, crops: Iterable[AnyImage], embed: Embed) -> int:
    """Enrol an identity from images that show nothing else.

    Boxes in whole frames (`enrol_tracks`) do better where there are any: the network sees the identity at the size
    and in the surroundings that it will see it in again.

    Args:
        gallery: is added to.
        name: of the identity.
        crops: uint8 [height, width, 3], RGB, of any size; or what `clmot.io.any_image.as_image` takes.
        embed: as `clmot.Model.embed`.

    Returns:
        How many crops there were.

    Raises:
        UserError: there are none.
    """
    images = map(as_image, crops)
    embeddings = [embed(image, np.array([[0, 0, *image.shape[1::-1]]], np.float32)) for image in images]
    if not embeddings:
        raise UserError(f"no images to enrol {name} from")
    gallery.enrol(name, np.concatenate(embeddings))
    return len(embeddings)


def enrol_tracks(
    gallery: Gallery,
    names: Mapping[int, str],
    source: FrameSource,
    results: Path,
    embed: Embed,
    *,
    every: int = 5,
    progress: bool = True,
) -> dict[str, int]:
    """Enrol identities from tracks that somebody has looked at.

    Args:
        gallery: is added to.
        names: by track id; several tracks may be of one identity.
        source: what was tracked.
        results: MOTChallenge text with the tracks.
        embed: as `clmot.Model.embed`.
        every: look at every so many frames only.
        progress: show a progress bar on standard error.

    Returns:
        By name, how many boxes were looked at.

    Raises:
        UserError: a track does not occur in the frames looked at, or something cannot be read; the gallery is as it
            was.
    """
    seen: dict[str, list[Float32Array]] = defaultdict(list)
    missing = set(names)
    for tracked in embedded(source, results, embed, every=every, tracks=list(names), progress=progress):
        assert tracked.detections.embedding is not None
        for track, embedding in zip(tracked.track_id.tolist(), tracked.detections.embedding, strict=True):
            seen[names[track]].append(embedding)
            missing.discard(track)
    if missing:
        frames = f"every {every} frames" if every > 1 else "all frames"
        raise UserError(f"{results}: track {min(missing)} does not occur ({frames} of {source.name} were looked at)")
    for embeddings in seen.values():  # before anything changes
        gallery.distances(np.stack(embeddings))
    for name, embeddings in seen.items():
        gallery.enrol(name, np.stack(embeddings))
    return {name: len(embeddings) for name, embeddings in seen.items()}


def recognise_tracks(
    gallery: Gallery,
    source: FrameSource,
    results: Path,
    embed: Embed,
    *,
    threshold: float = 0.3,
    margin: float = 0.0,
    min_share: float = 0.5,
    every: int = 5,
    progress: bool = True,
) -> dict[int, NamedTrack]:
    """Who the tracks of a video are, as `clmot.reid.track_names.name_tracks` has it.

    Raises:
        UserError: something cannot be read, or the gallery is of another model.
    """
    frames = embedded(source, results, embed, every=every, progress=progress)
    try:
        return name_tracks(frames, gallery, threshold=threshold, margin=margin, min_share=min_share)
    except ValueError as error:
        raise UserError(f"{results}: cannot recognise anybody: {reason_of(error)}") from error


def draw_names(
    source: FrameSource, results: Path, names: Mapping[int, str], video: Path, *, progress: bool = True
) -> None:
    """Write a video of tracks with names on them.

    Args:
        source: what was tracked.
        results: MOTChallenge text with the tracks.
        names: by track id.
        video: the MP4.
        progress: show a progress bar on standard error.

    Raises:
        UserError: something cannot be read, or the video cannot be written.
    """
    by_frame = {tracked.frame: tracked for tracked in read_mot_text(results)}
    rate = source.frame_rate or DEFAULT_FRAME_RATE
    with progress_bar(progress) as bar, contextlib.ExitStack() as stack:
        task = bar.add_task(f"{source.name}: video", total=source.length, note="")
        writer: VideoWriter | None = None
        for number, image in stack.enter_context(contextlib.closing(iter(source))):
            if writer is None:
                writer = stack.enter_context(VideoWriter(video, rate, (image.shape[1], image.shape[0])))
            tracked = by_frame.get(number)
            drawn = image if tracked is None else draw_tracks(image, tracked, names=names)
            seconds = source.reading.seconds(number)
            writer.write(fit(drawn, *writer.size), number, (number - 1) / rate if seconds is None else seconds)
            bar.update(task, advance=1)


def embedded(
    source: FrameSource,
    results: Path,
    embed: Embed,
    *,
    every: int = 1,
    tracks: Sequence[int] | None = None,
    progress: bool = True,
) -> Iterator[TrackedFrame]:
    """Results of a video with embeddings read at their boxes, for frames that have any.

    Args:
        source: what was tracked.
        results: MOTChallenge text.
        embed: as `clmot.Model.embed`.
        every: every so many frames only.
        tracks: these tracks only; by default all.
        progress: show a progress bar on standard error.

    Raises:
        UserError: the frames or the results cannot be read.
    """
    by_frame = {tracked.frame: tracked for tracked in read_mot_text(results)}
    chosen = source.only(FrameChoice(every=every))
    with progress_bar(progress) as bar, contextlib.closing(iter(chosen)) as frames:
        task = bar.add_task(f"{source.name}: embeddings", total=chosen.length, note="")
        for number, image in frames:
            bar.update(task, advance=1)
            tracked = by_frame.get(number)
            if tracked is None:
                continue
            rows = np.isin(tracked.track_id, tracks) if tracks is not None else np.ones(len(tracked), np.bool_)
            if rows.any():
                found = tracked.detections[rows]
                found = dataclasses.replace(found, embedding=embed(image, found.xyxy))
                yield TrackedFrame(frame=number, detections=found, track_id=tracked.track_id[rows])
