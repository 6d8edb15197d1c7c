"""CVAT XML 1.1, "for images" and "for video".

The first holds ``<image id name width height>`` with shapes in it, the second ``<track id label>`` with one shape for
each frame, numbered as in the video. Coordinates are continuous, 0-based pixels.
"""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from clmot.datasets.readers.assembly import Frame
from clmot.datasets.readers.collector import Collector, annotated, sequence_name
from clmot.datasets.readers.cvat_document import ROOT, Document
from clmot.datasets.readers.formats import Format
from clmot.datasets.readers.places import IMAGE_FOLDERS, ImageFinder, images_in
from clmot.datasets.readers.xml_files import attribute, line_of, root_name, whole_number
from clmot.errors import UserError
from clmot.io.mot_sequences import describe_folder
from clmot.structures import Dataset

EXPECTED = "annotations.xml and images/ as CVAT exports them with 'Save images'"
"""What a CVAT export looks like, for error messages."""


def read_cvat(path: Path) -> Dataset:
    """Read a CVAT export, identities included.

    Boxes (turned ones too), polygons and masks are read as the upright boxes around them; other shapes are left out and
    counted. Classes come in order of first appearance.

    Of a video, each frame between the first and the last annotated one is a sample, also where nothing is in it. Shapes
    marked ``outside`` are not there; occluded ones are. A track that is seen in one frame only has no identity, because
    CVAT writes what was not tracked as such tracks. Images are ``frame_000000.PNG`` by number; without any, those of
    the folder in the order of their names.

    Images of a video task are a sequence, other images one each. Images of all subsets of a project are read; what is
    not on disk is left out and counted.

    Args:
        path: the XML file, or the folder that holds it.

    Raises:
        UserError: no such file, a faulty one (with its line), tracks of several tasks, no image on disk.
    """
    file = path if path.is_file() else _annotation_file(path)
    if file is None:
        raise UserError(f"{path}: no CVAT annotations ({describe_folder(path)}); expected {EXPECTED}")
    document = Document(file)
    if len(document.tasks) > 1:
        raise UserError(
            f"{file}: tracks of {len(document.tasks)} tasks; export the tasks one by one, their frame numbers clash"
        )
    if document.images:
        return _of_images(document)
    if document.tracks:
        return _of_video(document)
    raise UserError(f"{file}: neither images nor tracks in it; export it from CVAT as 'CVAT for images' or 'for video'")


def _of_images(document: Document) -> Dataset:
    path, meta = document.path, document.meta
    collector = Collector(document.classes)
    collector.skipped += document.skipped
    is_video = meta.findtext(".//mode") == "interpolation"
    finder = ImageFinder(path)
    subsets: set[str | None] = set()
    ids = [whole_number(attribute(image.element, "id", path), path, image.element, "id") for image in document.images]
    for key, (element, boxes, classes) in zip(ids, document.images, strict=True):
        name = attribute(element, "name", path)
        width = whole_number(attribute(element, "width", path), path, element, "width", at_least=1)
        height = whole_number(attribute(element, "height", path), path, element, "height", at_least=1)
        subset = element.get("subset")
        # images of two subsets may have one name
        name = f"{subset}/{name}" if subset else name
        image = finder(name)
        if image is None:
            collector.absent.add(name, Path(f"{path}:{line_of(element)}"), finder.places)
            continue
        subsets.add(subset)
        sequence = _video_name(path, meta) if is_video else sequence_name(path.parent / name, path.parent)
        frame = Frame(image, width, height, sequence, key - min(ids) + 1 if is_video else 1)
        collector.add_image(frame, boxes, classes)
    if len(subsets) > 1:
        collector.notes.append(f"subsets {', '.join(sorted(map(str, subsets)))}")
    return collector.dataset()


def _of_video(document: Document) -> Dataset:
    path, meta, tracks = document.path, document.meta, document.tracks
    images = _frame_images(path)
    numbers = np.concatenate([track.frames for track in tracks])
    size = meta.find(".//original_size")
    if size is not None:
        width, height = (whole_number(size.findtext(side), path, size, side, 1) for side in ("width", "height"))
    lengths = [len(track.frames) for track in tracks]
    collector = Collector(document.classes)
    collector.skipped += document.skipped
    collector.add_sequence(
        _video_name(path, meta),
        annotated(images, numbers),
        numbers,
        np.concatenate([track.boxes for track in tracks]),
        np.repeat(np.array([track.class_id for track in tracks], np.int64), lengths),
        file=path,
        first=0,
        identities=np.repeat(np.array([track.identity for track in tracks], np.int64), lengths),
        size=None if size is None else (width, height),
    )
    return collector.dataset()


def _frame_images(path: Path) -> dict[int, Path]:
    """The images of a video's frames by number, from 0."""
    folders = [path.parent / name for name in (*IMAGE_FOLDERS, "", path.stem)]
    for folder in folders:
        images = images_in(folder)
        if images:
            numbers = [re.fullmatch(r"frame_([0-9]+)", image.stem) for image in images]
            numbered = {int(match[1]): image for match, image in zip(numbers, images, strict=True) if match}
            return numbered or dict(enumerate(images))
    raise UserError(
        f"{path}: no images of the video's frames in {', '.join(map(str, folders))}; export with 'Save images', or "
        f"extract them: ffmpeg -i VIDEO -start_number 0 {folders[0]}/frame_%06d.PNG"
    )


def _video_name(path: Path, meta: Element) -> str:
    name = (meta.findtext("task/name") or meta.findtext("job/name") or "").strip()
    return name or sequence_name(path.with_suffix(""), path.parent)


def _annotation_file(folder: Path) -> Path | None:
    """``annotations.xml`` of a folder, else the one XML file that is of CVAT; None without one."""
    files = [folder / "annotations.xml"] if (folder / "annotations.xml").is_file() else sorted(folder.glob("*.xml"))
    if not files or root_name(files[0]) != ROOT:
        return None
    if len(files) > 1:
        raise UserError(f"{folder}: {len(files)} XML files ({files[0].name}, {files[1].name}, ...); name one of them")
    return files[0]


def _matches(path: Path) -> bool:
    if path.is_file():
        return path.suffix.lower() == ".xml" and root_name(path) == ROOT
    return _annotation_file(path) is not None


FORMAT = Format(
    name="cvat",
    title="CVAT XML 1.1, for images and for video (tracks)",
    tree="""annotations.xml
images/<name>, or images/frame_000000.PNG ... (or frames/, img1/) for a video""",
    licence="",
    home="https://docs.cvat.ai/docs/dataset_management/formats/format-cvat",
    matches=_matches,
    read=lambda path, min_visibility: read_cvat(path),
)
