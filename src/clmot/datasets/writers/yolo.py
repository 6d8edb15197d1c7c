"""YOLO data sets: images, a text file of labels for each, and a data.yaml.

A row is class, centre x, centre y, width and height in shares of the image. Training tools refuse an image with a box
beyond it and know nothing of identities and of boxes to ignore, so none of these are written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import yaml

from clmot import boxes as box
from clmot.datasets.writers.decimals import to_shares, to_text
from clmot.datasets.writers.layout import flat_names
from clmot.datasets.writers.writer import Writer
from clmot.structures import Dataset, Sample

_SPLIT = "train"


def _annotate(dataset: Dataset, names: Sequence[str], out: Path) -> Counter[str]:
    """Write ``data.yaml`` and ``labels/train``; boxes are cut at the image's border.

    ``val`` in data.yaml is the same images as ``train``: which to keep apart is the user's to say.
    """
    lost: Counter[str] = Counter()
    members = Counter(sample.sequence for sample in dataset.samples)
    lost["sequences (each image is one by itself)"] = sum(count > 1 for count in members.values())
    for sample, name in zip(dataset.samples, names, strict=True):
        labels = (out / "labels" / _SPLIT / name).with_suffix(".txt")
        labels.parent.mkdir(parents=True, exist_ok=True)
        labels.write_text("".join(_rows(sample, lost)), encoding="ascii", newline="\n")
    # without `path`, folders start from where the file lies
    content = {"train": f"images/{_SPLIT}", "val": f"images/{_SPLIT}", "names": dict(enumerate(dataset.classes))}
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    (out / "data.yaml").write_text(text, encoding="utf-8", newline="\n")
    return +lost


def _rows(sample: Sample, lost: Counter[str]) -> list[str]:
    """The label rows of an image; counts what is not in them."""
    inside = box.clip(sample.boxes, sample.width, sample.height)
    visible = box.well_formed(inside)
    kept = visible & ~sample.ignore
    lost["boxes to ignore (left out)"] += int(sample.ignore.sum())
    lost["boxes outside their image (left out)"] += int((~visible & ~sample.ignore).sum())
    lost["boxes that reach beyond their image (cut)"] += int((inside != sample.boxes).any(axis=1)[kept].sum())
    lost["identities"] += int((sample.identities[kept] >= 0).sum())
    shares = to_shares(inside[kept], sample.width, sample.height)
    rows = zip(sample.classes[kept].tolist(), shares.tolist(), strict=True)
    return [f"{class_id} {' '.join(map(to_text, values))}\n" for class_id, values in rows]


WRITER = Writer(
    name="yolo",
    title="YOLO: images, text labels and data.yaml",
    tree="""data.yaml
images/train/<sequence>/<frame>.jpg
labels/train/<sequence>/<frame>.txt""",
    image_names=lambda dataset: flat_names(dataset, reserved=("images", "labels")),
    annotate=_annotate,
    image_folder=f"images/{_SPLIT}",
)
