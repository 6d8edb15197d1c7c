"""Readers of tracks: the formats that `clmot convert-results` writes, as their tools export them; no images needed."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from clmot import boxes as box
from clmot.apps.convert_results.attributes import NAME, read_attributes, texts
from clmot.apps.convert_results.sequence import TrackedSequence
from clmot.apps.convert_results.tables import read_table
from clmot.apps.report.results import load_results
from clmot.datasets.readers.coco import identity_of, positions, sequences_and_frames
from clmot.datasets.readers.coco_records import EXPECTED, CocoFile
from clmot.datasets.readers.collector import Collector, Object
from clmot.datasets.readers.cvat import CvatFile
from clmot.datasets.readers.json_files import load_json
from clmot.datasets.readers.kitti import read_rows, scores_of
from clmot.datasets.readers.labelstudio import chosen_annotation, is_export, load_tasks, region_ids, video_objects
from clmot.errors import UserError, reason_of, told_of_disks, told_of_numbers
from clmot.io.frame_source import FrameSource
from clmot.io.kitti import COLUMNS, TYPES
from clmot.io.mot_text import counts, parse_mot_table, to_mot_rows
from clmot.io.text import decode_text, head_of

LABELS, TRUTH = "gt/labels.txt", "gt/gt.txt"
"""What is in an archive "MOT 1.1" of CVAT."""
_SIDES = ("width", "height")


def read_tracks(path: Path, source: FrameSource | None, size: tuple[int, int] | None) -> TrackedSequence:
    """Read the tracks of one sequence, in whatever of the formats they are.

    Args:
        path: a file, or a folder with ``<sequence>.txt``.
        source: the video, to choose among the files of a folder.
        size: the video's width and height, for formats that hold shares only and do not say.

    Raises:
        UserError: nothing there that can be read as tracks, several sequences, or a fault (with its line or field).
    """
    with told_of_disks(), told_of_numbers(path):
        return _read_tracks(path, source, size)


def _read_tracks(path: Path, source: FrameSource | None, size: tuple[int, int] | None) -> TrackedSequence:
    if path.is_file():
        suffix = path.suffix.lower()
        if suffix == ".zip":
            return _mot_archive(path)
        if suffix == ".xml":
            return _cvat(path)
        if suffix == ".json":
            if head_of(path).lstrip().startswith("[") and not is_export(path):
                return read_table(path)
            return _label_studio(path, size) if is_export(path) else _coco(path)
        if suffix == ".csv":
            return read_table(path)
        if _is_kitti(path):
            return _kitti(path)
    return _results(path, source)


def _results(path: Path, source: FrameSource | None) -> TrackedSequence:
    results = load_results(path, source)
    told = (results.record.get("settings") or {}).get("tracker") or {}
    return TrackedSequence(
        name=results.file.stem,
        rows=results.rows,
        classes=results.all_classes,
        length=int(results.rows.frame.max()),
        frame_rate=told.get("frame_rate"),
        attributes=read_attributes(results.file),
    )


def _mot_archive(path: Path) -> TrackedSequence:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.namelist()
            texts = {name: archive.read(name) for name in (TRUTH, LABELS) if name in members}
    except (OSError, zipfile.BadZipFile, RuntimeError) as error:
        raise UserError(f"{path}: not an archive that can be read: {reason_of(error)}") from error
    if TRUTH not in texts:
        raise UserError(f"{path}: no {TRUTH} in it; export from CVAT as 'MOT 1.1'")
    inside = path / TRUTH
    values, line = parse_mot_table(decode_text(texts[TRUTH], inside), inside)
    values[:, 2:4] += 1  # CVAT counts pixels from 0 here too
    rows = to_mot_rows(values, line)
    names = [line for line in decode_text(texts.get(LABELS, b""), path / LABELS).split("\n") if line.strip()]
    kept = counts(rows.confidence)
    kind = np.maximum(rows.class_id - 1, 0)[kept]
    most = int(kind.max(initial=0)) + 1
    names += [f"class {i + 1}" if most > 1 else "object" for i in range(len(names), most)]
    left_out = rows.skipped + int((~kept).sum())
    return TrackedSequence.of_columns(
        path, rows.frame[kept], rows.identity[kept], rows.boxes[kept], kind, names, skipped=left_out
    )


def _cvat(path: Path) -> TrackedSequence:
    document = CvatFile(path)
    if not document.tracks:
        raise UserError(f"{path}: no tracks in it; export it from CVAT as 'CVAT for video'")
    if len(document.tasks) > 1:
        raise UserError(f"{path}: tracks of {len(document.tasks)} tasks; export the tasks one by one")
    # in the order of the task's labels, which is that of the numbers of classes
    listed = [label.text or "" for label in document.meta.iterfind(".//labels/label/name")]
    names = list(dict.fromkeys([*listed, *document.classes]))
    position = np.array([names.index(name) for name in document.classes], np.int64)
    frame, classes, boxes = (
        np.concatenate([getattr(track, name) for track in document.tracks]) for name in ("frames", "classes", "boxes")
    )
    # of a track of one box too, which is no identity to train on
    ids = [np.full(len(track.frames), document.whole(track.element, "id")) for track in document.tracks]
    length = document.meta.findtext(".//size") or "0"
    size = document.meta.find(".//original_size")
    sides = [document.whole(size, side, 1, size.findtext(side) or "") for side in _SIDES if size is not None]
    return TrackedSequence.of_columns(
        path,
        frame + 1,
        np.concatenate(ids),
        boxes,
        position[classes],
        names,
        skipped=sum(document.skipped.values()),
        length=int(length) if length.isdecimal() else 0,
        size=(sides[0], sides[1]) if sides else None,
        attributes={document.whole(track.element, "id"): texts(track.attributes) for track in document.tracks},
    )


def _label_studio(path: Path, size: tuple[int, int] | None) -> TrackedSequence:
    tasks = load_tasks(path)
    collector = Collector()
    for key in ("annotations", "predictions"):
        found = [(i, chosen_annotation(task, key, f"{path}: [{i}]")) for i, task in enumerate(tasks)]
        with_video = [
            (f"{path}: [{i}]", videos)
            for i, chosen in found
            if chosen and (videos := [each for each in chosen.get("result", []) if _is_video(each)])
        ]
        if with_video:
            break
    if len(with_video) != 1:
        raise UserError(f"{path}: {len(with_video)} tasks with boxes of a video, expected one; export the tasks singly")
    where, regions = with_video[0]
    told = [tuple(each.get(f"original_{side}") for side in _SIDES) for each in regions]
    size = size or next(((w, h) for w, h in told if isinstance(w, int) and isinstance(h, int) and w > 0 < h), None)
    if size is None:
        raise UserError(f"{path}: boxes are in per cent, and nobody says of what; give --video")
    ends = [each.get("framesCount") for region in regions if isinstance(each := region.get("value"), dict)]
    length = max((end for end in ends if type(end) is int), default=0)
    frame, objects = video_objects(regions, length, size, where, collector)
    attributes = {track: _of_meta(each.get("meta")) for track, each in zip(region_ids(regions), regions, strict=True)}
    rows = np.array(objects, np.float64).reshape(-1, len(Object._fields))
    kind = rows[:, 4].astype(np.int64)
    names: dict[str, int] = {}
    for each in regions:
        for label in (each.get("value") or {}).get("labels") or []:
            names.setdefault(str(label), collector.class_id(str(label)))
    return TrackedSequence.of_columns(
        path,
        np.array(frame, np.int64),
        rows[:, 6].astype(np.int64),
        rows[:, :4],
        kind,
        sorted(names, key=names.__getitem__),
        skipped=sum(collector.skipped.values()),
        length=length,
        size=size,
        attributes=attributes,
    )


def _of_meta(meta: object) -> dict[str, str]:
    """What the panel of a region in Label Studio holds: lines of text, of which the first is a name."""
    told = meta if isinstance(meta, dict) else {}
    lines = told.get("text")
    return texts({**told, NAME: lines[0] if isinstance(lines, list) and lines else lines})


def _is_video(region: dict[str, object]) -> bool:
    return region.get("type") == "videorectangle" and isinstance(region.get("value"), dict)


def _coco(path: Path) -> TrackedSequence:
    content = load_json(path, CocoFile, EXPECTED)
    if len(content.videos) > 1:
        raise UserError(f"{path}: {len(content.videos)} videos in it; split it, one a file")
    images = {image.id: image for image in content.images}
    identity = np.array([identity_of(each, f"{path}: $.annotations", i) for i, each in enumerate(content.annotations)])
    places = sequences_and_frames(content.videos, images, path, True)
    image = positions([each.image_id for each in content.annotations], images)
    kind = positions([each.category_id for each in content.annotations], [each.id for each in content.categories])
    for name, column in (("image_id", image), ("category_id", kind)):
        if column.min(initial=0) < 0:
            row = int(column.argmin())
            listed = "images" if name == "image_id" else "categories"
            value = getattr(content.annotations[row], name)
            raise UserError(f"{path}: $.annotations[{row}].{name} is {value!r}, which is not in {listed}")
    kept = np.array([not (each.iscrowd or each.ignore) for each in content.annotations], np.bool_)
    numbers = np.array([number for _, number in places.values()], np.int64)
    ltwh = np.array([each.bbox for each in content.annotations], np.float64).reshape(-1, 4)
    first = next((each for each in content.images if each.width and each.height), None)
    return TrackedSequence.of_columns(
        path,
        numbers[image[kept]],
        identity[kept].astype(np.int64),
        box.ltwh_to_xyxy(ltwh[kept]),
        kind[kept],
        [each.name for each in content.categories],
        np.array([each.score for each in content.annotations], np.float64).astype(np.float32)[kept],
        skipped=int((~kept).sum()),
        length=int(numbers.max(initial=0)),
        size=(first.width, first.height) if first and first.width and first.height else None,
        attributes={
            int(track): texts(each.attributes)
            for track, each in zip(identity.tolist(), content.annotations, strict=True)
            if isinstance(each.attributes, dict)
        },
    )


def _is_kitti(path: Path) -> bool:
    words = next((line.split() for line in head_of(path).splitlines() if line.strip()), [])
    return len(words) >= len(COLUMNS) and words[2][:1].isalpha()


def _kitti(path: Path) -> TrackedSequence:
    table = read_rows(path, COLUMNS)
    kind = table.whole("type")
    kept = kind >= 0  # DontCare
    scores = scores_of(table)
    used = np.unique(kind[kept])
    return TrackedSequence.of_columns(
        path,
        table.whole("frame", 0)[kept] + 1,
        table.whole("track_id")[kept],
        table.values[kept, 6:10],
        np.searchsorted(used, kind[kept]),
        [TYPES[i] for i in used.tolist()],
        None if scores is None else scores[kept],
        skipped=int((~kept).sum()),
    )
