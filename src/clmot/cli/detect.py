"""`clmot detect`: detections as files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from clmot.cli.app import Device, Every, Flag, Part, Size, app, size_settings, split_overrides
from clmot.errors import plural
from clmot.shipped import DEFAULT


@app.command
def detect(
    *sources: Annotated[str, Parameter(help="As of `clmot track`, and settings laid over the model's own.")],
    model: str = DEFAULT,
    out: Path,
    config: Path | None = None,
    every: Every = 1,
    frames: Part = "all",
    size: Size = None,
    overwrite: Flag = False,
    device: Device = "auto",
) -> None:
    """Find objects in every frame, and write them for `clmot track --boxes` and `clmot tune`.

    Examples:

        clmot detect street.mp4 --out det
        clmot detect frames --model onnx:nano.onnx --out det detector.classes=person
        clmot detect frames --model openvino:pedestrian-detection.xml --out det

    Parameters
    ----------
    model
        As of `clmot track`, or LIBRARY:NAME (see `clmot attach`).
    out
        Folder for NAME.txt: MOTChallenge detections, with classes where there are several (named in labels.txt).
    config
        YAML file with sections detect and detector, laid over the model's own.
    overwrite
        Replace files of the same names in `--out`.
    """
    paths, overrides = split_overrides(sources)
    from clmot.apps.track.configured_model import load_configured, read_settings
    from clmot.apps.track.write_detections import write_detections
    from clmot.io.frame_choice import FrameChoice

    settings = [*read_settings(config, ("detect", "detector"), overrides), *size_settings(size)]
    loaded = load_configured(model, settings, device)
    choice = FrameChoice(every=every, part=frames)
    for file, count in write_detections(paths, loaded, out, frames=choice, overwrite=overwrite).items():
        print(f"{file}: {plural(count, 'box', 'boxes')}")
