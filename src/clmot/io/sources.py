"""Frames from wherever they come: videos, image folders, MOTChallenge sequences, cameras."""

from __future__ import annotations

import glob
import itertools
import os
import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from clmot.errors import UserError, plural, told_of_disks
from clmot.io.animation import ANIMATION_SUFFIXES, open_animation
from clmot.io.folders import IMAGE_SUFFIXES, describe_folder, images_in, is_image, natural_order
from clmot.io.frame_source import FrameSource
from clmot.io.live import stay_connected
from clmot.io.mot_sequences import EXPECTED, find_sequences, sequence_folders
from clmot.io.reading import Reading
from clmot.io.video import Frames, decode_video, probe_video
from clmot.io.video_headers import is_address, without_password

VIDEO_SUFFIXES = frozenset(
    ".3gp .avi .flv .m2ts .m4v .mjpeg .mkv .mov .mp4 .mpeg .mpg .mts .mxf .ogv .ts .webm .wmv".split()
)
"""By which videos are told in a folder; a file that is named may be called anything."""
_VIDEO_ENDS = tuple(VIDEO_SUFFIXES)


@told_of_disks()
def open_sources(sources: int | str | Path | Sequence[str | Path], reserved: Sequence[str] = ()) -> list[FrameSource]:
    """All sources behind some names, each with a name of its own: ``a/rec.mp4`` and ``b/rec.mp4`` are a-rec and b-rec.

    Images of one folder that are named singly are one sequence, in natural order, called as the folder is.

    Args:
        sources: each as `open_source` takes it; a webcam's number also as such.
        reserved: names that none of them may have.

    Raises:
        TypeError: one is something else.
        UserError: as `open_source`, or nothing is named, or a source twice.
    """
    given: list[Any] = list(sources) if isinstance(sources, list | tuple) else [sources]
    given = [str(each) if type(each) is int else each for each in given]
    if not all(isinstance(each, str | Path) for each in given):
        raise TypeError(f"a source is a path, an address or a webcam's number, or a list of them, not {sources!r:.60}")
    found = _behind(given)
    if not found:
        raise UserError("no source: name a video, images, MOTChallenge sequences, a webcam's number or an address")
    origins = Counter(os.path.realpath(each.origin) for each in found)
    if len(origins) < len(found):
        twice = next(each.origin for each in found if origins[os.path.realpath(each.origin)] > 1)
        raise UserError(f"{twice}: is named twice")
    names = distinct_names([(each.name, each.origin) for each in found], reserved)
    return [replace(each, name=name) for each, name in zip(found, names, strict=True)]


def distinct_names(sources: Sequence[tuple[str, str]], reserved: Sequence[str] = ()) -> list[str]:
    """Names of sources; in front of those that are alike, the folders that tell them apart, else numbers behind.

    Args:
        sources: name and origin of each.
        reserved: names that none may have.
    """
    names = [name for name, _ in sources]
    groups: dict[str, list[int]] = {}
    for index in _alike(names, ()):
        groups.setdefault(names[index].casefold(), []).append(index)
    for group in groups.values():
        folders = [Path(sources[index][1]).absolute().parent.parts[1:] for index in group]
        if len(set(folders)) == len(group):
            depth = next(n for n in itertools.count(1) if len({each[-n:] for each in folders}) == len(group))
            for index, each in zip(group, folders, strict=True):
                names[index] = "-".join([*each[-depth:], names[index]])
    taken = {each.casefold() for each in (*reserved, *names)}
    for index in _alike(names, reserved):
        names[index] = next(
            numbered
            for number in itertools.count(1)
            if (numbered := f"{names[index]}-{number}").casefold() not in taken
        )
        taken.add(names[index].casefold())
    return names


def _alike(names: Sequence[str], reserved: Sequence[str]) -> list[int]:
    """Which names are there more than once, upper and lower case being one, as on the disks of some systems."""
    count = Counter(name.casefold() for name in (*reserved, *names))
    return [index for index, name in enumerate(names) if count[name.casefold()] > 1]


@told_of_disks()
def open_source(source: str | Path) -> list[FrameSource]:
    """The frame sources behind one name, checked as far as possible without reading all frames.

    Args:
        source: a video file, a folder of images (in natural order: 2 before 10) or of videos, a MOTChallenge sequence
            folder or a folder of those, a pattern (``cam*/rec.mp4``, ``street/*.jpg``), a webcam's number ("0"), or an
            rtsp:// or http(s):// address.

    Raises:
        UserError: it is missing, empty or cannot be opened.
    """
    text = str(source)
    if is_address(text):
        return [_video(text, _address_name(text))]
    path = Path(source)
    if text.isdecimal() and not path.exists():
        from clmot.io.webcam import webcam

        return [webcam(int(text))]
    if path.is_dir():
        return _folder(path)
    if not path.exists() and glob.has_magic(text):
        return _behind(matches_of(text, IMAGE_SUFFIXES | VIDEO_SUFFIXES))
    if not path.is_file():
        raise UserError(f"{path}: no such file or folder; expected a video, images or MOTChallenge sequences")
    if path.suffix.lower() in IMAGE_SUFFIXES | ANIMATION_SUFFIXES:
        return [open_animation(path) or _images(path.stem, [path], origin=path)]
    return [_video(text, path.stem)]


def _behind(given: Sequence[str | Path]) -> list[FrameSource]:
    """The sources behind some names; images of one folder are one of them, in the place of the first."""
    folders: dict[Path, list[Path]] = {}
    for path in map(Path, given):
        if is_image(path.name) and path.is_file():
            folders.setdefault(path.parent, []).append(path)
    together = {image: images for images in folders.values() if len(images) > 1 for image in images}
    found = []
    for each in given:
        images = together.get(Path(each))
        if images is None:
            found += open_source(each)
        elif images[0] == Path(each):
            ((most, times),) = Counter(images).most_common(1)
            if times > 1:
                raise UserError(f"{most}: is named twice")
            folder = images[0].parent
            found.append(_images(folder.resolve().name, sorted(images, key=natural_order), origin=folder))
    return found


def open_one(source: str | Path) -> FrameSource:
    """The only frame source behind a name.

    Raises:
        UserError: as `open_source`, or there are several.
    """
    sources = open_source(source)
    if len(sources) > 1:
        names = ", ".join(each.name for each in sources[:3])
        raise UserError(f"{source}: {len(sources)} sequences ({names} ...); give the folder of one")
    return sources[0]


def videos_in(path: Path) -> list[Path]:
    """The videos in a folder, in natural order.

    Raises:
        UserError: there are none.
    """
    return sorted((path / name for name in video_names(path)), key=natural_order)


def video_names(path: Path) -> list[str]:
    """The names of the videos in a folder, in any order.

    Raises:
        UserError: there are none.
    """
    with os.scandir(path) as entries:
        names = [each.name for each in entries if _is_video_name(each.name) and each.is_file()]
    if not names:
        raise UserError(
            f"{path}: no images, videos or sequences ({describe_folder(path)}); expected images, videos, or {EXPECTED}"
        )
    return names


def matches_of(pattern: str, suffixes: Collection[str] = VIDEO_SUFFIXES) -> list[Path]:
    """The folders, and files of these suffixes, that a pattern stands for, by name.

    Raises:
        UserError: there are none.
    """
    matches = [Path(match) for match in sorted(glob.glob(pattern, recursive=True))]
    found = [match for match in matches if match.is_dir() or match.suffix.lower() in suffixes]
    if not found:
        raise UserError(f"{pattern}: no video or folder is called so ({plural(len(matches), 'file')})")
    return found


def _folder(path: Path) -> list[FrameSource]:
    sequences = sequence_folders(path)
    images = images_in(path)
    if images and path not in sequences:
        return [_images(path.resolve().name, images, origin=path)]
    if not sequences:
        return [_video(str(each), each.stem) for each in videos_in(path)]
    return [
        _images(sequence.name, sequence.images, sequence.frames, sequence.frame_rate, origin=sequence.folder)
        for sequence in find_sequences(path)
    ]


def _images(
    name: str, images: Sequence[Path], numbers: Sequence[int] = (), frame_rate: float | None = None, *, origin: Path
) -> FrameSource:
    """Image files as a source; they are numbered from 1 where no numbers are given."""
    reading, numbers = Reading(name), numbers or range(1, len(images) + 1)
    return FrameSource(
        name=name,
        frame_rate=frame_rate,
        length=len(images),
        decode=partial(_read, images, numbers, frame_rate, reading),
        origin=str(origin),
        images=dict(zip(numbers, images, strict=True)),
        reading=reading,
    )


def _is_video_name(name: str) -> bool:
    return name.lower().endswith(_VIDEO_ENDS) and not name.startswith(".")


def _read(images: Sequence[Path], numbers: Sequence[int], frame_rate: float | None, reading: Reading) -> Frames:
    from clmot.io.image import read_image  # what decodes takes a while to load

    reading.restart()
    for number, path in zip(numbers, images, strict=True):
        try:
            image = read_image(path)
        except UserError as error:
            reading.lose(1, str(error))
            continue
        reading.note(number, (number - 1) / frame_rate if frame_rate else None)
        yield number, image
    reading.check()


def _video(address: str, name: str) -> FrameSource:
    info = probe_video(address)
    reading = Reading(without_password(address))
    decode: Callable[[], Frames]
    if info.live:
        connect = partial(decode_video, address, live=True)
        decode = partial(stay_connected, connect, reading, frame_rate=info.frame_rate, endless=info.endless)
    else:
        decode = partial(decode_video, address, reading)
    return FrameSource(
        name=name,
        origin=without_password(address),
        frame_rate=info.frame_rate,
        length=info.length,
        live=info.live,
        decode=decode,
        reading=reading,
    )


def _address_name(address: str) -> str:
    """A file name for an address: the last part of its path, else its host."""
    parts = urlsplit(address)
    return re.sub(r"[^\w.-]+", "_", Path(parts.path).stem or parts.hostname or "stream")
