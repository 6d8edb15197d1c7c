"""Validation while training: what it keeps, when it stops, and that it changes nothing of what is learned."""

import json
import sys
from pathlib import Path

import pytest
from command_line import call, fails
from safetensors import safe_open
from test_trainer import OVERRIDES, clips, config, same, stills, stop_after, straight, weights  # noqa: F401

from clmot.errors import UserError
from clmot.evaluation.validation import Validation
from clmot.inference.model import load_model
from clmot.models.saved_model import find_checkpoint
from clmot.training import experiment_loggers
from clmot.training.best_weights import ValidationPlan
from clmot.training.checkpoint import load_state
from clmot.training.trainer import train


@pytest.fixture
def scored(monkeypatch):
    """The scores that validations find, one after the other."""

    def scoring(*values: float) -> None:
        left = list(values)
        monkeypatch.setattr(Validation, "measure", lambda *_: {"AP": 1.0, "score": left.pop(0)})

    return scoring


def step_of(run: Path) -> int:
    with safe_open(run / "best" / "model.safetensors", framework="pt") as opened:
        return int(opened.metadata()["step"])


def test_validation_changes_nothing_of_what_is_learned(straight, stills, clips, tmp_path):  # noqa: F811
    train(stills, tmp_path, config(), progress=False, validation=ValidationPlan(data=clips, every=2))
    mine, theirs = (load_state(find_checkpoint(run)) for run in (tmp_path, straight))
    assert same(mine["network"], theirs["network"])
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    validated = [line for line in lines if "val_score" in line]
    assert [line["step"] for line in validated] == [2, 4, 6]
    assert all({"val_AP", "val_rank-1", "val_IDF1"} <= line.keys() for line in validated)
    assert (tmp_path / "validation.jpg").stat().st_size > 1000


def test_the_best_weights_are_kept_and_loaded(stills, clips, tmp_path, scored, caplog):  # noqa: F811
    scored(0.2, 0.6, 0.6)
    plan = ValidationPlan(data=clips, every=2)
    with caplog.at_level("INFO", "clmot"):
        assert train(stills, tmp_path / "run", config(), progress=False, validation=plan) == tmp_path / "run" / "best"
    assert step_of(tmp_path / "run") == 4
    assert weights(tmp_path / "run")["read_out.centre"].any()  # with its whitening
    assert find_checkpoint(tmp_path / "run").name == "checkpoint-000006"
    assert not same(weights(tmp_path / "run"), weights(tmp_path / "run" / "checkpoint-000006"))
    assert load_model(tmp_path / "run", device="cpu").embeds
    assert "best at step 4 of 6" in caplog.text
    assert "limits it" in caplog.text


def test_patience_ends_a_run_that_gains_nothing(stills, clips, tmp_path, scored):  # noqa: F811
    scored(0.5, 0.4, 0.3)
    plan = ValidationPlan(data=clips, every=1, patience=2)
    train(stills, tmp_path, config(), progress=False, validation=plan)
    assert find_checkpoint(tmp_path).name == "checkpoint-000003"
    assert step_of(tmp_path) == 1
    before = (tmp_path / "log.jsonl").read_text()
    train(stills, tmp_path, config(), resume=True, progress=False, validation=plan)
    assert (tmp_path / "log.jsonl").read_text() == before


def test_a_resumed_run_knows_what_was_best(stills, clips, tmp_path, scored, monkeypatch):  # noqa: F811
    scored(0.5, 0.4, 0.3)
    plan = ValidationPlan(data=clips, every=2)
    with monkeypatch.context() as patched:
        stop_after(patched, 3)
        with pytest.raises(KeyboardInterrupt):
            train(stills, tmp_path, config(), progress=False, validation=plan)
    with pytest.raises(UserError, match="was validated before; go on with the same --val"):
        train(stills, tmp_path, config(), resume=True, progress=False)
    train(stills, tmp_path, config(), resume=True, progress=False, validation=plan)
    assert step_of(tmp_path) == 2


def test_a_share_is_held_out_of_training(clips, tmp_path, monkeypatch):  # noqa: F811
    import clmot.training.trainer as module

    seen, looked = [], []
    loader, measure = module._loader, Validation.measure

    def loading(state, data, *rest):
        seen.append(data)
        return loader(state, data, *rest)

    def measuring(self, model, bar):
        looked.append(self.samples)
        return measure(self, model, bar)

    monkeypatch.setattr(module, "_loader", loading)
    monkeypatch.setattr(Validation, "measure", measuring)
    train(clips, tmp_path, config("train.steps=2"), progress=False, validation=ValidationPlan(data=0.34))
    learned = {(sample.sequence, sample.frame) for sample in seen[0].samples}
    (held_out,) = [{(name, sample.frame) for name, part in each.items() for sample in part} for each in looked]
    assert not learned & held_out
    assert {frame for _, frame in learned} == {1, 2, 3, 4}
    assert {frame for _, frame in held_out} == {5, 6}
    assert all((sample.identities == -1).all() for sample in seen[0].samples)


def test_on_the_command_line(stills, clips, tmp_path, capsys):  # noqa: F811
    short = [*OVERRIDES, "train.steps=2"]
    assert call("train", stills, "--val", clips, "--out", tmp_path / "run", *short) == 0
    assert f"model: {tmp_path / 'run' / 'best'}" in capsys.readouterr().out
    assert "--val DATA" in fails(capsys, "train", stills, "--patience", 3, "--out", tmp_path / "b", *short)
    assert "between 0 and 1" in fails(capsys, "train", stills, "--val", 1.5, "--out", tmp_path / "b", *short)
    other = tmp_path / "car.json"
    image = next(stills.glob("*/img1/*"))
    content = {
        "images": [{"id": 1, "file_name": str(image), "width": 256, "height": 160}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [5, 5, 20, 40]}],
        "categories": [{"id": 1, "name": "car"}],
    }
    other.write_text(json.dumps(content))
    line = fails(capsys, "train", stills, "--val", other, "--out", tmp_path / "b", *short)
    assert "no box of person counts there; its classes are car" in line


@pytest.mark.parametrize("fails", [False, True])
def test_loggers_get_the_numbers_of_the_log(fails, stills, tmp_path, monkeypatch, caplog):  # noqa: F811
    """A service that is gone during the run is told once, and costs nothing."""

    class Noted:
        experiment = None

        def __init__(self):
            self.lines = []

        def log_metrics(self, values, step):
            if fails and step == 2:
                raise ConnectionError("the server is gone")
            self.lines.append({"step": step, **{name: round(value, 6) for name, value in values.items()}})

        def finalize(self, status):
            self.lines.append(status)

    noted = Noted()
    monkeypatch.setattr(experiment_loggers, "_open", lambda name, run: noted)
    train(stills, tmp_path, config("train.steps=3"), progress=False, loggers=["wandb"])
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert len(lines) == 3
    assert noted.lines == (lines[:1] if fails else [*lines, "success"])
    told = [line for line in caplog.messages if "--logger" in line]
    assert told == (["--logger wandb: gets nothing from now on: the server is gone"] if fails else [])


def test_a_logger_that_is_not_installed_is_one_line(stills, tmp_path, capsys, monkeypatch):  # noqa: F811
    monkeypatch.setitem(sys.modules, "pytorch_lightning", None)
    line = fails(capsys, "train", stills, "--out", tmp_path, "--logger", "mlflow", *OVERRIDES)
    assert "pip install 'clmot[mlflow]'" in line


def test_a_logger_that_cannot_be_reached_is_one_line_before_training(stills, tmp_path, capsys, monkeypatch):  # noqa: F811
    class Nowhere:
        @property
        def experiment(self):
            raise RuntimeError("no such server\nwith details")

    monkeypatch.setattr(experiment_loggers, "_open", lambda name, run: Nowhere())
    assert fails(capsys, "train", stills, "--out", tmp_path, "--logger", "mlflow", *OVERRIDES) == (
        "clmot: --logger mlflow: no such server"
    )


def test_validation_data_that_cannot_be_read_leaves_no_folder(stills, tmp_path, capsys):  # noqa: F811
    (tmp_path / "junk.txt").write_text("hello\n")
    line = fails(capsys, "train", stills, "--out", tmp_path / "run", "--val", tmp_path / "junk.txt", *OVERRIDES)
    assert "junk.txt" in line
    assert not (tmp_path / "run").exists()
