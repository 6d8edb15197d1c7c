"""From what a detector says to `Detections`: its labels are named, nonsense is refused with one line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from clmot.boxes import well_formed
from clmot.errors import UserError, did_you_mean
from clmot.io.class_names import plain_class_name
from clmot.types import Detections


class Answers:
    """Checks a detector's boxes, scores and labels, and keeps those of the wanted classes.

    Args:
        name: of the detector, for messages.
        labels: what its labels mean.
        wanted: names of the classes to keep; empty: all, in the order of their labels.
        min_score: less sure boxes are left out.

    Attributes:
        classes: names that `Detections.class_id` indexes.

    Raises:
        UserError: the detector does not know a wanted class.
    """

    def __init__(
        self, name: str, labels: Mapping[int, str], wanted: Sequence[str] = (), min_score: float = 0.0
    ) -> None:
        self.name, self.min_score = name, min_score
        known = {plain_class_name(word): word for word in labels.values()}
        for word in wanted:
            if plain_class_name(word) not in known:
                raise UserError(
                    f"detector {name}: knows no class '{word}'{did_you_mean(word, known.values())}; "
                    f"it knows {', '.join(list(known.values())[:8])}{', ...' if len(known) > 8 else ''}"
                )
        self.classes: tuple[str, ...] = tuple(wanted) or tuple(known.values())
        number = {plain_class_name(word): index for index, word in enumerate(self.classes)}
        self._class_id = {label: number.get(plain_class_name(word), -1) for label, word in labels.items()}

    def __call__(self, boxes: Any, scores: Any, labels: Any) -> Detections:
        """One image's answer.

        Boxes without area are left out; so are those of other classes, and less sure ones.

        Args:
            boxes: [n, 4], xyxy pixels of the image.
            scores: [n], in [0, 1].
            labels: [n], whole numbers.

        Raises:
            UserError: a shape is wrong, a number is not finite, a score is no chance, or a label has no name.
        """
        xyxy, score, label = (_array(values) for values in (boxes, scores, labels))
        if not xyxy.size:
            xyxy = xyxy.reshape(0, 4)
        n = len(xyxy)
        if xyxy.shape != (n, 4) or score.shape != (n,) or label.shape != (n,):
            raise self._refuse(
                f"gave boxes {list(xyxy.shape)}, scores {list(score.shape)} and labels {list(label.shape)}; "
                "[n, 4], [n] and [n] are needed"
            )
        broken = int((~np.isfinite(xyxy).all(axis=1) | ~np.isfinite(score)).sum())
        if broken:
            raise self._refuse(f"gave {broken} of {n} boxes or scores that are no number (NaN or infinite)")
        if n and not (score.min() >= 0 and score.max() <= 1):
            raise self._refuse(
                f"gave scores from {score.min():.3g} to {score.max():.3g}; chances from 0 to 1 are needed"
            )
        for each in np.unique(label).tolist():
            if each not in self._class_id:
                raise self._refuse(
                    f"gave label {each:g}, which has no name (known: {_some(self._class_id)}); "
                    "name its labels with detector.labels"
                )
        class_id = np.array([self._class_id[each] for each in label.tolist()], np.int64)
        xyxy = xyxy.astype(np.float32)
        kept = (class_id >= 0) & (score >= self.min_score) & well_formed(xyxy)
        return Detections(xyxy=xyxy[kept], score=score[kept].astype(np.float32), class_id=class_id[kept])

    def _refuse(self, reason: str) -> UserError:
        return UserError(f"detector {self.name}: {reason}")


def _array(values: Any) -> np.ndarray:
    """Numbers of a tensor on whatever device, an array or a list."""
    if hasattr(values, "detach"):
        values = values.detach().float().cpu().numpy()
    return np.asarray(values, np.float64)


def _some(labels: Mapping[int, int]) -> str:
    first = list(labels)[:6]
    return ", ".join(map(str, first)) + (", ..." if len(labels) > 6 else "")
