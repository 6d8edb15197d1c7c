import errno
import resource
import shutil
import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from clmot.config import Config, load_config
from clmot.errors import UserError
from clmot.models.saved_model import find_checkpoint, load_saved_model, load_weights
from clmot.training import checkpoint
from clmot.training.checkpoint import load_state, save_checkpoint

WEIGHTS = {"weight": torch.arange(6.0).view(2, 3), "bias": torch.zeros(2)}


def test_round_trip(tmp_path):
    config = load_config(overrides=["train.steps=7", "model.classes=[cat, dog]"])
    folder = save_checkpoint(tmp_path, 7, config, WEIGHTS, {"step": 7, "network": WEIGHTS})
    for path in (tmp_path, folder, folder / "model.safetensors"):
        saved = load_saved_model(path)
        assert saved.config == config
        assert all(torch.equal(saved.weights[name], value) for name, value in WEIGHTS.items())
    state = load_state(folder)
    assert state["step"] == 7
    assert torch.equal(state["network"]["weight"], WEIGHTS["weight"])


def test_only_the_newest_is_kept(tmp_path):
    for step in (5, 10, 1000000):
        save_checkpoint(tmp_path, step, Config(), WEIGHTS, {"step": step})
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-1000000"]
    assert load_state(find_checkpoint(tmp_path))["step"] == 1000000


def full_disk(*args, **kwargs):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_step_saved_twice_is_there_at_every_moment(tmp_path, monkeypatch):
    save_checkpoint(tmp_path, 5, Config(), WEIGHTS, {"step": 5, "try": 1})
    seen = []

    def watched(change):
        def changed(*arguments, **options):
            result = change(*arguments, **options)
            seen.append(load_state(find_checkpoint(tmp_path))["try"])
            return result

        return changed

    for place, name in ((Path, "mkdir"), (Path, "rename"), (Path, "replace"), (shutil, "rmtree")):
        monkeypatch.setattr(place, name, watched(getattr(place, name)))
    save_checkpoint(tmp_path, 5, Config(), WEIGHTS, {"step": 5, "try": 2})
    assert seen == sorted(seen)
    assert set(seen) == {1, 2}
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-000005"]


def test_a_disk_that_is_full_in_earnest(tmp_path, monkeypatch):
    """torch has errors of its own for a disk that takes no more."""
    save_checkpoint(tmp_path, 5, Config(), WEIGHTS, {"step": 5})
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limit[1]))
    try:
        with pytest.raises(UserError, match=r"cannot write the checkpoint: File too large; the last good .*000005"):
            save_checkpoint(tmp_path, 10, Config(), WEIGHTS, {"step": 10, "network": torch.zeros(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, before)
    assert load_state(find_checkpoint(tmp_path))["step"] == 5


@pytest.mark.parametrize("function", ["save", "torch.save"])
def test_a_full_disk_leaves_the_last_good_one(tmp_path, monkeypatch, function):
    save_checkpoint(tmp_path, 5, Config(), WEIGHTS, {"step": 5})
    target = checkpoint if function == "save" else checkpoint.torch
    monkeypatch.setattr(target, function.rpartition(".")[2], full_disk)
    with pytest.raises(
        UserError, match=r"cannot write the checkpoint: No space left on device; the last good .*000005"
    ):
        save_checkpoint(tmp_path, 10, Config(), WEIGHTS, {"step": 10})
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-000005"]
    assert load_state(find_checkpoint(tmp_path))["step"] == 5


def test_a_kill_while_writing_leaves_the_last_good_one(tmp_path, monkeypatch):
    """A process that dies leaves its unfinished folder behind: it must not be taken for a checkpoint."""
    save_checkpoint(tmp_path, 5, Config(), WEIGHTS, {"step": 5})

    def kill(*args, **kwargs):
        raise SystemExit

    monkeypatch.setattr(checkpoint.torch, "save", kill)
    with pytest.raises(SystemExit):
        save_checkpoint(tmp_path, 10, Config(), WEIGHTS, {"step": 10})
    monkeypatch.undo()
    assert find_checkpoint(tmp_path).name == "checkpoint-000005"
    save_checkpoint(tmp_path, 10, Config(), WEIGHTS, {"step": 10})
    assert load_state(find_checkpoint(tmp_path))["step"] == 10


@pytest.mark.parametrize("name", ["nothing", "empty", "broken.safetensors", "foreign.safetensors"])
def test_nothing_to_load(tmp_path, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.safetensors").write_bytes(b"\x00" * 100)
    save_file({"a": torch.zeros(1)}, tmp_path / "foreign.safetensors")
    with pytest.raises(UserError, match=name):
        load_saved_model(tmp_path / name)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"weight": torch.zeros(3, 3), "bias": torch.zeros(2)}, r"'weight' is \[3, 3\], the network has \[2, 3\]"),
        ({"weight": torch.zeros(2, 3)}, "'bias' is missing"),
        ({**WEIGHTS, "extra": torch.zeros(1)}, "'extra' is not part of it"),
    ],
)
def test_weights_of_another_shape(tmp_path, weights, message):
    save_checkpoint(tmp_path, 1, Config(), weights, {})
    with pytest.raises(UserError, match=message):
        load_weights(torch.nn.Linear(3, 2), load_saved_model(tmp_path))


def test_state_files_cannot_run_code(tmp_path, capsys):
    class Evil:
        def __reduce__(self):
            return (print, ("code ran",))

    folder = save_checkpoint(tmp_path, 1, Config(), WEIGHTS, {})
    torch.save(Evil(), folder / "state.pt")
    with pytest.raises(UserError, match=r"state\.pt: cannot resume"):
        load_state(folder)
    assert "code ran" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("model: [1", r"model\.safetensors:\d: not valid YAML: expected"),
        ("data: 2026-13-45", r"model\.safetensors: not valid YAML: month must be in 1\.\.12"),
        ("[" * 5000, r"model\.safetensors: not valid YAML: maximum recursion"),
        ("word", r"model\.safetensors: expected sections"),
        ("clmot: 99.1\nmodel: {eyes: 2}", r"model\.safetensors: written by clmot 99\.1, which is newer"),
        ("clmot: 0.0.1\nmodel: {eyes: 2}", r"model\.safetensors: unknown key 'model\.eyes'"),
    ],
)
def test_a_configuration_that_cannot_be_read_is_one_line(tmp_path, config, message):
    file = tmp_path / "model.safetensors"
    save_file({"a": torch.zeros(1)}, file, metadata={"format": "clmot", "config": config})
    with pytest.raises(UserError, match=rf"\A[^\n]*{message}[^\n]*\Z"):
        load_saved_model(file)
