"""`clmot data frames`: the frames of videos as images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from clmot.cli.app import Every
from clmot.cli.data import data_app
from clmot.errors import plural


@data_app.command
def frames(
    *videos: Annotated[str, Parameter(help="Videos, folders of videos, patterns (cam*/*.mp4), addresses.")],
    out: Path | None = None,
    boxes: Path | None = None,
    every: Every = 1,
) -> None:
    """Write the frames of videos as images, to annotate or to train on.

    Not needed to train on an annotated video: `clmot train street.mp4` takes street.xml (CVAT) or street.txt beside it.

    Examples:

        clmot data frames street.mp4
        clmot data frames street.mp4 --out street --every 10
        clmot data frames street.mp4 --out street --boxes results/street.txt
        clmot data frames cam1/rec.mp4 cam2/rec.mp4 recordings --out frames --every 25

    Parameters
    ----------
    out
        Of one video, the folder for img1/000001.jpg, ... and seqinfo.ini (a MOTChallenge sequence), by default
        NAME.frames beside the video. Of several, a folder for a folder NAME of each.
    boxes
        MOTChallenge text or CVAT XML of the video, of several videos a folder of NAME.txt or NAME.xml: what is written
        is then a data set.
    """
    from clmot.datasets.readers.annotated_video import write_all_frames
    from clmot.io.progress import progress_bar

    with progress_bar() as bar:
        written = write_all_frames(list(videos), out, boxes=boxes, every=every, bar=bar)
    for folder, count in written.items():
        print(f"{folder}: {plural(count, 'frame')}")
