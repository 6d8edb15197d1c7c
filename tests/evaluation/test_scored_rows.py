"""Reports say which rules were used, and how many rows they left out; scores of nothing are an error."""

import json
from pathlib import Path

import pytest
from command_line import call

from clmot.errors import UserError
from clmot.evaluation.mot import evaluate
from clmot.io.frame_choice import FrameChoice


def truth_line(frame: int, identity: int, flag: float = 1, kind: int = 1) -> str:
    return f"{frame},{identity},{10 + 50 * identity},20,30,60,{flag},{kind},1"


def found_line(frame: int, identity: int, kind: int | None = None) -> str:
    end = "-1,-1,-1" if kind is None else f"{kind},1"
    return f"{frame},{identity},{10 + 50 * identity},20,30,60,0.9,{end}"


def write(folder: Path, truth: list[str], found: list[str], length: int = 10) -> tuple[Path, Path]:
    (folder / "gt" / "S1" / "gt").mkdir(parents=True)
    (folder / "gt" / "S1" / "seqinfo.ini").write_text(f"[Sequence]\nseqLength={length}\n")
    (folder / "gt" / "S1" / "gt" / "gt.txt").write_text("".join(f"{line}\n" for line in truth))
    (folder / "S1.txt").write_text("".join(f"{line}\n" for line in found))
    return folder / "S1.txt", folder / "gt"


def test_perfect_results_of_a_class_that_does_not_count_are_an_error(tmp_path: Path) -> None:
    frames = range(1, 11)
    results, truth = write(
        tmp_path,
        [truth_line(frame, who, kind=3) for frame in frames for who in (1, 2)],
        [found_line(frame, who, 3) for frame in frames for who in (1, 2)],
    )
    with pytest.raises(UserError, match=r"gt\.txt: nothing to score: by the rules of mot17 .*20 of classes not scored"):
        evaluate(results, truth)
    # what the message advises
    for scores in (evaluate(results, truth, benchmark="custom"), evaluate(results, truth, classes=["car"])):
        assert (scores.combined["MOTA"], scores.combined["IDF1"]) == (100, 100)
        assert scores.rows["S1"].truth.scored == 20


def test_results_of_other_classes_alone_are_an_error(tmp_path: Path) -> None:
    results, truth = write(tmp_path, [truth_line(1, 1)], [found_line(1, 1, 3)])
    with pytest.raises(UserError, match=r"S1\.txt: nothing to score: .*mot17 .*1 of classes not scored"):
        evaluate(results, truth)


def test_results_without_classes_are_of_the_only_class_that_is_scored(tmp_path: Path) -> None:
    results, truth = write(tmp_path, [truth_line(1, 1, kind=3)], [found_line(1, 1)])
    for scores in (evaluate(results, truth, benchmark="custom"), evaluate(results, truth, classes=["car"])):
        assert scores.combined["MOTA"] == 100


def test_results_and_ground_truth_without_a_class_in_common_are_an_error(tmp_path: Path) -> None:
    results, truth = write(tmp_path, [truth_line(1, 1, kind=3)], [found_line(1, 1, 4)])
    with pytest.raises(UserError, match="the results are of bicycle, the ground truth of car; numbers of classes"):
        evaluate(results, truth, benchmark="custom")


def test_class_0_beside_class_1_is_an_error_not_the_same_class(tmp_path: Path) -> None:
    results, truth = write(tmp_path, [truth_line(1, 1, kind=1), truth_line(1, 2, kind=0)], [found_line(1, 1)])
    with pytest.raises(UserError, match=r"gt\.txt:2: class is 0; numbers of classes count from 1"):
        evaluate(results, truth, benchmark="custom")


def test_ground_truth_without_rows_is_an_error(tmp_path: Path) -> None:
    results, truth = write(tmp_path, [], [found_line(1, 1)])
    with pytest.raises(UserError, match=r"gt\.txt: nothing to score: the ground truth has no rows"):
        evaluate(results, truth)


def test_results_tracked_on_fewer_frames_than_are_scored_are_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    results, truth = write(tmp_path, [truth_line(1, 1)], [found_line(1, 1)])
    (tmp_path / "run.json").write_text(json.dumps({"S1": {"frame choice": {"every": 5, "part": "all", "last": None}}}))
    assert call("evaluate", results, "--gt", truth, "--every", 5) == 0
    assert "was made with" not in caplog.text
    assert call("evaluate", results, "--gt", truth) == 0
    assert "S1 was made with --every 5 --frames all" in caplog.text


def test_no_results_at_all_are_a_score(tmp_path: Path) -> None:
    results, truth = write(tmp_path, [truth_line(1, 1)], [])
    assert evaluate(results, truth).combined["MOTA"] == 0


def test_every_row_is_scored_or_left_out_for_a_reason(tmp_path: Path) -> None:
    results, truth = write(
        tmp_path,
        [
            *(truth_line(frame, 1) for frame in range(1, 11)),
            truth_line(1, 2, flag=0),
            truth_line(1, 3, flag=0.99),
            truth_line(1, 4, kind=3),
            truth_line(1, 5, flag=0, kind=8),
        ],
        [
            *(found_line(frame, 1, 1) for frame in range(1, 11)),
            found_line(1, 5, 1),
            found_line(1, 4, 3),
        ],
    )
    rows = evaluate(results, truth, frames=FrameChoice(every=2)).rows["S1"]
    assert rows.rules == "mot17"
    assert (rows.truth.rows, rows.truth.scored) == (14, 5)
    assert rows.truth.left_out == {
        "in frames not scored": 5,
        "of distractor classes": 1,
        "of classes not scored": 1,
        "with flag 0": 2,
    }
    assert (rows.results.rows, rows.results.scored) == (12, 5)
    assert rows.results.left_out == {
        "in frames not scored": 5,
        "of classes not scored": 1,
        "on ground truth that does not count": 1,
    }


def test_table_markdown_and_json_say_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results, truth = write(tmp_path, [truth_line(1, 1), truth_line(1, 2, flag=0)], [found_line(1, 1)])
    markdown, file = tmp_path / "s.md", tmp_path / "s.json"
    assert call("evaluate", results, "--gt", truth, "--markdown", markdown, "--json", file) == 0
    lines = [
        "rules: mot17, 1 sequence",
        "ground truth: 1 of 2 rows scored; 1 with flag 0",
        "results: 1 of 1 row scored",
    ]
    printed = capsys.readouterr().out
    for line in lines:
        assert line in printed
        assert line in markdown.read_text()
    told = json.loads(file.read_text())["rows"]["S1"]
    assert told["truth"] == {"rows": 2, "scored": 1, "left_out": {"with flag 0": 1}}
    assert told["rules"] == "mot17"


def test_intervals_from_two_sequences_come_with_a_caution(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results, truth = write(tmp_path, [truth_line(1, 1)], [found_line(1, 1)])
    other = truth / "S2" / "gt"
    other.mkdir(parents=True)
    (other / "gt.txt").write_text(truth_line(1, 1) + "\n")
    (tmp_path / "S2.txt").write_text(found_line(1, 1) + "\n")
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("S1.txt", "S2.txt"):
        (copy / name).write_text((tmp_path / name).read_text())
    for arguments in ([results.parent, "--bootstrap", 9], [results.parent, copy, "--bootstrap", 9]):
        assert call("evaluate", *arguments, "--gt", truth) == 0
        assert "intervals from 2 videos are too narrow" in capsys.readouterr().out
    assert call("evaluate", results.parent, "--gt", truth) == 0
    assert "too narrow" not in capsys.readouterr().out
