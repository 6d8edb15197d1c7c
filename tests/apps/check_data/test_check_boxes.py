"""Faults of boxes: one by one, within a frame, and of the coordinates of all."""

import cv2
import numpy as np
import pytest
from check_data_scenes import HEIGHT, WIDTH, coco_content, mot_rows, picture
from data_builders import sample_of

from clmot.apps.check_data.boxes import duplicates
from clmot.apps.check_data.columns import Columns
from clmot.apps.check_data.coordinates import FAULTS, check_coordinates

SIZE = np.array([640.0, 480.0])


def add_boxes(content, *boxes):
    content["annotations"] += [
        {"id": 1000 + i, "image_id": 1, "category_id": 1, "bbox": list(box)} for i, box in enumerate(boxes)
    ]
    return content


def test_duplicate_boxes(make_coco, found, tmp_path):
    finding = found(make_coco(tmp_path, add_boxes(coco_content(), [11, 20, 30, 60])))["duplicate boxes"]
    assert (finding.severity, finding.count) == ("warning", 1)
    assert finding.places == (str(tmp_path / "1.png"),)
    assert finding.examples[0].boxes.tolist() == [[11, 20, 41, 80]]


def test_of_duplicates_the_one_with_an_identity_stays():
    box = [1, 2, 3, 4]
    columns = Columns.of(
        [
            sample_of([box, box, box, [1, 2, 3, 5]], size=SIZE, identities=[-1, 7, -1, 7], ignore=[0, 0, 1, 0]),
            sample_of([box, box], size=SIZE, classes=[0, 1], frame=2),
        ]
    )
    assert duplicates(columns).tolist() == [True, False, False, False, False, False]


def test_boxes_outside_the_image(make_coco, found, tmp_path):
    content = add_boxes(coco_content(), [-40, 5, 40, 30], [5, HEIGHT, 10, 10], [WIDTH - 1, 5, 10, 10])
    findings = found(make_coco(tmp_path, content))
    assert (findings["boxes outside the image"].severity, findings["boxes outside the image"].count) == ("warning", 2)
    # one pixel is inside: that is a whole object at the border
    across = findings["boxes across the image's border"]
    assert (across.severity, across.count) == ("information", 1)
    assert across.examples[0].boxes.tolist() == [[WIDTH - 1, 5, WIDTH + 9, 15]]


def test_boxes_across_the_border_show_the_farthest_first(make_coco, found, tmp_path):
    content = coco_content()
    content["annotations"][0]["bbox"] = [-5, 20, 30, 60]
    content["annotations"][2]["bbox"] = [-25, 20, 30, 60]
    examples = found(make_coco(tmp_path, content))["boxes across the image's border"].examples
    assert [example.image.name for example in examples] == ["2.png", "1.png"]


def test_frames_without_boxes(make_coco, found, tmp_path):
    content = coco_content()
    content["annotations"] = [each for each in content["annotations"] if each["image_id"] != 2]
    finding = found(make_coco(tmp_path, content))["frames without boxes"]
    assert (finding.severity, finding.count, finding.places) == ("information", 1, (str(tmp_path / "2.png"),))


def test_more_boxes_than_decoding_keeps(make_coco, found, tmp_path):
    path = make_coco(tmp_path, add_boxes(coco_content(), *([k, 30, 9, 20] for k in range(1, 10))))
    finding = found(path, max_detections=10)["more boxes than decoding keeps"]
    assert (finding.severity, finding.count, finding.places) == ("warning", 1, (str(tmp_path / "1.png"),))
    assert "up to 11" in finding.what
    assert not found(path, max_detections=11)


def people(seed=0, n=300, frames=30):
    """Boxes as people are in street scenes: anywhere, some cut off by nothing, reaching beyond the image."""
    rng = np.random.default_rng(seed)
    height = rng.uniform(40, 250, n)
    width = height * rng.uniform(0.3, 0.5, n)
    centre = rng.uniform([0, 0], SIZE, (n, 2))
    size = np.stack([width, height], 1)
    boxes = np.concatenate([centre - size / 2, centre + size / 2], 1)
    return boxes, np.arange(n) % frames


def named(boxes, frame, size=SIZE):
    samples = [sample_of(boxes[frame == i], frame=i + 1, size=size) for i in range(frame.max() + 1)]
    return [finding.check for finding in check_coordinates(Columns.of(samples))]


def inside(boxes):
    return np.clip(boxes, 0, np.tile(SIZE, 2))


def ltwh(boxes):
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1)


def read_as_ltwh(values):
    return np.concatenate([values[:, :2], values[:, :2] + values[:, 2:]], 1)


WRONG = {
    "normalised boxes": lambda boxes: inside(boxes) / np.tile(SIZE, 2),
    "corners for sizes": lambda boxes: read_as_ltwh(inside(boxes)),
    "boxes of a larger image": lambda boxes: boxes * 2,
    "boxes of a smaller image": lambda boxes: inside(boxes) / 2,
    "centre for corner": lambda boxes: boxes + np.tile((boxes[:, 2:] - boxes[:, :2]) / 2, 2),
    "corner for centre": lambda boxes: boxes - np.tile((boxes[:, 2:] - boxes[:, :2]) / 2, 2),
    "coordinates from 0": lambda boxes: np.rint(inside(boxes)) - 1,
    "coordinates from 1": lambda boxes: np.rint(inside(boxes)) + 1,
}


def test_every_fault_of_coordinates_is_tested():
    assert {fault.check for fault in FAULTS} == set(WRONG)


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("seed", range(3))
def test_wrong_coordinates_are_named(name, seed):
    boxes, frame = people(seed)
    if name in ("centre for corner", "corner for centre"):
        # boxes of such exports are inside before they are moved
        keep = (boxes[:, :2] >= 0).all(1) & (boxes[:, 2:] <= SIZE).all(1)
        boxes, frame = boxes[keep], np.arange(keep.sum()) % 30
    assert named(WRONG[name](boxes), frame) == [name]


@pytest.mark.parametrize("seed", range(10))
def test_right_coordinates_are_not(seed):
    boxes, frame = people(seed)
    assert named(boxes, frame) == []
    assert named(inside(boxes), frame) == []
    # photos: each an image of its own, few boxes each
    assert named(boxes[:8], np.arange(8)) == []
    # a street scene: people walk in the lower right, none leaves at the left
    lower = (boxes[:, 0] > 200) & (boxes[:, 3] > 300)
    assert named(boxes[lower], np.arange(lower.sum()) % 5) == []


@pytest.mark.parametrize("name", [fault.check for fault in FAULTS if fault.move])
def test_what_is_certain_is_moved_back(name):
    boxes = inside(people()[0]).astype(np.float32)
    (fault,) = (fault for fault in FAULTS if fault.check == name)
    wrong = WRONG[name](boxes).astype(np.float32)
    size = np.tile(SIZE, (len(boxes), 1)).astype(np.float32)
    np.testing.assert_allclose(fault.move(wrong, size), boxes, atol=0.01)


def test_normalised_boxes_of_a_format_that_counts_from_1(make_mot, found, tmp_path):
    rows = [
        [*row[:2], row[2] / WIDTH, row[3] / HEIGHT, row[4] / WIDTH, row[5] / HEIGHT, *row[6:]] for row in mot_rows()
    ]
    finding = found(make_mot(tmp_path / "s", rows))["normalised boxes"]
    assert (finding.severity, finding.count) == ("error", 18)


def test_one_sequence_of_several_at_another_resolution(make_mot, found, tmp_path):
    rows = mot_rows(frames=50)
    rows = [[*row[:2], 40 + (row[2] * 7 + row[0]) % 90, row[3], *row[4:]] for row in rows]
    make_mot(tmp_path / "good", rows, frames=50, seed=1)
    make_mot(tmp_path / "bad", [[*row[:2], *(3 * x for x in row[2:6]), *row[6:]] for row in rows], frames=50, seed=2)
    finding = found(tmp_path)["boxes of a larger image"]
    assert finding.count == 150
    assert all("/bad/" in place for place in finding.places)


def test_missing_images(make_mot, found, tmp_path):
    folder = make_mot(tmp_path / "s")
    (folder / "img1/000003.png").unlink()
    finding = found(folder)["rows without image"]
    assert finding.count == 3
    for image in folder.glob("img1/*"):
        image.unlink()
    (folder / "seqinfo.ini").write_text("[Sequence]\nimWidth=160\nimHeight=120\n")
    finding = found(folder)["missing images"]
    assert (finding.severity, finding.count) == ("error", 6)


def test_corrupt_images(make_mot, found, tmp_path):
    folder = make_mot(tmp_path / "s", suffix=".jpg")
    for name in ("000002.jpg", "000005.jpg"):
        file = folder / "img1" / name
        file.write_bytes(file.read_bytes()[:-200])
    finding = found(folder)["corrupt images"]
    assert (finding.severity, finding.count) == ("error", 2)
    assert finding.places == (f"{folder}/img1/000002.jpg", f"{folder}/img1/000005.jpg")
    # headers are whole
    assert not found(folder, fast=True)
    (folder / "img1/000004.jpg").write_bytes(b"")
    assert found(folder, fast=True)["corrupt images"].places == (f"{folder}/img1/000004.jpg",)


def test_a_corrupt_first_image_is_as_any_other(make_mot, found, tmp_path):
    folder = make_mot(tmp_path / "s")
    (folder / "img1/000001.png").write_bytes(b"no image")
    # the size of a sequence is that of its first image that can be read
    findings = found(folder)
    assert "unreadable" not in findings
    assert findings["corrupt images"].places == (f"{folder}/img1/000001.png",)


def test_corrupt_images_of_formats_whose_reader_stops_there(found, tmp_path):
    for i in range(3):
        cv2.imwrite(str(tmp_path / f"{i}.png"), picture(i))
        (tmp_path / f"{i}.txt").write_text("0 0.5 0.5 0.2 0.4\n")
    assert not found(tmp_path, format="yolo")
    for i in (0, 2):
        (tmp_path / f"{i}.png").write_bytes(b"no image")
    findings = found(tmp_path, format="yolo")
    assert findings["corrupt images"].places == (str(tmp_path / "0.png"), str(tmp_path / "2.png"))


def test_images_of_another_size(make_coco, found, tmp_path):
    path = make_coco(tmp_path, coco_content())
    cv2.imwrite(str(tmp_path / "2.png"), picture(9, (80, 60)))
    for fast in (False, True):
        finding = found(path, fast=fast)["images of another size"]
        assert (finding.severity, finding.count) == ("error", 1)
        assert finding.places == (f"{tmp_path}/2.png: 80 x 60, annotated 160 x 120",)


def test_frame_numbers_given_twice(make_coco, found, tmp_path):
    content = coco_content() | {"videos": [{"id": 1, "name": "clip"}]}
    for image, frame in zip(content["images"], (1, 2, 2), strict=True):
        image |= {"video_id": 1, "frame_id": frame}
    finding = found(make_coco(tmp_path, content))["frame numbers given twice"]
    assert (finding.severity, finding.places) == ("warning", (f"{tmp_path}/3.png (frame 2)",))


def test_images_of_12_bits_are_said(make_mot, found, tmp_path):
    folder = make_mot(tmp_path / "s")
    for path in (folder / "img1").iterdir():
        cv2.imwrite(str(path), cv2.imread(str(path)).astype(np.uint16) * 16)
    finding = found(folder)["images of more than 8 bits"]
    assert (finding.severity, finding.count) == ("information", 6)
    assert "of which 12 are used" in finding.what
