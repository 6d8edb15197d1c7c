"""`clmot import-weights`: weights of FairMOT, CL-MOT and CenterNet as a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from clmot.cli.app import LEARN, app, comma_separated


@app.command(name="import-weights", group=LEARN)
def import_weights(
    file: Path,
    /,
    *overrides: Annotated[str, Parameter(help="SECTION.KEY=VALUE settings laid over the recipe.")],
    out: Path,
    recipe: str | None = None,
    classes: str = "",
) -> None:
    """Make a run of a checkpoint of FairMOT, CL-MOT or CenterNet (dla_34, resdcn, resfpndcn, hrnet).

    It tracks as the original does: in float32, with the tracker's preset fairmot and the original's thresholds.

    Examples:

        clmot import-weights fairmot_dla34.pth --out runs/fairmot
        clmot import-weights lite.pth --out runs/lite "model.image_size=[576, 320]"
        clmot import-weights ctdet_coco_dla_2x.pth --out runs/coco --classes person
        clmot train MOT16/train --out runs/tuned --start runs/coco

    Parameters
    ----------
    file
        PyTorch file as those projects publish it. CenterNet's has no embedding: train it.
    out
        Run folder, to track with or to start training from.
    recipe
        Take all other settings from this recipe; by default the one that has the same network.
    classes
        Names of the classes with commas between them, in the file's order, or those of COCO's 80 to keep.
    """
    from clmot.training.init_weights import import_weights as run_import

    names = comma_separated(classes)
    print(run_import(file, out, recipe=recipe, classes=names, overrides=overrides))
    print(f"track with: clmot track VIDEO --model {out} --out results")
