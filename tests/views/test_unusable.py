"""One bad image in 10,000 does not stop training, 1 % does."""

import dataclasses
import logging
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from clmot.config import DataConfig, ViewsConfig
from clmot.errors import UserError
from clmot.structures import Dataset
from clmot.views.loader import LoadedBatch, StepSampler, make_loader, pack
from clmot.views.pair_dataset import PairDataset
from clmot.views.unusable import Fault, UnusableImage, UnusableImages

SIZE = (64, 32)
PLAIN = ViewsConfig()
BORROWING = ViewsConfig(neighbour=1.0, neighbour_frames=6)


@pytest.fixture(scope="module")
def good(tmp_path_factory, make_dataset) -> Dataset:
    """300 samples of a few files."""
    few = make_dataset(tmp_path_factory.mktemp("frames"), frames=7)
    samples = [dataclasses.replace(few.samples[i % 6], frame=i + 1) for i in range(300)]
    return Dataset(samples=samples, classes=few.classes)


def loader(dataset, workers=0, steps=100, views=PLAIN, **options):
    return make_loader(
        dataset, DataConfig(workers=workers), views, SIZE, **{"batch_size": 3, "steps": steps, "seed": 3, **options}
    )


def with_bad(dataset: Dataset, *indices: int, image: Path = Path("gone.png")) -> Dataset:
    samples = list(dataset.samples)
    for i in indices:
        samples[i] = dataclasses.replace(samples[i], image=image.with_stem(f"{image.stem}{i}"))
    return dataclasses.replace(dataset, samples=samples)


def drawn(step: int) -> list[int]:
    return [index for index, _ in StepSampler(300, batch_size=3, steps=100, seed=3).draws(step)]


def equal(first, second) -> bool:
    return all(torch.equal(value, getattr(second, name)) for name, value in vars(first).items())


def test_another_image_takes_the_place_of_a_bad_one_and_all_else_stays(good, caplog):
    bad = drawn(5)[1]
    batches = loader(with_bad(good, bad))
    found = list(batches)
    assert [fault.sample_index for fault in batches.unusable.faults] == [bad]
    for step, (one, other) in enumerate(zip(found, loader(good), strict=True)):
        assert equal(one, other) == (step != 5)
        assert bad not in one.frame_index
    assert torch.equal(found[5].images[:2], next(iter(loader(good, start_step=5))).images[:2])


def test_each_is_logged_once_with_its_name(good, caplog):
    dataset = with_bad(good, 7)
    with caplog.at_level(logging.WARNING, "clmot"):
        batches = loader(dataset, steps=200)
        for _ in batches:
            pass
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == len(batches.unusable) == 1
    assert lines[0].startswith("gone7.png: cannot read the image")


@pytest.mark.slow
def test_workers_and_resumed_runs_replace_alike(good):
    # two of 300, each drawn once at least, beside what shows it as a neighbour
    dataset = with_bad(good, drawn(5)[1], drawn(20)[0])
    straight = list(loader(dataset, steps=30, views=BORROWING))
    helped = loader(dataset, steps=30, views=BORROWING, workers=1)
    assert all(equal(one, other) for one, other in zip(straight, helped, strict=True))
    assert len(helped.unusable) == 2
    resumed = list(loader(dataset, steps=30, start_step=11, views=BORROWING))
    assert all(equal(one, other) for one, other in zip(straight[11:], resumed, strict=True))
    shares = [list(loader(dataset, steps=30, views=BORROWING, rank=rank, world_size=3)) for rank in range(3)]
    for step, batch in enumerate(straight):
        assert torch.equal(torch.cat([share[step].images for share in shares]), batch.images)


@pytest.mark.parametrize("kind", ["missing", "empty", "truncated", "other size", "text"])
def test_what_is_wrong_is_said(good, tmp_path, kind):
    whole = Path(good.samples[4].image).read_bytes()
    content = {
        "empty": b"",
        "truncated": cv2.imencode(".jpg", np.zeros((40, 60, 3), np.uint8))[1].tobytes()[:-20],
        "other size": cv2.imencode(".png", np.zeros((40, 61, 3), np.uint8))[1].tobytes(),
        "text": b"<html>404</html>",
        "whole": whole,
    }.get(kind)
    if content is not None:
        (tmp_path / "a4.png").write_bytes(content)
    pairs = PairDataset(with_bad(good, 4, image=tmp_path / "a.png"), ViewsConfig(), SIZE)
    with pytest.raises(UnusableImage, match=r"a4\.png: ") as caught:
        pairs[4, 0]
    assert caught.value.sample_index == 4
    _, faults = pairs.with_replacement((4, 0))
    assert faults == [Fault(4, str(caught.value))]


@pytest.mark.parametrize(
    ("images", "bad", "stops"), [(10_000, 1, 0), (10_000, 99, 0), (10_000, 100, 1), (700, 7, 1), (2, 1, 1)]
)
def test_one_percent_is_too_many(images, bad, stops):
    unusable = UnusableImages(images)
    faults = [Fault(i, f"{i}.png: gone") for i in range(bad)]
    for fault in faults[:-1]:
        unusable.add([fault, fault])
    if not stops:
        unusable.add(faults[-1:])
        assert len(unusable) == bad
        return
    with pytest.raises(
        UserError, match=rf"^0\.png: gone.*; {bad} of {images:,} images cannot be used; correct"
    ) as caught:
        unusable.add(faults[-1:])
    assert "\n" not in str(caught.value)
    if bad > 3:
        assert f"2.png: gone; and {bad - 3} more; " in str(caught.value)


@pytest.mark.parametrize("workers", [0, 1])
def test_one_percent_stops_the_loader_at_its_step(good, workers):
    # the third one of 300, each in a step of its own
    steps = (2, 5, 9)
    batches = iter(loader(with_bad(good, *(drawn(step)[0] for step in steps)), workers=workers))
    for _ in range(9):
        next(batches)
    with pytest.raises(UserError, match=r"3 of 300 images cannot be used"):
        next(batches)


def test_a_disk_that_is_gone_stops_at_once(good):
    dataset = with_bad(dataclasses.replace(good, samples=list(good.samples) * 40), *range(12_000))
    with pytest.raises(UserError, match=r"gone\d+\.png: .*; and 7 more; 10 images in a row cannot be used"):
        next(iter(loader(dataset)))


def test_a_delivery_goes_into_page_locked_memory(good, monkeypatch):
    """What torch's loader does with it for a GPU: each part is asked for itself, names and numbers stay."""
    from torch.utils.data._utils.pin_memory import pin_memory

    batch = pack([PairDataset(good, ViewsConfig(), SIZE)[0, 0]])
    monkeypatch.setattr(type(batch), "pin_memory", lambda self: "pinned")
    assert pin_memory(LoadedBatch(batch, [Fault(1, "a")])) == LoadedBatch("pinned", [Fault(1, "a")])
