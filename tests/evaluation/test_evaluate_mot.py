import io
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracle import trackeval
from rich.console import Console

from clmot.errors import UserError
from clmot.evaluation.mot import evaluate
from clmot.evaluation.tables import TABLE_METRICS, scores_table
from clmot.io.atomic import write_whole_json

Row = Sequence[float]


def result(frame: int, identity: int, left: float, top: float = 20) -> Row:
    return (frame, identity, left, top, 10, 30, 0.9, -1, -1, -1)


def mot15(frame: int, identity: int, left: float, flag: float = 1) -> Row:
    return (frame, identity, left, 20, 10, 30, flag, -1, -1, -1)


def mot17(frame: int, identity: int, left: float, flag: float = 1, kind: int = 1) -> Row:
    return (frame, identity, left, 20, 10, 30, flag, kind, 1)


def write_rows(path: Path, rows: Sequence[Row]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(",".join(f"{value:.10g}" for value in row) + "\n" for row in rows))
    return path


def write_truth(root: Path, name: str, rows: Sequence[Row], length: int | None = None) -> None:
    write_rows(root / name / "gt" / "gt.txt", rows)
    if length is not None:
        (root / name / "seqinfo.ini").write_text(f"[Sequence]\nseqLength={length}\n")


def two_walkers(row: Any, frames: int = 10) -> list[Row]:
    return [row(frame, identity, 100 * identity + frame) for frame in range(1, frames + 1) for identity in (1, 2)]


def score(tmp_path: Path, truth: Sequence[Row], results: Sequence[Row], name: str = "seq") -> dict[str, float]:
    """Scores of one sequence of ten frames."""
    write_truth(tmp_path / "gt", name, truth, length=10)
    write_rows(tmp_path / "results" / f"{name}.txt", results)
    scores = evaluate(tmp_path / "results", tmp_path / "gt")
    assert list(scores.sequences) == [name]
    assert scores.combined == pytest.approx(scores.sequences[name])
    return scores.combined


@pytest.mark.parametrize("truth", [mot15, mot17])
def test_perfect_results(tmp_path: Path, truth: Any) -> None:
    scores = score(tmp_path, two_walkers(truth), two_walkers(result))
    for name in ("HOTA", "DetA", "AssA", "MOTA", "MOTP", "IDF1", "Rcll", "Prcn"):
        assert scores[name] == pytest.approx(100), name
    assert [scores[name] for name in ("IDSW", "Frag", "MT", "ML", "FP", "FN")] == [0, 0, 2, 0, 0, 0]
    assert (scores["GT_IDs"], scores["GT_Dets"]) == (2, 20)


@pytest.mark.parametrize(
    ("name", "kind", "false_positives"),
    [("MOT17-x", 1, 10), ("MOT17-x", 3, 10), ("MOT17-x", 6, 10), ("MOT20-x", 6, 0)]
    + [("MOT17-x", kind, 0) for kind in (2, 7, 8, 12)],
)
def test_results_on_distractors(tmp_path: Path, name: str, kind: int, false_positives: int) -> None:
    """Ten results lie on objects that are no persons, or persons whose flag is 0."""
    distractors = [mot17(frame, 9, 500, flag=0, kind=kind) for frame in range(1, 11)]
    on_them = [result(frame, 9, 502) for frame in range(1, 11)]
    scores = score(tmp_path, two_walkers(mot17) + distractors, two_walkers(result) + on_them, name)
    assert (scores["FP"], scores["FN"], scores["GT_Dets"]) == (false_positives, 0, 20)


def test_person_is_preferred_to_a_distractor_behind(tmp_path: Path) -> None:
    """Results are matched to all classes at once: one on a person stays, though a distractor overlaps it as well."""
    distractors = [mot17(frame, 9, 102 + frame, flag=0, kind=8) for frame in range(1, 11)]
    scores = score(tmp_path, two_walkers(mot17) + distractors, two_walkers(result))
    assert (scores["FP"], scores["FN"]) == (0, 0)


def test_flag_of_mot15(tmp_path: Path) -> None:
    """MOT15 has no distractors: a result on a row with flag 0 is a false positive."""
    truth = two_walkers(mot15) + [mot15(frame, 9, 500, flag=0) for frame in range(1, 11)]
    scores = score(tmp_path, truth, [*two_walkers(result), result(1, 9, 500)])
    assert (scores["FP"], scores["FN"], scores["GT_IDs"]) == (1, 0, 2)


def random_case(rng: np.random.Generator, with_classes: bool) -> tuple[list[Row], list[Row]]:
    """Crowded ground truth of all classes, and results around it with misses, clutter, shifts and switches."""
    truth: list[Row] = []
    found: list[Row] = []
    for frame in range(1, 31):
        for i in range(1, 15):
            box = np.array([12 * i + frame * (i % 3 - 1), 20 + i, 12, 30]) + rng.normal(0, 1, 4)
            flag, kind = int(rng.random() > 0.15), (i - 1) % 13 + 1 if i > 6 else 1
            tail = (flag, kind, 0.5) if with_classes else (flag, -1, -1, -1)
            if rng.random() > 0.1:
                truth.append((frame, i, *box.round(2), *tail))
            if rng.random() > 0.2:
                identity = i if rng.random() > 0.05 else int(rng.integers(1, 15)) + 100 * i
                found.append((frame, identity, *(box + rng.normal(0, 2, 4)).round(2), 0.9, -1, -1, -1))
        found.append((frame, 5000, *rng.uniform(1, 150, 2).round(2), 12, 30, 0.5, -1, -1, -1))
    return truth, [row for row in found if row[0] != 7]


@pytest.mark.parametrize("benchmark", ["MOT15", "MOT17", "MOT20"])
def test_equals_trackeval(tmp_path: Path, benchmark: str) -> None:
    rng = np.random.default_rng(7)
    names = [f"{benchmark}-{i}" for i in range(3)]
    for name in names:
        truth, found = random_case(rng, with_classes=benchmark != "MOT15")
        write_truth(tmp_path / "gt", name, truth, length=30)
        write_rows(tmp_path / "results" / f"{name}.txt", found)
    expected = trackeval(tmp_path, names, "pedestrian", BENCHMARK=benchmark)
    scores = evaluate(tmp_path / "results", tmp_path / "gt")
    fields = {"Rcll": "CLR_Re", "Prcn": "CLR_Pr", "FP": "CLR_FP", "FN": "CLR_FN"}
    for name, values in [("combined", scores.combined), *scores.sequences.items()]:
        for metric, value in values.items():
            oracle = np.mean(expected[name][fields.get(metric, metric)])
            assert value == pytest.approx(oracle if isinstance(value, int) else 100 * oracle, abs=1e-9), (name, metric)
    assert scores.combined["IDSW"] > 0
    assert 20 < scores.combined["HOTA"] < 90


def test_order_of_rows_changes_nothing_where_boxes_tie(tmp_path: Path) -> None:
    """One result between two persons in one place counts for the same one, whichever comes first in the file."""
    truth = [mot17(frame, 1, 100) for frame in range(1, 11)] + [mot17(frame, 2, 100) for frame in range(1, 4)]
    first, second = (score(tmp_path, rows, [result(1, 1, 100)]) for rows in (truth, truth[::-1]))
    assert first == second


def test_length_without_seqinfo(tmp_path: Path) -> None:
    write_truth(tmp_path / "gt", "seq", two_walkers(mot17))
    results = write_rows(tmp_path / "any name.txt", [*two_walkers(result), result(12, 1, 100)])
    for ground_truth in (tmp_path / "gt", tmp_path / "gt" / "seq"):
        assert evaluate(results, ground_truth).sequences["seq"]["FP"] == 1


def test_combined_is_over_all_boxes(tmp_path: Path) -> None:
    for name, frames in (("a", 10), ("b", 30)):
        write_truth(tmp_path / "gt", name, two_walkers(mot17, frames))
        write_rows(tmp_path / "results" / f"{name}.txt", two_walkers(result, frames) if name == "b" else [])
    scores = evaluate(tmp_path / "results", tmp_path / "gt")
    assert scores.combined["MOTA"] == pytest.approx(75)
    assert scores.combined["GT_Dets"] == 80
    one = evaluate(tmp_path / "results" / "b.txt", tmp_path / "gt")
    assert list(one.sequences) == ["b"]


def test_explicit_benchmark(tmp_path: Path) -> None:
    truth = [*two_walkers(mot17), mot17(1, 9, 500, kind=8)]
    write_truth(tmp_path / "gt", "seq", truth)
    results = write_rows(tmp_path / "seq.txt", two_walkers(result))
    assert evaluate(results, tmp_path / "gt", benchmark="mot17").combined["FN"] == 0
    assert evaluate(results, tmp_path / "gt", benchmark="mot15").combined["FN"] == 1
    write_truth(tmp_path / "gt", "seq", two_walkers(mot15))
    with pytest.raises(UserError, match=r"gt\.txt: no classes \(9 columns\), which mot16 rules need"):
        evaluate(results, tmp_path / "gt", benchmark="mot16")


def test_missing_results_are_named(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        write_truth(tmp_path / "gt", name, two_walkers(mot17))
    write_rows(tmp_path / "results" / "b.txt", [])
    with pytest.raises(UserError, match=r"no results for 2 of 3 sequences: expected a\.txt, c\.txt \(found b\.txt\)"):
        evaluate(tmp_path / "results", tmp_path / "gt")
    with pytest.raises(UserError, match=r"none: no such file or folder; expected a folder with a\.txt"):
        evaluate(tmp_path / "none", tmp_path / "gt")
    with pytest.raises(UserError, match=r"other\.txt: no ground truth for sequence other; there is for a, b, c"):
        evaluate(write_rows(tmp_path / "other.txt", []), tmp_path / "gt")


def test_missing_ground_truth(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none: no such folder"):
        evaluate(tmp_path, tmp_path / "none")
    with pytest.raises(UserError, match=r"no ground truth \(it is empty\); expected SEQUENCE"):
        evaluate(tmp_path, tmp_path)


@pytest.mark.parametrize(
    ("results", "message"),
    [
        ("1,1,5,5,10,10,1\n1,2,5,5,ten,10,1\n", r"seq\.txt:2: width is 'ten'"),
        ("1,1,5,5,10\n", r"seq\.txt:1: 5 columns"),
        ("1,1,5,5,10,10,1\n2,1,5,5,10,10,1\n2,1,9,5,10,10,1\n", r"seq\.txt:3: id 1 is already in frame 2"),
        ("11,1,5,5,10,10,1\n2,1,5,5,10,10,1\n", r"seq\.txt:1: frame 11, but the sequence has 10 frames"),
        ("2,-1,5,5,10,10,1\n1,1,5,5,10,10,1\n", r"seq\.txt:1: id is -1; scoring needs track ids"),
    ],
)
def test_bad_results_are_named_with_their_line(tmp_path: Path, results: str, message: str) -> None:
    write_truth(tmp_path / "gt", "seq", two_walkers(mot17), length=10)
    (tmp_path / "seq.txt").write_text(results)
    with pytest.raises(UserError, match=message):
        evaluate(tmp_path / "seq.txt", tmp_path / "gt")


def test_table_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_truth(tmp_path / "gt", "seq", two_walkers(mot17))
    scores = evaluate(write_rows(tmp_path / "seq.txt", two_walkers(result)), tmp_path / "gt")
    assert capsys.readouterr().out == ""  # TrackEval prints when imported and used as it comes
    console = Console(file=io.StringIO(), width=100)
    console.print(scores_table(scores))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert all(name in text for name in (*TABLE_METRICS, "seq", "combined", "100.0"))

    write_whole_json(tmp_path / "scores.json", scores.as_dict(), "scores")
    content = json.loads((tmp_path / "scores.json").read_text())
    assert content.pop("rows")["seq"]["truth"]["scored"] == 20
    assert content == {"combined": scores.combined, "sequences": scores.sequences}
    assert content["combined"]["MOTA"] == 100
    with pytest.raises(UserError, match=r"scores\.json: cannot write scores"):
        write_whole_json(tmp_path / "none" / "scores.json", scores.as_dict(), "scores")
    assert not list(tmp_path.glob("*.partial"))


def test_official_scores_of_the_devkit(real_data: Path) -> None:
    """The printed example of the MOTChallenge devkit's README, digit by digit.

    Not compared is IDs over all sequences: the devkit prints 220, TrackEval's own MOTChallenge class counts 222.
    """
    text = real_data / "text"
    scores = evaluate(text / "MOT15_devkit_res", text / "MOT15_gt")
    assert len(scores.sequences) == 11
    readme = (text / "MOT15_devkit_res" / "README.devkit.md").read_text()
    columns = ("Rcll", "Prcn", "FAR", "GT", "MT", "PT", "ML", "FP", "FN", "IDs", "FM", "MOTA", "MOTP", "MOTAL")
    for title, values in {"2DMOT15 Results": scores.combined, **scores.sequences}.items():
        match = re.search(rf"{title}[ *]*\n +IDF1 .*MOTAL *\n(.*)\n", readme)
        if match is None:
            continue
        official = dict(zip(("IDF1", "IDP", "IDR", *columns), re.split(r"[|\s]+", match[1].strip()), strict=True))
        for metric in ("IDF1", "Rcll", "Prcn", "MOTA", "MOTP"):
            assert f"{values[metric]:.1f}" == official[metric], (title, metric)
        renamed = {"GT": "GT_IDs", "FM": "Frag", "MT": "MT", "ML": "ML", "FP": "FP", "FN": "FN"}
        if values is not scores.combined:
            renamed["IDs"] = "IDSW"
        for theirs, ours in renamed.items():
            assert str(values[ours]) == official[theirs], (title, ours)
    assert len(re.findall("MOTAL", readme)) == 4  # three sequences and all together were there to compare
