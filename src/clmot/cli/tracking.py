"""Verbs that follow objects through a video."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from clmot.cli.app import app, split_overrides
from clmot.config import parse_overrides, read_sections
from clmot.errors import UserError, plural
from clmot.io.reading import PATIENCE
from clmot.shipped import DEFAULT
from clmot.visualize.table import show


@app.command
def track(
    *sources: Annotated[
        str,
        Parameter(
            help="Video files, folders of images or of videos, sequence folders or folders of them, webcam numbers, "
            "rtsp:// addresses; and SECTION.KEY=VALUE settings laid over the model's own."
        ),
    ],
    model: Path = Path(DEFAULT),
    out: Path,
    config: Path | None = None,
    video: Annotated[bool, Parameter(negative=())] = False,
    times: Annotated[bool, Parameter(negative=())] = False,
    fps: float | None = None,
    state: Path | None = None,
    reconnect: float = PATIENCE,
    show: Annotated[bool, Parameter(negative=())] = False,
    interpolate: Annotated[float | None, Parameter(help="Close gaps in tracks of at most this many seconds.")] = None,
    smooth: Annotated[bool, Parameter(negative=())] = False,
    join: Annotated[
        float | None, Parameter(help="Join tracks that look alike: the largest cosine distance, such as 0.2.")
    ] = None,
    every: int = 1,
    frames: Literal["all", "first-half", "second-half"] = "all",
    boxes: str | None = None,
    detector: str = "",
    format: Literal["mot", "kitti"] = "mot",
    overwrite: Annotated[bool, Parameter(negative=())] = False,
    device: str = "auto",
) -> None:
    """Track objects in videos, image folders, MOTChallenge sequences, webcams or streams.

    Examples:

        clmot track street.mp4 --out results --video
        clmot track street.mp4 --model runs/first --out results --video
        clmot track MOT16/train --model runs/first --out results
        clmot track cam1/rec.mp4 cam2/rec.mp4 recordings --out results
        clmot track 0 --model runs/first --out results --show
        clmot track street.mp4 --out results --join 0.2 --interpolate 1 --smooth
        clmot track MOT17/train --out results --boxes gt --frames second-half
        clmot track street.mp4 --out results detect.score_threshold=0.2
        clmot track street.mp4 --out results --config tuned/tracker.yaml
        clmot track street.mp4 --detector onnx:yolox_nano.onnx --out results

    Parameters
    ----------
    model
        Run folder, checkpoint or model file (also .onnx and .xml of `clmot export`); by default clmot-pedestrian, which
        comes with the package: people in streets, for research only. LIBRARY:NAME is a detector that is tracked by
        motion alone.
    out
        Folder for NAME.txt (see --format), NAME.mp4, and run.json, which says how they came about. Of two sources
        of one name, NAME begins with the folder.
    config
        YAML file with sections detect, tracker and refine (`clmot tune` writes one), laid over the model's own.
    video
        Also write an H.264 video with boxes, identities and trails.
    times
        Also write NAME.times.csv: the number of each frame, and its seconds since the beginning.
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
    every
        Track every so many frames only; their numbers stay (`clmot evaluate --every` scores such results).
    frames
        Track one half of each sequence only: first-half or second-half.
    boxes
        Track these boxes in place of the model's own: gt or det of the sequence folders, or MOTChallenge text: a file,
        or a folder of NAME.txt. Confidences on another scale than 0 to 1 are rescaled.
    detector
        Track the boxes that this detector finds (LIBRARY:NAME, see `clmot attach`), with the model's embeddings.
        `detector.labels`, `detector.classes` and `detector.options` describe it.
    format
        Of NAME.txt: mot (MOTChallenge), or kitti (KITTI tracking; persons are its pedestrians).
    overwrite
        Replace results of the same names in `--out`.
    device
        auto, cpu, cuda or cuda:N.
    """
    if boxes is not None and detector:
        raise UserError("clmot track: boxes come from --boxes or from --detector, not from both")
    paths, overrides = split_overrides(sources)
    if not paths:
        raise UserError("track: name a video, images, MOTChallenge sequences, a webcam's number or an address")
    from clmot.apps.track.pipeline import track as run_tracking
    from clmot.inference.model import load_model
    from clmot.io.frame_choice import FrameChoice

    loaded = load_model(model, device=device)
    sections = [] if config is None else [(read_sections(config, ("detect", "tracker", "refine")), str(config))]
    for settings, where in (*sections, (parse_overrides(overrides), "override")):
        loaded.config = loaded.config.updated(settings, where)
        if "frame_rate" in (settings.get("tracker") or {}) and fps is None:
            fps = loaded.config.tracker.frame_rate
    flags = {"interpolate_seconds": interpolate, "smooth": smooth or None, "join": join}
    given = {key: value for key, value in flags.items() if value is not None}
    loaded.config = loaded.config.updated({"refine": given}, "option")
    choice = FrameChoice(every=every, part=frames)
    finder = None
    if detector:
        from clmot.inference.attached import load_detector

        described = {"name": detector, "classes": loaded.config.detector.classes or loaded.classes}
        least = {"score_threshold": loaded.config.tracker.low_score}
        finder = load_detector(loaded.config.updated({"detector": described, "detect": least}, "--detector"), device)
    for result in run_tracking(
        paths,
        loaded,
        out,
        frames=choice,
        boxes=boxes,
        detector=finder,
        video=video,
        times=times,
        frame_rate=fps,
        state=state,
        reconnect=reconnect,
        show=show,
        overwrite=overwrite,
        text_format=format,
    ):
        undecodable = f" ({result.undecodable} more cannot be decoded)" if result.undecodable else ""
        print(
            f"{result.name}: {plural(result.frames, 'frame')}{undecodable}, {plural(result.tracks, 'track')}, "
            f"{result.frames_per_second:.1f} frames/s, "
            f"{result.text_path}" + (f", {result.video_path}" if result.video_path else "")
        )


@app.command
def detect(
    *sources: Annotated[str, Parameter(help="As of `clmot track`, and settings laid over the model's own.")],
    model: str = DEFAULT,
    out: Path,
    config: Path | None = None,
    every: int = 1,
    frames: Literal["all", "first-half", "second-half"] = "all",
    overwrite: Annotated[bool, Parameter(negative=())] = False,
    device: str = "auto",
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
    every
        Look at every so many frames only.
    frames
        Look at one half of each sequence only.
    overwrite
        Replace files of the same names in `--out`.
    device
        auto, cpu, cuda or cuda:N.
    """
    paths, overrides = split_overrides(sources)
    from clmot.apps.track.pipeline import write_detections
    from clmot.detectors.registry import is_detector
    from clmot.inference.model import Model, load_model
    from clmot.io.frame_choice import FrameChoice

    settings = read_sections(config, ("detect", "detector")) if config is not None else {}
    if is_detector(model):
        from clmot.config import Config
        from clmot.inference.attached import load_detector

        plain = Config().updated({"detector": {"name": model}}, "--model").updated(settings, str(config))
        loaded: Model = load_detector(plain.updated(parse_overrides(overrides), "override"), device)
    else:
        loaded = load_model(model, device=device)
        loaded.config = loaded.config.updated(settings, str(config))
        loaded.config = loaded.config.updated(parse_overrides(overrides), "override")
    choice = FrameChoice(every=every, part=frames)
    for file, count in write_detections(paths, loaded, out, frames=choice, overwrite=overwrite).items():
        print(f"{file}: {plural(count, 'box', 'boxes')}")


@app.command
def tune(
    detector: str,
    data: Path,
    /,
    *overrides: Annotated[
        str, Parameter(help="SECTION.KEY=VALUE settings laid over the model's own; of tracker, they are not searched.")
    ],
    out: Path,
    boxes: str | None = None,
    metric: Literal["hota", "idf1", "both"] = "both",
    trials: int = 100,
    timeout: Annotated[float, Parameter(help="End the search after this many seconds.")] = float("inf"),
    jobs: int | None = None,
    seed: int = 0,
    benchmark: Literal["auto", "mot15", "mot16", "mot17", "mot20", "dancetrack", "sportsmot", "custom"] = "auto",
    every: int = 1,
    frames: Literal["all", "first-half", "second-half"] = "all",
    device: str = "auto",
) -> None:
    """Search for the tracker's constants that score best on sequences with ground truth.

    Detections are found once; then tracking and scoring with other constants takes seconds. Called again with the same
    folder, a search goes on. Tune on validation sequences, never on those that are reported on.

    Examples:

        clmot tune runs/first MOT17/val --out tuned
        clmot tune runs/first MOT17/train --out tuned --boxes det --frames first-half
        clmot tune det MOT17/val --out tuned --metric hota --timeout 600 --jobs 8
        clmot track street.mp4 --out results --config tuned/tracker.yaml

    Parameters
    ----------
    detector
        Run folder, checkpoint or model file, or clmot-pedestrian, which comes with the package; or boxes without
        embeddings: det or gt of the sequence folders, or MOTChallenge text: a file, or a folder of NAME.txt.
    data
        Sequence folder, or folder of them, with gt/gt.txt.
    out
        Folder for tracker.yaml, the results of the default and the tuned tracker, and the journal that a later call
        goes on from: trials.log, study 'tune', which optuna.visualization draws.
    boxes
        With a model: read its embeddings at these boxes, in place of its own: det, gt, a file or a folder.
    metric
        What is to be high; both is the mean of the two.
    trials
        How many sets of constants to try in all, with those of earlier calls.
    jobs
        Processes that track and score; by default one for each processor, at most 8.
    seed
        Other seed, other constants tried.
    benchmark
        Whose rules decide what counts (see `clmot evaluate`).
    every
        Track and score every so many frames only.
    frames
        Track and score one half of each sequence only.
    device
        auto, cpu, cuda or cuda:N.
    """
    from clmot.apps.tune.judge import TITLES
    from clmot.apps.tune.report import changed, changes_line
    from clmot.apps.tune.search import tune as run_search
    from clmot.evaluation.tables import comparison_table
    from clmot.io.frame_choice import FrameChoice

    found = run_search(
        detector,
        data,
        out,
        boxes=boxes,
        changes=parse_overrides(overrides),
        metric=metric,
        trials=trials,
        timeout=timeout,
        jobs=jobs,
        seed=seed,
        benchmark=benchmark,
        frames=FrameChoice(every=every, part=frames),
        device=device,
    )
    show(comparison_table(found.comparison))
    print(f"changed: {changes_line(changed(found))}")
    print(
        f"{TITLES[metric]} {found.base_value:.1f} -> {found.best_value:.1f}, {plural(len(found.trials), 'trial')}, "
        f"{found.seconds:.0f} s: {found.config_file}"
    )


gallery_app = App(name="gallery", help="Named individuals: enrol them, and recognise them in other videos.")
app.command(gallery_app)


@gallery_app.command
def enrol(
    gallery: Path,
    source: str,
    /,
    *tracks: Annotated[str, Parameter(help="ID=NAME of tracks in --results, such as 3=Ada; spaces in names quoted.")],
    model: Path,
    results: Path | None = None,
    name: str | None = None,
    every: int = 5,
    size: int = 16,
    keep: Literal["diverse", "recent"] = "diverse",
    device: str = "auto",
) -> None:
    """Add individuals to a gallery: tracks of a video that somebody has looked at, or a folder of crops.

    Examples:

        clmot gallery enrol team.st a.mp4 3=Ada --results a.txt --model runs/first
        clmot gallery enrol team.st crops/ada --name Ada --model runs/first

    Parameters
    ----------
    gallery
        File of the gallery; made if missing.
    source
        The video, image folder or sequence that was tracked; with --name, a folder of crops of one individual.
    model
        Run folder, checkpoint or model file; the same for everything that has to do with a gallery.
    results
        MOTChallenge text with the tracks.
    name
        Whom the crops show.
    every
        Look at every so many frames only.
    size
        Of a new gallery: how many embeddings of each individual are kept.
    keep
        Of a new gallery: which of them, the most diverse or the most recent.
    device
        auto, cpu, cuda or cuda:N.
    """
    if (results is None) == (name is None) or bool(tracks) != (results is not None):
        raise UserError("gallery enrol: give --results and ID=NAME of tracks in it, or --name for a folder of crops")
    from clmot.apps.gallery.recognise import enrol_crops, enrol_tracks
    from clmot.inference.model import load_model
    from clmot.io.sources import open_one
    from clmot.reid.gallery import Gallery

    names = dict(_named_track(track) for track in tracks)
    known = Gallery.load(gallery) if gallery.exists() else Gallery(size, keep)
    pictures = open_one(source)
    loaded = load_model(model, device=device)
    known.use_model(loaded.fingerprint)
    embed = loaded.embed
    if name is not None:
        counts = {name: enrol_crops(known, name, (image for _, image in pictures), embed)}
    else:
        assert results is not None
        counts = enrol_tracks(known, names, pictures, results, embed, every=every)
    known.save(gallery)
    for individual, count in counts.items():
        kept = plural(len(known.embeddings(individual)), "embedding")
        print(f"{individual}: {plural(count, 'image')}, {kept} kept")


@gallery_app.command
def recognise(
    gallery: Path,
    source: str,
    /,
    *,
    results: Path,
    model: Path,
    threshold: float = 0.3,
    margin: float = 0.0,
    min_share: float = 0.5,
    every: int = 5,
    json: Path | None = None,
    device: str = "auto",
) -> None:
    """Say who the tracks of a video are.

    Examples:

        clmot gallery recognise team.st b.mp4 --results b.txt --model runs/first

    Parameters
    ----------
    gallery
        File of the gallery.
    source
        The video, image folder or sequence that was tracked.
    results
        MOTChallenge text with the tracks.
    model
        The model that the gallery was made with.
    threshold
        Who is this far (cosine distance) from everybody is not known; `clmot embed` shows what distances there are.
    margin
        Who is not this much nearer to one individual than to all others is not known.
    min_share
        Of a track's boxes, how many must say the same name.
    every
        Look at every so many frames only.
    json
        Also write the names to this file.
    device
        auto, cpu, cuda or cuda:N.
    """
    from clmot.apps.gallery.recognise import recognise_tracks
    from clmot.apps.gallery.report import names_content, names_table
    from clmot.inference.model import load_model
    from clmot.io.atomic import write_whole_json
    from clmot.io.sources import open_one
    from clmot.reid.gallery import Gallery

    known, pictures = Gallery.load(gallery), open_one(source)
    loaded = load_model(model, device=device)
    known.use_model(loaded.fingerprint)
    embed = loaded.embed
    named = recognise_tracks(
        known, pictures, results, embed, threshold=threshold, margin=margin, min_share=min_share, every=every
    )
    show(names_table(named))
    if json is not None:
        write_whole_json(json, names_content(named), "names")


def _named_track(argument: str) -> tuple[int, str]:
    number, equals, name = argument.partition("=")
    if not (equals and number.isdecimal() and name.strip()):
        raise UserError(f"gallery enrol: '{argument}' is no ID=NAME, such as 3=Ada")
    return int(number), name.strip()
