"""What the search tracks: a model's detections, or boxes from files, of the sequences that have ground truth."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clmot.apps.track.cached_sequence import SUFFIX, CachedSequence
from clmot.apps.track.detection import Finder, finder_of
from clmot.apps.track.detection_store import find_once
from clmot.apps.track.external_detections import box_files, open_boxes
from clmot.config import Config
from clmot.config.tracker import TrackerConfig
from clmot.errors import UserError, require
from clmot.evaluation.benchmarks import Benchmark, find_truth
from clmot.io.class_names import read_class_names
from clmot.io.frame_choice import FrameChoice
from clmot.io.frame_source import FrameSource
from clmot.io.mot_sequences import ground_truth_file, read_sequence_info, sequence_folders
from clmot.io.mot_text import read_mot_rows
from clmot.io.sources import open_source
from clmot.shipped import find_model
from clmot.structures import Image

if TYPE_CHECKING:
    from clmot.inference.model import Model
    from clmot.io.video import Frames


@dataclass(frozen=True, kw_only=True)
class Detecting:
    """Where detections come from.

    Attributes:
        detector: a run folder, a checkpoint, a model file or a shipped model; or boxes: ``det``, ``gt``, a folder of
            ``<sequence>.txt`` or one such file, without embeddings.
        boxes: these boxes, with the model's embeddings, in place of what the model detects.
        device: of the model.

    Raises:
        UserError: there is no such detector, or boxes come from two places.
    """

    detector: str
    boxes: str | None = None
    device: str = "auto"

    def __post_init__(self) -> None:
        if not self.has_model and self.boxes is not None:
            raise UserError(f"{self.detector}: boxes already; with --boxes give a model")
        if not self.has_model and self.detector not in ("det", "gt") and not find_model(self.detector).exists():
            raise UserError(f"{self.detector}: no such model or boxes; expected a run folder, det, gt or NAME.txt")

    @property
    def has_model(self) -> bool:
        """Whether the detector is a model."""
        path = find_model(self.detector)
        if self.detector in ("det", "gt"):
            return False
        return path.suffix == ".safetensors" or any(path.glob("checkpoint-*")) or (path / "model.safetensors").is_file()

    @property
    def config(self) -> Config:
        """The model's configuration, the defaults for boxes.

        Raises:
            UserError: the model cannot be read.
        """
        if not self.has_model:
            return Config(tracker=TrackerConfig())
        config, _ = self._saved_model
        if self.boxes is None and not config.detector.name:
            return config
        return dataclasses.replace(config, tracker=config.tracker.suited("detector"))

    @property
    def _saved_model(self) -> tuple[Config, Path]:
        from clmot.models.saved_model import load_saved_model

        saved = load_saved_model(find_model(self.detector))
        return saved.config, saved.file

    def collect(
        self,
        data: Path,
        folder: Path,
        config: Config,
        *,
        benchmark: Benchmark = "auto",
        frames: FrameChoice | None = None,
        progress: bool = True,
    ) -> tuple[tuple[Path, ...], tuple[str, ...]]:
        """Find everything in the sequences of a data set, or take what is in the folder already.

        Args:
            data: MOTChallenge folder with ground truth. Images are needed for a model or the camera's motion only.
            folder: for the files, one a sequence.
            config: for its sections detect and tracker.
            benchmark: whose ground truth.
            frames: find what is in these frames only.
            progress: show a progress bar on standard error.

        Returns:
            The files, and what the class ids in them mean.

        Raises:
            UserError: the data or the detector cannot be read, or a file cannot be written.
        """
        folders = {each.resolve().name: each for each in sequence_folders(data)}
        names = [name for name in find_truth(data, benchmark) if name in folders]
        if not names:
            raise UserError(f"{data}: no MOTChallenge sequence with ground truth to tune on")
        camera: str = config.tracker.camera
        if camera == "auto":  # boxes alone do not show it, and need no images
            camera = "sparse-flow" if self.has_model else "none"
        boxes = self.boxes if self.has_model else self.detector
        files = box_files(boxes, {name: folders[name] for name in names}) if boxes is not None else {}
        images = self.has_model or camera != "none"
        if images:
            sources = {each.name: each for each in open_source(data) if each.name in names}
        else:
            sources = {name: _without_images(folders[name], files[name]) for name in names}
        choice = frames or FrameChoice()
        stored = [files[name] for name in names if name in files and files[name].suffix == SUFFIX]
        if stored and not self.has_model and not choice:
            # of `clmot detect --embeddings`: all is there, embeddings and the camera's motion too
            require(len(stored) == len(names), f"{boxes}: some sequences have NAME{SUFFIX} there, and some have not")
            return tuple(stored), tuple(CachedSequence.load(stored[0])[1].get("classes", ("person",)))
        classes = config.model.classes if self.has_model else _class_names(files, folders, names)
        common: dict[str, Any] = {
            "every": choice.every,
            "part": choice.part,
            "camera": camera,
            "classes": list(classes),
        }
        if self.has_model:
            detect = config.as_dict()["detect"] if boxes is None else {}  # as JSON gives it back
            common |= {"model": _stamp(self._saved_model[1]), "detect": detect, "appearance": config.tracker.appearance}
        origins = {name: {**common, "boxes": _stamp(files[name]) if name in files else None} for name in names}
        made = find_once(
            {name: source.only(choice) if choice else source for name, source in sources.items()},
            partial(self._finders, config, files, classes, names),
            folder,
            origins,
            camera=camera,
            images=images,
            progress=progress,
        )
        return tuple(made), classes

    def _finders(
        self, config: Config, files: Mapping[str, Path], classes: tuple[str, ...], names: list[str]
    ) -> dict[str, Finder]:
        model: Model | None = None
        if self.has_model:
            from clmot.inference.model import load_model

            model = load_model(self.detector, device=self.device)
            model.config = config
        if files:
            embed = model.embed if model and config.tracker.appearance else None
            is_truth = "gt" in (self.boxes, self.detector)
            weights = model.fingerprint if model else ""
            return {name: open_boxes(file, embed, classes, is_truth, weights) for name, file in files.items()}
        assert model is not None
        return dict.fromkeys(names, finder_of(model))


def _without_images(folder: Path, boxes: Path) -> FrameSource:
    """Frames by number, where nobody looks at them."""
    info = read_sequence_info(folder)
    length = info.length
    if length is None:
        truth = ground_truth_file(folder)
        files = [boxes] if truth is None else [boxes, truth]
        length = max(int(read_mot_rows(file).frame.max(initial=0)) for file in files)
    return FrameSource(
        name=folder.resolve().name, frame_rate=info.frame_rate, length=length, decode=partial(_blank, length)
    )


def _blank(length: int) -> Frames:
    nothing: Image = np.zeros((1, 1, 3), np.uint8)
    for number in range(1, length + 1):
        yield number, nothing


def _class_names(files: Mapping[str, Path], folders: Mapping[str, Path], names: list[str]) -> tuple[str, ...]:
    """What the classes of the boxes are called beside them or the ground truth; else they are of one class."""
    places = [files[name] for name in names] + [folders[name] / "gt" / "gt.txt" for name in names]
    return next((tuple(found) for found in map(read_class_names, places) if found), ("person",))


def _stamp(file: Path) -> list[Any]:
    """What changes when a file does."""
    status = file.stat()
    return [str(file.resolve()), status.st_size, status.st_mtime_ns]
