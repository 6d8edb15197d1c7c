"""Frames a second from encoded video to tracks, and where the milliseconds go, by runtime and input size.

    python benchmarks/inference.py [--json FILE] [--sizes 512x288 ...] [--runtimes NAME ...] [--frames N] [--rounds N]
                                   [--model MODEL] [--video] [--batch-size N]
    python benchmarks/inference.py --memory-frames 10000 [--json FILE]

Makes its own video, a synthetic street of 1280x720, and installs nothing: runtimes that are not there are named and
left out. "compile" must be asked for by name: it compiles for a minute or more for each size. So must "elsewhere",
which is no runtime: the network sleeps for 50 ms a frame in place of computing, which shows what overlapping does where
the network needs no processor, as on a GPU.

The stages are timed one after the other, in milliseconds a frame, the median over frames: decoding the video (FFmpeg
has threads of its own for that), letterboxing, the network up to its maps, read-out (peaks, embeddings, back to pixels
of the image), association, writing (MOTChallenge text; with --video also an annotated MP4). "serial" and "overlapped"
are frames a second of `clmot.track`, in turn, the median over rounds, without what the first frames cost once.
"overlapped / serial" is the median of the ratios within rounds. Three things overlap: decoding; letterbox, network and
read-out; association and writing. "of slowest" is what a frame takes overlapped over the slowest of these: 1 where it
alone sets the pace, more where they share processors. "CPU" is processor milliseconds a frame, all threads together:
however stages overlap, a frame takes at least this over the number of processors.

With --memory-frames, a long video (the same street over and over, 160x96 so that it does not take long) is tracked, and
the resident memory is printed after every tenth of it. Flat means that the second half adds nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from clmot import track
from clmot.apps.track.outputs import Outputs
from clmot.config import Config
from clmot.errors import UserError
from clmot.export.save import export
from clmot.inference.exported import load_exported
from clmot.inference.model import Model, load_model, load_network
from clmot.io.sources import open_sources
from clmot.io.video import decode_video
from clmot.io.video_writer import VideoWriter
from clmot.shipped import DEFAULT
from clmot.structures import Detections, Image, OutputMaps
from clmot.synthetic import Scene

CONSOLE = Console(width=150)
SIZES = ("512x288", "864x480", "1088x608")
THREADS = (("decode video",), ("letterbox", "network", "read-out"), ("association", "write"))
STAGES = tuple(stage for thread in THREADS for stage in thread)
SOURCE_SIZE, FRAME_RATE = (1280, 720), 25
LONG_SIZE = (160, 96)
ELSEWHERE = 0.05
"""Seconds that the runtime of this name sleeps."""
WARM_UP = 3
"""Frames before the clocks start: kernels are chosen and memory is taken with the first ones."""


@dataclass(frozen=True)
class Runtime:
    """Something that runs the network.

    Attributes:
        make: the model for an input size, given a folder for files that are made once.
        needs: a package that must be there.
        asked: only measured when asked for by name.
    """

    make: Callable[[str, tuple[int, int], Path], Model]
    needs: str = "torch"
    gpu: bool = False
    asked: bool = False

    def missing(self) -> str | None:
        """Why it cannot be measured here."""
        try:
            import_module(self.needs)
        except ImportError:
            return f"{self.needs} is not installed"
        return "no CUDA device" if self.gpu and not torch.cuda.is_available() else None


@dataclass
class Row:
    """One line of the table; stages in milliseconds, speeds in frames a second."""

    runtime: str
    size: str
    stages: dict[str, float]
    serial: float
    overlapped: float
    ratio: float
    of_slowest: float
    cpu: float
    rounds: list[dict[str, float]] = field(default_factory=list)


def eager(device: str, precision: str) -> Callable[[str, tuple[int, int], Path], Model]:
    return lambda name, size, _: resized(load_model(name, device=device, precision=precision), size)


def compiled(device: str) -> Callable[[str, tuple[int, int], Path], Model]:
    def make(name: str, size: tuple[int, int], _: Path) -> Model:
        model = resized(load_model(name, device=device), size)
        torch.compiler.reset()
        model.network.maps = torch.compile(model.network.maps, dynamic=False)
        return model

    return make


def exported(target: Any, suffix: str) -> Callable[[str, tuple[int, int], Path], Model]:
    def make(name: str, size: tuple[int, int], folder: Path) -> Model:
        file = folder / f"exported{suffix}"
        if not file.exists():
            export(*load_network(Path(name)), target, file)
        return resized(load_exported(file), size)

    return make


def elsewhere(name: str, size: tuple[int, int], folder: Path) -> Model:
    """A network that takes its time and no processor, as one on another device does; it has only one answer."""
    model = eager("cpu", "bf16")(name, size, folder)
    compute = model.network.maps
    answers: dict[torch.Size, OutputMaps] = {}

    def maps(pixels: torch.Tensor) -> OutputMaps:
        if pixels.shape not in answers:
            answers[pixels.shape] = compute(pixels)
        time.sleep(ELSEWHERE)
        return answers[pixels.shape]

    model.network.maps = maps
    return model


def resized(model: Model, size: tuple[int, int]) -> Model:
    model.config = model.config.updated({"detect": {"size": list(size)}})
    return model


RUNTIMES = {
    "eager float32": Runtime(eager("cpu", "float32")),
    "eager bf16": Runtime(eager("cpu", "bf16")),
    "compile bf16": Runtime(compiled("cpu"), asked=True),
    "ONNX Runtime": Runtime(exported("onnx", ".onnx"), "onnxruntime"),
    "OpenVINO": Runtime(exported("openvino", ".xml"), "openvino"),
    "elsewhere": Runtime(elsewhere, asked=True),
    "GPU eager bf16": Runtime(eager("cuda", "bf16"), gpu=True),
    "GPU compile bf16": Runtime(compiled("cuda"), gpu=True, asked=True),
}


class Clocks:
    """Milliseconds of named stages, call by call."""

    def __init__(self, gpu: bool) -> None:
        self.times: dict[str, list[float]] = defaultdict(list)
        self._gpu = gpu

    def time(self, stage: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """The same function with a clock around it."""

        def timed(*arguments: Any, **options: Any) -> Any:
            begin = self._now()
            result = call(*arguments, **options)
            self.times[stage].append(1e3 * (self._now() - begin))
            return result

        return timed

    def medians(self) -> dict[str, float]:
        """By stage, after the warm-up."""
        return {stage: statistics.median(times[WARM_UP:]) for stage, times in self.times.items()}

    def _now(self) -> float:
        if self._gpu:
            torch.cuda.synchronize()
        return time.perf_counter()


def stage_times(video: Path, model: Model, out: Path, with_video: bool) -> dict[str, float]:
    """Median milliseconds a frame of each stage, one after the other."""
    clocks = Clocks(model.device.type == "cuda")
    tracker = model.tracker()
    [source] = open_sources(str(video))
    outputs = Outputs(source, out, frame_rate=FRAME_RATE, classes=model.classes, video=with_video)
    maps, letterbox = model.network.maps, model.letterbox
    model.network.maps, model.letterbox = clocks.time("network", maps), clocks.time("letterbox", letterbox)  # type: ignore[method-assign]
    detect = clocks.time("detect", model.detect)
    update, write = clocks.time("association", tracker.update), clocks.time("write", outputs.write)
    frames = source.decode()
    take = clocks.time("decode video", lambda: next(frames, None))
    try:
        with outputs:
            while frame := take():
                number, image = frame
                write(image, update(detect(image), image, frame=number))
    finally:
        model.network.maps, model.letterbox = maps, letterbox  # type: ignore[method-assign]
    times = clocks.times
    times["read-out"] = (np.array(times["detect"]) - times["network"] - times["letterbox"]).tolist()
    medians = clocks.medians()
    return {stage: medians[stage] for stage in STAGES}


def end_to_end(video: Path, model: Model, out: Path, overlap: bool, options: argparse.Namespace) -> tuple[float, float]:
    """Frames a second of `clmot.track`, and processor seconds a frame."""
    processor = time.process_time()
    [result] = track(
        video,
        model,
        out,
        video=options.video,
        batch_size=options.batch_size,
        overlap=overlap,
        overwrite=True,
        progress=False,
    )
    return result.frames_per_second, (time.process_time() - processor) / result.frames


def measure(name: str, size: str, model: Model, video: Path, out: Path, options: argparse.Namespace) -> Row:
    """One runtime at one input size; serial and overlapped in turn, so that both meet the same neighbours."""
    images = [image for _, image in zip(range(WARM_UP), (image for _, image in decode_video(str(video))), strict=False)]
    for image in images:
        model.detect_batch([image] * options.batch_size)
    stages, rounds = [], []
    for number in range(options.rounds):
        stages.append(stage_times(video, model, out, options.video))
        speeds: dict[str, float] = {}
        processors = []
        for overlap in (False, True) if number % 2 else (True, False):
            speed, processor = end_to_end(video, model, out, overlap, options)
            speeds["overlapped" if overlap else "serial"] = speed
            processors.append(processor)
        rounds.append({**speeds, "cpu": 1e3 * statistics.mean(processors)})
    middle = {stage: statistics.median(each[stage] for each in stages) for stage in STAGES}
    overlapped = statistics.median(each["overlapped"] for each in rounds)
    return Row(
        runtime=name,
        size=size,
        stages=middle,
        serial=statistics.median(each["serial"] for each in rounds),
        overlapped=overlapped,
        ratio=statistics.median(each["overlapped"] / each["serial"] for each in rounds),
        of_slowest=1e3 / overlapped / max(sum(middle[stage] for stage in thread) for thread in THREADS),
        cpu=statistics.median(each["cpu"] for each in rounds),
        rounds=rounds,
    )


def print_table(size: str, rows: list[Row], missing: dict[str, str]) -> None:
    table = Table(title=f"input {size}, milliseconds a frame by stage", title_justify="left", box=None)
    table.add_column("", no_wrap=True, min_width=16)
    columns = (*STAGES, "CPU", "serial/s", "overlapped/s", "overlapped / serial", "of slowest")
    for heading in columns:
        table.add_column(heading, justify="right")
    for row in rows:
        figures = [f"{row.stages[stage]:.1f}" for stage in STAGES]
        speeds = (f"{row.cpu:.1f}", f"{row.serial:.1f}", f"{row.overlapped:.1f}")
        table.add_row(row.runtime, *figures, *speeds, f"{row.ratio:.2f}", f"{row.of_slowest:.2f}")
    for name, reason in missing.items():
        table.add_row(name, reason)
    CONSOLE.print(table, "")


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
    model = Weighed(resized(load_model(options.model, device="cpu"), LONG_SIZE), max(1, frames // 10))
    [result] = track(video, model, folder / "out", video=options.video, batch_size=options.batch_size, progress=False)
    half = model.notes[len(model.notes) // 2 - 1]
    grown = {key: model.notes[-1][key] - half[key] for key in ("MiB", "peak MiB")}
    CONSOLE.print(
        f"{result.frames} frames, {result.tracks} tracks: the second half added {grown['MiB']:+.1f} MiB, "
        f"{grown['peak MiB']:+.1f} MiB to the peak"
    )
    return {"frames": result.frames, "tracks": result.tracks, "notes": model.notes, "second half": grown}


def chosen(names: list[str] | None) -> Iterator[tuple[str, Runtime]]:
    """The runtimes to measure."""
    for name, runtime in RUNTIMES.items():
        if (not runtime.asked) if names is None else (name in names):
            yield name, runtime


def measure_speed(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """All runtimes at all sizes."""
    video, out = folder / "street.mp4", folder / "out"
    out.mkdir()
    write_video(video, SOURCE_SIZE, options.frames)
    rows: list[Row] = []
    missing = {name: reason for name, runtime in chosen(options.runtimes) if (reason := runtime.missing())}
    for size in options.sizes:
        here = []
        width, height = map(int, size.split("x"))
        for name, runtime in chosen(options.runtimes):
            if name in missing:
                continue
            try:
                model = runtime.make(options.model, (width, height), folder)
            except UserError as error:
                missing[name] = str(error)
                continue
            here.append(measure(name, size, model, video, out, options))
        print_table(size, here, missing)
        rows += here
    return {"missing": missing, "rows": [vars(row) for row in rows]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    parser.add_argument("--sizes", nargs="+", default=list(SIZES), metavar="WIDTHxHEIGHT", help="input sizes")
    parser.add_argument("--runtimes", nargs="+", choices=list(RUNTIMES), metavar="NAME", help=", ".join(RUNTIMES))
    parser.add_argument("--frames", type=int, default=40, help="length of the video")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", default=DEFAULT, help="run folder, checkpoint or name of a model that comes along")
    parser.add_argument("--video", action="store_true", help="write an annotated video too")
    parser.add_argument("--batch-size", type=int, default=1, help="frames that go through the network together")
    parser.add_argument("--memory-frames", type=int, metavar="N", help="measure memory over N frames, and no speed")
    options = parser.parse_args()
    load = f"load {os.getloadavg()[0]:.1f}"
    processors = f"{len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()} processors"
    CONSOLE.print(f"{processors}, {load} at the start, torch {torch.__version__}, {torch.get_num_threads()} threads\n")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if options.memory_frames:
            figures = {"memory": measure_memory(options.memory_frames, folder, options)}
        else:
            figures = measure_speed(folder, options)
    if options.json is not None:
        machine = {"processors": processors, "load": load, "torch": torch.__version__, "model": options.model}
        settings = {"frames": options.frames, "rounds": options.rounds, "batch_size": options.batch_size}
        options.json.write_text(json.dumps({**machine, **settings, **figures}, indent=2) + "\n")


if __name__ == "__main__":
    main()
