"""Networks in files of other runtimes: ONNX Runtime and OpenVINO, imported only where they are used."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clmot.errors import UserError, reason_of
from clmot.io.threads import thread_limit

Array = npt.NDArray[Any]
Run = Callable[[dict[str, Array]], Sequence[Array]]
"""Named inputs to the outputs of a network, in order."""

MOST_SHAPES = 8
"""Input shapes for which OpenVINO compiles a graph of its own, which takes 0.2 s and saves a quarter of a frame's time;
further ones share one that takes any."""

METADATA_SECTION = "clmot"
"""Where an OpenVINO file holds what it says about itself."""


class Port(NamedTuple):
    """An input or output of a network; lengths that may differ are -1."""

    name: str
    shape: tuple[int, ...]


class InnerMap(NamedTuple):
    """A map [v, c, h, w] that a network computes on the way, and the names of what it is computed from."""

    name: str
    shape: tuple[int, ...]
    sources: tuple[str, ...]


class RuntimeNetwork(NamedTuple):
    """A network in a file, ready to run.

    Attributes:
        inputs, outputs: what goes in and comes out.
        run: computes the outputs.
        metadata: what the file says about itself.
        precision: ``float32``, or what the runtime chose.
        on_gpu: whether it computes on a GPU.
    """

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    run: Run
    metadata: dict[str, str]
    precision: str = "float32"
    on_gpu: bool = False

    def cpu_only(self, device: str) -> str:
        """Why it computes on the CPU although a GPU is asked for; empty where it does as it is asked."""
        if self.on_gpu or not device.startswith("cuda"):
            return ""
        return "its runtime here has no CUDA (of ONNX Runtime, onnxruntime-gpu has; OpenVINO has none)"


def import_extra(package: str, extra: str) -> Any:
    """Import a package of one of clmot's extras.

    Raises:
        UserError: it cannot be imported; the message names the extra.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise UserError(
            f"the package {package} cannot be imported ({reason_of(error)}); pip install 'clmot[{extra}]'"
        ) from error


def open_network(
    file: Path,
    device: str = "cpu",
    *,
    runtime: str = "",
    exact: bool = True,
    channels_last: bool = False,
    also: Sequence[str] = (),
) -> RuntimeNetwork:
    """The network in an ONNX file, for OpenVINO too, or in an ``.xml`` of OpenVINO with the ``.bin`` beside it.

    Args:
        file: the file.
        device: ``cpu``; ``auto``, ``cuda`` and ``cuda:N`` use a GPU where the runtime can.
        exact: compute in float32. Otherwise in whatever is fastest on this processor: OpenVINO takes bfloat16 where
            the processor multiplies it.
        channels_last: what has four axes comes and goes as [v, h, w, c] in place of [v, c, h, w], which saves copies.
            Outputs then hold until the next run in the same thread only, and are, where the runtime computes in
            bfloat16, of that: as uint16, the upper halves of float32.
        runtime: ``openvino`` or ``onnxruntime``; by default OpenVINO for ``.xml`` alone.
        also: values computed on the way (`inner_maps`), which become outputs after the file's own.

    Raises:
        UserError: the runtime cannot be imported, or not read the file.
    """
    is_openvino = file.suffix == ".xml" if not runtime else runtime == "openvino"
    package = import_extra("openvino", "openvino") if is_openvino else import_extra("onnxruntime", "onnx")
    try:
        if is_openvino:
            return _openvino(package, file, exact, channels_last, also)
        return _onnx(package, file, device, channels_last, also)
    except Exception as error:  # every runtime has its own, and a class for each reason
        kind = "OpenVINO" if file.suffix == ".xml" else "ONNX"
        raise UserError(f"{file}: not a readable {kind} model ({reason_of(error)})") from error


def inner_maps(file: Path, shape: tuple[int, ...]) -> list[InnerMap]:
    """Maps of floats, [v, c, h, w], that a network computes on the way, in the order of computation.

    Args:
        file: as of `open_network`.
        shape: of its first input, which decides theirs.

    Returns:
        Those whose shape is known; none where the package that tells is missing.
    """
    if file.suffix == ".xml":
        model = openvino_core().read_model(str(file))
        model.reshape({model.inputs[0]: list(shape)})
        found = []
        for each in model.get_ordered_ops():
            sources = tuple(value.get_source_output().get_node().get_friendly_name() for value in each.inputs())
            kind = each.output(0) if sources and each.outputs() else None
            if kind and kind.partial_shape.is_static and len(kind.shape) == 4 and kind.element_type.is_real():
                found.append(InnerMap(each.get_friendly_name(), tuple(kind.shape), sources))
        return found
    try:
        import onnx
    except ImportError:
        return []
    model = onnx.load(file)
    given = model.graph.input[0].type.tensor_type.shape
    del given.dim[:]
    given.dim.extend([onnx.TensorShapeProto.Dimension(dim_value=side) for side in shape])
    floats = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16)
    kinds = {each.name: each.type.tensor_type for each in onnx.shape_inference.infer_shapes(model).graph.value_info}
    found = []
    for node in model.graph.node:
        for name in (name for name in node.output if name in kinds):
            sides = tuple(side.dim_value for side in kinds[name].shape.dim)
            if len(sides) == 4 and all(sides) and kinds[name].elem_type in floats:
                found.append(InnerMap(name, sides, tuple(node.input)))
    return found


def _onnx(runtime: Any, file: Path, device: str, channels_last: bool, also: Sequence[str]) -> RuntimeNetwork:
    source: str | bytes = str(file)
    if also:
        import onnx

        model = onnx.load(file)
        model.graph.output.extend([onnx.ValueInfoProto(name=name) for name in also])
        source = model.SerializeToString()
    options = runtime.SessionOptions()
    options.log_severity_level = 3  # errors: what it thinks of a graph is not the user's business
    # its threads would wait for the next picture at full speed, and what else a frame needs has processors to share
    options.intra_op_num_threads = thread_limit()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    providers: list[Any] = ["CPUExecutionProvider"]
    if device != "cpu" and "CUDAExecutionProvider" in runtime.get_available_providers():
        providers.insert(0, ("CUDAExecutionProvider", {"device_id": int(device.partition(":")[2] or 0)}))
    session = runtime.InferenceSession(source, options, providers=providers)

    def ports(values: Sequence[Any]) -> tuple[Port, ...]:
        lengths = [[side if isinstance(side, int) else -1 for side in value.shape or ()] for value in values]
        return tuple(Port(value.name, tuple(each)) for value, each in zip(values, lengths, strict=True))

    def run(inputs: dict[str, Array]) -> Sequence[Array]:
        if not channels_last:
            return session.run(None, inputs)  # type: ignore[no-any-return]
        first = {name: np.moveaxis(each, -1, 1) if each.ndim == 4 else each for name, each in inputs.items()}
        found = session.run(None, {name: np.ascontiguousarray(each) for name, each in first.items()})
        return [np.moveaxis(each, 1, -1) if each.ndim == 4 else each for each in found]

    return RuntimeNetwork(
        ports(session.get_inputs()),
        ports(session.get_outputs()),
        run,
        session.get_modelmeta().custom_metadata_map,
        on_gpu="CUDAExecutionProvider" in session.get_providers(),
    )


@cache
def openvino_core() -> Any:
    """The one `Core` of this process, which is never given up.

    Its plugin gives the thread that loads it a stack for signals, and frees that when it goes, also from another
    thread. Then the next signal with a handler, as Ctrl-C or the end of a child, is a segmentation fault.
    """
    return import_extra("openvino", "openvino").Core()


def _openvino(runtime: Any, file: Path, exact: bool, channels_last: bool, also: Sequence[str]) -> RuntimeNetwork:
    core = openvino_core()
    model = core.read_model(str(file))
    inner = {each.get_friendly_name(): each for each in model.get_ordered_ops()} if also else {}
    for name in also:
        model.add_outputs(inner[name].output(0))

    def ports(values: Sequence[Any]) -> tuple[Port, ...]:
        lengths = [[side.get_length() if side.is_static else -1 for side in each.partial_shape] for each in values]
        names = [min(value.get_names(), default=value.get_node().get_friendly_name()) for value in values]
        return tuple(Port(name, tuple(each)) for name, each in zip(names, lengths, strict=True))

    sections = [each for each in (METADATA_SECTION, "framework") if model.has_rt_info([each])]  # the latter of ONNX
    found = model.get_rt_info(sections[:1]).value if sections else {}
    inputs, outputs = ports(model.inputs), ports(model.outputs)
    precision = "float32" if exact else str(core.get_property("CPU", "INFERENCE_PRECISION_HINT").to_string())
    compiled = _Compiled(
        runtime, core, _with_channels_last(runtime, model, precision) if channels_last else model, exact
    )

    def run(given: dict[str, Array]) -> Sequence[Array]:
        found = compiled.run(given)
        if not channels_last:
            return [value.copy() for value in found]
        if precision == "bf16":  # numpy has no such type, and OpenVINO names another
            return [each.view(np.uint16) if each.ndim == 4 else each for each in found]
        return [np.moveaxis(each, 1, -1) if each.ndim == 4 else each for each in found]

    return RuntimeNetwork(
        inputs,
        outputs,
        run,
        {key: str(getattr(value, "value", value)) for key, value in found.items()},
        precision.replace("f32", "float32"),
    )


def _with_channels_last(runtime: Any, model: Any, precision: str) -> Any:
    """The graph with inputs of channels last, and outputs where that is how they lie in memory: those of bfloat16.

    In float32 they are brought in order, which as much again would follow for channels last.
    """
    steps = runtime.preprocess.PrePostProcessor(model)
    ports = [(steps.input(index), port) for index, port in enumerate(model.inputs)]
    if precision == "bf16":
        outputs = [(steps.output(index), port) for index, port in enumerate(model.outputs)]
        for step, port in outputs:
            if len(port.partial_shape) == 4:
                step.tensor().set_element_type(runtime.Type.bf16)
        ports += outputs
    for step, port in ports:
        if len(port.partial_shape) == 4:
            step.model().set_layout(runtime.Layout("NCHW"))
            step.tensor().set_layout(runtime.Layout("NHWC"))
    return steps.build()


class _Compiled:
    """A graph of OpenVINO for each shape of inputs, and a request of each for every thread that asks.

    Args:
        runtime: the package.
        core: of it.
        model: the graph.
        exact: compute in float32.
    """

    def __init__(self, runtime: Any, core: Any, model: Any, exact: bool) -> None:
        self._core, self._model = core, model
        # for one picture at a time, by all processors; not tied to some of them, as decoding and tracking need them too
        self._hints: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "ENABLE_CPU_PINNING": False}
        self._hints |= {"INFERENCE_PRECISION_HINT": "f32"} if exact else {}
        if thread_limit():
            self._hints["INFERENCE_NUM_THREADS"] = thread_limit()
        self._shapes: dict[tuple[Any, ...], Any] = {}
        self._lock, self._requests = threading.Lock(), threading.local()

    def run(self, given: dict[str, Array]) -> list[Array]:
        """The outputs, which the next run of this thread writes over."""
        shapes = tuple((name, value.shape) for name, value in given.items())
        requests: dict[Any, Any] = self._requests.__dict__
        if shapes not in requests:
            requests[shapes] = self._compiled(shapes).create_infer_request()
        found = requests[shapes].infer(given, share_inputs=True, share_outputs=True)
        return list(found.values())

    def _compiled(self, shapes: tuple[Any, ...]) -> Any:
        with self._lock:
            model = self._model
            fixed = all(port.partial_shape.is_static for port in model.inputs)
            if fixed or (shapes not in self._shapes and len(self._shapes) >= MOST_SHAPES):
                shapes = ()
            if shapes not in self._shapes:
                if shapes:
                    model = model.clone()
                    model.reshape({name: list(shape) for name, shape in shapes})
                self._shapes[shapes] = self._core.compile_model(model, "CPU", self._hints)
            return self._shapes[shapes]
