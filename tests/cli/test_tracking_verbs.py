"""``clmot tune``, ``clmot gallery`` and ``clmot track --config`` as a user meets them."""

import json
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from command_line import call, fails

from clmot.config import Config
from clmot.evaluation.kitti_rules import read_labels
from clmot.io.mot_text import read_mot_rows
from clmot.io.video import probe_video
from clmot.models.network import Network
from clmot.reid.gallery import Gallery
from clmot.synthetic import write_scenes
from clmot.tracking.tracker import Tracker
from clmot.training.checkpoint import save_checkpoint


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    write_scenes(folder, still_frames=0, still_sequences=0, clips=1, clip_frames=8, size=(256, 160), seed=3)
    return folder / "clips"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with random weights."""
    folder = tmp_path_factory.mktemp("run")
    config = Config().updated({"model": {"image_size": [128, 96]}})
    torch.manual_seed(0)
    save_checkpoint(folder, 1, config, Network(config.model).state_dict(), None)
    return folder


def test_tune_then_track(clips, run, tmp_path, capsys):
    pytest.importorskip("optuna")
    out = tmp_path / "tuned"
    arguments = ("tune", run, clips, "--out", out, "--boxes", "gt", "--jobs", 1, "tracker.lost_seconds=0.4")
    assert call(*arguments, "--trials", 9) == 0
    printed = capsys.readouterr().out
    assert "tuned - default" in printed
    assert "9 trials" in printed
    assert yaml.safe_load((out / "tracker.yaml").read_text())["tracker"]["lost_seconds"] == 0.4
    assert call(*arguments, "--trials", 10) == 0
    assert "10 trials" in capsys.readouterr().out
    tracked = ("track", clips, "--model", run, "--out", tmp_path / "r", "--boxes", "gt", "--config")
    assert call(*tracked, out / "tracker.yaml") == 0
    (name,) = [file.name for file in (out / "results" / "tuned").glob("clip*.txt")]
    assert (tmp_path / "r" / name).read_text() == (out / "results" / "tuned" / name).read_text()


@pytest.mark.parametrize("options", [(), ("--interpolate", 1)], ids=["as they come", "refined"])
def test_kitti_text_holds_the_same_tracks(clips, run, tmp_path, capsys, options):
    for name in ("mot", "kitti"):
        out = ("--out", tmp_path / name, "--format", name)
        assert call("track", clips, "--model", run, "--boxes", "gt", *out, *options) == 0
    (file,) = [file for file in (tmp_path / "mot").glob("*.txt")]
    mot, (kitti, _, _) = read_mot_rows(file), read_labels(tmp_path / "kitti" / file.name)
    order = np.lexsort((mot.identity, mot.frame))
    assert 0 < len(mot) == len(kitti)
    np.testing.assert_array_equal(kitti.frame, mot.frame[order])
    np.testing.assert_array_equal(kitti.identity, mot.identity[order])
    np.testing.assert_allclose(kitti.xyxy, mot.boxes[order], atol=3e-3)
    # the scorer reads them back: against themselves as labels they are perfect
    labels = tmp_path / "truth" / "label_02"
    labels.mkdir(parents=True)
    rows = (tmp_path / "kitti" / file.name).read_text().replace(" -1 -1 -10 ", " 0 0 -10 ").splitlines()
    (labels / file.name).write_text("".join(row.rpartition(" ")[0] + "\n" for row in rows))
    json_file = tmp_path / "scores.json"
    assert (
        call("evaluate", tmp_path / "kitti", "--gt", labels.parent, "--classes", "pedestrian", "--json", json_file) == 0
    )
    assert json.loads(json_file.read_text())["combined"]["HOTA"] == pytest.approx(100)


def test_a_frame_rate_that_the_user_gives_holds(clips, run, tmp_path, capsys):
    """Sequences state 25 frames/s; both ways to correct them reach time stamps, and --fps wins over settings."""
    boxes = ("--boxes", "gt", "--times")
    for name, arguments, rate in (
        ("stated", (), 25),
        ("setting", ("tracker.frame_rate=5",), 5),
        ("both", ("tracker.frame_rate=5", "--fps", 2.5), 2.5),
    ):
        assert call("track", clips, "--model", run, "--out", tmp_path / name, *boxes, *arguments) == 0
        (times,) = (tmp_path / name).glob("*.times.csv")
        assert times.read_text().splitlines()[3] == f"3,{2 / rate:.6f}"
    assert "a frame rate of -1 frames/s" in fails(
        capsys, "track", clips, "--model", run, "--out", tmp_path / "bad", "--fps", -1
    )


def test_the_size_of_the_input_is_chosen_and_recorded(clips, run, tmp_path, capsys):
    """The same files whichever way it is said; what is no size is one line."""
    for name, arguments in (("flag", ("--size", "96x64")), ("setting", ("detect.size=[96, 64]",))):
        assert call("detect", clips, "--model", run, "--out", tmp_path / name, *arguments, "--every", 4) == 0
        record = json.loads((tmp_path / name / "run.json").read_text())
        assert {tuple(each["settings"]["detect"]["size"]) for each in record.values()} == {(96, 64)}
    (file,) = (path.name for path in (tmp_path / "flag").glob("clip*.txt"))
    assert (tmp_path / "flag" / file).read_text() == (tmp_path / "setting" / file).read_text()
    for size, message in (("64x", "--size 64x: give a longer side"), ("100000", "--size 100000 must be one or two")):
        for verb in ("track", "detect"):
            assert message in fails(capsys, verb, clips, "--model", run, "--out", tmp_path / "bad", "--size", size)
    for size in ("33", "0x32", "64x8224"):  # before anything is looked for
        assert f"--size {size} must be" in fails(capsys, "track", "none.mp4", "--model", "none", "--size", size)


def test_no_tracks_name_the_size_that_was_looked_at(clips, run, tmp_path, caplog):
    """And what is advised is taken."""
    arguments = ("track", clips, "--model", run, "--out", tmp_path / "r", "--overwrite", "detect.score_threshold=0.99")
    for size, expected in ((), "128x96"), (("--size", "256"), "256x160"):
        caplog.clear()
        assert call(*arguments, *size) == 0
        longer = 2 * int(expected.split("x")[0])
        assert f"input: {expected}; try " in caplog.text
        assert f"or --size {longer} where objects are small" in caplog.text


def test_sigterm_is_as_ctrl_c(clips, tmp_path, capsys):
    """After ``docker stop`` everything that was finished has its final name, and the state is there to go on from."""
    code = f"""
import signal, time
from pathlib import Path
seen = []
def find(image):
    seen.append(1)
    if len(seen) == 5:
        end = time.monotonic() + 60  # detecting runs ahead of writing
        while not list(Path({str(tmp_path / "r")!r}).glob("*.txt.partial")) and time.monotonic() < end:
            time.sleep(0.01)
        signal.raise_signal(signal.SIGTERM)
    return [[10, 20, 40, 90, 0.9, 0]]
"""
    (tmp_path / "finder.py").write_text(code)
    before = signal.getsignal(signal.SIGTERM)
    arguments = ("--model", f"python:{tmp_path / 'finder.py'}:find", "--out", tmp_path / "r", "--video")
    assert call("track", clips, *arguments, "--state", tmp_path / "tracker.state") == 143
    assert "interrupted; what was finished is kept" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) == before
    assert not list((tmp_path / "r").glob("*.partial"))
    (text,) = (tmp_path / "r").glob("*.txt")
    tracked = len(text.read_text().splitlines())
    assert tracked < 8
    assert Tracker.load(tmp_path / "tracker.state").state()["clock"][0] == tracked
    assert len(list((tmp_path / "r").glob("*.mp4"))) == bool(tracked)


def test_undecodable_frames_are_in_the_summary(clips, run, tmp_path, capsys):
    sequence = shutil.copytree(next(clips.iterdir()), tmp_path / "clip")
    next((sequence / "img1").glob("*03.*")).write_bytes(b"broken")
    assert call("track", sequence, "--model", run, "--out", tmp_path / "r", "--boxes", "gt") == 0
    assert "clip: 7 frames (1 more cannot be decoded), " in capsys.readouterr().out


def test_a_detector_is_tracked_directly_as_through_its_written_detections(clips, run, tmp_path, capsys):
    """``--detector`` equals ``detect`` and then ``--boxes``; as ``--model`` it is tracked by motion alone."""
    code = (
        "def find(image):\n    left = float(image[0, 0, 0]) / 8\n    return [[left, 20, left + 30.25, 90, 0.75, 0]]\n"
    )
    (tmp_path / "finder.py").write_text(code)
    detector = f"python:{tmp_path / 'finder.py'}:find"
    assert call("detect", clips, "--model", detector, "--out", tmp_path / "det") == 0
    (written,) = (tmp_path / "det").glob("*.txt")
    assert capsys.readouterr().out == f"{written}: 8 boxes\n"
    assert len(np.loadtxt(written, delimiter=",")) == 8
    results = {}
    for name, options in {
        "direct": ("--model", run, "--detector", detector),
        "written": ("--model", run, "--boxes", tmp_path / "det"),
        "alone": ("--model", detector),
        "motion": ("--model", run, "--detector", detector, "tracker.appearance=false"),
    }.items():
        assert call("track", clips, *options, "--out", tmp_path / name) == 0
        results[name] = (tmp_path / name / written.name).read_text()
    assert results["direct"].count("\n") == 8
    assert results["direct"] == results["written"]
    assert results["alone"] == results["motion"]
    both = ("--detector", detector, "--boxes", tmp_path / "det", "--out", tmp_path / "no")
    assert "from --boxes or from --detector" in fails(capsys, "track", clips, "--model", run, *both)
    assert "reads no embedding" in fails(capsys, "embed", detector, clips)


def test_gallery_of_tracks_and_crops(clips, run, tmp_path, capsys):
    clip = next(folder for folder in clips.iterdir() if folder.is_dir())
    truth, results = np.loadtxt(clip / "gt" / "gt.txt", delimiter=",", ndmin=2), tmp_path / "results.txt"
    np.savetxt(results, np.pad(truth[:, :7], ((0, 0), (0, 3)), constant_values=-1), "%g", delimiter=",")
    one, two = np.unique(truth[truth[:, 0] == 1, 1])[:2].astype(int)
    file, common = tmp_path / "team.safetensors", ("--model", run, "--every", 1)
    named = (f"{one}=Ada", f"{two}=Ben Li")
    assert call("gallery", "enrol", file, clip, *named, "--results", results, *common, "--size", 4) == 0
    assert "Ben Li: " in capsys.readouterr().out
    assert call("gallery", "enrol", file, clip / "img1", "--name", "Cy", *common) == 0
    gallery = Gallery.load(file)
    assert (gallery.names, gallery.size) == (("Ada", "Ben Li", "Cy"), 4)
    names = tmp_path / "names.json"
    looked = ("gallery", "recognise", file, clip, "--results", results, *common, "--min-share", 0)
    assert call(*looked, "--threshold", 1e-3, "--json", names, "--video", tmp_path / "named.mp4") == 0
    assert probe_video(str(tmp_path / "named.mp4")).length == 8
    told = json.loads(names.read_text())
    assert (told[str(one)]["name"], told[str(two)]["name"]) == ("Ada", "Ben Li")
    assert "Ben Li" in capsys.readouterr().out
    assert call("gallery", "list", file) == 0
    assert "most alike" in capsys.readouterr().out
    assert call("gallery", "show", file, "Ada") == 0
    assert "from Ada to" in (shown := capsys.readouterr().out)
    assert all(name in shown for name in ("Ben Li", "Cy"))
    assert call("gallery", "remove", file, "Cy") == 0
    assert Gallery.load(file).names == ("Ada", "Ben Li")
    assert "nobody there is called Bea" in fails(capsys, "gallery", "remove", file, "Bea")
    other, config = tmp_path / "other", Config().updated({"model": {"image_size": [128, 96]}})
    save_checkpoint(other, 1, config, Network(config.model).state_dict(), None)
    for verb in (("recognise", file, clip), ("enrol", file, clip, f"{one}=Ada")):
        line = fails(capsys, "gallery", *verb, "--results", results, "--model", other)
        assert "the gallery was made with another model (fingerprint" in line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["track", "{clips}", "--model", "{run}", "--out", "{tmp}/r", "--config", "{tmp}/x.yaml"],
            "did you mean 'track",
        ),
        (["track", "{clips}", "--model", "{run}", "--out", "{tmp}/r", "--config", "{tmp}/no.yaml"], "cannot read"),
        (["tune", "{tmp}/nowhere", "{clips}", "--out", "{tmp}/t"], "no such model or boxes"),
        (["tune", "det", "{tmp}/nowhere", "--out", "{tmp}/t"], "nowhere"),
        (["tune", "gt", "{clips}", "--out", "{tmp}/t", "tracker.low=1"], "did you mean"),
        (["tune", "gt", "{clips}", "--out", "{tmp}/t", "--trials", "0"], "must be > 0"),
        (["tune", "gt", "{clips}", "--out", "{tmp}/x.yaml"], "cannot make the folder"),
        (["gallery", "enrol", "{tmp}/g", "{clips}", "--model", "{run}"], "ID=NAME"),
        (["gallery", "enrol", "{tmp}/g", "{clips}", "x=Ada", "--results", "r", "--model", "{run}"], "'x=Ada' is no"),
        (["gallery", "enrol", "{tmp}/x.yaml", "{clips}", "--name", "A", "--model", "{run}"], "no gallery of clmot"),
        (
            ["gallery", "recognise", "{tmp}/g", "{clips}", "--results", "r", "--model", "{run}"],
            "g: cannot read the gal",
        ),
    ],
)
def test_mistakes(clips, run, tmp_path, capsys, arguments, message):
    (tmp_path / "x.yaml").write_text("traker:\n  high_score: 0.5\n")
    filled = [argument.format(clips=clips, run=run, tmp=tmp_path) for argument in arguments]
    assert message in fails(capsys, *filled)
