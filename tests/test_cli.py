"""The command line as a user meets it: in processes of its own where exit codes count, else in this one."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from command_line import call, fails

from clmot.datasets.readers import FORMATS
from clmot.io.interrupts import out_of_reach
from clmot.synthetic import write_scenes

TINY = [
    "--model.encoder=resnet10t",
    "--model.encoder_options",
    "{channels: [8, 8, 16, 16]}",
    "model.pretrained=none",
    "model.image_size=[128, 96]",
    "model.width=8",
    "model.stripes=2",
    "model.embedding_dimension=16",
    "train.batch_size=2",
    "data.workers=0",
]


@pytest.fixture(scope="module")
def scenes(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    write_scenes(folder, still_frames=4, still_sequences=2, clips=1, clip_frames=6, size=(256, 160), seed=2)
    return folder


@pytest.fixture(scope="module")
def run(scenes, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    assert call("train", scenes / "stills", "--out", folder, "--steps", 2, *TINY) == 0
    return folder


def test_train_track_evaluate(scenes, run, tmp_path, capsys):
    clips = scenes / "clips"
    assert call("track", clips, "--model", run, "--out", tmp_path / "results", "--video") == 0
    assert "frames/s" in capsys.readouterr().out
    (sequence,) = clips.iterdir()
    assert (tmp_path / "results" / f"{sequence.name}.mp4").stat().st_size > 0
    assert json.loads((tmp_path / "results" / "run.json").read_text())[sequence.name]["model"] == str(run)
    assert call("evaluate", tmp_path / "results", "--gt", clips, "--json", tmp_path / "scores.json") == 0
    assert call("embed", run, clips, "--frames", 3, "--json", tmp_path / "embedding.json") == 0
    assert json.loads((tmp_path / "embedding.json").read_text())["verdict"]
    assert "HOTA" in capsys.readouterr().out
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert set(scores) == {"combined", "sequences", "rows"}
    assert set(scores["sequences"]) == {sequence.name}
    assert {"HOTA", "DetA", "AssA", "MOTA", "MOTP", "IDF1", "IDSW", "MT", "ML"} <= set(scores["combined"])


def test_resume_goes_on_with_the_saved_configuration(scenes, run, tmp_path):
    folder = tmp_path / "run"
    assert call("train", scenes / "stills", "--out", folder, "--steps", 1, *TINY) == 0
    assert call("train", scenes / "stills", "--out", folder, "--resume", "train.steps=2") == 0
    assert (folder / "checkpoint-000002").is_dir()


def test_data_synth_and_show(tmp_path):
    assert (
        call("data", "synth", tmp_path / "s", "--frames", 4, "--clips", 1, "--clip-frames", 3, "--size", 192, 96) == 0
    )
    assert len(list((tmp_path / "s/clips").glob("*/img1/*.jpg"))) == 3
    assert call("data", "show", tmp_path / "s/stills", "--out", tmp_path / "v.png", "--frames", 2) == 0
    assert cv2.imread(str(tmp_path / "v.png")) is not None


def test_data_list(capsys):
    assert call("data", "list") == 0
    everything = capsys.readouterr().out
    for each in FORMATS:
        assert each.home, f"{each.name} says where it is described"
        assert call("data", "list", each.name) == 0
        page = capsys.readouterr().out
        for text in (each.title, each.home, each.licence, *each.tree.splitlines()):
            # lines are wrapped, within words too
            assert "".join(text.split()) in "".join(page.split())
        assert all(word in everything for word in each.tree.split() if len(word) < 40)
        assert f"\n{each.name}\n" in f"\n{everything}"


def test_config_prints_yaml_that_can_be_read_back(tmp_path, capsys):
    assert call("config", "--recipe", "demo", "train.steps=7") == 0
    (tmp_path / "mine.yaml").write_text(capsys.readouterr().out)
    assert call("config", "--config", tmp_path / "mine.yaml") == 0
    text = capsys.readouterr().out
    assert text == (tmp_path / "mine.yaml").read_text()
    assert "steps: 7" in text


def test_help_has_examples(capsys):
    verbs = ("train", "track", "evaluate", "embed", "import-weights", "demo", "config")
    for verb in map(str.split, (*verbs, "data synth", "data list", "data show")):
        assert call(*verb, "--help") == 0
        assert f"clmot {' '.join(verb)}" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trian"], 'Did you mean "train"'),
        (["train", "{scenes}/stills", "--out", "{tmp}/r", "--stpes", "4"], "Did you mean --steps"),
        (["train", "{scenes}/stills", "--out", "{tmp}/r", "train.stpes=4"], "did you mean 'steps'"),
        (["train", "{scenes}/stills", "--out", "{tmp}/r", "--train.steps", "many"], "train.steps: expected int"),
        (["train", "{scenes}/stills", "--out", "{tmp}/r", "--recipe", "stret"], "did you mean 'street'"),
        (["train", "{scenes}/stills", "--out", "{tmp}/r", "--config", "{tmp}/no.yaml"], "no.yaml: cannot read"),
        (["train", "{tmp}/nowhere", "--out", "{tmp}/r"], "nowhere"),
        (["train", "{tmp}/empty", "--out", "{tmp}/r"], "empty"),
        (["train", "--out", "{tmp}/r"], "at least one data folder"),
        (["train", "{scenes}/stills", "--out", "{run}"], "--resume"),
        (["track", "{scenes}/clips", "--model", "{tmp}/nowhere", "--out", "{tmp}/r"], "no such run"),
        (["track", "{scenes}/clips", "--model", "{tmp}/empty", "--out", "{tmp}/r"], "holds no checkpoint"),
        (["track", "{tmp}/nowhere.mp4", "--model", "{run}", "--out", "{tmp}/r"], "nowhere.mp4"),
        (["track", "{tmp}/text.mp4", "--model", "{run}", "--out", "{tmp}/r"], "text.mp4"),
        (["track", "{scenes}/clips", "--model", "{run}", "--out", "{tmp}/r", "tracker.low=1"], "did you mean"),
        (["evaluate", "{tmp}/nowhere", "--gt", "{scenes}/clips"], "nowhere"),
        (["embed", "{run}"], "name at least one data folder"),
        (["embed", "{tmp}/nowhere", "{scenes}/clips"], "nowhere"),
        (["embed", "{run}", "{scenes}/clips", "--every", "0"], "--every must be >= 1"),
        (["embed", "{run}", "{scenes}/clips", "--frame-rate", "-1"], "--frame-rate must be > 0"),
        (["evaluate", "{tmp}/empty", "--gt", "{scenes}/clips"], "clip"),
        (["evaluate", "{tmp}/bad", "--gt", "{scenes}/clips"], "clip-01.txt:2"),
        (["train", "{scenes}/stills", "--out", "{tmp}/r", "--start", "{tmp}/nowhere"], "no such run"),
        (["import-weights", "{tmp}/nowhere.pth", "--out", "{tmp}/r"], "no such weights file"),
        (["import-weights", "{tmp}/text.mp4", "--out", "{tmp}/r"], "text.mp4: refused: no weights file"),
        (["import-weights", "{tmp}/nowhere.pth", "--out", "{run}"], "choose another --out"),
        (["train", "{scenes}/stills", "--out", "{tmp}/r", "data.format=motchalenge"], "did you mean 'motchallenge'"),
        (["data", "show", "{scenes}/stills", "--out", "{tmp}/r", "data.format=yolo"], "expected a data.yaml"),
        (["data", "list", "yol"], "did you mean 'yolo'"),
        (["data", "synth", "{scenes}"], "not empty"),
        (["data", "synth", "{tmp}/s", "--size", "100", "50"], "at least 160x96"),
        (["data", "synth", "{tmp}/s", "--frames", "0"], "--frames must be >= 1"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(scenes, run, tmp_path, capsys, arguments, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/clip-01.txt").write_text("1,1,10,10,20,40,0.9,-1,-1,-1\n2,1,ten,10,20,40,0.9,-1,-1,-1\n")
    places = {"scenes": scenes, "run": run, "tmp": tmp_path}
    assert message in fails(capsys, *(argument.format(**places) for argument in arguments))
    assert not (tmp_path / "r").exists(), "a mistake must not leave a half-made folder"


@pytest.mark.parametrize("workers", [0, 1])
def test_a_corrupt_image_is_named(scenes, tmp_path, capsys, workers):
    sequence = tmp_path / "data/sequence"
    (sequence / "img1").mkdir(parents=True)
    (sequence / "gt").mkdir()
    for frame in (1, 2):
        cv2.imwrite(str(sequence / f"img1/{frame:06d}.jpg"), np.zeros((96, 128, 3), np.uint8))
    whole = (sequence / "img1/000002.jpg").read_bytes()
    (sequence / "img1/000002.jpg").write_bytes(whole[: len(whole) // 2])
    (sequence / "gt/gt.txt").write_text("1,1,10,10,20,40,1,1,1\n2,1,10,10,20,40,1,1,1\n")
    command = ["train", tmp_path / "data", "--out", tmp_path / "r", "--steps", 2, *TINY, f"data.workers={workers}"]
    assert "000002.jpg" in fails(capsys, *command)


def test_annotations_of_every_kind_train(tmp_path, caplog):
    """500 boxes in a frame, a frame without boxes, NaN and negative sizes, sorted by identity."""
    sequence = tmp_path / "data/sequence"
    (sequence / "img1").mkdir(parents=True)
    (sequence / "gt").mkdir()
    rng = np.random.default_rng(0)
    for frame in (1, 2, 3):
        cv2.imwrite(str(sequence / f"img1/{frame:06d}.jpg"), rng.integers(0, 255, (96, 128, 3), dtype=np.uint8))
    rows = [f"1,{i},{rng.uniform(0, 110):.1f},{rng.uniform(0, 80):.1f},12,20,1,1,1" for i in range(1, 501)]
    rows += ["3,1,10,10,20,40,1,1,1", "3,2,nan,10,20,40,1,1,1", "3,3,50,10,-20,40,1,1,1"]
    rows.sort(key=lambda row: int(row.split(",")[1]))
    caplog.set_level("INFO")
    (sequence / "gt/gt.txt").write_text("\n".join(rows) + "\n")
    assert call("train", tmp_path / "data", "--out", tmp_path / "r", "--steps", 3, *TINY) == 0
    assert "3 images in 1 sequence; 501 boxes (person 501)" in caplog.text
    assert "left out: degenerate box 2" in caplog.text


def test_ctrl_c_is_one_line_and_keeps_what_was_finished(scenes, tmp_path, capsys, monkeypatch):
    import clmot.training.trainer as run_module

    step, steps = run_module.train_step, []

    def interrupt_the_second(*args, **kwargs):
        steps.append(None)
        if len(steps) == 2:
            signal.raise_signal(signal.SIGINT)
        return step(*args, **kwargs)

    monkeypatch.setattr(run_module, "train_step", interrupt_the_second)
    assert call("train", scenes / "stills", "--out", tmp_path / "r", "--steps", 50, *TINY) == 130
    assert "clmot: interrupted; what was finished is kept" in capsys.readouterr().err.splitlines()
    assert (tmp_path / "r/checkpoint-000002").is_dir()


def test_exit_code_and_no_traceback_of_the_installed_command(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "clmot", "evaluate", tmp_path, "--gt", tmp_path / "nowhere"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("clmot: ")
    assert len(done.stderr.splitlines()) == 1


def test_options_of_other_tools_are_led_to_ours_and_far_suggestions_are_not_made(capsys):
    for given, said in {
        "--conf_thres": "Write --conf VALUE",
        "--tracker": "Write --preset NAME",
        "--batch": "Write --batch-size N",
        "--lr": "Write train.learning_rate=VALUE",
        "--vidoe": "Did you mean --video?",
    }.items():
        assert said in fails(capsys, "track", "a.mp4", "--out", "out", given)
    assert "Did you mean" not in fails(capsys, "track", "a.mp4", "--out", "out", "--imgszz")


def test_examples_of_the_help_are_one_line_each_on_80_columns(capsys):
    from clmot import cli

    for file in Path(cli.__file__).parent.glob("*.py"):
        examples = [line[8:] for line in file.read_text().splitlines() if line[:14] == " " * 8 + "clmot "]
        assert examples or "@app.command" not in file.read_text()
        assert not [line for line in examples if len(line) > 78]


INTERRUPTED = "clmot: interrupted; what was finished is kept\n"
FINDER = """
from importlib.abc import MetaPathFinder
class Interrupting(MetaPathFinder):
    def find_spec(self, name, *_):
        if name == {name!r}:
            try: signal.raise_signal(signal.SIGINT)
            finally: {then}
sys.meta_path.insert(0, Interrupting())
"""
MOMENTS = {
    "while modules are loaded": (FINDER.format(name="clmot.cli", then="pass"), "clmot: interrupted\n"),
    "while modules are loaded, which makes another error of it": (
        FINDER.format(name="clmot.apps.info", then="raise ImportError('initialization failed')"),
        INTERRUPTED,
    ),
    # Python's own code for what was raised in a text that it has compiled is -2
    "in a compiled text": (
        "import clmot.cli as c; c.app = lambda *_, **__: exec('import signal; signal.raise_signal(2)')",
        INTERRUPTED,
    ),
    "where nothing can be raised": (
        "import time, clmot.cli as c; Lost = type('Lost', (), {'__del__': lambda _: signal.raise_signal(2)})\n"
        "c.app = lambda *_, **__: (Lost() and None, time.sleep(30))",
        INTERRUPTED,
    ),
    "twice": ("import clmot.cli as c; c._run = lambda _: [signal.raise_signal(2) for _ in range(2)]", "interrupted"),
    "when all is done": (
        "import atexit, clmot.cli as c; c._run = lambda _: atexit.register(signal.raise_signal, 2)",
        "clmot: interrupted\n",
    ),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_ctrl_c_is_one_line_and_code_130_at_every_moment(moment, tmp_path):
    prepared, expected = MOMENTS[moment]
    start = "import signal, sys; sys.argv = ['clmot', 'info', '.']\nfrom clmot.__main__ import run\n"
    (tmp_path / "here").mkdir()
    run = [sys.executable, "-c", f"{start}{prepared}\nrun()"]
    done = subprocess.run(run, capture_output=True, text=True, check=False, cwd=tmp_path / "here")
    told = [line for line in done.stderr.splitlines(keepends=True) if "interrupted" in line or "Traceback" in line]
    assert done.returncode == 130, done.stderr
    assert len(told) == 1
    assert told[0].endswith(expected) or expected == "interrupted"


def test_ctrl_c_does_not_reach_processes_that_are_just_starting():
    code = "import os, signal; os.kill(os.getpid(), signal.SIGINT); print('alive')"
    with out_of_reach():
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "alive\n")
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == set()


def test_ctrl_c_ends_what_is_not_in_python():
    """Where the main thread waits in a library, as for other processes, nothing is raised."""
    code = (
        "import ctypes, os, signal, threading, time\n"
        "import clmot.cli, clmot.io.interrupts as interrupts; interrupts._PATIENCE = 0.2\n"
        "def stuck(_):\n"
        "    other = threading.Thread(target=time.sleep, args=(60,), daemon=True); other.start()\n"
        "    threading.Timer(0.3, os.kill, [os.getpid(), signal.SIGINT]).start()\n"
        "    ctypes.CDLL(None).pthread_join(ctypes.c_ulong(other.ident), None)\n"
        "clmot.cli._run = stuck\n"
        "from clmot.__main__ import run; run()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=50)
    assert (done.returncode, done.stderr) == (130, "clmot: interrupted\n")
