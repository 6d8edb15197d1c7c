"""What writers put on disk: files, names, images, and what they say of what they lose."""

import json
import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from data_builders import put, sample_of

from clmot.datasets.readers import FORMATS, read_dataset
from clmot.datasets.readers.coco import read_coco
from clmot.datasets.writers import WRITERS, write_dataset, writer_named
from clmot.datasets.writers.decimals import fewest_decimals, to_shares, to_text
from clmot.datasets.writers.layout import folder_names
from clmot.errors import UserError
from clmot.structures import Dataset

JPEG = cv2.imencode(".jpg", np.full((40, 60, 3), 90, np.uint8))[1].tobytes()


def sample(folder: Path, sequence: str = "s", frame: int = 1, suffix: str = ".jpg", rows=((1, 2, 11, 22.5),), **more):
    name = f"{sequence.replace('/', '_')}-{frame}{suffix}"
    put(folder, {name: JPEG})
    columns = {"identities": range(1, len(rows) + 1), **more}
    return sample_of(rows, image=folder / name, size=(60, 40), sequence=sequence, frame=frame, **columns)


def written(out: Path) -> list[str]:
    return sorted(file.relative_to(out).as_posix() for file in out.rglob("*") if not file.is_dir())


@pytest.fixture
def street(tmp_path: Path) -> Dataset:
    """Two frames of a sequence: a person with and one without an identity, a car, a crowd to ignore."""
    first = sample(
        tmp_path / "in",
        rows=[(1, 2, 11, 22.5), (-3.25, 0, 5, 9), (20, 20, 70, 50), (0, 0, 30, 30)],
        classes=[0, 0, 1, 0],
        ignore=[False, False, False, True],
        identities=[7, -1, 8, -1],
    )
    return Dataset(samples=[first, sample(tmp_path / "in", frame=3)], classes=("person", "car"))


def test_coco_text(street: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert write_dataset(street, out, writer_named("coco")) == Counter()
    assert written(out) == ["annotations.json", "images/s/000001.jpg", "images/s/000003.jpg"]
    content = json.loads((out / "annotations.json").read_text())
    assert content["videos"] == [{"id": 1, "name": "s"}]
    assert content["categories"] == [{"id": 1, "name": "person"}, {"id": 2, "name": "car"}]
    assert content["images"][1] == {
        "id": 2, "file_name": "s/000003.jpg", "width": 60, "height": 40, "video_id": 1, "frame_id": 3,
    }  # fmt: skip
    person, unknown, car, crowd, later = content["annotations"]
    assert person == {
        "id": 1, "image_id": 1, "category_id": 1, "bbox": [1.0, 2.0, 10.0, 20.5], "area": 205.0, "iscrowd": 0,
        "track_id": 7, "instance_id": 1,
    }  # fmt: skip
    assert "track_id" not in unknown
    assert (car["category_id"], crowd["iscrowd"]) == (2, 1)
    assert (later["track_id"], later["instance_id"]) == (1, 3)


def test_motchallenge_text(street: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "out"
    lost = write_dataset(street, out, writer_named("motchallenge"))
    assert lost == {"sequences of unknown frame rate (30 is written)": 1}
    assert written(out) == ["s/gt/gt.txt", "s/img1/000001.jpg", "s/img1/000003.jpg", "s/seqinfo.ini"]
    assert (out / "s/gt/gt.txt").read_text().splitlines() == [
        "1,7,2,3,10,20.5,1,1,1",
        "1,-1,-2.25,1,8.25,9,1,1,1",
        "1,8,21,21,50,30,1,3,1",
        "1,-1,1,1,30,30,0,1,1",
        "3,1,2,3,10,20.5,1,1,1",
    ]
    assert (out / "s/seqinfo.ini").read_text().splitlines() == [
        "[Sequence]", "name=s", "imDir=img1", "frameRate=30", "seqLength=3", "imWidth=60", "imHeight=40", "imExt=.jpg",
    ]  # fmt: skip


def test_motchallenge_keeps_the_frame_rate_of_its_kind(street: Dataset, tmp_path: Path) -> None:
    write_dataset(street, tmp_path / "a", writer_named("motchallenge"))
    info = tmp_path / "a/s/seqinfo.ini"
    info.write_text(info.read_text().replace("frameRate=30", "frameRate=12.5"))
    again = read_dataset([tmp_path / "a"], identities=True)
    assert not write_dataset(again, tmp_path / "b", writer_named("motchallenge"))
    assert "frameRate=12.5\n" in (tmp_path / "b/s/seqinfo.ini").read_text()


def test_yolo_text(street: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert write_dataset(street, out, writer_named("yolo")) == {
        "sequences (each image is one by itself)": 1,
        "boxes to ignore (left out)": 1,
        "boxes that reach beyond their image (cut)": 2,
        "identities": 3,
    }
    labels = [f"labels/train/s/00000{i}.txt" for i in (1, 3)]
    assert written(out) == ["data.yaml", *(f"images/train/s/00000{i}.jpg" for i in (1, 3)), *labels]
    # to the last bit of a float32 pixel: (1 + 11) / 2 / 60, (2 + 22.5) / 2 / 40, 10 / 60, 20.5 / 40; cut at 60 and 40
    rows = [row.split() for row in (out / labels[0]).read_text().splitlines()]
    assert [row[0] for row in rows] == ["0", "0", "1"]
    expected = [[0.1, 0.30625, 10 / 60, 0.5125], [5 / 120, 9 / 80, 5 / 60, 9 / 40], [40 / 60, 0.75, 40 / 60, 0.5]]
    np.testing.assert_allclose([[float(word) for word in row[1:]] for row in rows], expected, atol=1e-8)
    content = yaml.safe_load((out / "data.yaml").read_text())
    assert content == {"train": "images/train", "val": "images/train", "names": {0: "person", 1: "car"}}


def test_yolo_leaves_out_what_is_outside(tmp_path: Path) -> None:
    outside = sample(tmp_path / "in", rows=[(60, 0, 70, 10), (1, 1, 9, 9)])
    lost = write_dataset(Dataset(samples=[outside], classes=("dog",)), tmp_path / "out", writer_named("yolo"))
    assert lost["boxes outside their image (left out)"] == 1
    # a photo is named after itself
    assert written(tmp_path / "out") == ["data.yaml", "images/train/s.jpg", "labels/train/s.txt"]


def test_motchallenge_images_of_several_kinds(tmp_path: Path) -> None:
    kinds = [sample(tmp_path / "in", frame=1), sample(tmp_path / "in", frame=2, suffix=".PNG")]
    write_dataset(Dataset(samples=kinds, classes=("person",)), tmp_path / "a", writer_named("motchallenge"))
    assert "imExt" not in (tmp_path / "a/s/seqinfo.ini").read_text()
    assert len(read_dataset([tmp_path / "a"]).samples) == 2
    webp = [sample(tmp_path / "in", frame=frame, suffix=".webp") for frame in (1, 2)]
    write_dataset(Dataset(samples=webp, classes=("person",)), tmp_path / "b", writer_named("motchallenge"))
    assert len(read_dataset([tmp_path / "b"]).samples) == 2
    mixed = Dataset(samples=[kinds[0], webp[1]], classes=("person",))
    with pytest.raises(UserError, match=r"s: has images of kinds \.jpg, \.webp"):
        write_dataset(mixed, tmp_path / "c", writer_named("motchallenge"))


def test_motchallenge_says_what_ground_truth_cannot(tmp_path: Path) -> None:
    samples = [
        sample(tmp_path / "in", "a/b", 1, rows=[]),
        sample(tmp_path / "in", "a/b", 2, classes=[0]),
        sample(tmp_path / "in", "a/b", 3, classes=[1]),
        replace(sample(tmp_path / "in", "a/b", 4, classes=[1]), width=61),
    ]
    lost = write_dataset(
        Dataset(samples=samples, classes=("person", "yak")), tmp_path / "o", writer_named("motchallenge")
    )
    assert lost == {
        "class names ('yak' is class 14)": 2,
        "images of another size than their sequence's first": 1,
        "images without boxes at the ends of a sequence (ground truth begins and ends with a box)": 1,
        "sequences of unknown frame rate (30 is written)": 1,
        "sequences whose name cannot be a folder's (renamed)": 1,
    }
    assert (tmp_path / "o/a-b/gt/gt.txt").read_text().splitlines()[-1] == "4,1,2,3,10,20.5,1,14,1"


def test_scores_and_weights_have_no_place(street: Dataset, tmp_path: Path) -> None:
    first = replace(street.samples[0], scores=np.array([1, 0.5, 0.25, 1], np.float32))
    dataset = replace(street, samples=[first, street.samples[1]], weights=np.array([1.0, 2.0]))
    lost = write_dataset(dataset, tmp_path / "out", writer_named("yolo"))
    assert lost["scores of boxes"] == 2
    assert lost["weights of images"] == 2
    assert write_dataset(dataset, tmp_path / "coco", writer_named("coco")) == {"weights of images": 2}


def test_coco_holds_scores_to_the_last_bit(street: Dataset, tmp_path: Path) -> None:
    scores = np.array([1, 0.3, np.nextafter(np.float32(0.7), 1, dtype=np.float32), -1.25e-6], np.float32)
    scored = replace(street, samples=[replace(street.samples[0], scores=scores), street.samples[1]])
    write_dataset(scored, tmp_path / "a", writer_named("coco"))
    annotations = json.loads((tmp_path / "a/annotations.json").read_text())["annotations"]
    assert [each["score"] for each in annotations[:2]] == [1, 0.3]
    back = read_coco(tmp_path / "a/annotations.json")
    for before, after in zip(scored.samples, back.samples, strict=True):
        assert dict(zip(map(bytes, before.boxes), before.scores, strict=True)) == dict(
            zip(map(bytes, after.boxes), after.scores, strict=True)
        )
    # a score that is no number comes back as none; ground truth has no scores
    odd = replace(street.samples[0], scores=np.array([np.nan, np.inf, 1, 1], np.float32))
    write_dataset(replace(street, samples=[odd]), tmp_path / "b", writer_named("coco"))
    assert np.isnan(read_coco(tmp_path / "b/annotations.json").samples[0].scores).sum() == 2
    write_dataset(street, tmp_path / "c", writer_named("coco"))
    assert "score" not in (tmp_path / "c/annotations.json").read_text()


@pytest.mark.parametrize("writer", WRITERS, ids=lambda writer: writer.name)
@pytest.mark.parametrize("mode", ["link", "copy", "reference"])
def test_images_are_the_same_bytes(street: Dataset, tmp_path: Path, writer, mode) -> None:
    write_dataset(street, tmp_path / "out", writer, images=mode)
    for before, after in zip(street.samples, read_dataset([tmp_path / "out"]).samples, strict=True):
        assert after.image.read_bytes() == before.image.read_bytes()
        linked = after.image.stat().st_ino == before.image.stat().st_ino
        assert linked == (mode != "copy")
        assert after.image.is_symlink() == (mode == "reference" and writer.name != "coco")


def test_where_nothing_can_be_linked_images_are_copied(street, tmp_path, monkeypatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    write_dataset(street, tmp_path / "out", writer_named("coco"))
    assert (tmp_path / "out/images/s/000001.jpg").read_bytes() == JPEG


@pytest.mark.parametrize("writer", WRITERS, ids=lambda writer: writer.name)
def test_all_or_nothing(street: Dataset, tmp_path: Path, writer) -> None:
    out = tmp_path / "out"
    street.samples[1].image.unlink()
    with pytest.raises(UserError, match=r"s-3\.jpg: cannot bring the image to .*000003\.jpg: No such file"):
        write_dataset(street, out, writer)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in"]
    street.samples[1].image.write_bytes(JPEG)
    out.mkdir()
    seen: list[tuple[int, int]] = []
    write_dataset(street, out, writer, progress=lambda *count: seen.append(count))
    assert seen == [(1, 2), (2, 2)]
    with pytest.raises(UserError, match="out: is not empty; choose another folder or delete it"):
        write_dataset(street, out, writer)
    (tmp_path / "new.partial" / "half").mkdir(parents=True)  # of a run that was killed
    write_dataset(street, tmp_path / "new", writer)
    assert not (tmp_path / "new" / "half").exists()


@pytest.mark.parametrize("name", ["coco", "motchallenge"])
def test_two_images_of_one_frame_are_named(street: Dataset, tmp_path: Path, name: str) -> None:
    twice = replace(street.samples[0], image=street.samples[1].image)
    dataset = replace(street, samples=[street.samples[0], twice])
    with pytest.raises(UserError, match=r"s-3\.jpg: frame 1 of sequence s is .*s-1\.jpg already"):
        write_dataset(dataset, tmp_path / "out", writer_named(name))


def test_names() -> None:
    assert {writer.name for writer in WRITERS} <= {each.name for each in FORMATS}
    with pytest.raises(UserError, match=r"cannot write 'yol' \(did you mean 'yolo'\?\); known: coco, motchallenge"):
        writer_named("yol")


def test_folders_are_safe_and_different() -> None:
    odd = ["../up", "/root", "C:\\x", ".hidden", "a//b", "img1", "", "con\nrol", "name. ", "x" * 300, "a/b", "é"]
    folders = folder_names(odd, nested=True)
    assert list(folders) == odd
    assert len(set(folders.values())) == len(odd)
    for folder in folders.values():
        for part in folder.split("/"):
            assert part not in ("", ".", "..", "img1")
            assert not part.startswith(".")
            assert len(part) <= 110
            assert not set(part) & set('\\:\n*?"<>|')
    assert folders["é"] == "é"
    assert folder_names(["a/b", "a-b"], nested=False) == {"a/b": "a-b", "a-b": "a-b-2"}


def test_decimals() -> None:
    boxes = np.array([[0.1, 2, 3.25, 1 / 3]], np.float32)
    found = fewest_decimals(boxes.astype(np.float64), boxes, lambda rows: rows)
    assert [to_text(number) for number in found[0].tolist()] == ["0.1", "2", "3.25", "0.33333334"]
    # what no text of the format brings back stays unrounded
    np.testing.assert_array_equal(fewest_decimals(boxes.astype(np.float64), boxes, lambda rows: rows + 1), boxes)


def test_shares_are_the_same_pixels_however_they_are_read() -> None:
    rng = np.random.default_rng(0)
    for width, height in ((640, 480), (1920, 1080), (641, 479), (33, 17)):
        # boxes at the border, where a rounding error is all there is
        ends = np.round(rng.uniform(0.5, 1, (500, 2)) * [width, height], 2)
        boxes = np.concatenate([np.zeros((500, 2)), ends], axis=1).astype(np.float32)
        shares, size = to_shares(boxes, width, height), np.array([width, height])
        centre, side = shares[:, :2], shares[:, 2:]
        corners = np.concatenate([centre - side / 2, centre + side / 2], axis=1) * [*size, *size]
        np.testing.assert_array_equal(corners.astype(np.float32), boxes)
        corner = centre * size - side * size / 2
        np.testing.assert_array_equal(np.concatenate([corner, corner + side * size], 1).astype(np.float32), boxes)
