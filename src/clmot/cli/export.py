"""The verb that takes a model elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from clmot.cli.app import app
from clmot.config import parse_overrides


@app.command
def export(
    run: Path,
    /,
    *overrides: Annotated[str, Parameter(help="SECTION.KEY=VALUE settings laid over the model's own.")],
    to: Literal["onnx", "openvino", "torch-export", "torchscript"],
    out: Path,
    size: tuple[int, int] | None = None,
    decode: Annotated[bool, Parameter(negative=())] = False,
    half: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Write a model for another runtime, once its answers there are the same.

    The file takes uint8 RGB images [batch, 3, height, width], of any batch and, where the network allows it, of any
    size in multiples of 32. It is compared with the network first, and not written if it differs. `clmot track --model`
    runs what was written for ONNX and OpenVINO.

    Examples:

        clmot export runs/first --to onnx --out first.onnx
        clmot export runs/first --to onnx --out first.onnx --decode --size 864 480 detect.max_detections=100
        clmot export runs/first --to openvino --out first.xml --half
        clmot track street.mp4 --model first.onnx --out results

    Parameters
    ----------
    run
        Run folder, checkpoint or model.safetensors.
    to
        The runtime.
    out
        The file, ending in .onnx, .xml (OpenVINO, with a .bin beside it), .pt2 (torch.export) or .pt (TorchScript).
    size
        Width and height that images are letterboxed into; by default the model's own.
    decode
        Give boxes, scores, classes and embeddings instead of maps (ONNX and OpenVINO).
    half
        Compute in float16 where possible (OpenVINO: store weights so).
    """
    from clmot.export.save import export as write
    from clmot.inference import load_network

    network, config = load_network(run)
    config = config.updated(parse_overrides(overrides), "override")
    if size is not None:
        config = config.updated({"model": {"image_size": list(size)}}, "option")
    made = write(network, config, to, out, decode=decode, half=half)
    sizes = "any size" if made.any_size else "{}x{} only".format(*config.model.image_size)
    print(f"{made.file}: {', '.join(made.outputs)}; {sizes}; differs by {made.apart:.1%} of what is allowed")
