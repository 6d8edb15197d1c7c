"""Whole training runs, a few steps each, on small synthetic scenes."""

import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from data_builders import TINY_NETWORK

from clmot.config import Config, load_config
from clmot.datasets.readers import read_dataset
from clmot.errors import UserError
from clmot.inference.model import load_model
from clmot.io.interrupts import Terminated
from clmot.models.saved_model import find_checkpoint, load_saved_model
from clmot.structures import Dataset
from clmot.synthetic import write_scenes
from clmot.training import fit_whitening as metric
from clmot.training.checkpoint import load_state
from clmot.training.fit_whitening import fit_whitening
from clmot.training.trainer import train
from clmot.views.labels import with_labels
from clmot.views.tracklets import with_tracklets
from clmot.visualize.curves import loss_curves

pytestmark = pytest.mark.slow

OVERRIDES = [
    *TINY_NETWORK,
    "model.image_size=[128, 96]",
    "model.embedding_dimension=16",
    "train.batch_size=2",
    "train.steps=6",
    "train.warmup_steps=2",
    "train.save_every=3",
    "data.workers=0",
]


def config(*changes: str) -> Config:
    return load_config(overrides=[*OVERRIDES, *changes])


@pytest.fixture(scope="module")
def stills(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    write_scenes(folder, still_frames=8, still_sequences=2, clips=0, clip_frames=2, size=(256, 160), seed=1)
    return folder / "stills"


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_saved_model(run).weights


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def stop_after(monkeypatch, number: int, *signals: signal.Signals) -> None:
    """A Ctrl-C, or other signals, during the given step."""
    import clmot.training.trainer as run_module

    step, calls = run_module.train_step, itertools.count(1)

    def stepping(*args, **kwargs):
        if next(calls) == number:
            for each in signals or (signal.SIGINT,):
                os.kill(os.getpid(), each)
        return step(*args, **kwargs)

    monkeypatch.setattr(run_module, "train_step", stepping)


@pytest.fixture(scope="module")
def straight(stills, tmp_path_factory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "straight"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("clmot.training.logger.loss_curves", loss_curves)
        train(stills, run, config(), progress=False)
    return run


def test_leaves_everything_a_user_needs(straight):
    assert {path.name for path in straight.iterdir()} == {"config.yaml", "log.jsonl", "loss.png", "checkpoint-000006"}
    lines = [json.loads(line) for line in (straight / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert all(np.isfinite(list(line.values())).all() for line in lines)
    assert load_config(file=straight / "config.yaml") == config()


def test_equal_seeds_give_equal_weights_and_others_do_not(straight, stills, tmp_path):
    train(stills, tmp_path / "again", config(), progress=False)
    assert same(weights(straight), weights(tmp_path / "again"))
    train(stills, tmp_path / "other", config("train.seed=1"), progress=False)
    assert not same(weights(straight), weights(tmp_path / "other"))


def test_blind_to_identities(straight, stills, tmp_path):
    """Permuting the identities of the training data at random changes not one bit of the weights."""
    rng = np.random.default_rng(0)
    permuted = tmp_path / "stills"
    for sequence in sorted(stills.iterdir()):
        (permuted / sequence.name / "gt").mkdir(parents=True)
        (permuted / sequence.name / "img1").symlink_to(sequence / "img1")
        (permuted / sequence.name / "seqinfo.ini").symlink_to(sequence / "seqinfo.ini")
        rows = [line.split(",") for line in (sequence / "gt/gt.txt").read_text().splitlines()]
        before = [row[:2] for row in rows]
        for frame in {row[0] for row in rows}:
            mine = [row for row in rows if row[0] == frame]
            for row, identity in zip(mine, rng.choice(10_000, len(mine), replace=False), strict=True):
                row[1] = str(identity + 1)
        assert [row[:2] for row in rows] != before
        (permuted / sequence.name / "gt/gt.txt").write_text("\n".join(map(",".join, rows)) + "\n")
    train(permuted, tmp_path / "run", config(), progress=False)
    assert same(weights(straight), weights(tmp_path / "run"))


@pytest.mark.parametrize(
    ("signals", "kind"),
    [((signal.SIGINT,), KeyboardInterrupt), ((signal.SIGTERM, signal.SIGTERM), Terminated)],
    ids=["Ctrl-C", "SIGTERM twice, as by a queue and torchrun"],
)
def test_resuming_equals_a_straight_run(straight, stills, tmp_path, monkeypatch, signals, kind):
    """Stopped after step 4 of 6, then resumed: the weights and the whole training state agree bit for bit."""
    stop_after(monkeypatch, 4, *signals)
    with pytest.raises(kind):
        train(stills, tmp_path, config(), progress=False)
    assert find_checkpoint(tmp_path).name == "checkpoint-000004"
    train(stills, tmp_path, config(), resume=True, progress=False)
    assert same(weights(straight), weights(tmp_path))
    mine, theirs = (load_state(find_checkpoint(run)) for run in (tmp_path, straight))
    assert same(mine["network"], theirs["network"])
    for key, moments in mine["optimizer"]["state"].items():
        assert same(moments, theirs["optimizer"]["state"][key])
    logs = [[json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()] for run in (tmp_path, straight)]
    assert [line["total"] for line in logs[0]] == [line["total"] for line in logs[1]]


def test_ctrl_c_while_the_last_weights_are_saved_is_told_when_they_are(straight, stills, tmp_path, monkeypatch):
    """Who interrupts `clmot train && clmot track` wants neither."""
    import clmot.training.trainer as run_module

    finish = run_module._finish
    monkeypatch.setattr(run_module, "_finish", lambda *args: (os.kill(os.getpid(), signal.SIGINT), finish(*args)))
    with pytest.raises(KeyboardInterrupt):
        train(stills, tmp_path, config(), progress=False)
    assert same(weights(straight), weights(tmp_path))


@pytest.mark.parametrize(
    "changes",
    [
        ["loss.objective=identity", "data.identities=true", "loss.task_weights=fixed"],
        ["train.optimizer=adam", "train.schedule=step", "train.ema=0"],
    ],
)
def test_every_learned_part_survives_a_resume(changes, stills, tmp_path, monkeypatch):
    """Classifier and task weights: the original forgot some, and its runs jumped on resuming."""
    settings = config("train.epochs=1", *changes)
    train(stills, tmp_path / "straight", settings, progress=False)
    with monkeypatch.context() as patched:
        stop_after(patched, 2)
        with pytest.raises(KeyboardInterrupt):
            train(stills, tmp_path / "stopped", settings, progress=False)
    assert find_checkpoint(tmp_path / "stopped").name == "checkpoint-000002"
    train(stills, tmp_path / "stopped", settings, resume=True, progress=False)
    # one pass over 8 frames in steps of 2
    assert find_checkpoint(tmp_path / "stopped").name == "checkpoint-000004"
    assert same(weights(tmp_path / "straight"), weights(tmp_path / "stopped"))
    mine, theirs = (load_state(find_checkpoint(tmp_path / run)) for run in ("stopped", "straight"))
    assert same(mine["network"], theirs["network"])
    for key, moments in mine["optimizer"]["state"].items():
        assert same(moments, theirs["optimizer"]["state"][key])


TRACKLETS = ["data.tracklets=true", "views.neighbour=0.7", "views.neighbour_frames=4"]
METRIC = ("read_out.centre", "read_out.matrix")


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    write_scenes(folder, still_frames=2, still_sequences=1, clips=2, clip_frames=6, size=(256, 160), seed=1)
    return folder / "clips"


@pytest.fixture(scope="module")
def tracked(clips, tmp_path_factory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "tracked"
    train(clips, run, config(*TRACKLETS), progress=False)
    return run


def fitted_again(run: Path, dataset: Dataset) -> dict[str, torch.Tensor]:
    """The metric of a run's weights, whatever metric they came with."""
    model = load_model(run, device="cpu")
    model.network.read_out.matrix.normal_()
    fit_whitening(model.network, model.config, dataset, torch.device("cpu"))
    return {name: model.network.state_dict()[name] for name in METRIC}


def test_the_metric_is_that_of_the_weights_at_the_end(straight, stills, tracked, clips):
    for run, dataset in (
        (straight, with_labels(read_dataset([stills]), "none")[0]),
        (tracked, with_labels(with_tracklets(read_dataset([clips])), "known")[0]),
    ):
        again = fitted_again(run, dataset)
        assert all(torch.equal(weights(run)[name], again[name]) for name in METRIC)


def test_the_metric_is_learned_when_training_ends(tracked, clips, tmp_path, monkeypatch):
    """Not before; stopped and resumed, the run ends with the same one."""
    with monkeypatch.context() as patched:
        stop_after(patched, 2)
        with pytest.raises(KeyboardInterrupt):
            train(clips, tmp_path, config(*TRACKLETS), progress=False)
    assert not weights(tmp_path)["read_out.centre"].any()
    train(clips, tmp_path, config(*TRACKLETS), resume=True, progress=False)
    assert weights(tracked)["read_out.centre"].any()
    assert same(weights(tracked), weights(tmp_path))


def test_the_embedding_alone_goes_on_from_the_metric_there_was(tracked, clips, tmp_path, monkeypatch):
    monkeypatch.setattr(metric, "LEAST_OBJECTS", 1)
    learned = weights(tracked)
    start = [f"model.pretrained={tracked}", "train.learn=embedding"]
    for name, changes in (("boxes alone", []), ("tracklets", TRACKLETS)):
        train(clips, tmp_path / name, config(*start, *changes), progress=False)
        further = weights(tmp_path / name)
        assert torch.equal(further["read_out.centre"], learned["read_out.centre"])
        assert torch.equal(further["read_out.matrix"], learned["read_out.matrix"]) == (name == "boxes alone")
        assert not torch.equal(further["read_out.plain.projection.0"], learned["read_out.plain.projection.0"])
    # the whole network learns a metric of its own
    train(clips, tmp_path / "all", config(start[0]), progress=False)
    assert not torch.equal(weights(tmp_path / "all")["read_out.centre"], learned["read_out.centre"])


def test_a_checkpoint_holds_what_only_training_uses(stills, tmp_path):
    changes = ["loss.objective=identity", "data.identities=true", "train.steps=2"]
    train(stills, tmp_path, config(*changes), progress=False)
    names = {name.partition(".")[0] for name in weights(tmp_path)}
    assert {"classifier", "task_weights"} <= names
    assert names == {name.partition(".")[0] for name in load_state(find_checkpoint(tmp_path))["network"]}


def test_task_weights_learn_or_stay(straight, stills, tmp_path):
    train(stills, tmp_path, config("loss.task_weights=fixed", "train.steps=2"), progress=False)
    fixed, learned = weights(tmp_path), load_state(find_checkpoint(straight))["network"]
    start = {"task_weights.detection": -1.85, "task_weights.embedding": -1.05}
    for name, value in start.items():
        assert fixed[name] == torch.tensor(value)
        assert learned[name] != torch.tensor(value)


def test_tells_the_speed(stills, tmp_path, caplog):
    with caplog.at_level("INFO", "clmot"):
        train(stills, tmp_path, config("train.steps=3"), progress=False)
    assert re.search(r"[\d.]+ images/s, \d+% of the time waiting for data", caplog.text)


def test_a_killed_run_resumes(stills, tmp_path, straight):
    """SIGKILL at any moment: the newest checkpoint loads, and resuming from it ends at the same weights."""
    script = (
        "import sys; from pathlib import Path; sys.path += [sys.argv[3], sys.argv[3] + '/..']\n"
        "from test_trainer import config; from clmot.training.trainer import train\n"
        "if __name__ == '__main__': train(sys.argv[1], sys.argv[2], config('train.save_every=1'), progress=False)\n"
    )
    run = tmp_path / "run"
    process = subprocess.Popen([sys.executable, "-c", script, stills, run, Path(__file__).parent])
    deadline = time.monotonic() + 120
    while find_checkpoint(run) is None and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.wait()
    train(stills, run, config("train.save_every=1"), resume=True, progress=False)
    assert same(weights(straight), weights(run))


def test_a_run_is_not_overwritten(straight, stills):
    before = weights(straight)
    with pytest.raises(UserError, match="already holds checkpoint-000006; go on with --resume"):
        train(stills, straight, config(), progress=False)
    assert same(before, weights(straight))


def test_resuming_a_finished_run_does_nothing(straight, stills):
    before = (straight / "log.jsonl").read_text()
    assert train(stills, straight, config(), resume=True, progress=False).name == "checkpoint-000006"
    assert (straight / "log.jsonl").read_text() == before


def test_a_run_that_was_killed_before_its_picture_gets_it(straight, stills, monkeypatch):
    monkeypatch.setattr("clmot.training.logger.loss_curves", loss_curves)
    picture = straight / "loss.png"
    before = picture.read_bytes()
    picture.unlink()
    train(stills, straight, config(), resume=True, progress=False)
    assert picture.read_bytes() == before


def test_resuming_with_another_network_is_refused(straight, stills):
    with pytest.raises(UserError, match="another model section"):
        train(stills, straight, config("model.width=16", "train.steps=9"), resume=True, progress=False)


def test_a_loss_that_is_not_finite_names_the_step(stills, tmp_path):
    with pytest.raises(UserError, match=r"step \d: the gradient is not finite .* try a lower train\.learning_rate"):
        train(stills, tmp_path, config("train.learning_rate=1e30", "train.warmup_steps=0"), progress=False)
