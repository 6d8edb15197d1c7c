"""`clmot convert-results`: tracks for annotation tools and benchmarks, and corrected tracks back."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from clmot.cli.app import TRACK, Flag, app
from clmot.errors import plural


@app.command(group=TRACK)
def convert_results(
    results: Path,
    /,
    *,
    to: Literal["cvat", "label-studio", "coco-vid", "motchallenge", "kitti", "csv", "json", "supervision", "rerun"],
    out: Path,
    video: str | None = None,
    fps: float | None = None,
    overwrite: Flag = False,
) -> None:
    """Write the tracks of a video in another format, to correct them in an annotation tool, and read them back.

    Examples:

        clmot convert-results results/street.txt --to cvat --out street.xml
        clmot convert-results street.xml --to motchallenge --out corrected/street.txt
        clmot convert-results results/street.txt --to motchallenge --out mot11.zip

    Parameters
    ----------
    results
        Of one video, recognised by itself: MOTChallenge text (or a folder with it), CVAT XML "for video", CVAT's
        archive "MOT 1.1", Label Studio's JSON, COCO with videos, KITTI tracking text, or NAME.csv or NAME.json of
        clmot track or of supervision's sinks.
    to
        motchallenge: text, as clmot track writes it; or CVAT's archive "MOT 1.1" where `--out` ends in .zip.
        supervision: a table as of its CSVSink. rerun: a recording to look at (.rrd), which is not read back; needs
        clmot[rerun].
    out
        The file.
    video
        What was tracked, for its size, length and frame rate; by default what run.json beside the results names.
    fps
        Frames a second, where neither the video nor run.json says.
    overwrite
        Replace `--out`.
    """
    from clmot.apps.convert_results.convert import convert_results as run

    sequence = run(results, out, to, video=video, frame_rate=fps, overwrite=overwrite)
    tracks = len({*sequence.rows.track_id.tolist()})
    print(f"{out}: {plural(tracks, 'track')}, {plural(len(sequence.rows), 'box', 'boxes')}")
