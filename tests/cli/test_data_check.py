"""`clmot data check` as a user meets it."""

import json
import shutil
from functools import partial

import cv2
import numpy as np
import pytest
from command_line import call, fails

ROWS = [f"{frame},{person},{40 * person + frame},20,16,40,1,1,1" for person in (1, 2) for frame in (1, 2, 3, 4)]


@pytest.fixture
def sequence(tmp_path):
    folder = tmp_path / "street"
    (folder / "img1").mkdir(parents=True)
    (folder / "gt").mkdir()
    rng = np.random.default_rng(0)
    for frame in range(1, 5):
        small = rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f"img1/{frame:06d}.jpg"), cv2.resize(small, (160, 120)))
    (folder / "gt/gt.txt").write_text("\n".join(ROWS) + "\n")
    return folder


check = partial(call, "data", "check")


def plant_an_error(sequence):
    (sequence / "gt/gt.txt").write_text("\n".join([*ROWS, "2,1,100,70,16,40,1,1,1"]) + "\n")


def test_exit_code_0_and_the_counts(sequence, capsys):
    assert check(sequence) == 0
    out = capsys.readouterr().out
    assert "0 errors, 0 warnings, 0 notes" in out
    assert "160 x 120" in out
    assert "box height" in out


def test_exit_code_1_of_errors(sequence, capsys):
    plant_an_error(sequence)
    assert check(sequence) == 1
    out = capsys.readouterr().out
    assert "error: id twice in a frame" in out
    assert "gt.txt:9" in out.replace("\n", "")
    assert "2 errors, 0 warnings, 0 notes" in out


def test_warnings_are_no_errors(sequence, capsys):
    assert check(sequence, "detect.max_detections=1") == 0
    assert "warning: more boxes than decoding keeps" in capsys.readouterr().out


def test_json_and_html(sequence, tmp_path):
    plant_an_error(sequence)
    assert check(sequence, "--json", tmp_path / "report.json", "--html", tmp_path / "report.html") == 1
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["counts"] == {"error": 2, "warning": 0, "information": 0}
    assert {finding["check"] for finding in report["findings"]} == {"unreadable", "id twice in a frame"}
    assert report["data"][0]["boxes"] == 9
    assert "data:image/jpeg;base64," in (tmp_path / "report.html").read_text()


def test_fix_writes_a_copy_without_errors(sequence, tmp_path, capsys):
    plant_an_error(sequence)
    file = sequence / "img1/000003.jpg"
    file.write_bytes(file.read_bytes()[:-100])
    assert check(sequence, "--fix", tmp_path / "fixed") == 1
    out = capsys.readouterr().out
    assert "boxes with a new id: 1" in out
    assert "images left out: corrupt: 1" in out
    assert "left to do by hand" not in out
    assert check(tmp_path / "fixed") == 0


def test_fix_tells_what_it_cannot_do(sequence, tmp_path, capsys):
    rows = [f"{frame},{person},{140 + person},20,100,40,1,1,1" for person in (1, 2, 3) for frame in (1, 2, 3, 4)]
    (sequence / "gt/gt.txt").write_text("\n".join(rows))
    assert check(sequence, "--fix", tmp_path / "fixed") == 1
    out = capsys.readouterr().out
    assert "nothing was changed" in out
    assert "left to do by hand: boxes of a larger image" in out


def test_several_paths_are_splits(sequence, tmp_path, capsys):
    shutil.copytree(sequence, tmp_path / "again")
    assert check(sequence, tmp_path / "again") == 1
    assert "same image in two splits" in capsys.readouterr().out
    assert check(sequence, tmp_path / "again", "--fast") == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name at least one data folder"),
        (["{tmp}/nowhere"], "no such file or folder"),
        (["{street}", "data.format=yol"], "did you mean 'yolo'"),
        (["{street}", "detect.max_detection=3"], "did you mean"),
        (["{street}", "--fix", "{tmp}/full"], "is not empty"),
        (["{street}", "--fix", "{street}/fixed"], "must stay as it is"),
        (["{street}", "--fix", "{tmp}/x", "--fast"], "leave out --fast"),
        (["{street}", "--html", "{tmp}/no/x.html"], "no/x.html: there is no folder"),
        (["{street}", "--json", "{tmp}/no/x.json"], "no/x.json: there is no folder"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(sequence, tmp_path, capsys, arguments, message):
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").touch()
    given = (argument.format(tmp=tmp_path, street=sequence) for argument in arguments)
    assert message in fails(capsys, "data", "check", *given)


def test_help_has_examples(capsys):
    assert check("--help") == 0
    assert "clmot data check MOT17/train" in capsys.readouterr().out


def test_repaired_detections_keep_their_scores(sequence, tmp_path, capsys):
    (sequence / "det").mkdir()
    # all of them below the score that counts if nothing is asked for; one twice
    rows = [
        f"{frame},-1,{left},20,16,40,{score}" for frame, left, score in ((1, 9, 0.05), (1, 9, 0.05), (2, 50, 0.0625))
    ]
    (sequence / "det/det.txt").write_text("\n".join(rows))
    assert check(sequence / "det/det.txt", "--fix", tmp_path / "out", "data.min_score=0.04") == 0
    assert "duplicates: 1" in capsys.readouterr().out
    annotations = json.loads((tmp_path / "out/annotations.json").read_text())["annotations"]
    assert [each["score"] for each in annotations] == [0.05, 0.0625]
