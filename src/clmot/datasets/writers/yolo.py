"""YOLO data sets: images, a text file of labels for each, and a data.yaml.

A row is class, centre x, centre y, width and height in shares of the image. Training tools refuse an image with a box
beyond it and know nothing of identities and of boxes to ignore, so none of these are written.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import yaml

from clmot import boxes as box
from clmot.datasets.writers.decimals import to_shares, to_text
from clmot.datasets.writers.layout import ImageMode, Progress, flat_names, place_image
from clmot.datasets.writers.writer import Writer
from clmot.errors import UserError, reason_of
from clmot.structures import Dataset, Sample

_SPLIT = "train"


def write(dataset: Dataset, out: Path, *, images: ImageMode = "link", progress: Progress | None = None) -> Counter[str]:
    """Write ``data.yaml``, ``images/train`` and ``labels/train`` into a folder.

    Boxes are cut at the image's border. ``val`` in data.yaml is the same images as ``train``: which to keep apart is
    the user's to say.

    Args:
        dataset: what to write.
        out: folder, made if needed.
        images: how images come into it.
        progress: called after each image.

    Returns:
        How many boxes are left out because they are to be ignored or lie outside their image, how many are cut, and
        how many identities and sequences are lost.

    Raises:
        UserError: a file cannot be read or written.
    """
    lost: Counter[str] = Counter()
    members = Counter(sample.sequence for sample in dataset.samples)
    lost["sequences (each image is one by itself)"] = sum(count > 1 for count in members.values())
    names = flat_names(dataset, reserved=("images", "labels"))
    try:
        for i, (sample, name) in enumerate(zip(dataset.samples, names, strict=True), 1):
            place_image(sample.image, out / "images" / _SPLIT / f"{name}{sample.image.suffix.lower()}", images)
            labels = out / "labels" / _SPLIT / f"{name}.txt"
            labels.parent.mkdir(parents=True, exist_ok=True)
            labels.write_text("".join(_rows(sample, lost)), encoding="ascii", newline="\n")
            if progress:
                progress(i, len(names))
        # without `path`, folders start from where the file lies
        content = {"train": f"images/{_SPLIT}", "val": f"images/{_SPLIT}", "names": dict(enumerate(dataset.classes))}
        text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
        (out / "data.yaml").write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise UserError(f"{out}: cannot write labels: {reason_of(error)}") from error
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
    write=write,
)
