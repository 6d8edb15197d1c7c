"""Faults of single rows and records, in the two formats that are looked at row by row."""

import json

import pytest
from check_data_scenes import coco_content, mot_rows, write_rows
from data_builders import assert_same_samples

from clmot.apps.check_data import check
from clmot.datasets.readers import read_dataset
from clmot.errors import UserError


def test_a_clean_sequence_has_no_finding(make_mot, found, tmp_path):
    assert not found(make_mot(tmp_path / "s"))


def test_a_clean_coco_file_has_no_finding(make_coco, found, tmp_path):
    assert not found(make_coco(tmp_path, coco_content()))


@pytest.mark.parametrize(
    "line", ["1,9,ten,20,16,30,1,1,1", "0,9,60,20,16,30,1,1,1", "1,9,60,20,16,30,1", "1.5,9,1,1,9,9,1,1,1"]
)
def test_lines_that_are_no_rows(make_mot, found, tmp_path, line):
    folder = make_mot(tmp_path / "s")
    with (folder / "gt/gt.txt").open("a") as file:
        file.write(line + "\n")
    findings = found(folder)
    assert findings["unreadable"].severity == "error"
    finding = findings["lines that are no rows"]
    assert (finding.severity, finding.count) == ("error", 1)
    assert finding.places[0].startswith(f"{folder}/gt/gt.txt:19: ")
    # the rest is there all the same
    assert check([folder]).report.summaries[0].boxes == 18


def test_numbers_that_are_not_finite(make_mot, found, tmp_path):
    folder = make_mot(
        tmp_path / "s", [*mot_rows(), [2, 9, "nan", 20, 16, 30, 1, 1, 1], [3, 9, 1, 2, "inf", 30, 1, 1, 1]]
    )
    finding = found(folder)["numbers that are not finite"]
    assert (finding.severity, finding.count) == ("warning", 2)
    assert finding.places == (f"{folder}/gt/gt.txt:19", f"{folder}/gt/gt.txt:20")
    assert "boxes without area" not in found(folder)


def test_a_row_that_is_left_out_repeats_no_id(make_mot, found, tmp_path):
    folder = make_mot(tmp_path / "s", [[2, 1, "nan", 20, 16, 30, 1, 1, 1], [2, 2, 5, 20, -1, 30, 1, 1, 1], *mot_rows()])
    assert set(found(folder)) == {"numbers that are not finite", "boxes without area"}


def test_boxes_without_area(make_mot, found, tmp_path):
    folder = make_mot(tmp_path / "s", [[2, 9, 5, 20, -16, 30, 1, 1, 1], *mot_rows(), [2, 8, 5, 20, 16, 0, 1, 1, 1]])
    finding = found(folder)["boxes without area"]
    assert (finding.severity, finding.count) == ("warning", 2)
    assert finding.places == (f"{folder}/gt/gt.txt:1", f"{folder}/gt/gt.txt:20")


def test_duplicate_rows(make_mot, found, tmp_path):
    rows = mot_rows()
    findings = found(folder := make_mot(tmp_path / "s", [*rows, rows[4]]))
    assert findings["duplicate rows"].places == (f"{folder}/gt/gt.txt:19",)
    assert findings["unreadable"].severity == "error"


def test_id_twice_in_a_frame(make_mot, found, tmp_path):
    folder = make_mot(tmp_path / "s", [*mot_rows(), [3, 2, 5, 80, 16, 30, 1, 1, 1]])
    finding = found(folder)["id twice in a frame"]
    assert (finding.severity, finding.count) == ("error", 1)
    assert finding.places == (f"{folder}/gt/gt.txt:19",)
    # a picture of both places
    assert finding.examples[0].image.name == "000003.png"
    assert len(finding.examples[0].boxes) == 2


def test_rows_of_frames_that_have_no_image(make_mot, found, tmp_path):
    folder = make_mot(tmp_path / "s", [*mot_rows(), [7, 2, 5, 80, 16, 30, 1, 1, 1]])
    finding = found(folder)["rows without image"]
    assert (finding.severity, finding.places) == ("warning", (f"{folder}/gt/gt.txt:19",))


def test_frame_sorted_ground_truth_is_told_and_harmless(make_mot, found, tmp_path):
    by_id = make_mot(tmp_path / "a/s")
    by_frame = make_mot(tmp_path / "b/s", sorted(mot_rows()))
    finding = found(by_frame)["rows sorted by frame"]
    assert (finding.severity, finding.places) == ("information", (f"{by_frame}/gt/gt.txt",))
    first, second = (read_dataset([folder], identities=True).samples for folder in (by_id, by_frame))
    assert_same_samples(first, second, files=False)


def test_a_sequence_without_images_is_checked_by_its_seqinfo(make_mot, found, tmp_path):
    folder = make_mot(tmp_path / "s")
    for image in (folder / "img1").iterdir():
        image.unlink()
    assert set(found(folder)) == {"unreadable"}
    (folder / "seqinfo.ini").write_text("[Sequence]\nimWidth=160\nimHeight=120\n")
    write_rows(folder, [[1, 1, 300, 20, 16, 30, 1, 1, 1], *mot_rows()])
    findings = found(folder)
    assert findings["missing images"].count == 6
    assert findings["id twice in a frame"].count == 1
    assert findings["boxes outside the image"].count == 1


def test_a_path_that_cannot_be_read_does_not_stop_the_others(make_mot, found, tmp_path):
    good = make_mot(tmp_path / "good")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/notes.txt").write_text("no data")
    finding = found(tmp_path / "bad", good)["unreadable"]
    assert (finding.severity, finding.path) == ("error", tmp_path / "bad")
    assert "no data set here" in finding.what
    assert check([tmp_path / "bad", good]).report.summaries[1].boxes == 18


def test_no_boxes(make_mot, found, tmp_path):
    folder = make_mot(tmp_path / "s", [[*row[:6], 0, 1, 1] for row in mot_rows()])
    findings = found(folder)
    assert findings["no boxes"].severity == "error"
    assert "no boxes to train on" in findings["unreadable"].what


def test_bad_usage(make_mot, tmp_path):
    folder = make_mot(tmp_path / "s")
    for paths, message in (
        ([], "no data given"),
        ([tmp_path / "nowhere"], "no such file or folder"),
        ([folder, folder], "given twice"),
    ):
        with pytest.raises(UserError, match=message):
            check(paths)
    with pytest.raises(UserError, match="did you mean 'motchallenge'"):
        check([folder], format="motchalenge")


def change(content, **changes):
    """The content with its second annotation changed."""
    content["annotations"][1] |= changes
    return content


@pytest.mark.parametrize(
    ("changes", "name", "severity"),
    [
        ({"bbox": [1, 2, None, 4]}, "numbers that are not finite", "warning"),
        ({"bbox": [1, 2, 3, 0]}, "boxes without area", "warning"),
        ({"id": 2}, "same annotation id twice", "warning"),
        ({"image_id": 99}, "annotations without image", "warning"),
        ({"bbox": [1, 2, 3]}, "faulty records", "error"),
        ({"category_id": 5}, "faulty records", "error"),
        ({"image_id": None}, "faulty records", "error"),
    ],
)
def test_faulty_annotations_of_a_coco_file(make_coco, found, tmp_path, changes, name, severity):
    path = make_coco(tmp_path, change(coco_content(), **changes))
    finding = found(path)[name]
    assert (finding.severity, finding.count) == (severity, 1)
    assert "annotations[1]" in finding.places[0]
    assert ("unreadable" in found(path)) == (severity == "error")
    assert check([path]).report.summaries[0].boxes == 5 + (name == "same annotation id twice")


def test_missing_images_of_a_coco_file(make_coco, found, tmp_path):
    path = make_coco(tmp_path, coco_content())
    (tmp_path / "2.png").unlink()
    findings = found(path)
    assert findings["missing images"].places == (f"{path}: $.images[1] (2.png)",)
    assert check([path]).report.summaries[0].images == 2
    assert "annotations without image" not in findings


def test_images_listed_twice_in_a_coco_file(make_coco, found, tmp_path):
    content = coco_content()
    content["images"] += [{**content["images"][0]}, {**content["images"][0], "id": 77}]
    content["annotations"][0]["image_id"] = 77
    findings = found(path := make_coco(tmp_path, content))
    assert findings["same image id twice"].places == (f"{path}: $.images[3] (id 1)",)
    assert findings["same file twice"].places == (f"{path}: $.images[4] (1.png)",)
    # the annotations of both records are one image's
    assert check([path]).report.summaries[0].boxes == 6


@pytest.mark.parametrize("text", ['{"images": 3}', "[1]", "{", '{"images": [3], "annotations": [], "categories": [4]}'])
def test_a_coco_file_that_is_none(found, tmp_path, text):
    (tmp_path / "boxes.json").write_text(text)
    assert found(tmp_path / "boxes.json")["unreadable"].severity == "error"


def test_counts(make_coco, tmp_path):
    content = coco_content()
    content["annotations"][0] |= {"iscrowd": 1}
    content["annotations"][1] |= {"category_id": 2, "track_id": 4}
    content["annotations"][2] |= {"track_id": 4}
    content["categories"].append({"id": 2, "name": "car"})
    report = check([make_coco(tmp_path, content)]).report
    (counts,) = json.loads(json.dumps(report.as_dict()))["data"]
    assert counts["images"] == 3
    assert counts["boxes by class"] == {"person": 4, "car": 1}
    assert (counts["boxes"], counts["ignored boxes"], counts["identities"]) == (5, 1, 1)
    assert counts["image sizes"] == {"160 x 120": 3}
    assert counts["distributions"]["box height"]["median"] == 60
    assert counts["distributions"]["boxes in a frame"] == {"least": 1, "5 %": 1.1, "median": 2, "95 %": 2, "most": 2}
