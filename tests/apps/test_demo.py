"""The demo's own logic, with a small network and few frames; its scores are measured by running it."""

import functools
import json

import cv2
import numpy as np
import pytest

from clmot.apps import demo
from clmot.cli import main
from clmot.config import load_config
from clmot.errors import UserError
from clmot.visualize.curves import loss_curves

OVERRIDES = [
    "model.image_size=[128, 96]",
    "model.width=8",
    "model.stripes=2",
    "model.embedding_dimension=16",
    "detect.score_threshold=0.0",
    "detect.max_detections=8",
    "train.batch_size=2",
    "train.save_every=1",
    "data.workers=0",
]


def small_config(recipe, overrides):
    return load_config(recipe, overrides=[*OVERRIDES, *overrides])


@pytest.fixture
def small(monkeypatch):
    scenes = functools.partial(
        demo.write_scenes, still_frames=4, still_sequences=2, clips=1, clip_frames=6, size=(160, 96)
    )
    monkeypatch.setattr(demo, "write_scenes", scenes)
    monkeypatch.setattr(demo, "load_config", small_config)


def test_leaves_everything_and_is_not_run_twice(small, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("clmot.training.logger.loss_curves", loss_curves)  # which other tests do without
    out = tmp_path / "demo"
    rows = demo.run_demo(out, steps=2, progress=False)
    assert list(rows) == [demo.TRAINED, demo.MOTION, demo.UNTRAINED]
    saved = json.loads((out / "scores.json").read_text())
    assert saved["rows"][demo.MOTION]["HOTA"] == pytest.approx(rows[demo.MOTION].combined["HOTA"])
    assert saved["steps"] == 2
    assert len((out / "scores.md").read_text().splitlines()) == 5
    assert cv2.imread(str(out / "tracks.jpg")) is not None
    printed = capsys.readouterr().out
    for line in printed.splitlines():
        if ": " in line and str(out) in line:
            assert (tmp_path / line.partition(":")[2].strip()).exists(), line
    for word in ("video", "picture", "results", "scores", "loss curves", "model"):
        assert f"{word}:" in printed
    with pytest.raises(UserError, match="finished demo"):
        demo.run_demo(out, steps=2, progress=False)


def test_an_interrupted_demo_goes_on(small, tmp_path, monkeypatch):
    out = tmp_path / "demo"

    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "compare_embeddings", interrupt)
    with pytest.raises(KeyboardInterrupt):
        demo.run_demo(out, steps=1, progress=False)
    monkeypatch.undo()
    monkeypatch.setattr(demo, "load_config", small_config)
    demo.run_demo(out, steps=1, progress=False)
    assert (out / "scores.json").exists()


def test_someone_elses_folder_is_left_alone(tmp_path):
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(UserError, match="not empty and not a demo"):
        demo.run_demo(tmp_path, progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["precious.txt"]


class TestPretrained:
    @pytest.fixture
    def short(self, monkeypatch):
        monkeypatch.setattr(demo, "PRETRAINED_FRAMES", 4)

    def test_tracks_a_synthetic_clip_and_says_how_well(self, short, tmp_path, capsys):
        out = tmp_path / "demo"
        demo.run_pretrained(out, progress=False)
        names = {path.name for path in out.iterdir()}
        assert names == {"scenes", "run.json", "clip-01.mp4", "clip-01.txt", "tracks.jpg"}
        printed = capsys.readouterr().out
        assert printed.startswith("4 frames, ")
        assert "MOTA" in printed
        assert "clmot demo --pretrained VIDEO" in printed
        with pytest.raises(UserError, match="is not empty"):
            demo.run_pretrained(out, progress=False)

    def test_tracks_the_beginning_of_a_video_of_ones_own(self, short, tmp_path, capsys):
        folder = tmp_path / "street"
        folder.mkdir()
        for frame in range(6):
            cv2.imwrite(str(folder / f"{frame}.png"), np.full((96, 160, 3), 20 * frame, np.uint8))
        demo.run_pretrained(tmp_path / "out", folder, progress=False)
        assert {path.name for path in (tmp_path / "out").iterdir()} == {
            "run.json",
            "street.mp4",
            "street.txt",
            "tracks.jpg",
        }
        printed = capsys.readouterr().out
        assert printed.startswith("4 frames, 0 tracks")
        assert "MOTA" not in printed

    @pytest.mark.parametrize(
        ("arguments", "line"),
        [
            (["street.mp4"], "a video is tracked with --pretrained"),
            (["--pretrained", "--steps", "3"], "--pretrained trains nothing"),
            (["--steps", "0"], "--steps must be >= 1, got 0"),
            (["--pretrained", "nowhere.mp4"], "nowhere.mp4: no such file or folder"),
        ],
    )
    def test_mistakes_are_one_line(self, arguments, line, capsys, tmp_path):
        with pytest.raises(SystemExit) as stop:
            main(["demo", *arguments, "--out", str(tmp_path / "out")])
        assert stop.value.code == 2
        assert line in capsys.readouterr().err
        assert not (tmp_path / "out").exists()
