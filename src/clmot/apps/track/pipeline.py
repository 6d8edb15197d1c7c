"""`clmot track` from top to bottom: sources, detector, tracker, outputs.

Decoding and the detector each run in a thread of their own, a few frames ahead of tracking and writing, which stay in
the caller's: the slowest stage sets the pace, where there are processors for all of them.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from clmot.apps.track.checkpoint import Checkpoint
from clmot.apps.track.configured_model import as_configured
from clmot.apps.track.detection import Finder, FoundFrames, find_in, finder_of, without_first
from clmot.apps.track.external_detections import box_files, open_boxes
from clmot.apps.track.object_choice import ObjectChoice
from clmot.apps.track.outputs import Outputs, TextFormat
from clmot.apps.track.result_folder import RESERVED, claimed, model_facts, recorded
from clmot.apps.track.sequence import TrackingResult, track_sequence
from clmot.apps.track.slices import sliced
from clmot.apps.track.summary import SequenceSummary
from clmot.config import RefineConfig
from clmot.config.tracker import Family, TrackerConfig
from clmot.errors import require
from clmot.io.frame_choice import FrameChoice
from clmot.io.frame_source import FrameSource
from clmot.io.named_arrays import Arrays
from clmot.io.progress import progress_bar
from clmot.io.reading import PATIENCE
from clmot.io.sources import open_sources
from clmot.io.window import Window
from clmot.protocols import ConfiguredDetector, Detector
from clmot.tracking.class_votes import ClassVotes
from clmot.tracking.continued import ContinuedTracker
from clmot.tracking.tracker import Tracker

_log = logging.getLogger(__name__)


def track(
    source: int | str | Path | FrameSource | Sequence[str | Path],
    model: Detector | str | Path,
    out: str | Path | None = None,
    *,
    tracker: TrackerConfig | None = None,
    refine: RefineConfig | None = None,
    frames: FrameChoice | None = None,
    boxes: str | Path | None = None,
    detector: Detector | None = None,
    objects: ObjectChoice | None = None,
    slices: int = 0,
    vote_classes: bool = False,
    video: bool = False,
    times: bool = False,
    explain: bool = False,
    frame_rate: float | None = None,
    state: str | Path | None = None,
    reconnect: float = PATIENCE,
    show: bool = False,
    overwrite: bool = False,
    text_format: TextFormat = "mot",
    batch_size: int = 1,
    overlap: bool = True,
    fast: bool = False,
    checkpoint: Checkpoint | None = None,
    progress: bool = True,
) -> list[TrackingResult]:
    """Track every sequence of a source.

    Files are complete whenever this returns or raises: after an interrupt they hold what was tracked before it. Frames
    that cannot be decoded are left out.

    Args:
        source: a video file, a folder of images or of videos, a MOTChallenge sequence folder or a folder of those, a
            webcam's number, or an rtsp:// or http(s):// address; or several of them (`clmot.io.sources.open_sources`,
            which names their results apart), or a sequence that is open already.
        model: a model, what `clmot.load_model` takes, or an object of one's own (`clmot.protocols.Detector`), which is
            tracked by motion unless its detections have embeddings.
        out: folder for ``<sequence>.txt`` (MOTChallenge text, with a class column where the model has several classes)
            and ``<sequence>.mp4``, and ``run.json``, which says how they came about; made if missing. None writes
            nothing.
        tracker: constants of the association; by default the model's, with scores that suit external detections or
            another detector where the model's are those of a family (`TrackerConfig.suited`). The frame rate is taken
            from the source where it says one.
        refine: what is done to the tracks of a sequence after its last frame; by default what the model's
            configuration says. The results are then kept in memory until they are written, and a video is drawn from
            a second pass over the source, not at all after an interrupt.
        frames: track these frames only; their numbers stay those of the source.
        boxes: find these in place of what the model detects, and read embeddings at them (where the tracker uses
            appearance, or tracks are joined by it): ``gt`` or ``det`` of the source's own MOTChallenge folders, a
            folder of ``<sequence>.txt``, or one such file (`clmot.apps.track.external_detections`).
        detector: what finds the boxes in place of the model, which reads embeddings at them as with `boxes`; it has the
            model's classes.
        objects: which of the objects that are found are tracked; by default all.
        slices: also look at square slices of the image, of this side in pixels, for small objects
            (`clmot.apps.track.slices`); 0: not.
        vote_classes: a track may change its class from frame to frame, and is shown with the one that its boxes so far
            vote for (`clmot.tracking.class_votes`); else each track is of one class throughout.
        video: write a video with boxes, ids and trails, each frame at its time.
        times: write ``<sequence>.times.csv`` as well: frame number, and seconds since the beginning.
        explain: write ``<sequence>.explain.npz`` as well: for every match, start, loss and end of a track the stage,
            the costs, the limit and the runner-up (`clmot.tracking.decisions`).
        frame_rate: frames a second, where the source is wrong about them or does not say.
        state: file to go on from, where it exists, so that objects of an earlier recording, or of the time before a
            restart, keep their ids; written at the end, also after an error or an interrupt.
        reconnect: seconds after which a camera that has dropped out is given up; until then its tracks go on.
        show: show the same in a window, before anything is refined; q or Esc there ends tracking.
        overwrite: results of the same names in `out` may be replaced.
        text_format: of ``<sequence>.txt``: MOTChallenge, or KITTI tracking with its types of objects. ``csv`` and
            ``json`` write a table beside MOTChallenge text (`clmot.io.track_table.COLUMNS`).
        batch_size: frames that go through the network together: more is faster on a GPU, and late on a camera.
        fast: let every second frame through the model only; in those between, tracks are on the straight line between
            the boxes around them.
        overlap: decode, and run the model, in threads of their own. False does one thing after the other in the
            calling thread, with the same results, for a model that only works in the thread that made it.
        checkpoint: of one sequence: where to go on, and where to write how far it is.
        progress: show a progress bar on standard error.

    Raises:
        TypeError: the source or the model is something else.
        UserError: the source or model cannot be read, there is no display to show frames on, results of the same names
            are there, the video would replace a source, there are several sources for one `state`, or a camera's
            tracks are to be refined (nothing is written then); or `out` or `state` cannot be read or written, the
            detector gives something else than detections, more than half of the frames cannot be decoded, a camera is
            gone, or tracks are to be joined without embeddings.
        KeyboardInterrupt: as it came, the files being complete.

    Examples:
        >>> results = clmot.track("street.mp4", "clmot-pedestrian", "runs/street")
        >>> tracks = results[0].tracks
    """
    require(batch_size >= 1, f"batch size must be >= 1, got {batch_size}")
    require(not video or out is not None, "a video needs an output folder to be written to")
    sources = _open_sources(source, frames, frame_rate, reconnect)
    one = len(sources) == 1
    require(state is None or one, f"--state {state}: is for one source, and there are {len(sources)}; track one by one")
    model = as_configured(model)
    other = None if detector is None else as_configured(detector)
    refine = model.config.refine if refine is None else refine
    for each in sources:
        require(
            not (refine and each.live),
            f"{each.origin}: tracks are refined after the last frame, and a camera has none; leave that out",
        )
    constants = tracker or model.config.tracker
    find = finders_by_sequence(sources, model, constants.uses_embeddings or bool(refine.join), boxes, other)
    if slices:
        require(boxes is None, "--slices: is for a detector; boxes from files are what they are")
        find = dict.fromkeys(find, sliced(next(iter(find.values())), slices))
    # more than there are cannot all be individuals
    objects = objects or ObjectChoice()
    objects = replace(objects, most=refine.individuals or objects.most)
    chosen = {name: objects.applied(each, model.classes) for name, each in find.items()}
    facts = {
        **model_facts(model, frames),
        **objects.as_dict(),
        **({"slices": slices} if slices else {}),
        **({"class votes": True} if vote_classes else {}),
        **({"fast": True} if fast else {}),
        "boxes from": None if boxes is None else str(boxes),
        "detector": other and (other.config.detector.name or type(detector).__name__),
    }
    results: list[TrackingResult] = []
    scores: tuple[float, ...] = ()
    with contextlib.ExitStack() as stack:
        window = stack.enter_context(Window("clmot")) if show else None
        old_videos: dict[str, Path] = {}
        if out is not None:
            origins = {each.name: each.origin for each in sources}
            claim = claimed(Path(out), origins, model.classes, video=video, overwrite=overwrite)
            old_videos = stack.enter_context(claim)
        bar = stack.enter_context(progress_bar(progress))
        for each in sources:
            config = constants.at(each.frame_rate)
            family: Family | None = getattr(find[each.name], "family", "detector" if other else None)
            if family and tracker is None:
                config = config.suited(family)
            if config.scores != scores:
                scores = config.scores
                _log.info("tracking with scores of at least %g, to continue a track %g, to start one %g", *scores)
            outputs = Outputs(
                each,
                None if out is None else Path(out),
                frame_rate=config.frame_rate,
                classes=model.classes,
                refine=refine,
                video=video,
                times=times,
                explain=explain,
                text_format=text_format,
                window=window,
                old_video=old_videos.get(each.name),
            )
            summary, step = SequenceSummary(), 2 if fast else 1
            saved = checkpoint.read() if checkpoint and outputs.can_go_on else {}
            found = summary.observe(_find_on(each, chosen[each.name], batch_size, overlap, step, checkpoint, saved))
            settings = {
                "detect": asdict((other or model).config.detect),
                "tracker": asdict(config),
                "refine": asdict(refine),
            }
            told = {"source": each.origin, **facts, "settings": settings}
            votes = ClassVotes(len(model.classes)) if vote_classes else None
            with recorded(outputs.paths, each.name, told, summary.as_dict):
                weights = getattr(model, "fingerprint", "") if config.uses_embeddings else ""
                file = None if state is None else Path(state)
                going_on = ContinuedTracker(Tracker(config), each.live, file, weights, votes)
                results.append(track_sequence(each, found, going_on, outputs, summary, bar, explain, checkpoint, saved))
            if not results[-1].tracks:
                reason = summary.explain_nothing(other or model, config, from_file=boxes is not None)
                _log.warning("%s: %s", each.name, reason)
            elif doubt := summary.doubt_scores(config):
                _log.warning("%s: %s", each.name, doubt)
            if outputs.asked_to_stop:
                break
    return results


def _open_sources(
    source: int | str | Path | FrameSource | Sequence[str | Path],
    frames: FrameChoice | None,
    rate: float | None,
    reconnect: float,
) -> list[FrameSource]:
    """The sequences, with the chosen frames of each."""
    found = [source] if isinstance(source, FrameSource) else open_sources(source, RESERVED)
    sources = [each.patient(reconnect) for each in found]
    sources = sources if rate is None else [each.at_rate(rate) for each in sources]
    return [each.only(frames) for each in sources] if frames else sources


def _find_on(
    source: FrameSource,
    find: Finder,
    batch_size: int,
    overlap: bool,
    step: int,
    checkpoint: Checkpoint | None,
    saved: Mapping[str, Arrays],
) -> FoundFrames:
    """As `find_in`, from the frame on that a checkpoint has not seen; batches begin where they would have begun."""
    batches, seen = divmod(int(saved["loop"]["seen"]) if saved else 0, step * batch_size)
    if checkpoint:
        source = checkpoint.watched(source, batches * step * batch_size)
    return without_first(seen, find_in(source, find, batch_size, overlap, step))


def finders_by_sequence(
    sources: Sequence[FrameSource],
    model: ConfiguredDetector,
    embeddings_used: bool,
    boxes: str | Path | None,
    detector: Detector | None,
) -> dict[str, Finder]:
    """By sequence, what finds the objects: the model, another detector, or a file of external detections."""
    embed = getattr(model, "embed", None) if embeddings_used and getattr(model, "embeds", True) else None
    if boxes is not None:
        files = box_files(boxes, {each.name: each.origin for each in sources})
        is_truth = str(boxes) == "gt"
        weights = getattr(model, "fingerprint", "")
        return {name: open_boxes(file, embed, model.classes, is_truth, weights) for name, file in files.items()}
    find = finder_of(model) if detector is None else finder_of(detector, embed)
    return {each.name: find for each in sources}
