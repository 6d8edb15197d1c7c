"""Faults of identities, and images in two places."""

import shutil

import cv2
import numpy as np
import pytest
from check_data_scenes import coco_content, mot_rows, picture

from clmot.apps.check_data import check
from clmot.apps.check_data.images import difference_hash


def tracked(content, *identities):
    content["videos"] = [{"id": 1, "name": "clip"}]
    for frame, image in enumerate(content["images"], 1):
        image |= {"video_id": 1, "frame_id": frame}
    for annotation, identity in zip(content["annotations"], identities, strict=True):
        annotation["track_id"] = identity
    return content


def test_clean_identities(make_coco, found, tmp_path):
    assert not found(make_coco(tmp_path, tracked(coco_content(), 1, 2, 1, 2, 1, 2)))


def test_id_in_two_places_of_a_frame(make_coco, found, tmp_path):
    finding = found(make_coco(tmp_path, tracked(coco_content(), 1, 2, 1, 1, 1, 2)))["id twice in a frame"]
    assert (finding.severity, finding.places) == ("error", (f"{tmp_path}/2.png (id 1)",))
    assert len(finding.examples[0].boxes) == 2


def test_ids_that_jump(make_mot, found, tmp_path):
    rows = mot_rows(frames=20)
    for row in rows:
        if row[1] == 1 and row[0] > 10:
            row[3] += 60  # two heights down
    finding = found(make_mot(tmp_path / "s", rows, frames=20))["ids that jump"]
    assert (finding.severity, finding.count) == ("warning", 1)
    assert finding.places == (f"{tmp_path}/s/img1/000011.png (id 1)",)
    assert [example.image.name for example in finding.examples] == ["000010.png", "000011.png"]


def test_swapped_ids_jump(make_mot, found, tmp_path):
    rows = mot_rows(frames=20)
    for row in rows:
        if row[0] > 10 and row[1] < 3:
            row[1] = 3 - row[1]
    assert found(make_mot(tmp_path / "s", rows, frames=20))["ids that jump"].count == 2


def test_ids_that_change_size(make_mot, found, tmp_path):
    rows = mot_rows(frames=20)
    for row in rows:
        if row[1] == 1 and row[0] > 10:
            row[4:6] = 40, 75
    assert found(make_mot(tmp_path / "s", rows, frames=20))["ids that jump"].count == 1


def test_a_moving_camera_a_low_frame_rate_and_a_gap_are_no_jumps(make_mot, found, tmp_path):
    rows = mot_rows(frames=20)
    camera = [[*row[:2], row[2] - 60 * (row[0] > 10), *row[3:]] for row in rows]
    assert "ids that jump" not in found(make_mot(tmp_path / "camera", camera, frames=20, seed=1))
    rng = np.random.default_rng(0)
    far = [[*row[:2], int(rng.integers(10, 130)), int(rng.integers(10, 80)), *row[4:]] for row in rows]
    assert "ids that jump" not in found(make_mot(tmp_path / "far", far, frames=20, seed=2))
    gap = [[*row[:3], row[3] + 60 * (row[0] > 12), *row[4:]] for row in rows if row[1] != 1 or row[0] not in (11, 12)]
    gap = [
        row if row[1] == 1 else old
        for row, old in zip(gap, [r for r in rows if r[1] != 1 or r[0] not in (11, 12)], strict=True)
    ]
    assert "ids that jump" not in found(make_mot(tmp_path / "gap", gap, frames=20, seed=3))


def test_a_box_cut_off_at_the_border_is_no_jump(make_mot, found, tmp_path):
    # enters at the right: 3, then 100 pixels wide
    rows = [[1, 9, 158, 30, 3, 20, 1, 1, 1], [2, 9, 61, 30, 100, 20, 1, 1, 1], *mot_rows(people=2)]
    assert "ids that jump" not in found(make_mot(tmp_path / "s", rows))


def test_ids_of_several_classes(make_coco, found, tmp_path):
    content = tracked(coco_content(), 1, 2, 1, 2, 1, 2)
    content["categories"].append({"id": 2, "name": "car"})
    content["annotations"][2]["category_id"] = 2
    finding = found(make_coco(tmp_path, content))["ids of several classes"]
    assert (finding.severity, finding.count) == ("warning", 1)


def test_ids_seen_once(make_coco, found, tmp_path):
    content = tracked(coco_content(photos=12), *range(24))
    finding = found(make_coco(tmp_path, content))["ids seen once"]
    assert (finding.severity, finding.count) == ("warning", 24)


def test_same_image_in_two_splits(make_coco, found, tmp_path):
    train, val = make_coco(tmp_path / "train", coco_content()), make_coco(tmp_path / "val", coco_content(), seed=1)
    assert not found(train, val)
    shutil.copy(tmp_path / "train/2.png", tmp_path / "val/3.png")
    findings = found(train, val)
    finding = findings["same image in two splits"]
    assert (finding.severity, finding.places) == ("error", (f"{tmp_path}/val/3.png = {tmp_path}/train/2.png",))
    assert [example.image.parent.name for example in finding.examples] == ["train", "val"]
    assert "similar images in two splits" not in findings


def test_similar_images_in_two_splits(make_coco, found, tmp_path):
    train, val = make_coco(tmp_path / "train", coco_content()), make_coco(tmp_path / "val", coco_content(), seed=1)
    copy = cv2.imread(str(tmp_path / "train/2.png")).astype(float) * 0.9 + 10
    _, encoded = cv2.imencode(".jpg", copy.astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 60])
    (tmp_path / "val/3.png").write_bytes(encoded.tobytes())
    findings = found(train, val)
    assert findings["similar images in two splits"].severity == "warning"
    assert findings["similar images in two splits"].places == (f"{tmp_path}/val/3.png = {tmp_path}/train/2.png",)
    assert "same image in two splits" not in findings


def test_ids_of_two_sequences_are_of_different_objects(make_mot, found, tmp_path):
    make_mot(tmp_path / "a", seed=1)
    make_mot(tmp_path / "b", [[row[0] + 6, *row[1:3], row[3] + 40, *row[4:]] for row in mot_rows()], frames=12, seed=2)
    assert not found(tmp_path)
    assert check([tmp_path]).report.summaries[0].identities == 6


def test_id_minus_one_is_no_identity(make_mot, found, tmp_path):
    folder = make_mot(tmp_path / "s", [[row[0], -1, *row[2:]] for row in mot_rows()])
    assert not found(folder)
    assert check([folder]).report.summaries[0].identities == 0


def test_a_similar_image_of_another_split_is_named_before_one_of_the_same(make_coco, found, tmp_path):
    train, val = make_coco(tmp_path / "train", coco_content()), make_coco(tmp_path / "val", coco_content(), seed=1)
    noisy = np.clip(picture(0) + np.random.default_rng(0).normal(0, 25, picture(0).shape), 0, 255).astype(np.uint8)
    assert 0 < (difference_hash(noisy) != difference_hash(picture(0))).sum() <= 10
    cv2.imwrite(str(tmp_path / "val/2.png"), noisy)
    cv2.imwrite(str(tmp_path / "val/3.png"), noisy // 2)
    findings = found(train, val)
    assert findings["similar images in two splits"].count == 2
    assert "similar images" not in findings


def test_images_twice_in_one_data_set(make_coco, found, tmp_path):
    path = make_coco(tmp_path, coco_content(photos=4))
    shutil.copy(tmp_path / "1.png", tmp_path / "2.png")
    cv2.imwrite(str(tmp_path / "4.png"), cv2.imread(str(tmp_path / "3.png")) // 2 + 20)
    findings = found(path)
    assert (findings["same image twice"].severity, findings["same image twice"].count) == ("warning", 1)
    assert (findings["similar images"].severity, findings["similar images"].count) == ("information", 1)
    # headers alone tell nothing of that
    assert not found(path, fast=True)


def test_frames_of_one_sequence_may_look_alike(make_mot, found, tmp_path):
    folder = make_mot(tmp_path / "s")
    for frame, image in enumerate(sorted(folder.glob("img1/*"))):
        # the last two are one file: the video stands still
        cv2.imwrite(str(image), picture(0) // 2 + 5 * min(frame, 4))
    assert not found(folder)
    other = make_mot(tmp_path / "z", seed=5) / "img1/000004.png"
    cv2.imwrite(str(other), picture(0) // 2)
    findings = found(tmp_path)
    assert findings["same image twice"].places == (f"{other} = {folder}/img1/000001.png",)
    # said once
    assert set(findings) == {"same image twice"}
    cv2.imwrite(str(other), picture(0) // 3)
    assert found(tmp_path)["similar images"].count == 1


def test_difference_hash_is_of_the_picture_not_of_its_size_or_brightness():
    image = picture(3, (320, 240))
    bits = difference_hash(image)
    changed = cv2.resize(image, (200, 150), interpolation=cv2.INTER_AREA) // 2
    assert (difference_hash(changed) != bits).sum() <= 10
    assert (difference_hash(picture(4, (320, 240))) != bits).sum() > 60
    assert difference_hash(np.full((240, 320, 3), 90, np.uint8)) is None


def test_many_images_are_compared_in_blocks(monkeypatch, make_coco, tmp_path):
    path = make_coco(tmp_path, coco_content(photos=9))
    for old, new in ((1, 9), (2, 5), (4, 6)):
        image = cv2.imread(str(tmp_path / f"{old}.png")) // 2
        cv2.imwrite(str(tmp_path / f"{new}.png"), image)

    def pairs():
        (finding,) = (each for each in check([path]).report.findings if each.check == "similar images")
        return finding.places

    whole = pairs()
    assert len(whole) == 3
    monkeypatch.setattr("clmot.apps.check_data.leaks._BLOCK", 2)
    assert pairs() == whole


def test_real_sequences_raise_no_alarm(real_data):
    report = check([real_data / "mot"], fast=True).report
    assert {finding.severity for finding in report.findings} == {"information"}
    assert {finding.check for finding in report.findings} == {
        "rows sorted by frame",
        "left out: class other than person (gt/labels.txt may name others)",
        "boxes across the image's border",
    }


@pytest.mark.parametrize("name", ["prw_c6s1", "coco_person"])
def test_real_stills_raise_no_alarm(real_data, name):
    report = check([real_data / "static" / name], fast=True).report
    assert {finding.severity for finding in report.findings} == {"information"}
