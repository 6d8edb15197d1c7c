"""COCO JSON with videos and identities, as the trackers that descend from CenterTrack read it (COCO-VID).

``videos`` (``id``, ``name``), ``images`` (``id``, ``file_name``, ``width``, ``height``, ``video_id``, ``frame_id``
from 1), ``categories`` (``id`` from 1, ``name``), ``annotations`` (``id``, ``image_id``, ``category_id``, ``bbox`` as
left, top, width, height in 0-based pixels, ``area``, ``iscrowd``; where the identity is known, ``track_id`` as a number
in its video and ``instance_id`` as a number in the file; ``score``, unless it is 1 for all boxes). It holds all that is
known of images and boxes.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from clmot import boxes as box
from clmot.datasets.writers.decimals import fewest_decimals
from clmot.datasets.writers.layout import check_frames, flat_names
from clmot.datasets.writers.writer import Writer
from clmot.io.atomic import whole_file
from clmot.structures import Dataset

_Record = dict[str, Any]


def _image_names(dataset: Dataset) -> list[str]:
    check_frames(dataset)
    return flat_names(dataset)


def _annotate(dataset: Dataset, names: Sequence[str], out: Path) -> Counter[str]:
    """Write ``annotations.json``; nothing is lost."""
    write_coco(dataset, names, out / "annotations.json")
    return Counter()


def write_coco(
    dataset: Dataset, names: Sequence[str], file: Path, more: Sequence[Sequence[_Record]] | None = None
) -> None:
    """Write the annotations of images that are called so.

    Args:
        dataset: what is written.
        names: of the images.
        file: is written.
        more: by image and box, what else its annotation has.

    Raises:
        UserError: the file cannot be written.
    """
    video_ids = {name: i for i, name in enumerate(dict.fromkeys(sample.sequence for sample in dataset.samples), 1)}
    sections: dict[str, Iterable[_Record]] = {
        "videos": ({"id": i, "name": name} for name, i in video_ids.items()),
        "categories": ({"id": i, "name": name} for i, name in enumerate(dataset.classes, 1)),
        "images": (
            {
                "id": i,
                "file_name": name,
                "width": sample.width,
                "height": sample.height,
                "video_id": video_ids[sample.sequence],
                "frame_id": sample.frame,
            }
            for i, (sample, name) in enumerate(zip(dataset.samples, names, strict=True), 1)
        ),
        "annotations": _annotations(dataset, more or [[{}] * len(sample) for sample in dataset.samples]),
    }
    with (
        whole_file(file, "annotations") as partial,
        partial.open("w", encoding="utf-8", newline="\n") as text,
    ):
        _write_sections(sections, text)


def _annotations(dataset: Dataset, more: Sequence[Sequence[_Record]]) -> Iterator[_Record]:
    """The boxes of all images, one record each."""
    instance_ids: dict[tuple[str, int], int] = {}
    scored = any((sample.scores != 1).any() for sample in dataset.samples)
    number = 0
    for image_id, sample in enumerate(dataset.samples, 1):
        bboxes = fewest_decimals(box.xyxy_to_ltwh(sample.boxes.astype(np.float64)), sample.boxes, box.ltwh_to_xyxy)
        columns = (
            bboxes.tolist(),
            sample.classes.tolist(),
            sample.ignore.tolist(),
            sample.identities.tolist(),
            # the shortest text of single precision
            map(float, sample.scores.astype(str)),
            more[image_id - 1],
        )
        for bbox, class_id, ignore, identity, score, others in zip(*columns, strict=True):
            number += 1
            record: _Record = {
                "id": number,
                "image_id": image_id,
                "category_id": class_id + 1,
                "bbox": bbox,
                "area": bbox[2] * bbox[3],
                "iscrowd": int(ignore),
                **others,
            }
            if identity >= 0:
                record["track_id"] = identity
                record["instance_id"] = instance_ids.setdefault((sample.sequence, identity), len(instance_ids) + 1)
            if scored:
                record["score"] = score if math.isfinite(score) else None
            yield record


def _write_sections(sections: dict[str, Iterable[_Record]], file: IO[str]) -> None:
    """JSON with a record a line, written as the records come: a million of them need no memory at once."""
    file.write("{")
    for i, (name, records) in enumerate(sections.items()):
        file.write(f"{',' * (i > 0)}\n{json.dumps(name)}: [")
        for j, record in enumerate(records):
            file.write(f"{',' * (j > 0)}\n{json.dumps(record, ensure_ascii=False, allow_nan=False)}")
        file.write("]")
    file.write("}\n")


WRITER = Writer(
    name="coco",
    title="COCO JSON with videos and identities (COCO-VID)",
    tree="""annotations.json
images/<sequence>/<frame>.jpg""",
    image_names=_image_names,
    annotate=_annotate,
    image_folder="images",
    holds_paths=True,
    holds_scores=True,
)
