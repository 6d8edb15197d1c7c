"""`clmot export`: a model as a file for another runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from clmot.cli.app import HAND_ON, Flag, app
from clmot.config import parse_overrides, require_input_size
from clmot.errors import require


@app.command(group=HAND_ON)
def export(
    run: Path,
    /,
    *overrides: Annotated[str, Parameter(help="SECTION.KEY=VALUE settings laid over the model's own.")],
    to: Literal["onnx", "openvino"],
    out: Path,
    size: tuple[int, int] | None = None,
    decode: Flag = False,
    crops: Flag = False,
    pixels: Literal["imagenet", "unit", "bytes"] = "imagenet",
    half: Flag = False,
    int8: Annotated[list[Path] | None, Parameter(negative=())] = None,
    int8_frames: int = 100,
) -> None:
    """Write a model for another runtime, once its outputs there are the same.

    The file takes uint8 RGB images [batch, 3, height, width], of any batch and, where the network allows it, of any
    size in multiples of 32. It is compared with the network first, and not written if it differs. `clmot track --model`
    runs what was written for ONNX and OpenVINO.

    With `--crops` the file is a re-identification network for the trackers of others: it takes crops of boxes, float32
    [n, 3, height, width] of one size, and gives a unit vector for each. So does an embedding that was attached to a
    detector with `--head crops`.

    Examples:

        clmot export runs/first --to onnx --out first.onnx
        clmot export runs/first --to onnx --out first.onnx --decode --size 864 480
        clmot export runs/first --to openvino --out first.xml --half
        clmot export runs/first --to onnx --out first.onnx --int8 street.mp4
        clmot export runs/first --to openvino --out first.xml --int8 MOT17/train
        clmot track street.mp4 --model first.onnx --out results
        clmot export clmot-pedestrian --to onnx --out reid.onnx --crops
        clmot export runs/yolo --to onnx --out reid.onnx --crops --pixels unit

    Parameters
    ----------
    run
        Run folder, checkpoint, model.safetensors, or the name of a model that comes with the package.
    to
        The runtime.
    out
        The file, ending in .onnx or .xml (OpenVINO, with a .bin beside it).
    size
        Width and height that images are letterboxed into; by default images keep their shape where the network takes
        any size, else the model's own. With `--crops`: of the crops, by default 128 256, multiples of
        `detector.crop_size`, to which they are reduced.
    decode
        Give boxes, scores, classes and embeddings instead of maps.
    crops
        Embed crops of boxes instead of finding boxes in images.
    pixels
        What the crops are, always RGB: float32 from 0 to 1 without ImageNet's mean and deviation (imagenet: boxmot,
        OSNet), float32 from 0 to 1 (unit: ultralytics), or uint8 (bytes).
    half
        Compute in float16 where possible (OpenVINO: store weights so).
    int8
        Compute convolutions in 8-bit integers, calibrated on images like those to come: a data set, a video, a folder
        of images or of sequences; may be given several times. A quarter of the images is kept to compare on; of a data
        set, the scores before and after are shown. With `--crops`, crops are those of a data set's boxes, elsewhere of
        what the network finds.
    int8_frames
        How many images are used, at equal distances.
    """
    from clmot.export.crops import CROP_SIZE, load_crop_embedding
    from clmot.export.save import export as write
    from clmot.export.save import export_crops
    from clmot.inference.network_model import load_network

    settings = parse_overrides(overrides)
    if size is not None and not crops:
        require_input_size(f"--size {size[0]} {size[1]}", size)
    if crops:
        require(not decode, "export: --crops embeds boxes and finds none; leave out --decode")
        source, config = load_crop_embedding(run)
        config = config.updated(settings, "override")
        made = export_crops(
            source,
            config,
            to,
            out,
            size=size or CROP_SIZE,
            pixels=pixels,
            half=half,
            int8=int8 or (),
            int8_frames=int8_frames,
        )
        sizes = "{}x{} only".format(*(size or CROP_SIZE))
    else:
        network, config = load_network(run)
        config = config.updated(settings, "override")
        if size is not None:
            config = config.updated({"model": {"image_size": list(size)}, "detect": {"size": list(size)}}, "option")
        made = write(network, config, to, out, decode=decode, half=half, int8=int8 or (), int8_frames=int8_frames)
        sizes = "any size" if made.any_size else "{}x{} only".format(*config.model.image_size)
    print(f"{made.file}: {', '.join(made.outputs)}; {sizes}; differs by {made.apart:.1%} of what is allowed")
    if made.agreement:
        print(made.agreement)
