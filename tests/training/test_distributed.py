"""Two training processes on the CPU (gloo): they must learn what one learns from all of the batch."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from data_builders import TINY_NETWORK, views_of
from lightning_fabric import Fabric

import clmot.training.checkpoint as checkpoint_module
import clmot.training.data as data_module
import clmot.training.trainer as run_module
from clmot.config import Config, load_config
from clmot.datasets.readers import read_dataset
from clmot.errors import UserError
from clmot.models.network import Network
from clmot.models.saved_model import find_checkpoint
from clmot.structures import Batch
from clmot.synthetic import write_scenes
from clmot.training.distributed import DistributedContext, join_processes
from clmot.training.optim import make_optimizer
from clmot.training.step import train_step
from clmot.training.trainer import train
from clmot.views.loader import StepSampler, make_loader

pytestmark = pytest.mark.slow

OVERRIDES = [
    *TINY_NETWORK,
    "model.image_size=[128, 96]",
    "model.embedding_dimension=16",
    "train.precision=32-true",
    "train.batch_size=4",
    "train.steps=4",
    "train.warmup_steps=0",
    "train.device=cpu",
    "data.workers=0",
]
CASES = {
    "nt_xent": [],
    "within frames": ["loss.negatives=frame"],
    "triplet": ["loss.objective=triplet"],
    "triplet_hard": ["loss.objective=triplet_hard"],
    "none": ["loss.objective=none"],
}


def config(*changes: str) -> Config:
    return load_config(overrides=[*OVERRIDES, *changes])


def gradients(settings: Config, batch: Batch, fabric: Fabric, context: DistributedContext) -> dict[str, torch.Tensor]:
    """Losses and gradients of a step with fixed normalisation statistics, which know no other process."""
    torch.manual_seed(0)
    bare = Network(settings.model)
    network, optimizer = fabric.setup(bare, make_optimizer(bare, settings.train))
    network.eval()
    terms = train_step(fabric, network, optimizer, batch, settings, 0.0, context)
    found = {name: context.mean(value) for name, value in terms.parts.items()} | {"total": context.mean(terms.total)}
    return found | {name: value.grad for name, value in bare.named_parameters() if value.grad is not None}


def load_batch(stills: Path) -> Batch:
    dataset = read_dataset([stills])
    settings = config()
    loader = make_loader(
        dataset, settings.data, settings.views, settings.model.image_size, batch_size=4, steps=1, seed=3
    )
    return next(iter(loader))


def outcome(action, *arguments, **options) -> str:
    try:
        action(*arguments, **options)
    except (UserError, MemoryError, KeyboardInterrupt) as error:
        return f"{type(error).__name__}: {error}"
    return "finished"


def interrupt_at(step_function, number: int):
    """Training's step that gets a SIGTERM in the given call."""
    calls = 0

    def stepping(*arguments, **options):
        nonlocal calls
        calls += 1
        if calls == number:
            os.kill(os.getpid(), signal.SIGTERM)
        return step_function(*arguments, **options)

    return stepping


def no_memory(*arguments, **options):
    raise MemoryError("no memory for 7 boxes")


def full_disk(*arguments, **options):
    raise OSError(28, "No space left on device")


def one_of_two(rank: int, folder: Path, port: int) -> None:
    """All that two processes do in these tests; findings go to a file."""
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "LOCAL_RANK": str(rank)}
    torch.set_num_threads(1)
    together = config("train.devices=2")
    fabric, context = join_processes(together.train)
    found: dict[str, object] = {"rank": context.rank}
    batch = views_of(load_batch(folder / "scenes/stills"), slice(4 * rank, 4 * rank + 4))
    for name, changes in CASES.items():
        found[name] = gradients(config(*changes), batch, fabric, context)

    # a run of one process resumed by two
    seen, step = [], run_module.train_step

    def watched(fabric, network, optimizer, batch, *rest):
        seen.append(sorted(set(batch.frame_index.tolist())))
        return step(fabric, network, optimizer, batch, *rest)

    run_module.train_step = watched
    train(folder / "scenes/stills", folder / "resumed", together, resume=True, progress=False)
    found["frames"] = seen

    # Ctrl-C reaches one of them
    run_module.train_step = interrupt_at(step, 2) if rank == 1 else step
    found["interrupt"] = outcome(train, folder / "scenes/stills", folder / "interrupted", together, progress=False)
    run_module.train_step = step

    # an image that only the second one reads, and a disk that only the first one writes
    found["broken"] = outcome(train, folder / "broken", folder / "unfinished", together, progress=False)
    if rank == 0:
        data_module.read_dataset = no_memory
    found["reading"] = outcome(train, folder / "scenes/stills", folder / "unread", together, progress=False)
    data_module.read_dataset = read_dataset
    if rank == 0:
        checkpoint_module.save = full_disk
    found["full"] = outcome(train, folder / "scenes/stills", folder / "full", together, progress=False)
    torch.save(found, folder / f"{rank}.pt")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Data, and a run of two steps by one process."""
    folder = tmp_path_factory.mktemp("processes")
    write_scenes(folder / "scenes", still_frames=8, still_sequences=2, clips=0, clip_frames=2, size=(256, 160), seed=1)
    stills = folder / "scenes/stills"
    train(stills, folder / "resumed", config("train.steps=2"), progress=False)
    samples = read_dataset([stills]).samples
    second = StepSampler(len(samples), batch_size=4, steps=1, rank=1, world_size=2).draws(0)[0][0]
    for file in stills.rglob("*"):
        if file.is_file():
            target = folder / "broken" / file.relative_to(stills)
            target.parent.mkdir(parents=True, exist_ok=True)
            if file == samples[second].image:
                target.write_text("no picture")
            else:
                target.symlink_to(file)
    return folder


@pytest.fixture(scope="module")
def two(folder) -> list[dict]:
    """What both processes found."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torch.multiprocessing.spawn(one_of_two, (folder, port), nprocs=2)
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in (0, 1)]


@pytest.mark.parametrize("name", CASES)
def test_losses_and_gradients_are_those_of_one_process(name, two, folder):
    fabric, batch = Fabric(accelerator="cpu", devices=1), load_batch(folder / "scenes/stills")
    alone = gradients(config(*CASES[name]), batch, fabric, DistributedContext())
    for found in two:
        assert found[name].keys() == alone.keys()
        for key, value in alone.items():
            torch.testing.assert_close(found[name][key], value, rtol=1e-3, atol=1e-5 * max(1, float(value.abs().max())))


def test_a_run_resumed_by_another_number_of_processes_sees_the_same_frames(two, folder):
    assert [found["rank"] for found in two] == [0, 1]
    draws = StepSampler(8, batch_size=4, steps=4, start_step=2)
    for step, batch in enumerate(draws):
        shares = [found["frames"][step] for found in two]
        assert not set(shares[0]) & set(shares[1])
        assert sorted(shares[0] + shares[1]) == sorted(sample for sample, _ in batch)
    lines = [json.loads(line)["step"] for line in (folder / "resumed/log.jsonl").read_text().splitlines()]
    assert lines == [1, 2, 3, 4]
    assert find_checkpoint(folder / "resumed").name == "checkpoint-000004"


def test_an_interrupt_of_one_stops_both_after_the_step(two, folder):
    assert [found["interrupt"] for found in two] == ["Terminated: "] * 2
    assert find_checkpoint(folder / "interrupted").name == "checkpoint-000002"


def test_a_failure_of_one_ends_both_with_its_message(two, folder):
    first, second = (found["broken"] for found in two)
    assert first == second
    assert first.startswith(f"UserError: {folder / 'broken'}")
    first, second = (found["reading"] for found in two)
    assert first == "MemoryError: no memory for 7 boxes"
    assert second == "UserError: training process 0 failed: MemoryError: no memory for 7 boxes"
    first, second = (found["full"] for found in two)
    assert first == second
    assert "No space left on device" in first


def test_the_command_under_torchrun(folder):
    """Talks once, writes once, and logs the losses of both processes."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "clmot"]
    arguments = ["train", folder / "scenes/stills", "--out", folder / "run", *OVERRIDES, "train.steps=1"]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("model: ") == 1
    assert done.stderr.count("8 images in 2 sequences; 28 boxes (person 28)") == 1
    assert {path.name for path in (folder / "run").iterdir()} == {
        "config.yaml",
        "log.jsonl",
        "loss.png",
        "checkpoint-000001",
    }
    line = json.loads((folder / "run/log.jsonl").read_text())
    train(folder / "scenes/stills", folder / "alone", config("train.steps=1"), progress=False)
    alone = json.loads((folder / "alone/log.jsonl").read_text())
    # normalisation sees half the batch in each process: near, not equal
    assert line["heatmap"] == pytest.approx(alone["heatmap"], rel=0.2)


def test_no_such_device():
    if not torch.cuda.is_available():
        with pytest.raises(UserError, match="no CUDA device here"):
            join_processes(config("train.device=cuda").train)


FATE = """
import os, sys, time, torch
sys.path += [sys.argv[2], sys.argv[2] + "/.."]
from test_distributed import config
import clmot.training.trainer as run
from clmot.errors import UserError
rank, step = int(os.environ["LOCAL_RANK"]), run.train_step
def failing(*arguments):
    if rank == 0:
        raise MemoryError("no memory for 7 boxes")
    return step(*arguments)
run.train_step = failing
try:
    run.train(sys.argv[1], sys.argv[1] + "/../fate", config("train.devices=2"), progress=False)
except (MemoryError, UserError) as error:
    print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
    if rank == 0:
        time.sleep(600)
    sys.exit(2)
"""


def test_any_error_of_the_first_process_ends_the_other_at_once_with_its_message(folder):
    """Although the first one lives on, and the other waits for its gradients; there is no exception to catch there."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    common = os.environ | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2", "NODE_RANK": "0"}
    command = [sys.executable, "-c", FATE, str(folder / "scenes/stills"), str(Path(__file__).parent)]
    first, other = (
        subprocess.Popen(command, env=common | {"LOCAL_RANK": rank}, stderr=subprocess.PIPE, text=True)
        for rank in ("0", "1")
    )
    try:
        said = other.communicate(timeout=200)[1]
        assert first.poll() is None
        assert other.returncode == 1
        assert said.splitlines()[-1].endswith("training process 0 failed: MemoryError: no memory for 7 boxes")
    finally:
        first.kill()
        other.kill()
        first.communicate()
