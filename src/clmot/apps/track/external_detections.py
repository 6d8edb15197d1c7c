"""External detections: boxes from files in place of a detector's.

With ground truth these are oracle detections; with a benchmark's public detections, trackers are compared on equal
terms. Embeddings are read at the boxes by the model.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from clmot.apps.track.cached_sequence import SUFFIX, CachedSequence
from clmot.apps.track.detection import Finder
from clmot.config.tracker import Family
from clmot.errors import UserError, plural, require
from clmot.io.box_input import are_chances
from clmot.io.class_names import plain_class_name, read_class_names
from clmot.io.folders import describe_folder
from clmot.io.mot_sequences import EXPECTED, MOT_CLASSES
from clmot.io.mot_text import read_mot_rows
from clmot.structures import Detections, Embed, Float64Array, Image, Int64Array

_OF_SEQUENCE = {"gt": Path("gt", "gt.txt"), "det": Path("det", "det.txt")}

_HIGHEST = 0.05
"""This share of the boxes of a file counts as certain, where scores are on another scale."""

_log = logging.getLogger(__name__)


class ExternalDetections:
    """Finds in each frame of a sequence the boxes that a file has there.

    Args:
        file: MOTChallenge text. Of ground truth, rows with a non-zero flag are taken, with score 1; else the
            confidence is the score; where not all lie in [0, 1], they are `rescaled`.
        embed: reads embeddings; None gives none.
        classes: rows of other classes than these are left out. Numbers of classes are taken by the names in a
            ``labels.txt`` beside the file, in ground truth else by those of MOT16, else as they come; where there is
            one class only, it is class 1.
        is_truth: whether the file is ground truth.

    Attributes:
        family: what its scores are like.

    Raises:
        UserError: the file cannot be read.
    """

    def __init__(self, file: Path, embed: Embed | None, classes: Sequence[str], is_truth: bool = False) -> None:
        rows = read_mot_rows(file)
        if rows.skipped:
            _log.warning("%s: left out %d boxes without area or not finite", file, rows.skipped)
        class_id = _class_ids(rows.class_id, file, classes, is_truth)
        kept = class_id >= 0
        self.family: Family = "detector"
        if is_truth:
            kept &= rows.confidence.astype(np.int64) != 0
            score = np.ones(len(rows))
        else:
            score = rescaled(rows.confidence)
            if score is not rows.confidence:
                self.family = "rescaled"
                _log.warning(
                    "%s: confidences from %g to %g are rescaled: the lowest is 0, the highest-scoring %d %% are 1",
                    file,
                    rows.confidence.min(),
                    rows.confidence.max(),
                    round(100 * _HIGHEST),
                )
        order = np.flatnonzero(kept)[np.argsort(rows.frame[kept], kind="stable")]
        self._frame = rows.frame[order]
        self._found = Detections(
            xyxy=rows.boxes[order], score=score[order].astype(np.float32), class_id=class_id[order]
        )
        self._embed = embed

    def __call__(self, batch: Sequence[tuple[int, Image]]) -> list[Detections]:
        """What is in each of the numbered images."""
        return [self._in_frame(number, image) for number, image in batch]

    def _in_frame(self, number: int, image: Image) -> Detections:
        found = self._found[slice(*np.searchsorted(self._frame, [number, number + 1]))]
        if self._embed is None or not len(found):
            return found
        return dataclasses.replace(found, embedding=self._embed(image, found.xyxy))


class StoredDetections:
    """Finds in each frame of a sequence what was found before, embeddings included.

    Args:
        file: of `clmot.apps.track.cached_sequence`.
        embed: reads embeddings, where the file has none or those of another model; None gives what the file has.
        classes: what the class ids are to mean.
        fingerprint: of the model that `embed` is of; empty where unknown.

    Raises:
        UserError: the file cannot be read, or its classes are others.
    """

    def __init__(self, file: Path, embed: Embed | None, classes: Sequence[str], fingerprint: str = "") -> None:
        sequence, origin = CachedSequence.load(file)
        if list(classes) != (theirs := list(origin.get("classes", classes))):
            raise UserError(f"{file}: was found with classes {', '.join(theirs)}; name the --model that found them")
        self._found = dict(zip(sequence.frame.tolist(), sequence.detections, strict=True))
        of_another = bool(fingerprint) and origin.get("fingerprint", fingerprint) != fingerprint
        if embed and sequence.has_embeddings and of_another:
            _log.info("%s: has the embeddings of another model; those of this one are read", file)
        self._embed = embed if of_another or not sequence.has_embeddings else None
        require(bool(sequence.detections), f"{file}: holds no frame")
        self._nothing = sequence.detections[0][:0]

    def __call__(self, batch: Sequence[tuple[int, Image]]) -> list[Detections]:
        """What is in each of the numbered images."""
        found = [(image, self._found.get(number, self._nothing)) for number, image in batch]
        if self._embed is None:
            return [each for _, each in found]
        return [
            dataclasses.replace(each, embedding=self._embed(image, each.xyxy)) if len(each) else each
            for image, each in found
        ]


def open_boxes(
    file: Path, embed: Embed | None, classes: Sequence[str], is_truth: bool = False, fingerprint: str = ""
) -> Finder:
    """What finds the boxes of a file of either kind; `fingerprint` is that of the model that `embed` is of."""
    if file.suffix == SUFFIX:
        return StoredDetections(file, embed, classes, fingerprint)
    return ExternalDetections(file, embed, classes, is_truth)


def rescaled(score: Float64Array) -> Float64Array:
    """Scores on another scale (margins, percentages) in [0, 1]: the lowest is 0, the highest 5 % are 1, linear between.

    To cut them instead would make most of them 1 and leave nothing to choose by: with the public detections of four
    sequences tracks are then worse by 6 points of HOTA (``docs/experiments.md``).

    Args:
        score: [n], of a whole file.

    Returns:
        [n]; the very same where all lie in [0, 1] already.
    """
    if not len(score) or are_chances(score.min(), score.max()):
        return score
    low, high = score.min(), np.quantile(score, 1 - _HIGHEST)
    if high <= low:
        return np.ones_like(score)
    return np.asarray(((score - low) / (high - low)).clip(0, 1))


def _class_ids(number: Int64Array, file: Path, classes: Sequence[str], is_truth: bool) -> Int64Array:
    """Indices of the classes that the numbers in a file stand for, -1 for others; rows without one are of number 1."""
    names = read_class_names(file) or (MOT_CLASSES if is_truth else classes)
    ours = [plain_class_name(name) for name in classes]
    index = [ours.index(name) if name in ours else -1 for name in map(plain_class_name, names)]
    if len(classes) == 1:
        index = [0] + [-1] * len(names)
    number = np.maximum(number, 1)
    return np.array([*index, -1], np.int64)[np.minimum(number - 1, len(index))]


def box_files(boxes: str | Path, sources: Mapping[str, str | Path]) -> dict[str, Path]:
    """The file of boxes for each sequence.

    Args:
        boxes: ``gt`` or ``det``, for what lies in the sequences' own MOTChallenge folders; a folder of
            ``<sequence>.safetensors`` (of `clmot detect --embeddings` or `clmot tune`) or ``<sequence>.txt``; or a
            file, for one sequence.
        sources: the sequences by name, and where their images lie.

    Raises:
        UserError: there is no file for a sequence.
    """
    text, path, names = str(boxes), Path(boxes), list(sources)
    # a folder called det, as in `clmot detect --out det`, is meant where the sequences have no boxes of their own
    own = [Path(source) / _OF_SEQUENCE[text] for source in sources.values()] if text in _OF_SEQUENCE else []
    if own and (any(file.is_file() for file in own) or not any((path / f"{name}.txt").is_file() for name in names)):
        files = {name: Path(source) / _OF_SEQUENCE[text] for name, source in sources.items()}
        if not any(Path(source).is_dir() for source in sources.values()):
            origin = next(iter(sources.values()))
            raise UserError(f"--boxes {text}: {origin} is no folder of sequences; expected {EXPECTED}")
    elif path.is_file():
        if len(names) > 1:
            raise UserError(f"--boxes {path}: one file for {len(names)} sequences; give a folder of {names[0]}.txt ...")
        files = {names[0]: path}
    else:
        stored = {name: path / f"{name}{SUFFIX}" for name in names}
        files = {name: file if file.is_file() else file.with_suffix(".txt") for name, file in stored.items()}
    missing = [name for name, file in files.items() if not file.is_file()]
    if missing:
        raise UserError(
            f"--boxes {text}: no boxes for {len(missing)} of {plural(len(names), 'sequence')}: expected "
            f"{files[missing[0]]}" + ("" if text in _OF_SEQUENCE else f" ({describe_folder(path)})")
        )
    return files
