"""Verbs that score, from the command line."""

import csv
import json
import zipfile
from pathlib import Path

import pytest

from clmot.cli import main


def write_case(root: Path) -> None:
    for number, name in enumerate(("s1", "s2")):
        (root / "gt" / name / "gt").mkdir(parents=True)
        rows = [f"{frame},{i},{60 * i + frame},20,20,40,1,1,1\n" for frame in range(1, 11) for i in (1, 2)]
        (root / "gt" / name / "gt" / "gt.txt").write_text("".join(rows))
        for folder, lost in (("good", 1), ("bad", 4 + number)):
            (root / folder).mkdir(exist_ok=True)
            (root / folder / f"{name}.txt").write_text("".join(rows[lost:]).replace(",1,1,1\n", ",1,-1,-1,-1\n"))


def run(*arguments: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 0


def fails(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    return capsys.readouterr().err


def test_options_that_detections_have_no_use_for_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_case(tmp_path)
    told = fails(capsys, "evaluate", "--detections", str(tmp_path / "good"), "--gt", str(tmp_path / "gt"),
                 "--bootstrap", "5", "--classes", "car")  # fmt: skip
    assert "evaluate: --classes, --bootstrap: for tracks only, not with --detections" in told


def test_scores_in_every_form(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_case(tmp_path)
    out = {name: tmp_path / f"scores.{name}" for name in ("md", "csv", "json")}
    run("evaluate", str(tmp_path / "good"), "--gt", str(tmp_path / "gt"), "--bootstrap", "20", "--markdown",
          str(out["md"]), "--csv", str(out["csv"]), "--json", str(out["json"]))  # fmt: skip
    printed = capsys.readouterr().out
    assert all(word in printed for word in ("HOTA", "s1", "s2", "combined", "95 % interval", "95.0"))
    assert out["md"].read_text().splitlines()[4].startswith("| **combined** | **")
    rows = list(csv.DictReader(out["csv"].open()))
    assert [row["sequence"] for row in rows] == ["combined", "s1", "s2"]
    content = json.loads(out["json"].read_text())
    assert content["combined"]["MOTA"] == float(rows[0]["MOTA"]) == 95
    assert content["intervals"]["MOTA"] == [95, 95]


def test_two_sets_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_case(tmp_path)
    run("evaluate", str(tmp_path / "good"), str(tmp_path / "bad"), "--gt", str(tmp_path / "gt"), "--json",
          str(tmp_path / "both.json"))  # fmt: skip
    printed = capsys.readouterr().out
    assert "bad - good" in printed
    assert "-17.5" in printed
    difference = json.loads((tmp_path / "both.json").read_text())["differences"]["bad"]
    assert difference["sequences"]["s2"]["MOTA"] == -20
    assert difference["intervals"]["MOTA"] == [-20, -15]


def test_some_frames_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_case(tmp_path)
    run("evaluate", str(tmp_path / "good"), "--gt", str(tmp_path / "gt"), "--every", "3", "--json",
          str(tmp_path / "scores.json"))  # fmt: skip
    assert json.loads((tmp_path / "scores.json").read_text())["combined"]["GT_Dets"] == 16


def test_mistakes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_case(tmp_path)
    gt = ["--gt", str(tmp_path / "gt")]
    assert "name a folder of results, or --detections" in fails(capsys, "evaluate", *gt)
    assert "give results or --detections, not both" in fails(
        capsys, "evaluate", str(tmp_path), "--detections", str(tmp_path), *gt
    )
    good = str(tmp_path / "good")
    assert "--every must be >= 1, got 0" in fails(capsys, "evaluate", good, *gt, "--every", "0")
    assert "--bootstrap must be >= 0, got -1" in fails(capsys, "evaluate", good, *gt, "--bootstrap", "-1")
    assert "mot18" in fails(capsys, "evaluate", good, *gt, "--benchmark", "mot18")
    assert "no class 'tram'" in fails(capsys, "evaluate", good, *gt, "--classes", "person, tram")


def test_an_archive_for_the_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from clmot.evaluation.submission import SERVERS

    results, archive = tmp_path / "results", tmp_path / "mot17.zip"
    results.mkdir()
    for name in (*SERVERS["mot17"].train, *SERVERS["mot17"].test):
        (results / f"{name}.txt").write_text("1,1,5,5,10,10,1,-1,-1,-1\n")
    run("submit", str(results), "--benchmark", "mot17", "--out", str(archive))
    assert f"{archive}: 42 files, 28 of them copies of another detector's" in capsys.readouterr().out.replace("\n", "")
    assert len(zipfile.ZipFile(archive).namelist()) == 42
    (results / "MOT17-01.txt").unlink()
    (results / "MOT17-02.txt").write_text("601,1,5,5,10,10,1,-1,-1,-1\n")
    message = fails(capsys, "submit", str(results), "--benchmark", "mot17", "--out", str(archive))
    assert "2 problems" in message
    assert "MOT17-02.txt:1: a frame after the sequence's 600 frames" in message
    assert "no results for MOT17-01: expected MOT17-01.txt (or MOT17-01-DPM.txt" in message
