"""Which of the objects that were found are used: by class, by score of their class, by where they stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from clmot.apps.track.detection import Finder
from clmot.errors import UserError, did_you_mean
from clmot.io.image import read_image
from clmot.structures import BoolArray, Detections, Image


@dataclass(frozen=True, kw_only=True)
class ObjectChoice:
    """What is kept of a detector's objects; all of them unless something is given.

    Attributes:
        classes: names; empty: all.
        scores: least score by class name; under the empty name that of all other classes.
        mask: image of a region of interest, of any size, stretched to the frames: objects whose foot, the middle of
            the lower side, lies on black are left out.
        most: of each image, no more than these, the surest; 0: all.

    Examples:
        >>> people = clmot.ObjectChoice(classes=["person"], most=50)
        >>> files = clmot.detect("street.mp4", "clmot-pedestrian", "people", objects=people)
    """

    classes: Sequence[str] = ()
    scores: Mapping[str, float] = field(default_factory=dict)
    mask: str | Path | None = None
    most: int = 0

    @property
    def lowest_score(self) -> float | None:
        """Of all classes; None where none is given for all of them."""
        named = set(self.classes) and set(self.classes) <= self.scores.keys()
        return min(self.scores.values()) if "" in self.scores or named else None

    def as_dict(self) -> dict[str, Any]:
        """What is given, for the record of a run."""
        given: dict[str, Any] = {"classes": list(self.classes), "least scores": dict(self.scores), "most": self.most}
        given["mask"] = self.mask and str(self.mask)
        return {name: value for name, value in given.items() if value}

    def applied(self, find: Finder, names: Sequence[str]) -> Finder:
        """A finder of the chosen objects only.

        Args:
            find: finds all.
            names: of its classes.

        Raises:
            UserError: it has no such class, or the mask cannot be read.
        """
        for name in (*self.classes, *filter(None, self.scores)):
            if name not in names:
                raise UserError(f"class '{name}'{did_you_mean(name, names)}: the model has {', '.join(names)}")
        if not (self.classes or self.scores or self.mask or self.most):
            return find
        wanted = np.array([not self.classes or name in self.classes for name in names])
        least = np.array([self.scores.get(name, self.scores.get("", 0.0)) for name in names])
        mask = None if self.mask is None else read_image(Path(self.mask)).max(axis=2)

        def chosen(batch: Sequence[tuple[int, Image]]) -> list[Detections]:
            kept = []
            for (_, image), found in zip(batch, find(batch), strict=True):
                rows = wanted[found.class_id] & (found.score >= least[found.class_id])
                if mask is not None:
                    rows &= _inside(found, mask, image)
                found = found.take(rows)
                if 0 < self.most < len(found):
                    found = found.take(np.sort(np.argsort(-found.score, kind="stable")[: self.most]))
                kept.append(found)
            return kept

        return chosen


def _inside(found: Detections, mask: Image, image: Image) -> BoolArray:
    """Which feet lie on what is not black; feet beyond the image are taken to its edge."""
    height, width = image.shape[:2]
    region = cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST) >= 128
    x = ((found.xyxy[:, 0] + found.xyxy[:, 2]) / 2).astype(np.int64).clip(0, width - 1)
    y = found.xyxy[:, 3].astype(np.int64).clip(0, height - 1)
    return np.asarray(region[y, x])
