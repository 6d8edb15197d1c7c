"""A whole adaptation: videos in; a model, never one that scores less than before, and a report out."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from clmot.apps.adapt.frames import read_frames, take_frames, write_frames
from clmot.apps.adapt.judgement import embedded, judge
from clmot.apps.adapt.mined_tracklets import find_tracklets
from clmot.apps.adapt.report import Adaptation, adaptation_markdown, decide
from clmot.apps.adapt.settings import reading_size, thinned, training_config
from clmot.apps.track.configured_model import load_detector_for
from clmot.apps.track.detection import Finder
from clmot.apps.track.pipeline import finders_by_sequence
from clmot.config import Config, parse_overrides
from clmot.errors import UserError, plural
from clmot.evaluation.embedding import EmbeddedSequence
from clmot.inference.model import Model, load_model
from clmot.io.atomic import holds_something, make_folder, write_whole_json, write_whole_text
from clmot.io.begun_with import check_same, read_json
from clmot.io.frame_source import FrameSource
from clmot.io.locks import fills_alone
from clmot.io.progress import progress_bar
from clmot.io.sources import open_source
from clmot.models.saved_model import load_saved_model
from clmot.shipped import find_model
from clmot.structures import Dataset, Sample
from clmot.training.checkpoint import save_checkpoint
from clmot.training.fit_whitening import LEAST_OBJECTS
from clmot.training.learn_metric import learn_metric, moved
from clmot.training.trainer import train

log = logging.getLogger(__name__)

LEARNED, HELD_OUT, TRAINING = "tracklets", "held-out", "training"
"""Folders inside the output."""

PLAN, REPORT = "adaptation.json", "report.json"


@fills_alone
def adapt(
    model: str | Path,
    videos: Sequence[str | Path],
    out: str | Path,
    *,
    overrides: Iterable[str] = (),
    boxes: str | Path | None = None,
    detector: str = "",
    resume: bool = False,
    device: str = "auto",
    progress: bool = True,
) -> Adaptation:
    """Teach a model's embedding on videos that nobody has labelled, and keep what it learned if that does not harm.

    Tracks the videos by motion, keeps unambiguous tracklets, learns a metric that tells them apart, and judges old and
    new embedding on the last part of each video, which it did not learn from. With settings of ``train``, and where the
    model has no metric, it trains on two views of each tracklet at two times, with the model's own contrast.

    Args:
        model: what `clmot.load_model` takes, exported files aside.
        videos: what `clmot.io.sources.open_source` takes, cameras aside.
        out: folder of the new model (``checkpoint-NNNNNN``), ``report.md``, ``report.json``, the tracklets as data sets
            in COCO format with their frames, and the training run.
        overrides: ``section.key=value`` strings, laid over `training_config`.
        boxes: learn from these in place of what the model detects, as in `clmot.track`.
        detector: LIBRARY:NAME of what finds the boxes in place of the model (`clmot.detectors.registry`).
        resume: go on with what an interrupted call with the same arguments left in `out`.
        device: to detect and judge on; to train on, unless the overrides name one.
        progress: show progress bars on standard error.

    Raises:
        UserError: `out` is taken; the model or a video cannot be read; there are too few tracklets to learn from or to
            judge by; or as training.
        KeyboardInterrupt: Ctrl-C; what was finished is kept for `resume`.

    Examples:
        >>> settings = ["train.steps=2", "adapt.min_seconds=0.3", "adapt.min_score=0.1"]
        >>> adaptation = clmot.adapt("clmot-pedestrian", ["street.mp4"], "runs/street", overrides=settings)
    """
    out, overrides = Path(out), list(overrides)
    file = find_model(model)
    if file.suffix in (".onnx", ".xml"):
        raise UserError(f"{file}: an exported model cannot learn; give the run or file that it was exported from")
    saved = load_saved_model(file)
    changes = parse_overrides(overrides)
    settings = saved.config.updated(changes, "override")
    stated = settings.tracker.frame_rate if "frame_rate" in (changes.get("tracker") or {}) else None
    sources = _sources(videos, stated)
    plan = {"model": str(model), "videos": [str(video) for video in videos], "settings": overrides}
    plan |= {"boxes": str(boxes)} if boxes is not None else {}
    plan |= {"detector": detector} if detector else {}
    if _begin(out, plan, resume) and (out / REPORT).is_file():
        log.info("%s: the adaptation is finished", out)
        return Adaptation.from_dict(read_json(out / REPORT))

    before = load_model(file, device=device)
    before.config = dataclasses.replace(settings, model=saved.config.model)
    if not (out / HELD_OUT / "annotations.json").is_file():
        other = load_detector_for(before, detector, device) if detector else None
        find = finders_by_sequence([*sources.values()], before, False, boxes, other)
        _keep_tracklets(sources, before, find, out, progress)
    learned, held_out = (read_frames(out / part, before.classes) for part in (LEARNED, HELD_OUT))
    rates = {name: source.frame_rate or settings.tracker.frame_rate for name, source in sources.items()}
    reads: dict[str, Any] = {}
    if (boxes is not None or detector) and (longer := reading_size(before, learned)):
        reads = {"detect": {"size": [longer]}}
        settings = settings.updated(reads)
        log.info("boxes are small for the model: it reads them from images of %d pixels (detect.size)", longer)
    prior = settings.tracker.mean_subtraction

    def seen(model: Model, frames: Dataset, task: str) -> dict[str, EmbeddedSequence]:
        with progress_bar(progress) as bar:
            return embedded(model.embed, frames, rates, task, bar)

    late = seen(before, held_out, "judging before")
    old = judge(late, prior)
    before.config = dataclasses.replace(settings, model=saved.config.model)
    weights, steps = dict(saved.weights), 0
    matrix = next((name for name in weights if name.endswith("read_out.matrix")), "")
    if matrix and not changes.get("train"):
        parts = seen(before, thinned(learned), "embedding")
        late = seen(before, held_out, "judging after") if reads else late
        metric = learn_metric([*parts.values()], LEAST_OBJECTS, settings.train.seed)
        new = judge({name: moved(each, metric) for name, each in late.items()}, prior)
        kept, reason = decide(old, new)
        if kept:  # what was held out has done its part: everything teaches
            metric = learn_metric([*parts.values(), *late.values()], LEAST_OBJECTS, settings.train.seed)
            if metric is not None:
                weights[matrix] = (weights[matrix].double() @ metric.double()).float()
    else:
        # a shipped model keeps its name: that is the same everywhere
        start = str(file.absolute()) if Path(model).exists() else str(model)
        # learned and judged at the size that the videos are tracked at
        size = before.view_size(learned)
        config = training_config(settings, start, max(rates.values())).updated({"model": {"image_size": list(size)}})
        if device != "auto":
            config = config.updated({"train": {"device": device}})
        config = config.updated(changes, "override")
        checkpoint = train(learned, out / TRAINING, config, resume=True, progress=progress)
        after = load_model(checkpoint, device=device)
        after.config = before.config
        new = judge(seen(after, held_out, "judging after"), prior)
        kept, reason = decide(old, new)
        steps = config.train.steps
        weights |= load_saved_model(checkpoint).weights if kept else {}
    found = Adaptation(
        # the model's own configuration: it is the same model, with other weights
        model=save_checkpoint(
            out, steps if kept else 0, saved.config.updated(reads if kept else {}), weights, state=None
        ),
        start=str(model),
        kept=kept,
        reason=reason,
        before=old,
        after=new,
        videos={name: _counts(name, learned) | _counts(name, held_out, "held-out ") for name in sources},
        steps=steps,
    )
    write_whole_text(out / "report.md", adaptation_markdown(found), "the report")
    write_whole_json(out / REPORT, found.as_dict(), "the report")
    return found


def _sources(videos: Sequence[str | Path], frame_rate: float | None = None) -> dict[str, FrameSource]:
    """The videos by names that differ, at the frame rate that the user gives, else at their own."""
    if not videos:
        raise UserError("adapt: name at least one video or folder of images")
    named: dict[str, FrameSource] = {}
    for video in videos:
        for source in open_source(video):
            if source.live:
                raise UserError(f"{video}: a camera has no end to be held out; record a video first")
            name, number = source.name, 1
            while name in named:
                number += 1
                name = f"{source.name}-{number}"
            source = source if frame_rate is None else source.at_rate(frame_rate)
            named[name] = dataclasses.replace(source, name=name)
    return named


def _begin(out: Path, plan: dict[str, Any], resume: bool) -> bool:
    """Make the folder and note what is to be done there; True if an earlier call did so already."""
    file = out / PLAN
    if file.is_file():
        if not resume:
            raise UserError(f"{out}: already holds an adaptation; go on with --resume or choose another --out")
        check_same(read_json(file), plan, file)
        return True
    if holds_something(out):
        raise UserError(f"{out}: is not empty and holds no adaptation; choose another --out")
    make_folder(out)
    write_whole_json(file, plan, "the plan")
    return False


def _keep_tracklets(
    sources: dict[str, FrameSource], model: Model, find: Mapping[str, Finder], out: Path, progress: bool
) -> None:
    """Find tracklets in all videos and write them, those held out last: where these are, all are."""
    config: Config = model.config
    learned: list[Sample] = []
    held_out: list[Sample] = []
    with progress_bar(progress) as bar:
        for name, source in sources.items():
            tracklets = find_tracklets(source, find[name], config.tracker, config.adapt, bar)
            early, late = take_frames(source, tracklets, out / "frames" / name, bar)
            learned += early
            held_out += late
            log.info("%s: %s", name, _described(name, early, late))
    least = f"adapt.min_seconds={config.adapt.min_seconds:g}, adapt.min_score={config.adapt.min_score:g}"
    names = ", ".join(sources)
    if not _have_tracklets(learned):
        raise UserError(
            f"{names}: too few tracklets: no frame shows two objects of which one can be followed; "
            f"try longer videos, or lower {least}"
        )
    write_frames(learned, model.classes, out / LEARNED)
    if not _have_tracklets(held_out):
        raise UserError(
            f"{names}: too few tracklets in the part held out to judge by (adapt.held_out={config.adapt.held_out:g}); "
            f"hold out more, or lower {least}"
        )
    write_frames(held_out, model.classes, out / HELD_OUT)


def _have_tracklets(samples: Sequence[Sample]) -> bool:
    return any((sample.identities >= 0).any() for sample in samples)


def _described(name: str, learned: Sequence[Sample], held_out: Sequence[Sample]) -> str:
    counts = [_counts(name, Dataset(samples=samples, classes=())) for samples in (learned, held_out)]
    return " and, held out, ".join(
        f"{plural(each['tracklets'], 'tracklet')} with {plural(each['boxes'], 'box', 'boxes')} in "
        f"{plural(each['frames'], 'frame')}"
        for each in counts
    )


def _counts(name: str, dataset: Dataset, prefix: str = "") -> dict[str, int]:
    samples = [sample for sample in dataset.samples if sample.sequence == name]
    tracklets = [each for sample in samples for each in sample.identities[sample.identities >= 0].tolist()]
    return {
        f"{prefix}frames": len(samples),
        f"{prefix}tracklets": len(set(tracklets)),
        f"{prefix}boxes": len(tracklets),
    }
