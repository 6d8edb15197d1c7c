"""Frames a second from encoded video to tracks, beside what people would use instead; and where the time goes.

    python benchmarks/inference.py [--json FILE] [--size 512 288] [--only NAME ...] [--frames N] [--rounds N]
                                   [--model MODEL] [--yolox FILE] [--gpu] [--no-operators]
    python benchmarks/inference.py --memory-frames 10000 [--json FILE]

Makes its own video, a synthetic street of 1280x720, and installs nothing: what is not there is named and left out.
Ours is in each runtime that is installed; beside it ultralytics' YOLO11n and YOLO26n (of random weights, which take the
same time) with its ByteTrack, in PyTorch, ONNX Runtime and OpenVINO, and with --yolox a YOLOX of ONNX with boxmot's
ByteTrack. All are measured in turn, round by round, so that all meet the same neighbours; every figure is printed when
it is there, and the table, medians over rounds, at the end. On two quiet cores it takes about six minutes.

GMAC: billions of multiplications and additions of the convolutions of one input. "network": milliseconds of network and
read-out (peaks and embeddings; of YOLO its post-processing). "share": what the convolutions would take at the speed of
a large matrix product on this machine, in the same precision, over that. "frames/s": decoding to text, all stages.
"CPU": processor milliseconds a frame. "/ YOLO11n": network over YOLO11n's in the same runtime and round, and frames a
second over its.

With --gpu, the same on a CUDA device: ours, and the recipe dla34 (of random weights) at 1088x608, by one and by eight
frames, and YOLO11n. Nobody has run it yet.

With --memory-frames, a long video (the same street over and over, 160x96 so that it does not take long) is tracked, and
the resident memory is printed after every tenth of it. Flat means that the second half adds nothing.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import resource
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import nn

from clmot import track
from clmot.apps.track.runtime import load_fastest
from clmot.config import Config, load_config
from clmot.inference.attached import load_detector
from clmot.inference.model import Model, load_model
from clmot.inference.network_model import NetworkModel, load_network
from clmot.io.runtimes import openvino_core
from clmot.io.video import decode_video
from clmot.io.video_writer import VideoWriter
from clmot.models.network import Network
from clmot.shipped import DEFAULT, shipped_graph
from clmot.structures import Detections, Image
from clmot.synthetic import Scene

CONSOLE = Console(width=130)
SOURCE_SIZE, FRAME_RATE = (1280, 720), 25
LONG_SIZE = (160, 96)
WARM_UP = 3
"""Frames before the clocks start: kernels are chosen and memory is taken with the first ones."""
RUNTIMES = {"PyTorch": "torch", "ONNX Runtime": "onnxruntime", "OpenVINO": "openvino"}


class Contestant(NamedTuple):
    """Something that tracks.

    Attributes:
        name: with its runtime.
        runtime: for comparisons.
        network: milliseconds of network and read-out for an image.
        run: tracks a video, and returns how many frames it had.
        gmac: of one input.
        precision: of the network.
    """

    name: str
    runtime: str
    network: Callable[[Image], float]
    run: Callable[[Path], int]
    gmac: float
    precision: str


def sized(model: Model, size: tuple[int, int]) -> Model:
    model.config = model.config.updated({"detect": {"size": list(size)}})
    return model


def gmac(network: nn.Module, size: tuple[int, int], forward: Callable[[], Any]) -> float:
    """Of the convolutions, by watching a pass."""
    total = 0

    def count(module: nn.Conv2d, _: Any, output: torch.Tensor) -> None:
        nonlocal total
        total += output[0].numel() * module.weight[0].numel()

    hooks = [each.register_forward_hook(count) for each in network.modules() if isinstance(each, nn.Conv2d)]
    with torch.inference_mode():
        forward()
    for hook in hooks:
        hook.remove()
    return total / 1e9


def ours(name: str, runtime: str, model: Model, cost: float, folder: Path, batch: int = 1) -> Contestant:
    """Of `clmot.track`, all stages at once."""

    def network(image: Image) -> float:
        pixels, _ = model.letterbox([image] * batch)
        begin = time.perf_counter()
        model._find(pixels)
        return 1e3 * (time.perf_counter() - begin) / batch

    def run(video: Path) -> int:
        [result] = track(video, model, folder / "out", overwrite=True, progress=False, batch_size=batch)
        return result.frames

    return Contestant(f"{name}, {runtime}", runtime, network, run, cost, model.precision)


def yolo(name: str, runtime: str, size: tuple[int, int], folder: Path, device: str = "cpu") -> Contestant:
    """Of ultralytics, with its ByteTrack."""
    from ultralytics import YOLO

    width, height = size
    weights = folder / f"{name}.pt"
    if not weights.exists():
        YOLO(f"{name}.yaml").save(weights)
    plain = YOLO(weights)
    image = torch.zeros(1, 3, height, width)
    cost = gmac(plain.model, size, lambda: plain.model.eval()(image))
    kind = {"PyTorch": "", "ONNX Runtime": "onnx", "OpenVINO": "openvino"}[runtime]
    form: dict[str, Any] = {"simplify": False} if kind == "onnx" else {}
    model = YOLO(plain.export(format=kind, imgsz=(height, width), **form) if kind else weights, task="detect")
    options: dict[str, Any] = {"imgsz": (height, width), "verbose": False, "device": device, "conf": 0.1}

    def network(image: Image) -> float:
        speed = model.predict(image[..., ::-1], **options)[0].speed
        return float(speed["inference"] + speed["postprocess"])

    def run(video: Path) -> int:
        frames = 0
        with (folder / f"{name}.txt").open("w") as file:
            for found in model.track(str(video), stream=True, tracker="bytetrack.yaml", **options):
                frames += 1
                if found.boxes is not None and found.boxes.id is not None:
                    file.writelines(f"{frames},{row}\n" for row in found.boxes.data.tolist())
        return frames

    return Contestant(f"{name} + ByteTrack, {runtime}", runtime, network, run, cost, "float32")


def yolox(file: str, folder: Path) -> Contestant:
    """A YOLOX of ONNX by ONNX Runtime with boxmot's ByteTrack."""
    from boxmot import ByteTrack

    model = load_detector(Config().updated({"detector": {"name": f"onnx:{file}", "classes": ["person"]}}, "--yolox"))

    def network(image: Image) -> float:
        begin = time.perf_counter()
        model.detect(image)
        return 1e3 * (time.perf_counter() - begin)

    def run(video: Path) -> int:
        tracker, frames = ByteTrack(frame_rate=FRAME_RATE), 0
        with (folder / "yolox.txt").open("w") as out:
            for _, image in decode_video(str(video)):
                frames += 1
                found = model.detect(image)
                rows = np.column_stack([found.xyxy, found.score, found.class_id])
                out.writelines(f"{frames},{row}\n" for row in np.asarray(tracker.update(rows, image)).tolist())
        return frames

    return Contestant("YOLOX-nano + boxmot ByteTrack, ONNX Runtime", "", network, run, float("nan"), "float32")


def contestants(options: argparse.Namespace, folder: Path) -> Iterator[tuple[str, Callable[[], Contestant]]]:
    """Names, and how each is made: what cannot be made is said and left out."""
    size = tuple(options.size)
    device = "cuda" if options.gpu else "cpu"
    plain, _ = load_network(Path(options.model))
    cost = gmac(plain, size, lambda: plain.eval().maps(torch.zeros(1, 3, size[1], size[0], dtype=torch.uint8)))
    if options.gpu:
        for batch in (1, 8):
            made = partial(load_model, options.model, device=device)
            yield (
                f"{options.model} by {batch}",
                lambda batch=batch, made=made: ours(
                    f"{options.model} by {batch}", "PyTorch", sized(made(), size), cost, folder, batch
                ),
            )
        large = load_config(recipe="dla34", overrides=["model.pretrained=none", "model.image_size=[1088,608]"])
        for batch in (1, 8):
            yield (
                f"dla34 by {batch}",
                lambda batch=batch: ours(
                    f"dla34 1088x608 by {batch}",
                    "PyTorch",
                    sized(NetworkModel(Network(large.model), large, device, "bf16"), (1088, 608)),
                    float("nan"),
                    folder,
                    batch,
                ),
            )
        yield "yolo11n", lambda: yolo("yolo11n", "PyTorch", size, folder, device)
        return
    for label, runtime in RUNTIMES.items():
        yield (
            f"{options.model}, {label}",
            lambda label=label, runtime=runtime: ours(
                options.model, label, sized(load_fastest(options.model, "cpu", runtime), size), cost, folder
            ),
        )
    for name in ("yolo11n", "yolo26n"):
        for label in RUNTIMES:
            yield f"{name}, {label}", lambda name=name, label=label: yolo(name, label, size, folder)
    if options.yolox:
        yield "YOLOX-nano", lambda: yolox(options.yolox, folder)


def peak(precision: str, device: str) -> float:
    """Billions of multiplications and additions a second of a large matrix product."""
    kind = torch.float32 if precision == "float32" else torch.bfloat16
    side = 8192 if device == "cuda" else 1536
    values = torch.randn(side, side, device=device, dtype=kind)
    taken = []
    for _ in range(5):
        begin = time.perf_counter()
        (values @ values).sum().item()
        taken.append(time.perf_counter() - begin)
    return side**3 / min(taken) / 1e9


def measure_speed(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """All contestants, round by round."""
    video = folder / "street.mp4"
    write_video(video, SOURCE_SIZE, options.frames)
    image = next(image for _, image in decode_video(str(video)))
    device = "cuda" if options.gpu else "cpu"
    field: list[Contestant] = []
    for name, make in contestants(options, folder):
        if options.only and not any(each.lower() in name.lower() for each in options.only):
            continue
        try:
            field.append(make())
            for _ in range(WARM_UP):
                field[-1].network(image)
            CONSOLE.print(f"ready: {field[-1].name}")
        except Exception as error:  # of libraries of others
            CONSOLE.print(f"left out: {name}: {type(error).__name__}: {error}"[:200])
    limits = {kind: peak(kind, device) for kind in {each.precision for each in field}}
    rounds: dict[str, list[dict[str, float]]] = defaultdict(list)
    for number in range(options.rounds):
        for each in field[(number % 2 and slice(None, None, -1)) or slice(None)]:
            network = statistics.median(each.network(image) for _ in range(options.frames // 4 + 1))
            begin, processor = time.perf_counter(), time.process_time()
            frames = each.run(video)
            seconds, processor = time.perf_counter() - begin, time.process_time() - processor
            rounds[each.name].append({"network": network, "speed": frames / seconds, "CPU": 1e3 * processor / frames})
            found = rounds[each.name][-1]
            CONSOLE.print(
                f"round {number + 1}: {each.name}: network {network:.1f} ms, {found['speed']:.1f} frames/s, "
                f"{found['CPU']:.0f} ms of processors a frame"
            )
    print_table(field, rounds, limits)
    return {"rounds": rounds, "GMAC": {each.name: each.gmac for each in field}, "GMAC/s": limits}


def print_table(
    field: Sequence[Contestant], rounds: dict[str, list[dict[str, float]]], limits: dict[str, float]
) -> None:
    table = Table(box=None)
    table.add_column("", no_wrap=True)
    for heading in ("GMAC", "network", "share", "frames/s", "CPU", "network / YOLO11n", "frames/s / YOLO11n"):
        table.add_column(heading, justify="right")
    for each in field:
        mine = rounds[each.name]
        middle = {key: statistics.median(one[key] for one in mine) for key in mine[0]}
        rival = next((r for r in field if r.name.startswith("yolo11n") and r.runtime == each.runtime), each)
        pairs = list(zip(mine, rounds[rival.name], strict=True))
        ratios = [statistics.median(a[key] / b[key] for a, b in pairs) for key in ("network", "speed")]
        share = 1e3 * each.gmac / limits[each.precision] / middle["network"]
        figures = f"{each.gmac:.2f}", f"{middle['network']:.1f}", f"{share:.0%}", f"{middle['speed']:.1f}"
        table.add_row(each.name, *figures, f"{middle['CPU']:.0f}", *(f"{ratio:.2f}" for ratio in ratios))
    CONSOLE.print(table)


def operators(options: argparse.Namespace) -> Iterator[tuple[str, dict[str, float]]]:
    """By runtime, milliseconds of a frame in each operator of the network."""
    width, height = options.size
    pixels = np.full((1, height, width, 3), 128, np.uint8)
    model = sized(load_model(options.model, device="cpu"), (width, height))
    with torch.profiler.profile() as profile:
        for _ in range(10):
            model._find(pixels)
    yield "PyTorch", {each.key: each.self_cpu_time_total / 1e4 for each in profile.key_averages()}
    graph, planes = shipped_graph(options.model), {"images": np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))}
    if graph is not None and importlib.util.find_spec("onnxruntime"):
        import onnxruntime

        settings = onnxruntime.SessionOptions()
        settings.enable_profiling, settings.profile_file_prefix = True, tempfile.mktemp()
        session = onnxruntime.InferenceSession(str(graph), settings, providers=["CPUExecutionProvider"])
        for _ in range(10):
            session.run(None, planes)
        taken: dict[str, float] = defaultdict(float)
        for event in json.loads(Path(session.end_profiling()).read_text()):
            if event.get("cat") == "Node":
                taken[f"{event['args']['op_name']} {event['name'].removesuffix('_kernel_time')}"] += event["dur"] / 1e4
        yield "ONNX Runtime", taken
    if graph is not None and importlib.util.find_spec("openvino"):
        core = openvino_core()
        network = core.read_model(str(graph))
        network.reshape([1, 3, height, width])
        compiled = core.compile_model(network, "CPU", {"PERF_COUNT": True, "PERFORMANCE_HINT": "LATENCY"})
        request, taken = compiled.create_infer_request(), defaultdict(float)
        for _ in range(10):
            request.infer(planes)
            for step in request.get_profiling_info():
                taken[f"{step.exec_type} {step.node_name}"] += step.real_time.total_seconds() * 100
        yield "OpenVINO", taken


def write_video(file: Path, size: tuple[int, int], frames: int, loop: int = 150) -> None:
    """A synthetic street, from its beginning again after `loop` frames."""
    length = min(frames, loop)
    scene = Scene(np.random.default_rng(3), size, frames=length, frame_rate=FRAME_RATE)
    images = [scene.render(number).image for number in range(length)]
    with VideoWriter(file, FRAME_RATE, size) as writer:
        for number in range(frames):
            writer.write(images[number % length])


class Weighed:
    """A model that notes the memory in use as frames come by."""

    def __init__(self, model: Model, every: int) -> None:
        self.config: Config = model.config
        self.classes = model.classes
        self.notes: list[dict[str, float]] = []
        self._model, self._every, self._frames, self._begin = model, every, 0, time.perf_counter()

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        """The model's detections."""
        found = self._model.detect(images)
        for _ in images:
            self._frames += 1
            if self._frames % self._every == 0:
                self._note()
        return found

    def _note(self) -> None:
        now, peak = memory()
        seconds = time.perf_counter() - self._begin
        self.notes.append({"frames": self._frames, "MiB": now, "peak MiB": peak, "seconds": seconds})
        CONSOLE.print(f"{self._frames:>7} frames  {now:8.1f} MiB  peak {peak:8.1f} MiB  {seconds:6.0f} s")


def memory() -> tuple[float, float]:
    """Resident memory in MiB, now and at its peak; where the system does not tell the first, the peak twice."""
    unit = 2**20 if platform.system() == "Darwin" else 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return peak, peak
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20, peak


def measure_memory(frames: int, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Track a long video and see what memory does."""
    video = folder / "long.mp4"
    write_video(video, LONG_SIZE, frames)
    model = Weighed(sized(load_model(options.model, device="cpu"), LONG_SIZE), max(1, frames // 10))
    [result] = track(video, model, folder / "out", video=options.video, batch_size=options.batch_size, progress=False)
    half = model.notes[len(model.notes) // 2 - 1]
    grown = {key: model.notes[-1][key] - half[key] for key in ("MiB", "peak MiB")}
    CONSOLE.print(
        f"{result.frames} frames, {result.tracks} tracks: the second half added {grown['MiB']:+.1f} MiB, "
        f"{grown['peak MiB']:+.1f} MiB to the peak"
    )
    return {"frames": result.frames, "tracks": result.tracks, "notes": model.notes, "second half": grown}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    parser.add_argument("--size", nargs=2, type=int, default=[512, 288], metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--only", nargs="+", metavar="NAME", help="parts of names of what is measured")
    parser.add_argument("--frames", type=int, default=100, help="length of the video")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--model", default=DEFAULT, help="run folder, checkpoint or name of a model that comes along")
    parser.add_argument("--yolox", help="file of a YOLOX in ONNX")
    parser.add_argument("--gpu", action="store_true", help="on a CUDA device")
    parser.add_argument("--no-operators", action="store_true", help="leave out the ten slowest operators")
    parser.add_argument("--memory-frames", type=int, metavar="N", help="measure memory over N frames, and no speed")
    parser.set_defaults(video=False, batch_size=1)
    options = parser.parse_args()
    os.environ.setdefault("YOLO_AUTOINSTALL", "false")
    load = f"load {os.getloadavg()[0]:.1f}"
    processors = f"{len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()} processors"
    CONSOLE.print(f"{processors}, {load} at the start, torch {torch.__version__}, {torch.get_num_threads()} threads\n")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if options.memory_frames:
            figures = {"memory": measure_memory(options.memory_frames, folder, options)}
        else:
            figures = measure_speed(folder, options)
            for runtime, taken in () if options.no_operators or options.gpu else operators(options):
                slowest = sorted(taken.items(), key=lambda each: -each[1])[:10]
                CONSOLE.print(f"\n{runtime}: {sum(taken.values()):.1f} ms in operators, of which")
                for name, milliseconds in slowest:
                    CONSOLE.print(f"  {milliseconds:6.2f}  {name}"[:110])
    if options.json is not None:
        machine = {"processors": processors, "load": load, "torch": torch.__version__, "model": options.model}
        settings = {"frames": options.frames, "rounds": options.rounds}
        options.json.write_text(json.dumps({**machine, **settings, **figures}, indent=2) + "\n")


if __name__ == "__main__":
    main()
