"""`clmot track`: follow objects through videos."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from clmot.cli.app import TRACK, Flag, Settings, app, out_folder, split_overrides
from clmot.cli.looking import Looking
from clmot.errors import UserError, plural, require
from clmot.io.reading import PATIENCE
from clmot.shipped import DEFAULT, LICENCE

if TYPE_CHECKING:
    from clmot.apps.many.work import Job

log = logging.getLogger(__name__)


@app.command(group=TRACK)
def track(
    *sources: Annotated[
        str,
        Parameter(
            help="Video files, folders of images or of videos, sequence folders or folders of them, webcam numbers, "
            "rtsp:// addresses; and SECTION.KEY=VALUE settings laid over the model's own."
        ),
    ],
    model: Path | None = None,
    out: Path | None = None,
    config: Path | None = None,
    video: Flag = False,
    times: Flag = False,
    explain: Flag = False,
    fps: float | None = None,
    state: Path | None = None,
    reconnect: float = PATIENCE,
    show: Flag = False,
    interpolate: Annotated[float | None, Parameter(help="Close gaps in tracks of at most this many seconds.")] = None,
    smooth: Flag = False,
    join: Annotated[
        float | None, Parameter(help="Join tracks of similar appearance: the largest cosine distance, such as 0.2.")
    ] = None,
    individuals: int | None = None,
    looking: Looking | None = None,
    vote_classes: Flag = False,
    preset: Annotated[
        str | None, Parameter(help="Constants of a published tracker: short for tracker.preset=NAME.")
    ] = None,
    boxes: str | None = None,
    detector: str = "",
    fast: Flag = False,
    format: Literal["mot", "kitti", "csv", "json"] = "mot",
    overwrite: Flag = False,
    workers: int | None = None,
    shard: str | None = None,
    engine: Literal["processes", "ray"] = "processes",
    address: str | None = None,
    retries: int = 2,
    stall: float = 600.0,
    lease: float = 120.0,
    save_every: float = 300.0,
    retry_failed: Flag = False,
) -> None:
    """Track objects in videos, image folders, MOTChallenge sequences, webcams or streams.

    Examples:

        clmot track street.mp4 --out results --video
        clmot track street.mp4 --model runs/first --out results --video
        clmot track MOT16/train --model runs/first --out results
        clmot track cam1/rec.mp4 cam2/rec.mp4 recordings --out results
        clmot track street.mp4 --out results --explain
        clmot track 0 --model runs/first --out results --show
        clmot track street.mp4 --out results --join 0.2 --interpolate 1 --smooth
        clmot track tank.mp4 --model runs/fish --out results --individuals 10
        clmot track MOT17/train --out results --boxes gt --frames second-half
        clmot track street.mp4 --conf 0.3 --classes person --preset bytetrack
        clmot track street.mp4 --out results --config tuned/tracker.yaml
        clmot track far_away.mp4 --out results --size 1024
        clmot track street.mp4 --detector onnx:yolox_nano.onnx --out results
        clmot track archive/*.mp4 --out results --workers 8
        clmot track list.csv s3://bucket/2024/*.mp4 --out results --shard 3/16

    Parameters
    ----------
    model
        Run folder, checkpoint or model file (also .onnx and .xml of `clmot export`); by default clmot-pedestrian, which
        comes with the package: people in streets, for research only. LIBRARY:NAME is a detector that is tracked by
        motion alone.
    out
        Folder for NAME.txt (see --format), NAME.mp4, and run.json, which says how they came about; by default
        runs/track, runs/track2, ... Of two sources of one name, NAME begins with the folder.
    vote_classes
        For detectors that confuse classes, as cars and trucks: a track goes on when its class changes, and is shown
        with the class that its boxes so far vote for.
    config
        YAML file with sections detect, tracker and refine (`clmot tune` writes one), laid over the model's own.
    video
        Also write an H.264 video with boxes, identities and trails.
    times
        Also write NAME.times.csv: the number of each frame, and its seconds since the beginning.
    explain
        Also write NAME.explain.npz: for every match, start, loss and end of a track the stage, the costs, the limit and
        the runner-up; `clmot report` shows them.
    state
        File with the state of the tracker: gone on from where it exists, written at the end and on Ctrl-C, so that ids
        go on in the next recording, or after a restart.
    reconnect
        Give a camera up that has been away for so many seconds. Until then it is tried again and again.
    fps
        Frames a second, where the source is wrong about them or does not say; the same as tracker.frame_rate=FPS.
    show
        Show a window while tracking.
    smooth
        Smooth the boxes of each track over time. Like --interpolate and --join, this takes place when the last frame
        has been tracked, so a camera's tracks cannot be refined.
    individuals
        How many there are in view. Of each image no more boxes are kept, the surest, and when the last frame has been
        tracked, all tracks are joined to exactly so many (docs/animals.md).
    boxes
        Track external detections in place of the model's: gt or det of the sequence folders, or MOTChallenge text: a
        file, or a folder of NAME.txt. Scores on another scale than 0 to 1 are rescaled.
    detector
        Track the boxes that this detector finds (LIBRARY:NAME, see `clmot attach`), with the model's embeddings.
        `detector.labels`, `detector.classes` and `detector.options` describe it.
    fast
        Let every second frame through the network only; between, tracks are on the straight line between their boxes.
        Doubles the speed and costs 2 to 6 points of IDF1 (docs/inference.md).
    format
        Of NAME.txt: mot (MOTChallenge), or kitti (KITTI tracking; persons are its pedestrians). csv or json: a table
        beside it, NAME.csv or NAME.json, with seconds, class names, scores and speeds.
    overwrite
        Replace results of the same names in `--out`.
    workers
        For many videos: so many processes, each with its share of the processors. What is done is not done again, one
        that fails costs itself only, and a run that was killed goes on when it is started again (docs/scale.md). Also
        lists of sources (.txt, .csv) and addresses (s3://, gs://, https://). Exit code 3 if any failed.
    shard
        For many videos: I/N, the share of this process among N that have the same `--out`.
    engine
        Of many videos: processes of this machine, or of a Ray cluster (pip install 'clmot[ray]').
    address
        Of the Ray cluster: auto, or HOST:PORT; by default one is started here.
    retries
        Of many videos: how often one that fails is tried again.
    stall
        Of many videos: seconds without a frame after which one has failed.
    lease
        Of many videos: seconds without a sign of life after which another machine takes a video over.
    save_every
        Of many videos: seconds between two states of each that a killed run goes on from.
    retry_failed
        Of many videos: try those again that failed before.
    """
    if boxes is not None and detector:
        raise UserError("clmot track: boxes come from --boxes or from --detector, not from both")
    paths, overrides = split_overrides(sources)
    if not paths:
        raise UserError("track: name a video, images, MOTChallenge sequences, a webcam's number or an address")
    from clmot.apps.many.run import is_of_many
    from clmot.apps.many.work import Job
    from clmot.apps.track.configured_model import load_configured, load_detector_for, read_settings, stated_rate

    looking = looking or Looking()
    if model is None:
        model = Path(DEFAULT)
        log.info("%s: the model that comes with the package, %s; --model names another, or it", DEFAULT, LICENCE)
    named: Settings = [({"tracker": {"preset": preset}}, "--preset")] if preset else []
    *of_file, given = read_settings(config, ("detect", "tracker", "refine"), overrides)
    settings = looking.settings(*of_file, *named, given)
    flags = {"interpolate_seconds": interpolate, "smooth": smooth or None, "join": join, "individuals": individuals}
    refine = {key: value for key, value in flags.items() if value is not None}
    settings.append(({"refine": refine}, "option"))
    options: dict[str, Any] = {
        **looking.choices,
        "boxes": boxes,
        "vote_classes": vote_classes,
        "fast": fast,
        "video": video,
        "times": times,
        "explain": explain,
        "frame_rate": fps,
        "text_format": format,
    }
    if workers is not None or shard or engine == "ray" or is_of_many(paths, out):
        job = Job(
            out=out_folder(out, "track").absolute(),
            model=str(model),
            device=looking.device,
            runtime=looking.runtime,
            settings=settings,
            detector=detector,
            options=options,
            retries=retries,
            lease=lease,
            stall=stall,
            save_every=save_every,
        )
        require(not (show or state), "--show and --state are for one source; leave them out, or --workers and --shard")
        _track_many(paths, job, workers, shard, engine, address, overwrite, retry_failed)
        return
    from clmot.apps.track.pipeline import track as run_tracking

    loaded = load_configured(model, settings, looking.device, looking.runtime)
    for result in run_tracking(
        paths,
        loaded,
        out_folder(out, "track"),
        detector=load_detector_for(loaded, detector, looking.device) if detector else None,
        state=state,
        reconnect=reconnect,
        show=show,
        overwrite=overwrite,
        **{**options, "frame_rate": stated_rate(loaded.config, settings) if fps is None else fps},
    ):
        _print_result(result, result.text_path, result.video_path)


def _print_result(result: Any, *files: Path | None) -> None:
    """A line about a tracked sequence: a `TrackingResult`, or the row of a manifest."""
    undecodable = f" ({result.undecodable} more cannot be decoded)" if result.undecodable else ""
    speed = result.frames / result.seconds if result.seconds > 0 else 0.0
    print(
        f"{result.name}: {plural(result.frames, 'frame')}{undecodable}, {plural(result.tracks, 'track')}, "
        f"{speed:.1f} frames/s, {', '.join(str(file) for file in files if file)}"
    )


def _track_many(
    paths: list[str],
    job: Job,
    workers: int | None,
    shard: str | None,
    engine: Literal["processes", "ray"],
    address: str | None,
    overwrite: bool,
    retry_failed: bool,
) -> None:
    """Run the job over many videos; exit code 3 if any of them failed."""
    from clmot.apps.many.engines import open_engine
    from clmot.apps.many.run import track_many
    from clmot.apps.many.status import tell_failed

    require(workers is None or workers >= 1, f"--workers must be >= 1, got {workers}")
    run = track_many(
        paths,
        job,
        lambda job: open_engine(engine, job, workers, address),
        shard=shard,
        overwrite=overwrite,
        retry_failed=retry_failed,
        on_done=lambda row: _print_result(row, *(job.out / name for name in row.files)),
    )
    before = f", {run.before:,} of them before" if run.before else ""
    print(f"{plural(run.before + run.done, 'video')} done{before}, {len(run.failed):,} failed: {job.out}")
    if run.failed:
        print(tell_failed(run.failed), file=sys.stderr)
        raise SystemExit(3)
