"""In which runtime a model is used: the one that is fastest on this machine, found out once."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import json
import logging
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from clmot._version import __version__
from clmot.devices import device_name, has_gpu
from clmot.errors import UserError, require
from clmot.io.atomic import make_folder, write_whole_json
from clmot.io.folders import cache_folder
from clmot.io.threads import thread_limit
from clmot.shipped import find_model, shipped_graph

if TYPE_CHECKING:
    from clmot.inference.model import Model

Runtime = Literal["auto", "torch", "openvino", "onnxruntime"]
VARIABLE = "CLMOT_RUNTIME"
"""Of the environment: the runtime where none is asked for."""

_NAMES = {"torch": "PyTorch", "openvino": "OpenVINO", "onnxruntime": "ONNX Runtime"}
_PACKAGES = ("torch", "openvino", "onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino", "numpy")
_CHECKED_SECONDS = 0.5
_WARM_UP, _FEWEST, _MOST = 2, 3, 20
"""Frames."""

_log = logging.getLogger(__name__)


def load_fastest(name: str | Path, device: str = "auto", runtime: str = "auto") -> Model:
    """What `clmot.load_model` loads, in the runtime that is fastest here, or the one asked for.

    OpenVINO and ONNX Runtime are looked at where they are installed. A network of one's own is converted for them once;
    the graph, and which runtime is fastest for what, are kept in the user's cache folder (``$XDG_CACHE_HOME/clmot`` or
    ``~/.cache/clmot``). Where nothing can be kept there, a network is not converted. On a GPU it is torch.

    Args:
        name: a path or a name.
        device: as of `clmot.load_model`.
        runtime: ``auto``, ``torch``, ``openvino`` or ``onnxruntime``.

    Raises:
        UserError: as `clmot.load_model`; there is no such runtime, it is not installed, or it cannot take this model.
    """
    from clmot.inference.model import load_model

    require(runtime in get_args(Runtime), f"--runtime '{runtime}': is not one of {', '.join(get_args(Runtime))}")
    file = find_model(name)
    fixed = {".xml": ("openvino",), ".onnx": ("openvino", "onnxruntime")}.get(file.suffix, tuple(_NAMES))
    if runtime == "auto" and os.environ.get(VARIABLE) in fixed:  # which says nothing of other kinds of files
        runtime = os.environ[VARIABLE]
    require(runtime in ("auto", *fixed), f"{file}: runs in {' or '.join(fixed)}, not in {runtime}")
    if runtime != "auto" and not _installed(runtime):
        extra = {"openvino": "openvino", "onnxruntime": "onnx", "torch": "torch"}[runtime]
        raise UserError(f"--runtime {runtime}: is not installed; pip install 'clmot[{extra}]'")
    kinds = [each for each in fixed if _installed(each)] if runtime == "auto" else [runtime]
    on_gpu = device_name(device).startswith("cuda") or (device_name(device) == "auto" and has_gpu())
    if kinds in (["torch"], []) or file.suffix == ".xml" or (on_gpu and runtime == "auto"):
        return load_model(name, device=device)
    graph = _graph(name, file, asked=runtime != "auto")
    if graph is None:
        return load_model(name, device=device)
    chosen = kinds[0] if len(kinds) == 1 else _fastest(name, graph, kinds)
    model = _load(name, graph, chosen, device)
    _log.info("network: %s, %s", _NAMES[chosen], model.precision)
    return model


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _load(name: str | Path, graph: Path, runtime: str, device: str = "cpu") -> Model:
    from clmot.inference.exported import load_exported
    from clmot.inference.model import load_model

    if runtime == "torch":
        return load_model(name, device=device)
    model = load_exported(graph, device, runtime=runtime)
    model.name = str(name)
    return model


def _graph(name: str | Path, file: Path, asked: bool) -> Path | None:
    """The network as an ONNX file, converted if need be; None where it is used by torch.

    Raises:
        UserError: a runtime is asked for, and the network cannot be had as a graph.
    """
    known = file if file.suffix == ".onnx" else shipped_graph(name)
    if known is not None:
        return known
    from clmot.models.saved_model import load_saved_model

    saved = load_saved_model(file, weights=False)
    graph = cache_folder() / "graphs" / f"{_digest(saved.file.read_bytes(), __version__)}.onnx"
    if graph.is_file():
        return graph
    try:
        if saved.config.detector.name:
            raise UserError(f"{saved.file}: an embedding attached to a detector of others is used by torch")
        make_folder(graph.parent)
        from clmot.export.save import export
        from clmot.inference.network_model import load_network

        _log.info("converting %s for other runtimes, once (some 10 s; --runtime torch does without)", name)
        _keep(graph, lambda own: export(*load_network(file), "onnx", own))
    except (UserError, OSError) as error:
        if asked:
            raise
        _log.info("network: PyTorch (%s)", error)
        return None
    return graph


def _fastest(name: str | Path, graph: Path, kinds: list[str]) -> str:
    """The fastest of some runtimes for a model, as measured once on this machine."""
    facts = [
        hashlib.sha256(graph.read_bytes()).hexdigest(),
        *_versions(),
        *(_processor(), str(thread_limit() or os.cpu_count())),
        *kinds,
    ]
    record = cache_folder() / "runtimes" / f"{_digest(*facts)}.json"
    try:
        known = json.loads(record.read_text(encoding="utf-8"))["fastest"]
    except (OSError, ValueError, KeyError, TypeError):
        known = ""
    if known in kinds:
        return str(known)
    names = ", ".join(_NAMES[each] for each in kinds)
    _log.info("measuring which runtime is the fastest here for %s, once: %s", name, names)
    times = {each: _milliseconds(name, graph, each) for each in kinds}
    fastest = min(times, key=lambda each: times[each])
    _log.info("milliseconds a frame: %s", ", ".join(f"{_NAMES[each]} {took:.1f}" for each, took in times.items()))
    try:
        make_folder(record.parent)
        known = {"fastest": fastest, "milliseconds": times}
        _keep(record, lambda own: write_whole_json(own, known, "which runtime is the fastest"))
    except (UserError, OSError) as error:
        _log.info("which runtime is the fastest is not kept (%s)", error)
    return fastest


def _keep(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file by way of one of this process's own: others may be doing the same."""
    own = path.with_name(f"{os.getpid()}-{path.name}")
    write(own)
    own.replace(path)


def _milliseconds(name: str | Path, graph: Path, runtime: str) -> float:
    """The median time of a frame without objects; infinite where the runtime fails."""
    try:
        model = _load(name, graph, runtime)
        width, height = model.config.model.image_size
        image = np.full((height, width, 3), 128, np.uint8)
        taken: list[float] = []
        end = time.perf_counter() + _CHECKED_SECONDS
        while len(taken) < _WARM_UP + _FEWEST or (time.perf_counter() < end and len(taken) < _MOST):
            begin = time.perf_counter()
            model.detect(image)
            taken.append(1000 * (time.perf_counter() - begin))
        return statistics.median(taken[_WARM_UP:])
    except Exception as error:  # of a runtime that does not work here; each has its own
        _log.info("%s does not run here (%s)", _NAMES[runtime], error)
        return float("inf")


def _versions() -> list[str]:
    """Of all that may change what is the fastest, as far as packages of these names are installed."""
    found = [__version__]
    for package in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found.append(importlib.metadata.version(package))
    return found


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _digest(*facts: str | bytes) -> str:
    digest = hashlib.sha256()
    for each in facts:
        digest.update(each if isinstance(each, bytes) else each.encode())
        digest.update(b"\0")
    return digest.hexdigest()[:24]
