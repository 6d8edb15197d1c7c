"""A large data set is read once, and again when a file of it changes."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from clmot.datasets import index_cache
from clmot.datasets.flat_samples import FlatSamples
from clmot.datasets.index_cache import read_once
from clmot.datasets.readers import read_dataset
from clmot.structures import Dataset, Sample


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two MOTChallenge sequences of three frames; every data set is large enough."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(index_cache, "_FEWEST", 1)
    for name, shift in (("a", 0), ("b", 7)):
        folder = tmp_path / "data" / name
        (folder / "img1").mkdir(parents=True)
        (folder / "gt").mkdir()
        rows = [f"{frame},{who},{10 * who + shift},5,8,{frame + 9},1,1,1" for frame in (1, 2, 3) for who in (1, 2)]
        (folder / "gt" / "gt.txt").write_text("\n".join(rows[:-1]) + "\n")
        for frame in (1, 2, 3):
            cv2.imwrite(str(folder / "img1" / f"{frame:06}.jpg"), np.zeros((40, 60, 3), np.uint8))
    return tmp_path / "data"


class Reader:
    """Reads, and counts how often."""

    def __init__(self, path: Path) -> None:
        self.path, self.times = path, 0

    def __call__(self) -> Dataset:
        self.times += 1
        return read_dataset([self.path], identities=True)

    def once(self) -> Dataset:
        return read_once([self.path], ["identities"], self)


def same(one: Sequence[Sample], two: Sequence[Sample]) -> bool:
    return len(one) == len(two) and all(
        np.array_equal(value, getattr(other, name)) if isinstance(value, np.ndarray) else value == getattr(other, name)
        for each, other in zip(one, two, strict=True)
        for name, value in vars(each).items()
    )


def test_the_second_start_takes_what_was_kept(data: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    reader = Reader(data)
    first = reader.once()
    told = caplog.messages.copy()
    second = reader.once()
    assert reader.times == 1
    assert caplog.messages[len(told) :] == told, "the same lines"
    assert isinstance(second.samples, FlatSamples)
    assert same(list(first.samples), second.samples)
    assert (second.classes, second.skipped, second.notes) == (first.classes, first.skipped, first.notes)
    assert same(second.samples.without_identities(), [each.without_identities() for each in first.samples])
    assert same(second.samples[1:3], list(first.samples)[1:3])
    with pytest.raises(IndexError):
        second.samples[6]


@pytest.mark.parametrize("change", ["annotation", "image", "gone", "new", "touched"])
def test_a_change_is_noticed(data: Path, change: str) -> None:
    reader = Reader(data)
    before = reader.once()
    image = data / "b" / "img1" / "000003.jpg"
    if change == "annotation":
        with (data / "a" / "gt" / "gt.txt").open("a") as file:
            file.write("3,2,1,1,9,9,1,1,1\n")
    elif change == "image":
        cv2.imwrite(str(image), np.zeros((50, 60, 3), np.uint8))
    elif change == "gone":
        shutil.rmtree(data / "b")
    elif change == "new":
        shutil.copytree(data / "b", data / "c")
    else:
        os.utime(image, (1, 1))
    after = reader.once()
    assert reader.times == 2
    assert same(list(before.samples), list(after.samples)) == (change in ("touched", "image"))


def test_what_names_files_elsewhere_is_always_read(data: Path) -> None:
    reader = Reader(data)
    (data / "a" / "data.yaml").write_text("path: /elsewhere\n")
    for times in (1, 2):
        reader.once()
        assert reader.times == times


def test_a_damaged_cache_is_read_past(data: Path, tmp_path: Path) -> None:
    reader = Reader(data)
    reader.once()
    (file,) = (tmp_path / "cache" / "clmot" / "data").iterdir()
    file.write_bytes(file.read_bytes()[:100])
    reader.once()
    reader.once()
    assert reader.times == 2
