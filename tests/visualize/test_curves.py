import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from clmot.errors import UserError
from clmot.visualize.curves import loss_curves, read_curves, smooth


def write_log(path: Path, steps: range) -> Path:
    lines = [
        {"step": step, "total": 5 / step, "heatmap": 1 / step, "learning_rate": 1e-3, "seconds": 0.1 * step}
        for step in steps
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_draws_a_panel_for_each_quantity(tmp_path: Path) -> None:
    loss_curves(write_log(tmp_path / "log.jsonl", range(1, 200)), tmp_path / "loss.png")
    picture = cv2.imread(str(tmp_path / "loss.png"))
    assert picture is not None
    blue = (picture[..., 0].astype(int) - picture[..., 2]) > 60
    thirds = np.array_split(blue, 3, axis=1)
    assert picture.shape[1] == 1200
    assert all(third.sum() > 200 for third in thirds)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["log.jsonl", "loss.png"]


def test_reads_numbers_by_step_and_leaves_time_out(tmp_path: Path) -> None:
    curves = read_curves(write_log(tmp_path / "log.jsonl", range(1, 5)))
    assert list(curves) == ["total", "heatmap", "learning_rate"]
    steps, values = curves["total"]
    assert steps.tolist() == [1, 2, 3, 4]
    assert values == pytest.approx(5 / steps)


def test_a_step_written_again_counts_once(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.jsonl", range(1, 10))
    with log.open("a") as handle:
        handle.write('{"step": 5, "total": 77}\n')
    steps, values = read_curves(log)["total"]
    assert steps.tolist() == list(range(1, 10))
    assert values[4] == 77


def test_a_last_line_cut_short_is_passed_over(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.jsonl", range(1, 10))
    log.write_text(log.read_text()[:-20])
    assert read_curves(log)["total"][0].tolist() == list(range(1, 9))
    loss_curves(log, tmp_path / "loss.png")


def test_what_is_no_number_is_no_curve(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text('{"step": 1, "total": NaN, "note": "warm", "done": true, "parts": {}}\n{"step": 2, "total": 1}\n')
    curves = read_curves(log)
    assert list(curves) == ["total"]
    assert np.isnan(curves["total"][1][0])
    loss_curves(log, tmp_path / "loss.png")


@pytest.mark.parametrize("line", ["nonsense", '{"total": 1}', "[1, 2]", '{"step": "x"}', "5"])
def test_a_broken_line_in_the_middle_is_named(tmp_path: Path, line: str) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text('{"step": 1, "total": 1}\n' + line + '\n{"step": 2, "total": 1}\n')
    with pytest.raises(UserError, match=r"log\.jsonl:2: expected a JSON object"):
        read_curves(log)


def test_nothing_to_read_or_to_write(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot read the training log"):
        loss_curves(tmp_path / "none.jsonl", tmp_path / "loss.png")
    (tmp_path / "empty.jsonl").write_text("")
    with pytest.raises(UserError, match="no logged numbers"):
        loss_curves(tmp_path / "empty.jsonl", tmp_path / "loss.png")
    with pytest.raises(UserError, match="cannot write the loss curves"):
        loss_curves(write_log(tmp_path / "log.jsonl", range(1, 3)), tmp_path / "none" / "loss.png")


@pytest.mark.parametrize("length", [1, 2, 9, 10, 57, 300])
def test_smoothing_is_the_mean_of_the_neighbours(length: int) -> None:
    values = np.random.default_rng(0).normal(size=length)
    values[length // 2] = np.nan
    half = (max(1, length // 10) | 1) // 2
    expected = []
    for index in range(length):
        near = values[max(0, index - half) : index + half + 1]
        near = near[np.isfinite(near)]
        expected.append(near.mean() if len(near) else np.nan)
    np.testing.assert_allclose(smooth(values), expected, rtol=1e-12, atol=1e-12)
