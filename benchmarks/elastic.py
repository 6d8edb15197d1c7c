"""Training on two "nodes" of this machine whose processes are killed at random moments, as torchrun starts them again.

    python benchmarks/elastic.py --kills 10

The weights and the log at the end are those of an uninterrupted run of two processes, to the bit.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SMALL = (
    "model.encoder=resnet10t",
    "model.encoder_options={channels: [8, 8, 16, 16]}",
    "model.pretrained=none",
    "model.width=8",
    "model.stripes=2",
    "model.image_size=[128, 96]",
    "train.batch_size=4",
    "train.device=cpu",
    "data.workers=0",
)


def torchrun(port: int, scenes: Path, out: Path, steps: int, nodes: str = "2", restarts: int = 100) -> list[str]:
    """The command of one node."""
    line = [sys.executable, "-m", "torch.distributed.run", f"--nnodes={nodes}", "--nproc-per-node=1"]
    line += [
        f"--max-restarts={restarts}",
        "--rdzv-backend=c10d",
        f"--rdzv-endpoint=127.0.0.1:{port}",
        "--rdzv-id=clmot",
    ]
    line += ["--rdzv-conf=last_call_timeout=5,join_timeout=300", "--local-addr=127.0.0.1"]
    line += ["-m", "clmot", "train", str(scenes), "--out", str(out), "--resume"]
    return [*line, *SMALL, f"train.steps={steps}", "train.save_every=5"]


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as some:
        some.bind(("127.0.0.1", 0))
        return int(some.getsockname()[1])


def ranks(node: int) -> list[int]:
    """The training processes that a torchrun has started."""
    found = []
    for task in Path(f"/proc/{node}/task").glob("*"):
        with contextlib.suppress(OSError):
            found += map(int, (task / "children").read_text().split())
    return [each for each in found if _is_training(each)]


def _is_training(process: int) -> bool:
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
        return b"clmot" in words and b"train" in words and b"torch.distributed.run" not in words
    return False


def weights(run: Path) -> dict[str, bytes]:
    """By file of the last checkpoint, what it holds; of the state the tensors, as an archive has dates."""
    import torch
    from safetensors.torch import load_file

    (last,) = run.glob("checkpoint-*[0-9]")  # not the lock of a write that was killed
    state = torch.load(last / "state.pt", weights_only=True)["network"]
    both = {**load_file(last / "model.safetensors"), **{f"state.{name}": value for name, value in state.items()}}
    return {f"{last.name}/{name}": value.numpy().tobytes() for name, value in both.items()}


def main() -> None:
    """Two runs, and their comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pause", type=float, default=20.0, help="longest pause between two kills, in seconds")
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = arguments.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        _compare(arguments, folder)


def _compare(arguments: argparse.Namespace, folder: Path) -> None:
    from clmot.synthetic import write_scenes

    rng = random.Random(arguments.seed)
    scenes = folder / "scenes"
    if not scenes.exists():
        write_scenes(
            scenes, still_frames=8, still_sequences=2, clips=1, clip_frames=2, size=(160, 120), seed=arguments.seed
        )
    os.environ["OMP_NUM_THREADS"] = os.environ["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"
    log = stack_log = (folder / "log").open("w")
    for name, kills in (("quiet", 0), ("killed", arguments.kills)):
        port, out = free_port(), folder / name
        line = torchrun(port, scenes / "stills", out, arguments.steps)
        begin = time.monotonic()
        nodes = [subprocess.Popen(line, stdout=log, stderr=stack_log) for _ in range(2)]
        done, seen = 0, set[str]()
        while done < kills and all(node.poll() is None for node in nodes):
            time.sleep(rng.uniform(0.2, arguments.pause))
            there, reached = ranks(rng.choice(nodes).pid), {path.name for path in out.glob("checkpoint-*[0-9]")}
            if there and reached - seen:  # a kill before the next checkpoint only begins again where the last did
                with contextlib.suppress(ProcessLookupError):
                    os.kill(rng.choice(there), signal.SIGKILL)
                    done += 1
                    seen |= reached
                    print(f"kill {done} after {time.monotonic() - begin:.0f} s, at {sorted(reached)}", flush=True)
        codes = [node.wait() for node in nodes]
        print(f"{name}: exit codes {codes} after {time.monotonic() - begin:.0f} s, {done} kills", flush=True)
    one, two = weights(folder / "quiet"), weights(folder / "killed")
    differ = [key for key in one if one[key] != two.get(key)]
    print(f"{len(one)} tensors, {len(differ)} differ")
    if differ or one.keys() != two.keys():
        raise SystemExit(1)


if __name__ == "__main__":
    main()
