"""Runs over many videos that are killed, poisoned, starved of disk, and timed.

    python benchmarks/many.py kill --clips 200 --workers 3 --kills 30
    python benchmarks/many.py kill --clips 200 --shards 3 --kills 30
    python benchmarks/many.py kill --clips 200 --kills 30 --engine ray
    python benchmarks/many.py poison
    python benchmarks/many.py full
    python benchmarks/many.py workers [--network] --rounds 5
    python benchmarks/many.py overhead --rounds 5
    python benchmarks/many.py manifest --rows 100000

Everything is made from a seed in a temporary folder, or in --folder.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import random
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

SETTINGS = ("tracker.appearance=false", "tracker.camera=none")
RATE = 25.0


def make_clips(folder: Path, count: int, frames: int, size: tuple[int, int] = (128, 96), seed: int = 0) -> None:
    """Videos ``v/c000.mp4`` ... of boxes that move, and detections of them as ``b/c000.txt``."""
    import cv2

    from clmot.io.video_writer import VideoWriter

    for name in ("v", "b"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    width, height = size
    for clip in range(count):
        rng, rows = np.random.default_rng((seed, clip)), []
        start, speed = rng.uniform(0, width, (4, 2)), rng.uniform(-2, 2, (4, 2))
        with VideoWriter(folder / "v" / f"c{clip:03}.mp4", RATE, size) as writer:
            for frame in range(1, frames + 1 + clip % 7):
                image = np.full((height, width, 3), 90, np.uint8)
                for who, place in enumerate((start + speed * frame) % (width - 20, height - 40)):
                    left, top = map(int, place)
                    cv2.rectangle(image, (left, top), (left + 19, top + 39), (40 * who + 50, 200 - 40 * who, 60), -1)
                    if rng.random() < 0.9:
                        x, y = place + rng.normal(size=2)
                        rows.append(f"{frame},-1,{x:.2f},{y:.2f},20,40,{rng.uniform(0.3, 1):.3f},-1,-1,-1")
                writer.write(image)
        (folder / "b" / f"c{clip:03}.txt").write_text("\n".join(rows) + "\n")


def command(clips: Path, out: Path, *more: str, network: bool = False) -> list[str]:
    """`clmot track` over the clips."""
    source = ("--runtime", "onnxruntime", "--size", "256") if network else ("--boxes", str(clips / "b"), *SETTINGS)
    base = [sys.executable, "-m", "clmot", "track", str(clips / "v"), "--out", str(out), *source]
    return [*base, "--lease", "10", *more]


def results(out: Path) -> dict[str, str]:
    """Name and hash of every file in a result folder."""
    files = (file for file in sorted(out.iterdir()) if file.is_file())
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def done_twice(out: Path) -> list[str]:
    """Names with more than one row that says done."""
    import msgspec

    names = [
        row["name"]
        for file in (out / "manifest" / "rows").iterdir()
        for row in map(msgspec.json.decode, file.read_bytes().splitlines())
        if row["state"] == "done"
    ]
    return sorted({name for name in names if names.count(name) > 1})


def below(process: int) -> list[int]:
    """The processes that a process has started, and so on."""
    found = []
    with contextlib.suppress(OSError):
        for child in Path(f"/proc/{process}/task/{process}/children").read_text().split():
            found += [int(child), *below(int(child))]
    return found


def is_worker(process: int) -> bool:
    with contextlib.suppress(OSError):
        return b"spawn_main" in Path(f"/proc/{process}/cmdline").read_bytes()
    return False


def ray_actors() -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (folder / "cmdline").read_bytes().startswith(b"ray::_Tracking"):
                found.append(int(folder.name))
    return found


def kill(arguments: argparse.Namespace, folder: Path) -> None:
    """Kill workers and coordinators at random moments; the results are those of a quiet run."""
    clips, rng = folder / "clips", random.Random(arguments.seed)
    make_clips(clips, arguments.clips, arguments.frames, seed=arguments.seed)
    quiet, out = folder / "quiet", folder / "out"
    subprocess.run(command(clips, quiet, "--workers", "2"), check=True, stdout=subprocess.DEVNULL)
    shards = arguments.shards or 1
    if arguments.engine == "ray":
        from ray.cluster_utils import Cluster

        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
        cluster.add_node(num_cpus=1)
        more = ["--engine", "ray", "--workers", "2", "--address", cluster.address]
        commands = [command(clips, out, *more)]
    elif arguments.shards:
        commands = [command(clips, out, "--workers", "1", "--shard", f"{i + 1}/{shards}") for i in range(shards)]
    else:
        commands = [command(clips, out, "--workers", str(arguments.workers))]
    log = (folder / "log").open("w")

    def start(line: list[str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(line, stdout=log, stderr=log)

    running = [start(line) for line in commands]
    kills, coordinators, begin = 0, 0, time.time()
    while kills < arguments.kills and any(each.poll() is None for each in running):
        time.sleep(rng.uniform(0.3, arguments.pause))
        index = rng.randrange(shards)
        if running[index].poll() is not None:
            if any(each.poll() is None for each in running):
                continue
            break
        own = ray_actors() if arguments.engine == "ray" else below(running[index].pid)
        own = own if arguments.engine == "ray" else [each for each in own if is_worker(each)]
        if not own and rng.random() < 0.95:
            continue  # they are starting
        victim = running[index].pid if not own or rng.random() < 0.2 else rng.choice(own)
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
            kills += 1
        if victim == running[index].pid:
            coordinators += 1
            running[index].wait()
            running[index] = start(commands[index])
    codes = [each.wait() for each in running]
    while any(codes):  # a coordinator's last start may have been killed
        codes = [subprocess.run(line, stdout=log, stderr=log).returncode for line in commands]
    same, names = results(quiet) == results(out), len(results(out))
    print(
        f"{names} results, {kills} kills ({coordinators} of coordinators) in {time.time() - begin:.0f} s: "
        f"{'all bytes as of a quiet run' if same else 'NOT THE SAME'}; done twice: {done_twice(out) or 'none'}"
    )
    left = [file for file in (out / "manifest" / "work").iterdir()]
    print(f"left in manifest/work: {len(left)}")
    if not same or done_twice(out) or names != arguments.clips:
        raise SystemExit(1)


def poison(arguments: argparse.Namespace, folder: Path) -> None:
    """A cut video, one of noise, an empty one, and detections that crash or hang their process."""
    clips, out = folder / "clips", folder / "out"
    make_clips(clips, 8, 30, seed=arguments.seed)
    whole = (clips / "v" / "c000.mp4").read_bytes()
    (clips / "v" / "cut.mp4").write_bytes(whole[: len(whole) // 3])
    (clips / "v" / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(50_000))
    (clips / "v" / "empty.mp4").write_bytes(b"")
    for name in ("cut", "noise", "empty", "crash", "hang", "spin"):
        if name in ("crash", "hang", "spin"):
            shutil.copy(clips / "v" / "c001.mp4", clips / "v" / f"{name}.mp4")
    # what decodes is made to crash, hang with the lock released, or hang with it held, by the file's name
    site = folder / "site"
    site.mkdir(exist_ok=True)
    (site / "sitecustomize.py").write_text(
        "import sys\n"
        "def poisoned(module):\n"
        "    real = module.decode_video\n"
        "    def decode(address, *args, **kwargs):\n"
        "        import ctypes, time\n"
        "        for number, image in real(address, *args, **kwargs):\n"
        "            if number > 5 and 'crash' in str(address): ctypes.string_at(0)\n"
        "            if number > 5 and 'hang' in str(address): time.sleep(10**6)\n"
        "            if number > 5 and 'spin' in str(address): ctypes.PyDLL(None).sleep(10**6)\n"
        "            yield number, image\n"
        "    module.decode_video = decode\n"
        "class Finder:\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name != 'clmot.io.video': return None\n"
        "        sys.meta_path.remove(self)\n"
        "        import importlib.util\n"
        "        spec = importlib.util.find_spec(name)\n"
        "        load = spec.loader.exec_module\n"
        "        def execute(module): load(module); poisoned(module)\n"
        "        spec.loader.exec_module = execute\n"
        "        return spec\n"
        "sys.meta_path.insert(0, Finder())\n"
    )
    environment = {**os.environ, "PYTHONPATH": f"{site}:{os.environ.get('PYTHONPATH', '')}"}
    for name in ("cut", "noise", "empty", "crash", "hang", "spin"):
        shutil.copy(clips / "b" / "c001.txt", clips / "b" / f"{name}.txt")
    line = command(clips, out, "--workers", "2", "--retries", "1", "--stall", "4")
    done = subprocess.run(line, env=environment, capture_output=True, text=True)
    print(done.stdout[-400:], done.stderr, f"exit code {done.returncode}")
    names = {name.removesuffix(".txt") for name in results(out)}
    assert {f"c{index:03}" for index in range(8)} <= names, names
    assert done.returncode == 3


def full(arguments: argparse.Namespace, folder: Path) -> None:
    """No file may grow beyond a few hundred bytes; then it may."""
    clips, quiet, out = folder / "clips", folder / "quiet", folder / "out"
    make_clips(clips, 12, 60, seed=arguments.seed)
    subprocess.run(command(clips, quiet, "--workers", "1"), check=True, stdout=subprocess.DEVNULL)

    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (arguments.bytes, arguments.bytes))

    done = subprocess.run(command(clips, out, "--workers", "2"), preexec_fn=small, capture_output=True, text=True)
    print(f"full: exit code {done.returncode}: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    subprocess.run(command(clips, out, "--workers", "2"), check=True, stdout=subprocess.DEVNULL)
    assert results(quiet) == results(out)
    print(f"after that: {len(results(out))} results, all bytes as of a quiet run; twice: {done_twice(out) or 'none'}")


def _timed(line: list[str]) -> tuple[float, float]:
    """Wall and processor seconds of a command."""
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(line, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - begin, used


def workers(arguments: argparse.Namespace, folder: Path) -> None:
    """Frames a second between the first and last result of one worker on one thread and two, in turn."""
    clips = folder / "clips"
    make_clips(clips, arguments.clips, arguments.frames, (512, 288), seed=arguments.seed)
    rates: dict[int, list[float]] = {1: [], 2: []}
    costs: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(arguments.rounds):
        for count in (1, 2):
            out = folder / f"w{count}"
            shutil.rmtree(out, ignore_errors=True)
            # of one worker, one processor: the other would do half of its work
            line = ["taskset", "-c", "0" if count == 1 else "0,1", *command(clips, out, network=arguments.network)]
            _, used = _timed([*line, "--workers", str(count)])
            rates[count].append(_rate(out))
            costs[count].append(used)
        print(
            " ".join(f"{count}: {rates[count][-1]:.1f}/s {costs[count][-1]:.1f} CPU s" for count in (1, 2)), flush=True
        )
    ratio = [two / one for one, two in zip(rates[1], rates[2], strict=True)]
    print(f"two workers / one: median {statistics.median(ratio):.2f} ({min(ratio):.2f} to {max(ratio):.2f})")


def _rate(out: Path) -> float:
    """Frames a second from the first claim to the last result: without what a start takes."""
    from clmot.apps.many.manifest import Manifest

    manifest = Manifest(out)
    manifest.refresh()
    rows = list(manifest.rows.values())
    begin = min(row.at - row.seconds for row in rows)
    return sum(row.frames for row in rows) / (max(row.at for row in rows) - begin)


def overhead(arguments: argparse.Namespace, folder: Path) -> None:
    """What a run of many costs beside the frames themselves, for clips of a minute."""
    clips = folder / "clips"
    make_clips(clips, arguments.clips, 1500, (512, 288), seed=arguments.seed)
    shares = []
    for _ in range(arguments.rounds):
        out = folder / "o"
        shutil.rmtree(out, ignore_errors=True)
        _timed(command(clips, out, "--workers", "1", network=arguments.network))
        from clmot.apps.many.manifest import Manifest

        manifest = Manifest(out)
        manifest.refresh()
        rows = sorted(manifest.rows.values(), key=lambda row: row.at)
        spent, inside = rows[-1].at - rows[0].at, sum(row.seconds for row in rows[1:])
        shares.append(100 * (spent / inside - 1))
        print(f"{shares[-1]:.2f} % of {inside / (len(rows) - 1):.2f} s a clip", flush=True)
    print(f"overhead: median {statistics.median(shares):.2f} %")


def manifest(arguments: argparse.Namespace, folder: Path) -> None:
    """Status and start with many rows."""
    from clmot.apps.many.manifest import DONE, Manifest, Row
    from clmot.apps.many.sources import list_videos
    from clmot.apps.many.work import Job

    clips, out = folder / "v", folder / "out"
    clips.mkdir(exist_ok=True)
    for index in range(arguments.rows):
        (clips / f"video{index:06}.mp4").write_bytes(str(index).encode())
    begin = time.perf_counter()
    videos = list_videos([clips], {})
    print(f"first start: {time.perf_counter() - begin:.2f} s to read {len(videos)} files")
    book, job = Manifest(out), Job(out=out, model="clmot-pedestrian")
    book.make()
    book.remember(videos, {})
    import msgspec

    settings = _settings_of(out)
    rows = [
        Row(each.name, each.key(settings), DONE, 1, time.time(), 1500, 0, 12, 40.0, "", each.origin, each.content,
            files=(f"{each.name}.txt",), worker="host 1")
        for each in videos
    ]  # fmt: skip
    for part in range(16):
        (book.folder / "rows" / f"w{part}.jsonl").write_bytes(msgspec.json.Encoder().encode_lines(rows[part::16]))
    for row in rows:
        (book.folder / "claims" / f"{row.name}.{row.key}.1").touch()
        (out / f"{row.name}.txt").touch()
    del job
    for name, line in (
        ("status", ["status", str(out)]),
        ("start", ["track", str(clips), "--out", str(out), "--workers", "1"]),
        ("--help", ["--help"]),
    ):
        times = [_timed([sys.executable, "-m", "clmot", *line]) for _ in range(arguments.rounds)]
        wall, used = zip(*times, strict=True)
        print(f"{name}: {min(wall):.2f} s, {min(used):.2f} s of a processor (least of {arguments.rounds})")


def _settings_of(out: Path) -> str:
    """The settings hash that `clmot track SOURCES --out OUT --workers 1` has."""
    code = (
        "import sys\nfrom clmot.apps.many import run, work\n"
        "run.track_many = lambda paths, job, *a, **k: (print(job.fingerprint()), sys.exit(0))\n"
        f"from clmot.cli import main\nmain(['track', 'x', '--out', {str(out)!r}, '--workers', '1'])\n"
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def main() -> None:
    """Run one of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    runs = {each.__name__: each for each in (kill, poison, full, workers, overhead, manifest)}
    parser.add_argument("what", choices=runs)
    for name, value in (
        ("clips", 12), ("frames", 40), ("workers", 3), ("shards", 0), ("kills", 30), ("rounds", 3), ("rows", 100_000),
        ("seed", 0), ("bytes", 3000),
    ):  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--pause", type=float, default=2.0, help="longest pause between two kills, in seconds")
    parser.add_argument("--engine", choices=("processes", "ray"), default="processes")
    parser.add_argument("--network", action="store_true", help="the shipped model in place of boxes")
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = arguments.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        runs[arguments.what](arguments, folder)


if __name__ == "__main__":
    main()
