"""The notebook runs from top to bottom, without a network, in a fresh kernel."""

from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[2] / "examples" / "first_tracker.ipynb"
FEWER = {'"still_frames": 300': '"still_frames": 8', '"still_sequences": 15': '"still_sequences": 2'}
LOW = (
    "detect.score_threshold=0.01",
    "tracker.high_score=0.02",
    "tracker.low_score=0.01",
    "tracker.new_track_score=0.02",
)
FEWER |= {'"data.workers=0"': ", ".join(f'"{each}"' for each in ("data.workers=0", *LOW))}
FEWER |= {'"clip_frames": 100': '"clip_frames": 12', "steps = 400": "steps = 2"}


@pytest.mark.slow
def test_the_notebook_runs_from_top_to_bottom(tmp_path, monkeypatch):
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells), "outputs are not kept in the repository"
    for cell in notebook.cells:
        if "write_scenes(" in cell.source or cell.source.startswith("steps"):
            for many, few in FEWER.items():
                cell.source = cell.source.replace(many, few)
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    printed = "".join(
        output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", []) if "text" in output
    )
    assert "results" in printed
    assert "IDF1" in printed
    assert (tmp_path / "report.html").read_text().startswith("<!DOCTYPE html>")
    # two people who stay, followed by motion alone
    assert "5 [1 2]" in printed
