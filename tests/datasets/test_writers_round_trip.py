"""There and back: what a writer writes, the reader of that name reads."""

import math
import tempfile
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clmot.datasets.readers import read_dataset
from clmot.datasets.writers import WRITERS, write_dataset, writer_named
from clmot.structures import Dataset, Sample

SIZES = [(1920, 1080), (641, 479), (33, 17)]
NAME = st.from_regex(r"[A-Za-z0-9_]([A-Za-z0-9_ .é-]{0,8}[A-Za-z0-9_é])?", fullmatch=True)


@cache
def png(size: tuple[int, int]) -> bytes:
    return cv2.imencode(".png", np.zeros((size[1], size[0]), np.uint8))[1].tobytes()


@st.composite
def coordinates(draw: st.DrawFn) -> float:
    """Decimals as annotation tools write them, and anything that single precision holds."""
    value = draw(
        st.decimals(-500, 3000, places=2).map(float)
        | st.integers(-500, 3000).map(float)
        | st.floats(-500, 3000, width=32)
    )
    return 0.0 if abs(value) < 1e-3 else value


@st.composite
def datasets(draw: st.DrawFn, folder: Path, *, names=NAME, reach: float = np.inf) -> Dataset:
    """Sequences of frames with boxes on images that exist; an identity comes once in a frame.

    Boxes reach beyond the image by so many of its sizes.
    """
    classes = ("person", *draw(st.lists(st.sampled_from(["car", "dog", "12", "yes"]), unique=True, max_size=3)))
    samples = []
    for number, sequence in enumerate(sorted(draw(st.sets(names, min_size=1, max_size=3)))):
        width, height = draw(st.sampled_from(SIZES))
        for frame in sorted(draw(st.sets(st.integers(1, 2000), min_size=1, max_size=4))):
            path = folder / f"source-{number}-{frame}.png"
            path.write_bytes(png((width, height)))
            rows = np.array(draw(st.lists(st.tuples(*[coordinates()] * 4), max_size=4)), np.float32).reshape(-1, 4)
            rows = np.sort(rows.reshape(-1, 2, 2), axis=1).reshape(-1, 4)
            size = np.array([width, height, width, height], np.float32)
            rows = rows.clip(-reach * size, (1 + reach) * size)
            rows = rows[(rows[:, 2:] - rows[:, :2]).min(axis=1, initial=math.inf) > 1e-3]
            n = len(rows)
            samples.append(
                Sample(
                    image=path,
                    width=width,
                    height=height,
                    sequence=sequence,
                    frame=frame,
                    boxes=rows,
                    classes=np.array(draw(st.lists(st.integers(0, len(classes) - 1), min_size=n, max_size=n)), int),
                    ignore=np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)), bool),
                    identities=np.where(
                        draw(st.lists(st.booleans(), min_size=n, max_size=n)),
                        draw(st.lists(st.integers(0, 10**9), min_size=n, max_size=n, unique=True)),
                        -1,
                    ).astype(int),
                )
            )
    if not any((~sample.ignore & (sample.classes == 0)).any() for sample in samples):
        # a reader refuses data without a box to learn from
        width, height = SIZES[2]
        path = folder / "source.png"
        path.write_bytes(png((width, height)))
        one = {"classes": np.zeros(1, int), "ignore": np.zeros(1, bool), "identities": np.full(1, 7)}
        box = np.array([[1, 2, 3.3, 4]], np.float32)
        name = samples[-1].sequence + "z"
        samples.append(Sample(image=path, width=width, height=height, sequence=name, frame=3, boxes=box, **one))
    return Dataset(samples=samples, classes=classes)


def content(dataset: Dataset, keep=lambda sample: np.ones(len(sample.boxes), bool)):
    """All there is to compare: for each frame its image's size and its boxes to the last bit."""
    return {
        (sample.sequence, sample.frame): (
            (sample.width, sample.height),
            sorted(
                (box.tobytes(), dataset.classes[class_id], ignore, identity)
                for box, class_id, ignore, identity in zip(
                    sample.boxes[keep(sample)] + 0.0,  # no minus zero
                    sample.classes[keep(sample)].tolist(),
                    sample.ignore[keep(sample)].tolist(),
                    sample.identities[keep(sample)].tolist(),
                    strict=True,
                )
            ),
        )
        for sample in dataset.samples
    }


def there_and_back(dataset: Dataset, folder: Path, name: str, images="link"):
    lost = write_dataset(dataset, folder / "out", writer_named(name), images=images)
    return lost, read_dataset([folder / "out"], identities=True, min_visibility=0)


relaxed = settings(max_examples=20, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@relaxed
@given(st.data(), st.sampled_from(["link", "copy", "reference"]))
def test_coco_holds_everything(data, images) -> None:
    with tempfile.TemporaryDirectory() as name:
        # names that are no folder's are names of videos all the same
        dataset = data.draw(datasets(Path(name), names=st.text(st.characters(codec="utf-8"), max_size=8)))
        lost, back = there_and_back(dataset, Path(name), "coco", images)
        assert not lost
        assert content(back) == content(dataset)


@relaxed
@given(st.data())
def test_motchallenge_holds_persons(data) -> None:
    with tempfile.TemporaryDirectory() as name:
        dataset = data.draw(datasets(Path(name)))
        lost, back = there_and_back(dataset, Path(name), "motchallenge")
        occupied = [(sample.sequence, sample.frame) for sample in dataset.samples if len(sample.boxes)]
        empty_ends = [
            (sample.sequence, sample.frame)
            for sample in dataset.samples
            if not any(sequence == sample.sequence and frame <= sample.frame for sequence, frame in occupied)
            or not any(sequence == sample.sequence and frame >= sample.frame for sequence, frame in occupied)
        ]
        expected = content(dataset, lambda sample: sample.classes == 0)
        for place in empty_ends:
            del expected[place]
        assert content(back) == expected
        nameless = {name: number for number, name in enumerate(dataset.classes) if name in ("dog", "12", "yes")}
        for class_name, number in nameless.items():
            count = sum(int((sample.classes == number).sum()) for sample in dataset.samples)
            assert sum(lost[key] for key in lost if f"'{class_name}'" in key) == count
        assert sum(lost[key] for key in lost if key.startswith("images without boxes")) == len(empty_ends)


@relaxed
@given(st.data())
def test_yolo_holds_boxes_inside_the_image(data) -> None:
    with tempfile.TemporaryDirectory() as name:
        dataset = data.draw(datasets(Path(name), reach=0))
        lost, back = there_and_back(dataset, Path(name), "yolo")
        expected = content(dataset, lambda sample: ~sample.ignore)
        without_place = [(size, sorted((*row[:3], -1) for row in rows)) for size, rows in expected.values()]
        assert sorted(content(back).values()) == sorted(without_place)
        assert not any(key.startswith(("boxes that reach", "boxes outside")) for key in lost)
        assert lost["boxes to ignore (left out)"] == sum(int(sample.ignore.sum()) for sample in dataset.samples)
        known = sum(int((sample.identities[~sample.ignore] >= 0).sum()) for sample in dataset.samples)
        assert lost["identities"] == known


@pytest.mark.parametrize("name", [writer.name for writer in WRITERS])
@pytest.mark.parametrize("sequence", ["TUD-Stadtmitte", "PETS09-S2L1"])
def test_real_ground_truth(real_data, tmp_path, name, sequence) -> None:
    dataset = read_dataset([real_data / "mot" / sequence], identities=True, min_visibility=0)
    lost, back = there_and_back(dataset, tmp_path, name)
    counted = content(dataset, lambda sample: ~sample.ignore)
    boxes = sum(len(rows) for _, rows in counted.values())
    if name == "yolo":
        assert lost["identities"] == boxes
        assert sorted(len(rows) for _, rows in content(back).values()) == sorted(
            len(rows) for _, rows in counted.values()
        )
    else:
        assert not lost
        assert content(back) == content(dataset)
