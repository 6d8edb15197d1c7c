"""Writers of tracks, one a format; `WRITERS` names them."""

from __future__ import annotations

import io
import json
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal, get_args
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from clmot.apps.convert_results.attributes import NAME, write_attributes
from clmot.apps.convert_results.readers import LABELS, TRUTH
from clmot.apps.convert_results.rerun_writer import write_rerun
from clmot.apps.convert_results.sequence import TrackedSequence
from clmot.apps.convert_results.tables import supervision_table
from clmot.apps.track.result_folder import claim, recorded
from clmot.datasets.writers.coco import write_coco
from clmot.io.atomic import write_whole_bytes, write_whole_text
from clmot.io.frame_source import FrameSource
from clmot.io.kitti import kitti_rows, kitti_type
from clmot.io.mot_writer import TrackWriter, mot_rows
from clmot.io.track_table import Form, TrackTable
from clmot.row_data import as_lists, coco_data
from clmot.structures import BoolArray, Dataset, Float64Array, Sample, TrackedFrame
from clmot.tracking.postprocess.track_table import Rows


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where tracks go.

    Attributes:
        out: the file.
        origin: what they are read from.
        source: the video; None where it is not at hand.
        frame_rate: frames a second.
        overwrite: whether results of that name may be replaced.
    """

    out: Path
    origin: Path
    source: FrameSource | None
    frame_rate: float
    overwrite: bool


def _cvat(sequence: TrackedSequence, to: Target) -> None:
    """CVAT for video 1.1: each box is a key frame; the frame after the last before a gap has one that is outside."""
    known = dict.fromkeys(name for told in sequence.attributes.values() for name in told)
    listed = "".join(
        f"<attribute><name>{escape(name)}</name><mutable>False</mutable><input_type>text</input_type>"
        "<default_value></default_value><values></values></attribute>"
        for name in known
    )
    labels = "".join(
        f"<label><name>{escape(name)}</name><attributes>{listed}</attributes></label>\n" for name in sequence.classes
    )
    lines = [
        '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n<meta><task>\n'
        f"<name>{escape(sequence.name)}</name><size>{sequence.length}</size><mode>interpolation</mode>\n"
        f"<start_frame>0</start_frame><stop_frame>{sequence.length - 1}</stop_frame>\n<labels>\n{labels}</labels>\n"
    ]
    if sequence.size:
        width, height = sequence.size
        lines.append(f"<original_size><width>{width}</width><height>{height}</height></original_size>\n")
    lines.append("</task></meta>\n")
    for number, name, rows in sequence.tracks:
        lines.append(f'<track id="{number}" label={quoteattr(name)} source="auto">\n')
        told = "".join(
            f"<attribute name={quoteattr(key)}>{escape(text)}</attribute>"
            for key, text in sequence.attributes.get(number, {}).items()
        )
        # the shortest text of single precision
        columns = (rows.frame.tolist(), _ends(rows).tolist(), rows.xyxy.astype(str).tolist())
        for frame, ends, (left, top, right, bottom) in zip(*columns, strict=True):
            box = f'occluded="0" xtl="{left}" ytl="{top}" xbr="{right}" ybr="{bottom}" z_order="0">{told}</box>\n'
            lines.append(f'<box frame="{frame - 1}" keyframe="1" outside="0" {box}')  # CVAT counts frames from 0
            if ends and frame < sequence.length:
                lines.append(f'<box frame="{frame}" keyframe="1" outside="1" {box}')
        lines.append("</track>\n")
    lines.append("</annotations>\n")
    write_whole_text(to.out, "".join(lines), "annotations")


def _ends(rows: Rows) -> BoolArray:
    """Which boxes of a track have none in the next frame, bool [n]."""
    return np.append(np.diff(rows.frame) != 1, True)


def _label_studio(sequence: TrackedSequence, to: Target) -> None:
    """Label Studio's import: one task with an annotation; a key frame that is not enabled ends what is shown."""
    assert sequence.size
    width, height = sequence.size
    video = Path(to.source.origin).name if to.source and not to.source.images else f"{sequence.name}.mp4"
    regions = []
    for number, name, rows in sequence.tracks:
        told = sequence.attributes.get(number, {})
        xyxy: Float64Array = rows.xyxy.astype(np.float64)
        shares = 100 * np.column_stack([xyxy[:, :2], xyxy[:, 2:] - xyxy[:, :2]]) / (width, height, width, height)
        columns = (rows.frame.tolist(), _ends(rows).tolist(), shares.tolist())
        keys = [
            {
                "frame": frame,
                "time": frame / to.frame_rate,
                "enabled": not ends,
                "rotation": 0,
                **dict(zip(("x", "y", "width", "height"), share, strict=True)),
            }
            for frame, ends, share in zip(*columns, strict=True)
        ]
        regions.append(
            {
                "id": f"track_{number}",
                "type": "videorectangle",
                "from_name": "box",
                "to_name": "video",
                "original_width": width,
                "original_height": height,
                **({"meta": {"text": [told[NAME]] if NAME in told else [], **told}} if told else {}),
                "value": {
                    "framesCount": sequence.length,
                    "duration": sequence.length / to.frame_rate,
                    "labels": [name],
                    "sequence": keys,
                },
            }
        )
    task = {"data": {"video": video}, "annotations": [{"result": regions}]}
    write_whole_text(to.out, json.dumps([task], ensure_ascii=False) + "\n", "annotations")


def _coco(sequence: TrackedSequence, to: Target) -> None:
    assert sequence.size
    images = to.source.images if to.source else {}
    there = {tracked.frame: tracked for tracked in sequence.frames}
    nothing = TrackedFrame(
        frame=0, detections=next(iter(there.values())).detections[:0], track_id=np.empty(0, np.int64)
    )
    samples, more = [], []
    for number in range(1, sequence.length + 1):
        tracked = there.get(number, nothing)
        found = tracked.detections
        data = as_lists(found.data)
        told = [sequence.attributes.get(track) for track in tracked.track_id.tolist()]
        more.append(
            [
                coco_data({name: rows[row] for name, rows in data.items()}) | ({"attributes": each} if each else {})
                for row, each in enumerate(told)
            ]
        )
        samples.append(
            Sample(
                image=Path(images.get(number, f"{number:06d}.jpg")),
                width=sequence.size[0],
                height=sequence.size[1],
                sequence=sequence.name,
                frame=number,
                boxes=found.xyxy,
                classes=found.class_id,
                ignore=np.zeros(len(tracked), np.bool_),
                identities=tracked.track_id,
                scores=found.score,
            )
        )
    dataset = Dataset(samples=samples, classes=sequence.classes, skipped=Counter())
    write_coco(dataset, [sample.image.name for sample in samples], to.out, more)


def _motchallenge(sequence: TrackedSequence, to: Target) -> None:
    """Text with ``labels.txt`` and ``run.json`` beside it; or, named ``.zip``, CVAT's archive "MOT 1.1"."""
    if to.out.suffix.lower() == ".zip":
        # where others have a score, ground truth says that a row counts; CVAT counts pixels from 0 here too
        ones = np.ones(len(sequence.rows), np.float32)
        truth = replace(sequence, rows=replace(sequence.rows, score=ones, xyxy=sequence.rows.xyxy - 1))
        text = io.BytesIO()
        with zipfile.ZipFile(text, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(TRUTH, "".join(mot_rows(tracked, with_classes=True) for tracked in truth.frames))
            archive.writestr(LABELS, "".join(f"{name}\n" for name in sequence.classes))
        write_whole_bytes(to.out, text.getvalue(), "the archive")
        return
    # a video of that name beside them is what they are of, not a picture of old results
    video = str(to.out.with_suffix(".mp4"))
    claim(to.out.parent, {to.out.stem: video}, sequence.classes, overwrite=to.overwrite)
    facts = {"source": str(to.origin), "settings": {"tracker": {"frame_rate": to.frame_rate}}}
    with recorded([to.out], to.out.stem, {**facts, "classes": list(sequence.classes)}, lambda: {}):
        _write_rows(sequence, to, partial(mot_rows, with_classes=len(sequence.classes) > 1))
        write_attributes(to.out, sequence.attributes)


def _kitti(sequence: TrackedSequence, to: Target) -> None:
    _write_rows(sequence, to, partial(kitti_rows, classes=sequence.classes))


def _table(sequence: TrackedSequence, to: Target, form: Form) -> None:
    names = {track: told[NAME] for track, told in sequence.attributes.items() if NAME in told}
    _write_rows(sequence, to, TrackTable(form, sequence.classes, lambda frame: (frame - 1) / to.frame_rate, names))


def _supervision(sequence: TrackedSequence, to: Target) -> None:
    write_whole_text(to.out, supervision_table(sequence), "the table")


def _write_rows(sequence: TrackedSequence, to: Target, rows: Callable[[TrackedFrame], str]) -> None:
    with TrackWriter(to.out, rows) as writer:
        for tracked in sequence.frames:
            writer.write(tracked)


@dataclass(frozen=True, kw_only=True)
class TrackFormat:
    """A format that tracks can be written in.

    Attributes:
        write: writes the file.
        suffixes: what its files are called.
        needs_size: it wants the video's width and height.
        needs_rate: it wants frames a second.
        holds_scores: it has a place for scores.
        one_class: a track has one class, and not each of its boxes.
        holds_attributes: it has a place for what people say of tracks: for all of it, for names, or for nothing.
        holds_data: it has a place for key points, corners of oriented boxes, and what else there is.
    """

    write: Callable[[TrackedSequence, Target], None]
    suffixes: tuple[str, ...]
    needs_size: bool = False
    needs_rate: bool = False
    holds_scores: bool = True
    one_class: bool = False
    holds_attributes: Literal["all", "names", "none"] = "none"
    holds_data: bool = False

    def lost(self, sequence: TrackedSequence, out: Path) -> Counter[str]:
        """How much of what the tracks say the format has no place for, by kind."""
        rows = sequence.rows
        lost: Counter[str] = Counter()
        if not self.holds_scores or out.suffix.lower() == ".zip":
            lost["scores"] = int((rows.score != 1).sum())
        if not self.holds_data:
            lost |= {name: len(rows) for name in sequence.data or ()}
        kept = "none" if out.suffix.lower() == ".zip" else self.holds_attributes
        if kept != "all":
            told = [name for each in sequence.attributes.values() for name in each]
            lost |= Counter(f"attribute {name}" for name in told if kept == "none" or name != NAME)
        if self.one_class:
            main = {number: name for number, name, _ in sequence.tracks}
            kinds = zip(rows.track_id.tolist(), rows.class_id.tolist(), strict=True)
            lost["boxes of another class than their track's"] = sum(
                main[number] != sequence.classes[kind] for number, kind in kinds
            )
        if self.write is _kitti:
            other = [i for i, name in enumerate(sequence.classes) if kitti_type(name) is None]
            lost["boxes of classes that KITTI has no type for (Misc)"] = int(np.isin(rows.class_id, other).sum())
        return +lost


WRITERS = {
    "cvat": TrackFormat(write=_cvat, suffixes=(".xml",), holds_scores=False, one_class=True, holds_attributes="all"),
    "label-studio": TrackFormat(
        write=_label_studio,
        suffixes=(".json",),
        needs_size=True,
        needs_rate=True,
        holds_scores=False,
        one_class=True,
        holds_attributes="all",
    ),
    "coco-vid": TrackFormat(write=_coco, suffixes=(".json",), needs_size=True, holds_attributes="all", holds_data=True),
    "motchallenge": TrackFormat(write=_motchallenge, suffixes=(".txt", ".zip"), holds_attributes="all"),
    "kitti": TrackFormat(write=_kitti, suffixes=(".txt",)),
    **{
        form: TrackFormat(
            write=partial(_table, form=form),
            suffixes=(f".{form}",),
            needs_rate=True,
            holds_attributes="names",
            holds_data=True,
        )
        for form in get_args(Form)
    },
    "supervision": TrackFormat(write=_supervision, suffixes=(".csv",), holds_attributes="names"),
    "rerun": TrackFormat(write=write_rerun, suffixes=(".rrd",), needs_rate=True, holds_attributes="names"),
}
