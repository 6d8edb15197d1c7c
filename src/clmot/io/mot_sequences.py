"""MOTChallenge sequence folders: images, ``seqinfo.ini`` and ground truth on disk."""

from __future__ import annotations

import configparser
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clmot.errors import UserError
from clmot.io.folders import describe_folder, folders_in
from clmot.io.text import read_text

EXPECTED = "SEQUENCE/img1/000001.jpg ... and SEQUENCE/gt/gt.txt"
"""What a MOTChallenge folder looks like, for error messages."""

PERSON = 1
"""Class number of persons in MOT16/17/20 ground truth."""

MOT_CLASSES = (
    "person",
    "person on vehicle",
    "car",
    "bicycle",
    "motorbike",
    "non motorized vehicle",
    "static person",
    "distractor",
    "occluder",
    "occluder on the ground",
    "occluder full",
    "reflection",
    "crowd",
)
"""What the numbers 1 to 13 in the 8th column of MOT16/17/20 ground truth mean."""

FRAME_SUFFIXES = (".jpg", ".jpeg", ".png")
"""Kinds of images that frames of sequences come as."""
_MOST_UNREADABLE = 10
"""Where so many images at the beginning cannot be read, none can."""
DEFAULT_FRAME_RATE = 30.0
_MOT17_COPY = re.compile(r"^(MOT17-\d+)-(?:DPM|FRCNN|SDP)$")


@dataclass(frozen=True, kw_only=True)
class SequenceInfo:
    """What ``seqinfo.ini`` says; None where it does not.

    Attributes:
        image_folder: folder of the images inside the sequence.
        image_suffix: file name suffix of the images, with its dot.
        frame_rate: frames a second.
        length: number of frames.
        width: image width in pixels.
        height: image height in pixels.
    """

    image_folder: str = "img1"
    image_suffix: str | None = None
    frame_rate: float = DEFAULT_FRAME_RATE
    length: int | None = None
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True, kw_only=True)
class SequenceFolder:
    """One sequence on disk.

    Attributes:
        name: the folder's name.
        folder: the folder.
        images: image files in frame order.
        frames: the images' frame numbers, 1-based, ascending.
        frame_rate: frames a second.
        width: image width in pixels.
        height: image height in pixels.
        ground_truth: ``gt/gt.txt``, or None (test sequences).
    """

    name: str
    folder: Path
    images: list[Path]
    frames: list[int]
    frame_rate: float
    width: int
    height: int
    ground_truth: Path | None


def distractor_classes(mot20: bool) -> tuple[int, ...]:
    """Ignored classes: person on vehicle, static person, distractor, reflection; in MOT20 non-motorised vehicle too."""
    return (2, 6, 7, 8, 12) if mot20 else (2, 7, 8, 12)


def video_name(sequence: str) -> str:
    """The video that a sequence shows: MOT17 has each once for each public detector."""
    return _MOT17_COPY.sub(r"\1", sequence)


def sequence_folders(path: Path) -> list[Path]:
    """The sequence folders at a path, by name: the folder itself, its children or theirs (``MOT17/train/...``).

    Returns:
        An empty list where there are none.

    Raises:
        UserError: the path is no folder, or two sequences share a name.
    """
    if not path.is_dir():
        raise UserError(f"{path}: {'not a folder' if path.exists() else 'no such folder'}; expected {EXPECTED}")
    if _is_sequence(path):
        return [path]
    folders: list[Path] = []
    for child in folders_in(path):
        folders += [child] if _is_sequence(child) else filter(_is_sequence, folders_in(child))
    found: dict[str, Path] = {}
    for folder in folders:
        if folder.name in found:
            raise UserError(
                f"{path}: two sequences are named {folder.name} ({found[folder.name]} and {folder}); "
                "give the folder of one of them"
            )
        found[folder.name] = folder
    return [found[name] for name in sorted(found)]


def find_sequences(path: Path) -> list[SequenceFolder]:
    """The sequences at a path, with or without ground truth, ordered by name.

    Args:
        path: a sequence folder, a folder of sequences, or one level above (``MOT17`` with ``train`` and ``test``).

    Raises:
        UserError: no sequence there, a sequence without images, or a ``seqinfo.ini`` that contradicts them.
    """
    folders = sequence_folders(path)
    if not folders:
        raise UserError(f"{path}: no MOTChallenge sequence ({describe_folder(path)}); expected {EXPECTED}")
    return [open_sequence(folder) for folder in folders]


def ground_truth_file(folder: Path) -> Path | None:
    """``gt/gt.txt`` of a sequence folder, None where it has none."""
    file = folder / "gt" / "gt.txt"
    return file if file.is_file() else None


def detection_file(folder: Path) -> Path | None:
    """``det/det.txt`` of a sequence folder, None where it has none."""
    file = folder / "det" / "det.txt"
    return file if file.is_file() else None


def read_sequence_info(folder: Path) -> SequenceInfo:
    """Read a sequence's ``seqinfo.ini``; the defaults where there is none.

    Raises:
        UserError: it is not an ini file with a section ``[Sequence]``, or a value is not a positive number.
    """
    file = folder / "seqinfo.ini"
    if not file.is_file():
        return SequenceInfo(image_folder=_image_folder(folder))
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(read_text(file, "an ini file"))
        section = parser["Sequence"]
    except (configparser.Error, KeyError) as error:
        raise UserError(f"{file}: not an ini file with a section [Sequence]; correct or remove it") from error

    def number(key: str) -> float | None:
        text = section.get(key)
        if text is None:
            return None
        try:
            value = float(text)
        except ValueError:
            value = np.nan
        if not 0 < value < np.inf:
            raise UserError(f"{file}: {key} is '{text}', expected a number > 0")
        return value

    def whole_number(key: str) -> int | None:
        value = number(key)
        return None if value is None else int(value)

    return SequenceInfo(
        image_folder=section.get("imDir", "").replace("\\", "/") or _image_folder(folder),
        image_suffix=section.get("imExt"),
        frame_rate=number("frameRate") or DEFAULT_FRAME_RATE,
        length=whole_number("seqLength"),
        width=whole_number("imWidth"),
        height=whole_number("imHeight"),
    )


def frame_rate_of(image: Path) -> float | None:
    """The frame rate of the sequence that an image comes from, if that is a MOTChallenge folder that says so."""
    folder = image.parent.parent
    return read_sequence_info(folder).frame_rate if (folder / "seqinfo.ini").is_file() else None


def _image_folder(folder: Path) -> str:
    """``img1``, or what tools call it instead where there is none."""
    names = ("img1", "images", "frames", "img")
    return next((name for name in names if (folder / name).is_dir()), names[0])


def _is_sequence(folder: Path) -> bool:
    return (folder / "seqinfo.ini").is_file() or (folder / "img1").is_dir() or ground_truth_file(folder) is not None


def open_sequence(folder: Path) -> SequenceFolder:
    """The sequence in a folder.

    Raises:
        UserError: as `find_sequences`.
    """
    info = read_sequence_info(folder)
    image_folder = folder / info.image_folder
    images = sequence_images(folder, info)
    if not images:
        what = f"*{info.image_suffix}" if info.image_suffix else " or ".join(f"*{suffix}" for suffix in FRAME_SUFFIXES)
        raise UserError(f"{image_folder}: no images {what} ({describe_folder(image_folder)}); expected {EXPECTED}")
    frames = sorted(images)
    first, (height, width) = _first_size([images[frame] for frame in frames])
    if (info.width or width, info.height or height) != (width, height):
        raise UserError(
            f"{folder / 'seqinfo.ini'}: imWidth x imHeight is {info.width} x {info.height}, but "
            f"{first.name} is {width} x {height}; boxes and images must have one scale"
        )
    return SequenceFolder(
        name=folder.resolve().name,
        folder=folder,
        images=[images[frame] for frame in frames],
        frames=frames,
        frame_rate=info.frame_rate,
        width=width,
        height=height,
        ground_truth=ground_truth_file(folder),
    )


def _first_size(images: Sequence[Path]) -> tuple[Path, tuple[int, int]]:
    """The first image that can be read, and its height and width."""
    from clmot.io.image import read_image  # what decodes takes a while to load

    for number, image in enumerate(images, 1):
        try:
            height, width = read_image(image).shape[:2]
        except UserError:
            if number == min(len(images), _MOST_UNREADABLE):
                raise
        else:
            return image, (height, width)
    raise AssertionError("a sequence has images")


def sequence_images(folder: Path, info: SequenceInfo) -> dict[int, Path]:
    """The images of a sequence folder by frame number, 1-based; empty where there are none.

    Raises:
        UserError: as `numbered_images`.
    """
    suffixes = (info.image_suffix.lower(),) if info.image_suffix else FRAME_SUFFIXES
    images = numbered_images(folder / info.image_folder, suffixes)
    # frames count from 1
    images = {frame + 1: path for frame, path in images.items()} if 0 in images else images
    return {frame: image for frame, image in images.items() if info.length is None or frame <= info.length}


def numbered_images(folder: Path, suffixes: Sequence[str] = FRAME_SUFFIXES) -> dict[int, Path]:
    """The images of a folder by the number that ends their name; empty where there are none.

    Raises:
        UserError: a name ends in no number, or in another image's.
    """
    images: dict[int, Path] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.suffix.lower() not in suffixes or path.name.startswith("."):
            continue
        digits = re.search(r"[0-9]+$", path.stem)
        if digits is None:
            raise UserError(f"{path}: the name does not end in a frame number; expected names such as 000001.jpg")
        number = int(digits[0])
        if number in images:
            raise UserError(f"{path}: frame {number} is {images[number].name} already")
        images[number] = path
    return images
