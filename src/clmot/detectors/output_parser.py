"""From a detector's output to `Detections`: labels are named, and wrong output is refused with one line."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from clmot.boxes import as_numbers
from clmot.errors import UserError, did_you_mean, plural, reason_of
from clmot.io.box_input import count_left_out, require_chances, usable
from clmot.io.class_names import plain_class_name
from clmot.protocols import Detector
from clmot.row_data import RowData, checked, rows_of
from clmot.structures import Detections

_log = logging.getLogger(__name__)


class OutputParser:
    """Checks a detector's boxes, scores and labels, and keeps those of the wanted classes.

    Args:
        name: of the detector, for messages.
        labels: what its labels mean.
        wanted: names of the classes to keep; empty: all, in the order of their labels.
        min_score: boxes with lower scores are left out.

    Attributes:
        classes: names that `Detections.class_id` indexes.
        left_out: how many boxes were left out so far because they have no area or are not finite, by reason.

    Raises:
        UserError: the detector does not know a wanted class.
    """

    def __init__(
        self, name: str, labels: Mapping[int, str], wanted: Sequence[str] = (), min_score: float = 0.0
    ) -> None:
        self.name, self.min_score = name, min_score
        self.left_out: Counter[str] = Counter()
        known = {plain_class_name(word): word for word in labels.values()}
        for word in wanted:
            theirs = known.get(plain_class_name(word), word)
            if theirs.casefold() != word.casefold():
                _log.warning("detector %s: takes '%s' for its class '%s'", name, word, theirs)
            if plain_class_name(word) not in known:
                raise UserError(
                    f"detector {name}: knows no class '{word}'{did_you_mean(word, known.values())}; "
                    f"it knows {', '.join(list(known.values())[:8])}{', ...' if len(known) > 8 else ''}"
                )
        self.classes: tuple[str, ...] = tuple(wanted) or tuple(known.values())
        number = {plain_class_name(word): index for index, word in enumerate(self.classes)}
        self._class_id = {label: number.get(plain_class_name(word), -1) for label, word in labels.items()}

    def __call__(self, boxes: Any, scores: Any, labels: Any, data: RowData | None = None) -> Detections:
        """The output for one image.

        Boxes without area and what is not finite are left out and counted; those of other classes, and with scores
        below `min_score`, are left out.

        Args:
            boxes: [n, 4], xyxy pixels of the image.
            scores: [n], in [0, 1].
            labels: [n], whole numbers.
            data: what else belongs to each box (`clmot.row_data`).

        Raises:
            UserError: a shape is wrong, a score is no chance, or a label has no name.
        """
        try:
            xyxy, score, label = map(as_numbers, (boxes, scores, labels))
        except ValueError as error:
            raise self._refuse(f"gave {reason_of(error)}") from error
        if not xyxy.size:
            xyxy = xyxy.reshape(0, 4)
        n = len(xyxy)
        if xyxy.shape != (n, 4) or score.shape != (n,) or label.shape != (n,):
            raise self._refuse(
                f"gave boxes {list(xyxy.shape)}, scores {list(score.shape)} and labels {list(label.shape)}; "
                "[n, 4], [n] and [n] are needed"
            )
        try:
            data = checked(data, n) if data else None
        except ValueError as error:
            raise self._refuse(f"gave {reason_of(error)}") from error
        with np.errstate(over="ignore"):
            box = xyxy.astype(np.float32)
        kept, left_out = usable(box, score)
        count_left_out(self.left_out, left_out, f"detector {self.name}")
        box, score, label, data = box[kept], score[kept].astype(np.float32), label[kept], rows_of(data, kept)
        try:
            require_chances(*(score.min(), score.max()) if len(score) else (0, 0))
        except ValueError as error:
            raise self._refuse(f"gave {reason_of(error)}") from error
        for each in np.unique(label).tolist():
            if each not in self._class_id:
                raise self._refuse(
                    f"gave label {each:g}, which has no name (known: {_some(self._class_id)}); "
                    "name its labels with detector.labels"
                )
        class_id = np.array([self._class_id[each] for each in label.tolist()], np.int64)
        kept = (class_id >= 0) & (score >= np.float32(self.min_score))
        score = np.minimum(score, np.float32(1))
        return Detections(xyxy=box, score=score, class_id=class_id, data=data).take(kept)

    def _refuse(self, reason: str) -> UserError:
        return UserError(f"detector {self.name}: {reason}")


def require_detections(found: Any, count: int, detector: Detector) -> list[Detections]:
    """What `Detector.detect` gave for some images, if it is what it must be.

    Args:
        found: its output.
        count: how many images there were.
        detector: named in the message.

    Raises:
        UserError: it is no list of as many `Detections`, a score is no chance, or a class has no name.
    """
    name = f"detector {type(detector).__name__}"
    if not isinstance(found, list | tuple) or not all(isinstance(each, Detections) for each in found):
        given = f"a list with {type(found[0]).__name__}" if isinstance(found, list) and found else type(found).__name__
        raise UserError(f"{name}: detect gave {given}; a list of clmot.Detections is needed, one for each image")
    if len(found) != count:
        raise UserError(f"{name}: detect gave {len(found)} Detections for {plural(count, 'image')}")
    for each in found:
        if len(each):
            try:
                require_chances(each.score.min(), each.score.max())
            except ValueError as error:
                raise UserError(f"{name}: gave {reason_of(error)}") from error
            wrong = each.class_id[(each.class_id < 0) | (each.class_id >= len(detector.classes))]
            if len(wrong):
                raise UserError(f"{name}: gave class {wrong[0]}; its classes are 0 to {len(detector.classes) - 1}")
    return list(found)


def _some(labels: Mapping[int, int]) -> str:
    first = list(labels)[:6]
    return ", ".join(map(str, first)) + (", ..." if len(labels) > 6 else "")
