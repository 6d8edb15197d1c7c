"""Annotated videos as they are: CVAT XML or MOTChallenge text beside a video.

Training looks at frames in any order, which videos are too slow for: the frames are written once, beside the video, in
``NAME.frames``, and read by the reader of the annotation's format.
"""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rich.progress import Progress

from clmot.datasets.join import join
from clmot.datasets.readers.cvat import read_cvat
from clmot.datasets.readers.formats import Format
from clmot.datasets.readers.motchallenge import read_motchallenge
from clmot.datasets.readers.xml_files import root_name
from clmot.errors import UserError, require
from clmot.io.atomic import check_new, whole_folder
from clmot.io.class_names import read_class_names, write_class_names
from clmot.io.folders import images_in
from clmot.io.frame_choice import FrameChoice
from clmot.io.frame_source import FrameSource
from clmot.io.image import write_image
from clmot.io.mot_text import read_mot_rows
from clmot.io.mot_writer import write_sequence_info
from clmot.io.progress import progress_bar
from clmot.io.sources import VIDEO_SUFFIXES, open_one, open_sources
from clmot.structures import Dataset

log = logging.getLogger(__name__)

FRAMES = ".frames"
"""What the folder of a video's frames is called after its name."""

_STAMP = "source.json"


def annotated_videos(path: Path) -> list[tuple[Path, Path]]:
    """The videos at a path, each with its annotation: NAME.txt, NAME.xml, or the only XML beside the only video.

    Args:
        path: a video, its annotation, or a folder of both without images.
    """
    folder = path if path.is_dir() else path.parent
    if not folder.is_dir() or (path.is_file() and path.suffix.lower() not in (*VIDEO_SUFFIXES, ".xml", ".txt")):
        return []
    videos = sorted(each for each in folder.iterdir() if each.suffix.lower() in VIDEO_SUFFIXES and each.is_file())
    # an export of images beside a video is what it is
    if not videos or (path.suffix not in VIDEO_SUFFIXES and (images_in(folder) or (folder / "images").is_dir())):
        return []
    documents = list(folder.glob("*.xml"))
    found = []
    for video in videos:
        only = documents if len(documents) == len(videos) == 1 else []
        near = [video.with_suffix(".txt"), video.with_suffix(".xml"), *only]
        annotation = next((each for each in near if each.is_file() and _is_annotation(each)), None)
        if annotation is not None and path in (folder, video, annotation) and not _is_drawn(video):
            found.append((video, annotation))
    return found


def _is_drawn(video: Path) -> bool:
    """Whether it is a picture of results, as `clmot track --video` makes them."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        record = json.loads((video.parent / "run.json").read_text(encoding="utf-8"))
        return video.name in record.get(video.stem, {}).get("files", ())
    return False


def _is_annotation(path: Path) -> bool:
    if path.suffix == ".xml":
        with contextlib.suppress(UserError):
            return root_name(path) == "annotations"
        return False
    with contextlib.suppress(OSError, UnicodeDecodeError, ValueError), path.open(encoding="utf-8") as lines:
        fields = next(lines, "").replace(" ", ",").split(",")
        return len(fields) >= 7 and float(fields[1]) >= 0
    return False


def write_frames(
    source: FrameSource, out: Path, *, annotation: Path | None = None, every: int = 1, bar: Progress | None = None
) -> int:
    """Write the frames of a video into a new folder, as a data set where there is an annotation.

    Args:
        source: the video.
        out: the folder: ``img1/000001.jpg`` and ``seqinfo.ini`` of a MOTChallenge sequence, with ``gt/gt.txt`` where
            the annotation is text; ``annotations.xml`` and ``images/frame_000000.jpg`` where it is CVAT's. It is there
            only when it is whole.
        annotation: MOTChallenge text, or CVAT XML "for video".
        every: every so many frames only.
        bar: shows how far it is.

    Returns:
        How many frames there are.

    Raises:
        UserError: the video or the annotation cannot be read, or the folder cannot be written.
    """
    frame_rate, source = source.frame_rate or 30, source.only(FrameChoice(every=every))
    cvat = annotation is not None and annotation.suffix == ".xml"
    with whole_folder(out, "the frames") as partial_out, contextlib.closing(iter(source)) as frames:
        folder = partial_out / ("images" if cvat else "img1")
        folder.mkdir()
        task = None if bar is None else bar.add_task(f"{source.name}: frames", total=source.length, note="")
        count = last = 0
        size = (0, 0)
        for number, image in frames:
            if bar is not None and task is not None:
                bar.update(task, advance=1)
            # CVAT counts frames from 0
            name = f"frame_{number - 1:06d}.jpg" if cvat else f"{number:06d}.jpg"
            write_image(folder / name, image, "the frame")
            count, last, size = count + 1, number, (image.shape[1], image.shape[0])
        if cvat:
            assert annotation is not None
            shutil.copyfile(annotation, partial_out / "annotations.xml")
        else:
            write_sequence_info(partial_out, out.name.removesuffix(FRAMES), frame_rate, last, size)
            if annotation is not None:
                _write_truth(annotation, partial_out / "gt", every)
    return count


def write_all_frames(
    videos: Sequence[str | Path],
    out: Path | None = None,
    *,
    boxes: Path | None = None,
    every: int = 1,
    bar: Progress | None = None,
) -> dict[Path, int]:
    """`write_frames` of every video behind some names (`clmot.io.sources.open_sources`).

    Args:
        videos: the names.
        out: the folder of one video, or a folder for those of several; by default ``NAME.frames`` beside each.
        boxes: the annotation of one video, or a folder of ``NAME.txt`` or ``NAME.xml``.
        every: every so many frames only.
        bar: shows how far it is.

    Returns:
        The folders, and how many frames there are in each.

    Raises:
        UserError: as `write_frames`, or a video has no annotation, or is a camera. Nothing is written then, but where
            a video cannot be read to its end, when those before it are there.
    """
    sources = open_sources(videos)
    for each in sources:
        require(not each.live, f"{each.origin}: is a camera, whose frames have no end; record it first")
    out = None if out is None else Path(out)
    folders = {}
    for each in sources:
        origin = Path(each.origin)
        require(out is not None or origin.exists(), f"{each.origin}: name a folder for its frames with --out")
        beside = origin.with_name(f"{origin.stem}{FRAMES}")
        folders[each.name] = beside if out is None else out if len(sources) == 1 else out / each.name
        check_new(folders[each.name])
    annotations = {
        each.name: None if boxes is None else _annotation_of(each.name, boxes, len(sources)) for each in sources
    }
    return {
        folders[each.name]: write_frames(
            each, folders[each.name], annotation=annotations[each.name], every=every, bar=bar
        )
        for each in sources
    }


def _annotation_of(name: str, boxes: Path, count: int) -> Path:
    if not boxes.is_dir():
        require(count == 1, f"--boxes {boxes}: one file for {count} videos; give a folder of NAME.txt or NAME.xml")
        return boxes
    files = [boxes / f"{name}.txt", boxes / f"{name}.xml"]
    found = next((file for file in files if file.is_file()), None)
    if found is None:
        raise UserError(f"--boxes {boxes}: has no {files[0].name} and no {files[1].name}")
    return found


def _write_truth(annotation: Path, folder: Path, every: int) -> None:
    rows = read_mot_rows(annotation)
    folder.mkdir()
    if names := read_class_names(annotation):
        write_class_names(folder, names)
    ltwh = rows.boxes.astype(float).copy()
    ltwh[:, 2:] -= ltwh[:, :2]
    ltwh[:, :2] += 1  # MOTChallenge counts pixels from 1
    with (folder / "gt.txt").open("w", encoding="ascii") as file:
        columns = (rows.frame.tolist(), rows.identity.tolist(), ltwh.tolist(), rows.class_id.tolist())
        for number, identity, box, class_id in zip(*columns, strict=True):
            if (number - 1) % every == 0:
                sides = ",".join(f"{side:.3f}" for side in box)
                file.write(f"{number},{identity},{sides},1,{max(class_id, 1)},1\n")


def read_annotated_videos(path: Path, min_visibility: float = 0.1) -> Dataset:
    """Read videos with their annotations, identities included; frames are written first where they are not there yet.

    Raises:
        UserError: a video or an annotation cannot be read, or the frames cannot be written.
    """
    parts = []
    for video, annotation in annotated_videos(path):
        folder = video.with_name(f"{video.stem}{FRAMES}")
        stamp = [[each.name, each.stat().st_size, each.stat().st_mtime_ns] for each in (video, annotation)]
        with contextlib.suppress(OSError, ValueError):
            if json.loads((folder / _STAMP).read_text()) != stamp:
                log.info("%s: of another video or annotation; writing it anew", folder)
                shutil.rmtree(folder)
        if not folder.is_dir():
            log.info("%s: writing its frames to %s, once", video, folder)
            with progress_bar() as bar:
                write_frames(open_one(video), folder, annotation=annotation, bar=bar)
            (folder / _STAMP).write_text(json.dumps(stamp))
        read = read_cvat if annotation.suffix == ".xml" else partial(read_motchallenge, min_visibility=min_visibility)
        parts.append((folder, read(folder)))
    return join(parts)


FORMAT = Format(
    name="video",
    title="A video with its annotation: CVAT for video 1.1 or MOTChallenge text (also results of clmot track)",
    tree="""street.mp4
street.xml (or annotations.xml, where there is one video) or street.txt
labels.txt (names of the classes in street.txt, where there are several)""",
    licence="",
    home="https://docs.cvat.ai/docs/manual/advanced/formats/format-cvat",
    matches=lambda path: bool(annotated_videos(path)),
    read=read_annotated_videos,
)
