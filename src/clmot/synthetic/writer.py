"""Scenes on disk, as MOTChallenge folders."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clmot.errors import UserError
from clmot.io.atomic import whole_folder
from clmot.io.image import encoded_image
from clmot.io.mot_writer import write_sequence_info
from clmot.synthetic.scene import PEDESTRIAN, Frame, Scene

_QUALITY = 90
_SCORED = 0.25
"""People less visible than this are not scored (flag 0)."""


@dataclass(frozen=True, kw_only=True)
class SceneSummary:
    """What was written.

    Attributes:
        stills: the folder of training sequences.
        clips: the folder of scoring sequences.
        frames: number of images.
        boxes: number of pedestrian boxes that are scored.
        events: number of occlusion and reversal events in the clips.
    """

    stills: Path
    clips: Path
    frames: int
    boxes: int
    events: int


def write_scenes(
    out: Path,
    *,
    still_frames: int = 600,
    still_sequences: int = 30,
    clips: int = 4,
    clip_frames: int = 150,
    size: tuple[int, int] = (512, 288),
    frame_rate: int = 25,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> SceneSummary:
    """Write single frames for training and clips for scoring.

    ``out/stills/<sequence>`` and ``out/clips/<sequence>`` are MOTChallenge folders: ``img1/000001.jpg``, ``gt/gt.txt``
    (frame, identity, left, top, width, height, flag, class, visibility; 1-based pixels) and ``seqinfo.ini``.
    Training frames are one second apart and come from many streets; clips are continuous, and the camera pans in every
    second one. The same arguments give the same bytes; training frames and clips share nobody and no street.

    Args:
        out: a folder that is not there yet, or empty; it appears when it is whole.
        still_frames: number of training frames in all.
        still_sequences: number of streets that they come from.
        clips: number of clips.
        clip_frames: frames a clip.
        size: width and height in pixels.
        frame_rate: frames a second of the clips.
        seed: another seed gives other streets and people.
        progress: called with (frames written, frames in all) after every frame.

    Raises:
        UserError: the size is too small to hold people, the folder holds something, or the disk is full.
        ValueError: a count is negative, or there are frames without a sequence to put them in, or the reverse.
    """
    if min(still_frames, still_sequences, clips, clip_frames) < 0 or frame_rate < 1:
        raise ValueError("counts of frames, sequences and clips must not be negative, frame_rate must be positive")
    if (still_frames and not still_sequences) or (clips and not clip_frames):
        raise ValueError("training frames need at least one sequence and clips at least one frame")
    if size[0] < 160 or size[1] < 96:
        raise UserError(f"size must be at least 160x96, got {size[0]}x{size[1]}")
    still_stream, clip_stream = np.random.SeedSequence(seed).spawn(2)
    total = still_frames + clips * clip_frames
    written = boxes = events = 0

    def count() -> None:
        nonlocal written
        written += 1
        if progress is not None:
            progress(written, total)

    with whole_folder(out, "the scenes") as partial:
        sequences = min(still_sequences, still_frames)
        for i, stream in enumerate(still_stream.spawn(sequences)):
            length = still_frames * (i + 1) // sequences - still_frames * i // sequences
            moments = range(0, length * frame_rate, frame_rate)
            rng = np.random.default_rng(stream)
            scene = Scene(rng, size, frames=len(moments) * frame_rate, frame_rate=frame_rate, pan=i % 3 == 2)
            boxes += _write_sequence(partial / "stills" / f"still-{i + 1:02d}", scene, moments, 1, count)
        for i, stream in enumerate(clip_stream.spawn(clips)):
            rng = np.random.default_rng(stream)
            scene = Scene(rng, size, frames=clip_frames, frame_rate=frame_rate, pan=i % 2 == 1)
            boxes += _write_sequence(
                partial / "clips" / f"clip-{i + 1:02d}", scene, range(clip_frames), frame_rate, count
            )
            events += len(scene.events)
    return SceneSummary(stills=out / "stills", clips=out / "clips", frames=written, boxes=boxes, events=events)


def _write_sequence(folder: Path, scene: Scene, moments: range, frame_rate: int, count: Callable[[], None]) -> int:
    """Write those frames of a scene; returns the number of scored boxes."""
    rows: list[str] = []
    scored = 0
    (folder / "img1").mkdir(parents=True, exist_ok=True)
    (folder / "gt").mkdir(exist_ok=True)
    for number, moment in enumerate(moments, start=1):
        frame = scene.render(moment)
        image = encoded_image(frame.image, ".jpg", _QUALITY)
        (folder / "img1" / f"{number:06d}.jpg").write_bytes(image)
        lines, in_frame = _rows(number, frame)
        rows += lines
        scored += in_frame
        count()
    (folder / "gt" / "gt.txt").write_text("".join(rows), newline="\n")
    write_sequence_info(folder, folder.name, frame_rate, len(moments), scene.size)
    return scored


def _rows(number: int, frame: Frame) -> tuple[list[str], int]:
    """Ground-truth lines of a frame, by identity, and how many of them are scored."""
    rows, scored = [], 0
    for i in np.argsort(frame.identities):
        left, top, right, bottom = (float(side) for side in frame.boxes[i])
        visible = float(frame.visibility[i])
        flag = int(frame.classes[i] == PEDESTRIAN and visible >= _SCORED)
        scored += flag
        rows.append(
            f"{number},{frame.identities[i]},{left + 1:.2f},{top + 1:.2f},{right - left:.2f},{bottom - top:.2f},"
            f"{flag},{frame.classes[i]},{visible:.3f}\n"
        )
    return rows, scored
