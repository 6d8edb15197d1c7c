"""`clmot detect`: detections as files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from clmot.cli.app import TRACK, Flag, app, out_folder, split_overrides
from clmot.cli.looking import Looking
from clmot.errors import plural
from clmot.shipped import DEFAULT


@app.command(group=TRACK)
def detect(
    *sources: Annotated[str, Parameter(help="As of `clmot track`, and settings laid over the model's own.")],
    model: str = DEFAULT,
    out: Path | None = None,
    config: Path | None = None,
    looking: Looking | None = None,
    save_images: Flag = False,
    embeddings: Flag = False,
    overwrite: Flag = False,
) -> None:
    """Find objects in every frame, and write them for `clmot track --boxes` and `clmot tune`.

    Examples:

        clmot detect street.mp4 --out det
        clmot detect frames --model onnx:nano.onnx --out det detector.classes=person
        clmot detect frames --model openvino:pedestrian-detection.xml --conf 0.3

    Parameters
    ----------
    model
        As of `clmot track`, or LIBRARY:NAME (see `clmot attach`).
    out
        Folder for NAME.txt: MOTChallenge detections, with classes where there are several (named in labels.txt), and
        NAME.json, the same as COCO, which `clmot evaluate OUT --gt boxes.json` scores; by default runs/detect,
        runs/detect2, ...
    config
        YAML file with sections detect and detector, laid over the model's own.
    save_images
        Also draw what was found, in OUT/NAME.
    embeddings
        Also write NAME.safetensors with embeddings and the camera's motion: `clmot track --boxes OUT` and
        `clmot tune OUT` need no network then.
    overwrite
        Replace files of the same names in `--out`.
    """
    paths, overrides = split_overrides(sources)
    from clmot.apps.track.configured_model import load_configured, read_settings
    from clmot.apps.track.write_detections import write_detections

    looking = looking or Looking()
    settings = looking.settings(*read_settings(config, ("detect", "detector"), overrides))
    loaded = load_configured(model, settings, looking.device, looking.runtime)
    found = write_detections(
        paths,
        loaded,
        out_folder(out, "detect"),
        **looking.choices,
        save_images=save_images,
        embeddings=embeddings,
        overwrite=overwrite,
    )
    for file, count in found.items():
        print(f"{file}: {plural(count, 'box', 'boxes')}")
