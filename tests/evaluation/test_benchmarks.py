"""Rules of the benchmarks, against TrackEval's own classes for them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from oracle import trackeval

from clmot.cli import evaluate as cli_evaluate
from clmot.errors import UserError
from clmot.evaluation.benchmarks import BENCHMARKS, LABELS
from clmot.evaluation.mot import evaluate
from clmot.io.frame_choice import FrameChoice

FIELDS = {"Rcll": "CLR_Re", "Prcn": "CLR_Pr", "FP": "CLR_FP", "FN": "CLR_FN"}
LENGTH = 30
KITTI_TYPES = ("Car", "Van", "Pedestrian", "Person", "Cyclist", "Truck")


def agree(values: dict[str, float], oracle: dict[str, Any]) -> None:
    for metric, value in values.items():
        expected = float(np.mean(oracle[FIELDS.get(metric, metric)]))
        assert value == pytest.approx(expected if isinstance(value, int) else 100 * expected, abs=1e-9), metric


def kitti_row(frame: int, identity: int, kind: str, box: Sequence[float], truncated: int = 0, occluded: int = 0) -> str:
    return f"{frame} {identity} {kind} {truncated} {occluded} -10 " + " ".join(f"{v:.2f}" for v in box) + " 1" * 7


def kitti_case(rng: np.random.Generator) -> tuple[list[str], list[str]]:
    """A crowded street with every kind of row, and results around it with misses, clutter, small boxes and switches."""
    truth, found = [], []
    for frame in range(LENGTH):
        for i in range(24):
            kind = KITTI_TYPES[i % 6]
            left, top = 14 * (i // 2) + frame * (i % 3), 40 + 8 * (i % 2)
            box = np.array([left, top, left + 24, top + (16 if i % 7 == 3 else 34)], float) + rng.normal(0, 1, 4)
            if rng.random() > 0.1:
                truncated, occluded = rng.choice([0, 1, 2], p=[0.8, 0.1, 0.1]), rng.choice([0, 1, 2, 3])
                truth.append(kitti_row(frame, i, kind, box, truncated, occluded))
            if rng.random() > 0.2:
                named = {"Van": "Car", "Person": "Pedestrian"}.get(kind, kind)
                identity = i if rng.random() > 0.05 else 100 + int(rng.integers(1000)) + 1000 * i
                if named in ("Car", "Pedestrian"):
                    found.append(kitti_row(frame, identity, named, box + rng.normal(0, 1.5, 4)) + " 0.9")
        for j in range(3):
            left = rng.uniform(0, 300)
            clutter = [left, 100, left + 20, 100 + rng.choice([20, 25, 40])]
            found.append(kitti_row(frame, 90000 + j, "Car", clutter) + " 0.5")
        truth.append(kitti_row(frame, -1, "DontCare", [0, 90, 120, 160]))
    return truth, found


@pytest.fixture
def kitti(tmp_path: Path) -> Path:
    rng = np.random.default_rng(5)
    (tmp_path / "gt" / "label_02").mkdir(parents=True)
    (tmp_path / "results").mkdir()
    for name in ("0000", "0001"):
        truth, found = kitti_case(rng)
        (tmp_path / "gt" / "label_02" / f"{name}.txt").write_text("\n".join(truth) + "\n")
        (tmp_path / "results" / f"{name}.txt").write_text("\n".join(found) + "\n")
    return tmp_path


def test_kitti_equals_trackeval(kitti: Path) -> None:
    seqmap = kitti / "gt" / "evaluate_tracking.seqmap.training"
    seqmap.write_text("".join(f"{name} empty 000000 {LENGTH:06d}\n" for name in ("0000", "0001")))
    scores = evaluate(kitti / "results", kitti / "gt")
    assert list(scores.classes) == ["car", "pedestrian"]
    for kind, of_class in scores.classes.items():
        oracle = trackeval(kitti, ["0000", "0001"], kind, kitti=True)
        for name, values in [("combined", of_class.combined), *of_class.sequences.items()]:
            agree(values, oracle[name])
    car = scores.classes["car"].combined
    assert 20 < car["HOTA"] < 95
    assert car["FP"] > 0
    both = sum(each.combined["GT_Dets"] for each in scores.classes.values())
    assert scores.combined["GT_Dets"] == both
    alone = evaluate(kitti / "results", kitti / "gt", benchmark="kitti", classes=["car"])
    assert alone.combined == car
    assert alone.classes == {}


def test_kitti_mistakes(kitti: Path) -> None:
    with pytest.raises(UserError, match=r"--classes: kitti has no class 'van'; it has car, pedestrian"):
        evaluate(kitti / "results", kitti / "gt", classes=["van"])
    with pytest.raises(UserError, match=r"no KITTI labels .* expected label_02/0000.txt"):
        evaluate(kitti / "results", kitti / "results", benchmark="kitti")
    file = kitti / "results" / "0000.txt"
    file.write_text(kitti_row(3, 1, "Car", [1, 1, 9, 9]) + "\n" + kitti_row(3, 1, "Tank", [1, 1, 9, 9]) + "\n")
    with pytest.raises(UserError, match=r"0000\.txt:2: type is 'Tank'"):
        evaluate(kitti / "results", kitti / "gt")
    file.write_text("\n".join([kitti_row(3, 1, "Car", [1, 1, 9, 9])] * 2))
    with pytest.raises(UserError, match=r"0000\.txt:2: id 1 is already in frame"):
        evaluate(kitti / "results", kitti / "gt")


def write(path: Path, rows: Sequence[Sequence[float]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(",".join(f"{value:g}" for value in row) + "\n" for row in rows))


def mot_case(root: Path, name: str, rng: np.random.Generator, classes: Sequence[int], named: bool) -> None:
    truth, found = [], []
    for frame in range(1, LENGTH + 1):
        for i in range(1, 13):
            kind = classes[i % len(classes)]
            box = np.array([12 * i + frame * (i % 3 - 1), 20 + i, 12, 30]) + rng.normal(0, 1, 4)
            if rng.random() > 0.1:
                truth.append((frame, i, *box.round(2), int(rng.random() > 0.1), kind, 1))
            if rng.random() > 0.2:
                identity = i if rng.random() > 0.05 else 100 * i + int(rng.integers(50))
                tail = (kind, 1) if named else (-1, -1, -1)
                found.append((frame, identity, *(box + rng.normal(0, 2, 4)).round(2), 0.9, *tail))
    write(root / "gt" / name / "gt" / "gt.txt", truth)
    (root / "gt" / name / "seqinfo.ini").write_text(f"[Sequence]\nseqLength={LENGTH}\n")
    write(root / "results" / f"{name}.txt", found)


def test_dancetrack_equals_trackeval(tmp_path: Path) -> None:
    """DanceTrack's own command runs TrackEval with the rules of MOT17 on ground truth of persons only."""
    rng = np.random.default_rng(1)
    mot_case(tmp_path, "dancetrack0004", rng, [1], named=False)
    oracle = trackeval(tmp_path, ["dancetrack0004"], "pedestrian")["dancetrack0004"]
    for benchmark in ("auto", "dancetrack", "sportsmot"):
        scores = evaluate(tmp_path / "results", tmp_path / "gt", benchmark=benchmark)
        agree(scores.combined, oracle)


def test_results_of_several_classes_are_scored_by_their_persons(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    mot_case(tmp_path, "MOT17-02", rng, [1, 3], named=True)
    with_cars = evaluate(tmp_path / "results", tmp_path / "gt").combined
    file = tmp_path / "results" / "MOT17-02.txt"
    persons = [line for line in file.read_text().splitlines() if line.split(",")[7] == "1"]
    file.write_text("\n".join(persons) + "\n")
    assert evaluate(tmp_path / "results", tmp_path / "gt").combined == with_cars
    assert with_cars["Prcn"] > 60


def test_each_class_of_a_custom_ground_truth(tmp_path: Path) -> None:
    """A class scored beside others scores as it does alone."""
    rng = np.random.default_rng(3)
    mot_case(tmp_path, "street", rng, [1, 3, 14], named=True)
    scores = evaluate(tmp_path / "results", tmp_path / "gt")
    assert list(scores.classes) == ["person", "car", "class 14"]
    alone = evaluate(tmp_path / "results", tmp_path / "gt", classes=["car"])
    assert (
        alone.combined
        == scores.classes["car"].combined
        == evaluate(tmp_path / "results", tmp_path / "gt", classes=["3"], benchmark="custom").combined
    )
    assert scores.combined["GT_Dets"] == sum(each.combined["GT_Dets"] for each in scores.classes.values())
    with pytest.raises(UserError, match=r"--classes: the ground truth has no class 'tram'; it has person"):
        evaluate(tmp_path / "results", tmp_path / "gt", classes=["tram"])


def test_results_may_number_classes_in_their_own_way(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    mot_case(tmp_path, "street", rng, [1, 2], named=True)
    (tmp_path / "gt" / "street" / "gt" / LABELS).write_text("cat\ndog\n")
    before = evaluate(tmp_path / "results", tmp_path / "gt")
    assert list(before.classes) == ["cat", "dog"]
    file = tmp_path / "results" / "street.txt"
    rows = [line.split(",") for line in file.read_text().splitlines()]
    file.write_text("".join(",".join([*row[:7], str(3 - int(row[7])), row[8]]) + "\n" for row in rows))
    assert evaluate(tmp_path / "results", tmp_path / "gt").combined["MOTA"] < before.combined["MOTA"]
    (tmp_path / "results" / LABELS).write_text("dog\ncat\n")
    assert evaluate(tmp_path / "results", tmp_path / "gt") == before
    (tmp_path / "results" / LABELS).write_text("dog\n")
    with pytest.raises(UserError, match=r"street\.txt:\d+: class 2 is not named in labels\.txt beside it"):
        evaluate(tmp_path / "results", tmp_path / "gt")


@pytest.mark.parametrize(
    ("choice", "kept"),
    [
        (FrameChoice(every=7), {1, 8, 15, 22, 29}),
        (FrameChoice(part="first-half"), set(range(1, 16))),
        (FrameChoice(part="second-half", every=2), set(range(17, 31, 2))),
    ],
)
def test_some_frames_only(tmp_path: Path, choice: FrameChoice, kept: set[int]) -> None:
    """As if no other frame were in the files."""
    rng = np.random.default_rng(6)
    mot_case(tmp_path, "MOT17-02", rng, [1, 1, 8], named=False)
    scores = evaluate(tmp_path / "results", tmp_path / "gt", frames=choice)
    for file in (tmp_path / "results" / "MOT17-02.txt", tmp_path / "gt" / "MOT17-02" / "gt" / "gt.txt"):
        lines = [line for line in file.read_text().splitlines() if int(line.split(",")[0]) in kept]
        file.write_text("\n".join(lines) + "\n")
    assert evaluate(tmp_path / "results", tmp_path / "gt") == scores


def test_the_command_line_knows_every_benchmark() -> None:
    assert get_args(cli_evaluate.Benchmark) == BENCHMARKS
