"""Intervals over sequences, and result sets side by side."""

import logging
from pathlib import Path

import numpy as np
import pytest

from clmot.errors import UserError
from clmot.evaluation.bootstrap import Difference, draw_sequences, interval
from clmot.evaluation.comparison import compare
from clmot.evaluation.mot import evaluate
from clmot.evaluation.tables import comparison_csv, comparison_table, scores_csv, scores_table

SEQUENCES = 5


def write_results(folder: Path, seed: int, misses: float) -> None:
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(SEQUENCES):
        rows = []
        for frame in range(1, 21):
            for i in range(1, 5):
                if rng.random() > misses * (number + 1):
                    identity = i if rng.random() > 0.1 else 10 * i + frame
                    rows.append(f"{frame},{identity},{60 * i + frame + rng.normal():.2f},20,20,40,0.9,-1,-1,-1\n")
        (folder / f"s{number}.txt").write_text("".join(rows))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for number in range(SEQUENCES):
        (tmp_path / "gt" / f"s{number}" / "gt").mkdir(parents=True)
        rows = [f"{frame},{i},{60 * i + frame},20,20,40,1,1,1\n" for frame in range(1, 21) for i in range(1, 5)]
        (tmp_path / "gt" / f"s{number}" / "gt" / "gt.txt").write_text("".join(rows))
    write_results(tmp_path / "a", 1, misses=0.1)
    write_results(tmp_path / "b", 1, misses=0.05)
    return tmp_path


def test_a_draw_scores_as_its_sequences_do(root: Path, tmp_path: Path) -> None:
    """The replicates of the bootstrap, against scoring copies of the drawn sequences from their files."""
    draws = draw_sequences([f"s{number}" for number in range(SEQUENCES)], 3, seed=4)
    assert draws is not None
    by_hand = []
    for number, draw in enumerate(draws):
        for place, index in enumerate(draw):
            folder = tmp_path / f"drawn{number}" / f"c{place}" / "gt"
            folder.mkdir(parents=True)
            (folder / "gt.txt").write_text((root / "gt" / f"s{index}" / "gt" / "gt.txt").read_text())
            (tmp_path / f"res{number}").mkdir(exist_ok=True)
            (tmp_path / f"res{number}" / f"c{place}.txt").write_text((root / "a" / f"s{index}.txt").read_text())
        by_hand.append(evaluate(tmp_path / f"res{number}", tmp_path / f"drawn{number}").combined)
    scores = evaluate(root / "a", root / "gt", bootstrap=3, seed=4)
    for metric, ends in scores.intervals.items():
        expected = np.percentile([values[metric] for values in by_hand], [2.5, 97.5])
        assert ends == pytest.approx(tuple(expected)), metric
    assert scores.intervals["MOTA"][0] < scores.intervals["MOTA"][1]


def test_interval_of_a_mean_is_the_textbook_one() -> None:
    """Bootstrap means of n values scatter with their standard error."""
    rng = np.random.default_rng(0)
    values = rng.normal(50, 8, 40)
    draws = draw_sequences([str(i) for i in range(40)], 4000, seed=1)
    assert draws is not None
    low, high = interval(values[np.array(draws)].mean(axis=1))
    error = values.std() / np.sqrt(40)
    assert low == pytest.approx(values.mean() - 1.96 * error, abs=0.15 * error)
    assert high == pytest.approx(values.mean() + 1.96 * error, abs=0.15 * error)


def test_copies_of_a_video_are_drawn_together() -> None:
    names = [f"MOT17-{number:02d}-{detector}" for number in (2, 4, 5) for detector in ("DPM", "FRCNN", "SDP")]
    draws = draw_sequences(names, 50, seed=0)
    assert draws is not None
    for draw in draws:
        assert len(draw) == 9
        assert all(draw[i : i + 3] == list(range(draw[i], draw[i] + 3)) for i in (0, 3, 6))
    assert draw_sequences(names[:3], 50, seed=0) is None


def test_one_sequence_has_no_interval(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        scores = evaluate(root / "a" / "s0.txt", root / "gt", bootstrap=10)
        compared = compare([root / "a" / "s0.txt", root / "b" / "s0.txt"], root / "gt", bootstrap=10)
    assert [record.message for record in caplog.records] == [
        "no intervals: they need two or more sequences to draw from"
    ] * 2
    assert scores.intervals == {}
    assert [each.interval for each in compared.differences["b/s0.txt"].values()] == [None] * len(scores.combined)


def test_paired_differences(root: Path) -> None:
    found = compare([root / "a", root / "b"], root / "gt", bootstrap=300)
    one, other = (evaluate(root / name, root / "gt", bootstrap=300) for name in "ab")
    assert found.scores == {"a": one, "b": other}
    difference = found.differences["b"]
    for metric in ("HOTA", "MOTA", "IDF1", "IDSW", "FN"):
        assert difference[metric].value == other.combined[metric] - one.combined[metric]
        expected = other.sequences["s2"][metric] - one.sequences["s2"][metric]
        assert found.of_sequences("b")["s2"][metric] == expected
    assert difference["MOTA"].value > 5
    low, high = difference["MOTA"].interval
    assert 0 < low < difference["MOTA"].value < high
    # the sets differ more surely than each is known
    assert high - low < one.intervals["MOTA"][1] - one.intervals["MOTA"][0]
    assert found == compare([root / "a", root / "b"], root / "gt", bootstrap=300)
    assert found != compare([root / "a", root / "b"], root / "gt", bootstrap=300, seed=1)


def test_a_set_does_not_differ_from_itself(root: Path) -> None:
    (root / "copy").symlink_to(root / "b")
    write_results(root / "x" / "a", 1, misses=0.1)
    found = compare([root / "a", root / "x" / "a"], root / "gt", bootstrap=20)
    assert list(found.scores) == ["a", "x/a"] or len(set(found.scores)) == 2
    [difference] = found.differences.values()
    assert set(difference.values()) == {Difference(0, (0, 0))}
    with pytest.raises(UserError, match="two of the result sets to compare are the same folder"):
        compare([root / "b", root / "copy"], root / "gt")
    with pytest.raises(UserError, match="two or more sets"):
        compare([root / "b"], root / "gt")


def test_tables(root: Path) -> None:
    scores = evaluate(root / "a", root / "gt", bootstrap=50)
    table = scores_table(scores)
    lines = [line for line in table.markdown().splitlines() if line.startswith("|")]
    assert lines[0] == "| sequence | HOTA | DetA | AssA | MOTA | MOTP | IDF1 | IDSW | MT | ML |"
    assert lines[1] == "| --- |" + " ---: |" * 9
    assert lines[2].startswith(f"| s0 | {scores.sequences['s0']['HOTA']:.1f} | ")
    assert lines[-2].startswith(f"| **combined** | **{scores.combined['HOTA']:.1f}** | ")
    low, high = scores.intervals["HOTA"]
    assert lines[-1].startswith(f"| 95 % interval | {low:.1f} .. {high:.1f} | ")
    assert {line.count("|") for line in lines} == {11}
    assert len(table.rows) == len(lines) - 2

    rows = [line.split(",") for line in scores_csv(scores).splitlines()]
    assert rows[0] == ["sequence", "class", *scores.combined]
    assert [float(value) for value in rows[1][2:]] == list(scores.combined.values())
    assert [row[0] for row in rows[1:]] == ["combined", *scores.sequences]

    found = compare([root / "a", root / "b"], root / "gt", bootstrap=50)
    lines = [line for line in comparison_table(found).markdown().splitlines() if line.startswith("|")]
    assert [line.split("|")[1].strip() for line in lines[2:]] == [
        "a", "b", "**b - a**", "95 % interval", "s0", "s1", "s2", "s3", "s4",
    ]  # fmt: skip
    assert f"| **b - a** | **{found.differences['b']['HOTA'].value:+.1f}** |" in lines[4]
    assert comparison_csv(found).splitlines()[1].startswith(f"a,combined,{found.scores['a'].combined['HOTA']!r},")
