from pathlib import Path

import cv2
import numpy as np
import pytest

from clmot.datasets.readers import read_dataset
from clmot.datasets.readers.jde import FORMAT, read_jde
from clmot.errors import UserError

WIDTH, HEIGHT = 32, 16


def add(root: Path, image: str, labels: str | None) -> Path:
    """An image at a path with a folder ``images`` in it, and its label file."""
    path = root / image
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    if labels is not None:
        text = (root / image.replace("images/", "labels_with_ids/")).with_suffix(".txt")
        text.parent.mkdir(parents=True, exist_ok=True)
        text.write_text(labels)
    return path


def make_mix(root: Path) -> None:
    """The layouts of the published mix."""
    add(root, "Caltech/data/images/set07_V009_679.png", "0 -1 0.5 0.5 0.25 0.5\n")
    add(root, "Caltech/data/images/set07_V009_70.png", "")
    add(root, "ETHZ/eth07/images/image_00005480_0.png", "0 -1 0.5 0.5 0.25 0.5")
    add(root, "ETHZ/eth07/images/image_00005484_0.png", "0 -1 0.25 0.5 0.25 0.5")
    add(root, "PRW/images/c1s2_071096.jpg", "0 4 0.5 0.5 0.25 0.5\n0 -1 0.9 0.5 0.5 0.5\n")
    add(root, "PRW/images/c6s1_000001.jpg", "0 4.0 0.5 0.5 0.25 0.5\n")
    add(root, "MOT17/images/train/MOT17-02-SDP/img1/000007.jpg", "0 1.0 0.5 0.5 0.25 0.5\n")
    add(root, "MOT17/images/test/MOT17-01-SDP/img1/000001.jpg", None)


def test_folders(tmp_path: Path) -> None:
    make_mix(tmp_path)
    dataset = read_dataset([tmp_path], identities=True)
    assert dataset.classes == ("person",)
    assert dataset.skipped == {"image without label file": 1}
    found = {(sample.sequence, sample.frame): sample for sample in dataset.samples}
    assert list(found) == [
        ("Caltech/data", 70),
        ("Caltech/data", 679),
        ("ETHZ/eth07", 1),  # all names end in 0: numbered by order
        ("ETHZ/eth07", 2),
        ("MOT17/train/MOT17-02-SDP", 7),
        ("PRW", 1),
        ("PRW", 71096),
    ]
    assert len(found["Caltech/data", 70].boxes) == 0
    prw = found["PRW", 71096]
    assert (prw.width, prw.height) == (WIDTH, HEIGHT)
    # beyond the image is kept
    np.testing.assert_allclose(prw.boxes, [[12, 4, 20, 12], [20.8, 4, 36.8, 12]], rtol=1e-6)
    assert prw.boxes.dtype == np.float32
    assert prw.identities.tolist() == [4, -1]
    # a person keeps the identity across the cameras of one data set
    assert found["PRW", 1].identities.tolist() == [4]


@pytest.mark.parametrize("place", ["PRW", "ETHZ", "ETHZ/eth07", "Caltech", "Caltech/data", "MOT17"])
def test_any_folder_of_the_mix(tmp_path: Path, place: str) -> None:
    make_mix(tmp_path)
    whole = {sample.image.name: len(sample.boxes) for sample in read_jde(tmp_path).samples}
    samples = read_dataset([tmp_path / place]).samples
    assert samples
    assert all(whole[sample.image.name] == len(sample.boxes) for sample in samples)
    assert len({sample.sequence for sample in samples}) == 1


def test_lists(tmp_path: Path) -> None:
    make_mix(tmp_path)
    lines = ["PRW/images/c1s2_071096.jpg", "ETHZ/eth07/images/image_00005480_0.png", ""]
    for folder in (tmp_path, tmp_path / "lists", tmp_path / "src" / "data"):
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "caltech.10k.val"
        path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
        dataset = read_dataset([path], identities=True)
        assert [sample.image for sample in dataset.samples] == [tmp_path / lines[1], tmp_path / lines[0]]
        assert dataset.samples[1].identities.tolist() == [4, -1]
    absolute = tmp_path / "src" / "absolute.train"
    absolute.write_text(str(tmp_path / lines[0]))
    assert [sample.sequence for sample in read_dataset([absolute]).samples] == ["PRW"]


def test_a_folder_named_images_above_does_not_confuse(tmp_path: Path) -> None:
    root = tmp_path / "images" / "of" / "me"
    add(root, "PRW/images/1.jpg", "0 1 0.5 0.5 0.25 0.5")
    (root / "prw.train").write_text("PRW/images/1.jpg\n")
    for place in (root, root / "prw.train", root / "PRW"):
        assert len(read_dataset([place]).samples) == 1


def test_frames_numbered_from_0(tmp_path: Path) -> None:
    for number in (0, 1, 10, 9):
        add(tmp_path, f"images/a_{number}.jpg", "0 1 0.5 0.5 0.25 0.5")
    assert [(sample.frame, sample.image.stem) for sample in read_dataset([tmp_path]).samples] == [
        (1, "a_0"),
        (2, "a_1"),
        (10, "a_9"),
        (11, "a_10"),
    ]


def test_classes(tmp_path: Path) -> None:
    add(tmp_path, "images/1.jpg", "0 1 0.5 0.5 0.25 0.5\n3 2 0.7 0.5 0.25 0.5\n")
    dataset = read_dataset([tmp_path])
    assert dataset.classes == ("person", "class 3")
    assert dataset.samples[0].classes.tolist() == [0, 1]


def test_faulty_boxes_are_skipped_and_counted(tmp_path: Path) -> None:
    add(tmp_path, "images/1.jpg", "0 1 0.5 0.5 0.25 0.5\n0 2 nan 0.5 0.1 0.1\n0 3 0.5 0.5 0 0.1\n0 4 0.5 inf 0.1 0.1\n")
    dataset = read_dataset([tmp_path])
    assert dataset.skipped == {"degenerate box": 3}
    assert len(dataset.samples[0].boxes) == 1


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("0 0.5 0.5 0.25 0.5", r"5 columns, expected 6: class, identity, x_center"),
        ("0 1 0.5 half 0.25 0.5", r"y_center is 'half', expected a number"),
        ("0 1.5 0.5 0.5 0.25 0.5", r"identity is 1\.5, expected a whole number"),
        ("-1 1 0.5 0.5 0.25 0.5", r"class is -1, expected a whole number >= 0"),
        ("0 1 16 8 10 10", r"x_center is 16, expected a share of the image's size"),
    ],
)
def test_faults_are_named(tmp_path: Path, row: str, message: str) -> None:
    add(tmp_path, "images/1.jpg", f"0 1 0.5 0.5 0.25 0.5\n{row}\n")
    with pytest.raises(UserError, match=r"labels_with_ids/1\.txt:2: " + message):
        read_dataset([tmp_path])


def test_missing_files_are_named(tmp_path: Path) -> None:
    make_mix(tmp_path)
    path = tmp_path / "a.train"

    def fault(*lines: str) -> str:
        path.write_text("\n".join(lines))
        with pytest.raises(UserError) as caught:
            read_jde(path)
        return str(caught.value)

    good = "PRW/images/c1s2_071096.jpg"
    assert "a.train:1: PRW/images/none.jpg not found from" in fault("PRW/images/none.jpg")
    path.write_text(f"{good}\nPRW\\images\\none.jpg".replace("/", "\\"))
    dataset = read_jde(path)
    assert len(dataset.samples) == 1
    assert dataset.skipped["image that is not there"] == 1
    assert f"a.train:3: {good} is on line 1 already" in fault(good, "", good)
    assert "no image with a label file" in fault("MOT17/images/test/MOT17-01-SDP/img1/000001.jpg")
    assert "no images in the list" in fault("")
    assert "is in no folder 'images'" in fault("a.train")
    (tmp_path / "PRW" / "images" / "c1s2_071096.jpg").unlink()
    assert read_jde(tmp_path / "PRW").skipped["image that is not there"] == 1


def test_matches(tmp_path: Path) -> None:
    assert not FORMAT.matches(tmp_path)
    (tmp_path / "labels").mkdir()
    (tmp_path / "images").mkdir()
    assert not FORMAT.matches(tmp_path)
    with pytest.raises(UserError, match="no image with a label file"):
        read_jde(tmp_path)
    (tmp_path / "labels_with_ids").mkdir()
    assert FORMAT.matches(tmp_path)
    assert FORMAT.matches(tmp_path / "labels_with_ids" / "..")
