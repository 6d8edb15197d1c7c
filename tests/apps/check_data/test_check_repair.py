"""Repaired copies: no errors in them, nothing lost that was right, the source as it was."""

import json
import shutil

import cv2
import numpy as np
import pytest
from check_data_scenes import HEIGHT, WIDTH, coco_content, mot_rows, picture, write_rows
from data_builders import assert_same_samples, file_contents, sample_of

from clmot.apps.check_data import check, repair
from clmot.apps.check_data.columns import Columns
from clmot.apps.check_data.repair import split_identities
from clmot.datasets.readers import read_dataset
from clmot.errors import UserError


def repaired(out, *paths, **options):
    """What was changed in each copy; the copies have no errors and no warnings left, and the sources are untouched."""
    before = [file_contents(path if path.is_dir() else path.parent) for path in paths]
    checked = check(paths, **options)
    repairs = repair(checked.parts, checked.files, out)
    assert [file_contents(path if path.is_dir() else path.parent) for path in paths] == before
    after = check([each.out for each in repairs]).report
    assert [(each.severity, each.check) for each in after.findings if each.severity != "information"] == []
    return [dict(each.changes) for each in repairs]


def test_of_clean_data_the_copy_is_equal(make_mot, tmp_path):
    source = make_mot(tmp_path / "s", [*mot_rows(), [2, 5, -7.25, 50, 16, 30, 0, 1, 1]])
    assert repaired(tmp_path / "out", source) == [{}]
    before, after = (read_dataset([path], identities=True).samples for path in (source, tmp_path / "out"))
    assert_same_samples(before, after, files=False)
    for a, b in zip(before, after, strict=True):
        assert a.image.read_bytes() == b.image.read_bytes()
        assert a.image.stat().st_ino == b.image.stat().st_ino, "a hard link"


def test_faulty_rows_are_left_out(make_mot, tmp_path):
    rows = mot_rows()
    source = make_mot(
        tmp_path / "s",
        [*rows, rows[4], ["x", *rows[4][1:]], [2, 9, "nan", 5, 9, 9, 1, 1, 1], [2, 9, 300, 5, 9, 9, 1, 1, 1]],
    )
    with (source / "gt/gt.txt").open("a") as file:
        file.write("9,9,9,9,9,9,1,1,1\n2,2\n")
    (changes,) = repaired(tmp_path / "out", source)
    assert changes == {
        "left out: degenerate box": 1,
        "left out: frame without image": 1,
        "left out: line that is no row": 2,
        "boxes left out: duplicates": 1,
        "boxes left out: outside the image": 1,
    }
    samples = read_dataset([tmp_path / "out"], identities=True).samples
    assert sum(len(sample.boxes) for sample in samples) == len(rows)


def test_faulty_images_are_left_out(make_mot, make_coco, tmp_path):
    source = make_mot(tmp_path / "s", suffix=".jpg")
    file = source / "img1/000001.jpg"
    file.write_bytes(file.read_bytes()[:-200])
    assert repaired(tmp_path / "out", source) == [{"images left out: corrupt": 1}]
    photos = make_coco(tmp_path / "photos", coco_content(photos=4))
    (tmp_path / "photos/1.png").unlink()
    shutil.copy(tmp_path / "photos/2.png", tmp_path / "photos/4.png")
    assert repaired(tmp_path / "out2", photos) == [
        {"images left out: in two places": 1, "left out: image that is not there": 1}
    ]
    names = [sample.image.name for sample in read_dataset([tmp_path / "out2"]).samples]
    assert len(names) == 2


def test_images_of_another_size(make_coco, tmp_path):
    path = make_coco(tmp_path / "photos", coco_content())
    cv2.imwrite(str(tmp_path / "photos/2.png"), picture(9, (80, 60)))
    cv2.imwrite(str(tmp_path / "photos/3.png"), picture(8, (60, 80)))
    (changes,) = repaired(tmp_path / "out", path)
    assert changes == {
        "images with boxes scaled to their size": 1,
        "images left out: of another shape than annotated": 1,
    }
    _, half = read_dataset([tmp_path / "out"]).samples
    assert (half.width, half.height) == (80, 60)
    np.testing.assert_array_equal(half.boxes, [[6, 10, 21, 40], [36, 10, 51, 40]])


@pytest.mark.parametrize("wrong", ["normalised", "corners"])
def test_boxes_in_other_coordinates_are_moved(make_coco, tmp_path, wrong):
    content = coco_content(photos=12)
    for i, annotation in enumerate(content["annotations"]):
        left, top, width, height = annotation["bbox"] = [75 + i, 40, 30, 60]
        if wrong == "normalised":
            annotation["bbox"] = [left / WIDTH, top / HEIGHT, width / WIDTH, height / HEIGHT]
        else:
            annotation["bbox"] = [left, top, left + width, top + height]
    path = make_coco(tmp_path / "photos", content)
    (changes,) = repaired(tmp_path / "out", path)
    assert list(changes.values()) == [24]
    boxes = np.concatenate([sample.boxes for sample in read_dataset([tmp_path / "out"]).samples])
    np.testing.assert_allclose(sorted(boxes.tolist()), [[75 + i, 40, 105 + i, 100] for i in range(24)], atol=1e-4)


def test_frame_numbers_given_twice_are_counted_anew(make_coco, tmp_path):
    content = coco_content() | {"videos": [{"id": 1, "name": "clip"}]}
    for image, frame in zip(content["images"], (1, 2, 2), strict=True):
        image |= {"video_id": 1, "frame_id": frame}
    path = make_coco(tmp_path / "clip", content)
    assert repaired(tmp_path / "out", path) == [{"frames with a new number": 1}]


def test_leaks_are_left_out_of_the_later_split(make_coco, tmp_path):
    train = make_coco(tmp_path / "train", coco_content())
    val = make_coco(tmp_path / "val", coco_content(), seed=1)
    shutil.copy(tmp_path / "train/2.png", tmp_path / "val/3.png")
    assert repaired(tmp_path / "out", train, val) == [{}, {"images left out: in two places": 1}]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["boxes", "boxes-2"]
    assert not [each for each in check([tmp_path / "out/boxes", tmp_path / "out/boxes-2"]).report.findings]


def test_ids_are_split(make_mot, tmp_path):
    rows = mot_rows(frames=20, people=2)
    for row in rows:
        if row[1] == 1 and row[0] > 10:
            row[3] += 60
    rows += [[frame, 2, 120, 10, 16, 30, 1, 1, 1] for frame in (5, 6, 7)]
    source = make_mot(tmp_path / "s", rows, frames=20)
    assert repaired(tmp_path / "out", source) == [{"boxes with a new id": 13}]
    tracks: dict[int, list] = {}
    for sample in read_dataset([tmp_path / "out"], identities=True).samples:
        for identity, box in zip(sample.identities.tolist(), sample.boxes.tolist(), strict=True):
            tracks.setdefault(identity, []).append((sample.frame, box[1]))
    assert sorted((track[0][0], track[-1][0], {top for _, top in track}) for track in tracks.values()) == [
        (1, 10, {29.0}),
        (1, 20, {39.0}),
        (5, 7, {9.0}),
        (11, 20, {89.0}),
    ]


def test_two_objects_of_one_id_are_followed_apart():
    """Two people with id 1 walk apart; in every frame in another order."""
    rng = np.random.default_rng(0)
    samples = []
    for frame in range(1, 11):
        boxes = np.array(
            [[50 + 2 * frame, 20, 66 + 2 * frame, 50], [50 - 2 * frame, 60, 66 - 2 * frame, 90]], np.float32
        )
        boxes = boxes[rng.permutation(2)]
        samples.append(sample_of(boxes, size=(160, 120), frame=frame, identities=[1, 1]))
    columns = Columns.of(samples)
    identities = split_identities(columns)
    assert set(identities.tolist()) == {1, 2}
    for identity in (1, 2):
        assert len(set(columns.boxes[identities == identity, 1].tolist())) == 1


def test_what_cannot_be_repaired_is_refused(make_mot, tmp_path):
    source = make_mot(tmp_path / "s")
    checked = check([source])
    for out in (source, source / "fixed"):
        with pytest.raises(UserError, match=r"is not empty|lies in"):
            repair(checked.parts, checked.files, out)
    (tmp_path / "notes").mkdir()
    unreadable = check([tmp_path / "notes"])
    with pytest.raises(UserError, match="nothing could be read"):
        repair(unreadable.parts, unreadable.files, tmp_path / "out")
    for image in source.glob("img1/*"):
        image.write_bytes(b"no image")
    (source / "seqinfo.ini").write_text("[Sequence]\nimWidth=160\nimHeight=120\n")
    corrupt = check([source])
    with pytest.raises(UserError, match="no image of it is left"):
        repair(corrupt.parts, corrupt.files, tmp_path / "out")


def test_rows_in_another_order_make_the_same_copy(make_mot, tmp_path):
    rows = [*mot_rows(), [3, 2, 5, 80, 16, 30, 1, 1, 1]]
    source = make_mot(tmp_path / "s", rows)
    repaired(tmp_path / "a", source)
    write_rows(source, rows[::-1])
    repaired(tmp_path / "b", source)
    assert (tmp_path / "a/annotations.json").read_bytes() == (tmp_path / "b/annotations.json").read_bytes()


def test_what_a_repair_of_coco_leaves_out_is_said(make_coco, tmp_path):
    """Faulty records, images that are not there, annotations of no image."""
    content = coco_content(photos=4)
    del content["annotations"][0]["bbox"]
    content["annotations"].append({**content["annotations"][1], "id": 99, "image_id": 12345})
    content["images"].append({**content["images"][0]})
    path = make_coco(tmp_path / "photos", content)
    (tmp_path / "photos/2.png").unlink()
    (changes,) = repaired(tmp_path / "out", path)
    assert changes == {
        "left out: faulty record": 1,
        "left out: image that is not there": 1,
        "left out: image not listed": 1,
        "left out: image with the id of another": 1,
    }
    del content["images"][-1], content["annotations"][0]
    (tmp_path / "photos/a.json").write_text(json.dumps(content))
    (changes,) = repaired(tmp_path / "out2", tmp_path / "photos/a.json")
    assert changes == {"left out: image that is not there": 1, "left out: image not listed": 1}


def test_a_file_that_cannot_be_read_has_nothing_of_its_folder_checked(found, tmp_path):
    for number in range(3):
        cv2.imwrite(str(tmp_path / f"{number}.png"), picture(number))
    (tmp_path / "lsv.json").write_text("[1, 2")
    assert set(found(tmp_path / "lsv.json")) == {"unreadable"}
    assert not check([tmp_path / "lsv.json"]).files
