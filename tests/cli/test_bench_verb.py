"""The verb bench, from the command line."""

from pathlib import Path

import pytest
import yaml
from command_line import call, fails

from clmot.synthetic import write_scenes


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bench-verb")
    write_scenes(folder, still_frames=2, still_sequences=1, clips=1, clip_frames=9, frame_rate=4, size=(256, 160))
    content = {
        "steps": 1,
        "data": {"train": "stills", "test": "clips"},
        "methods": ["ours"],
        "references": ["colour histogram"],
        "measures": ["embedding"],
    }
    file = folder / "bench.yaml"
    file.write_text(yaml.safe_dump(content))
    return file


def test_a_part_and_its_report(plan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The first of two runs is the reference, which needs no training."""
    assert call("bench", plan, "--out", tmp_path / "out", "--part", "1/2") == 0
    printed = capsys.readouterr().out
    assert "colour histogram, test: rank-1 0." in printed
    assert "report.md" in printed
    report = tmp_path / "out" / "report.md"
    assert "not finished: 1 of 2 runs are missing" in report.read_text()
    report.unlink()
    assert call("bench", plan, "--out", tmp_path / "out", "--report-only") == 0
    assert "colour histogram" in report.read_text()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--part", "3/2"), "--part must be K/N"),
        (("--part", "half"), "--part must be K/N"),
        (("--report-only",), "no run is finished"),
    ],
)
def test_mistakes_are_one_line(
    plan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], says: str
) -> None:
    assert says in fails(capsys, "bench", plan, "--out", tmp_path / "none", *options)
