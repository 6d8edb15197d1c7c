"""What other packages call detections, to ours and back. None of them is imported to be read from.

=========================== =========================================================================================
`clmot.Detections`          as it is
`supervision.Detections`    ``xyxy``, ``confidence``, ``class_id``, embeddings in ``data["embedding"]``, corners of
                            oriented boxes in ``data["xyxyxyxy"]``, and what else of numbers is in ``data``
ultralytics ``Results``     one image's: ``boxes.xyxy``, ``boxes.conf``, ``boxes.cls``; on any device; of oriented
                            boxes those of ``obb``, with ``xyxyxyxy`` as corners; and ``keypoints.data``
arrays, tensors, lists      [n, 4] boxes (x1, y1, x2, y2), [n, 5] with scores, [n, 6] with classes, as boxmot's
=========================== =========================================================================================

Where there are no scores, every score is 1; where there are no classes, all are of class 0. Boxes without area and
boxes or scores that are not finite are left out and counted (`clmot.io.box_input`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clmot.boxes import as_numbers
from clmot.errors import UserError, reason_of
from clmot.io.box_input import usable
from clmot.row_data import CORNERS, KEYPOINTS, RowData, checked, rows_of
from clmot.structures import Detections, Int64Array, TrackedFrame

AnyDetections = Any
"""Whatever `as_detections` takes."""

_NOTHING: Counter[str] = Counter()
_THEIRS = {"xyxyxyxy": CORNERS}
"""What supervision calls our data."""

_TAKEN = (
    "clmot.Detections, supervision.Detections, one of ultralytics' Results, or an array [n, 4] of xyxy boxes, "
    "[n, 5] with scores or [n, 6] with scores and classes"
)


class Taken(NamedTuple):
    """What was taken of somebody's detections.

    Attributes:
        detections: the rows that can be tracked.
        rows: int64 [n], their rows in what was given; None where these are all.
        left_out: how many others there were, by reason.
    """

    detections: Detections
    rows: Int64Array | None
    left_out: Counter[str]


def as_detections(found: AnyDetections) -> Detections:
    """The detections of `take_detections` alone."""
    return take_detections(found).detections


def take_detections(found: AnyDetections) -> Taken:
    """Detections of one image, from whatever says what was found in it.

    Args:
        found: see above. An embedding goes with an array by ``Detections(xyxy=..., score=..., class_id=...,
            embedding=...)``.

    Raises:
        TypeError: it is something else.
        ValueError: an array of another shape; a class that is not a whole number.
    """
    if isinstance(found, Detections):
        return Taken(found, None, _NOTHING)
    if hasattr(found, "xyxy") and hasattr(found, "confidence"):
        data = {_THEIRS.get(name, name): value for name, value in (getattr(found, "data", None) or {}).items()}
        numbers = {name: value for name, value in data.items() if np.asarray(value).dtype.kind in "biuf"}
        embedding = numbers.pop("embedding", None)
        return _detections(found.xyxy, found.confidence, getattr(found, "class_id", None), embedding, numbers)
    boxes, data = boxes_of_results(found)
    if boxes is None and found is not None:
        raise TypeError("these Results hold no boxes (of a model that classifies?)")
    if hasattr(boxes, "xyxy") and hasattr(boxes, "conf"):
        return _detections(boxes.xyxy, boxes.conf, getattr(boxes, "cls", None), data=data)
    if isinstance(found, list | tuple) and any(hasattr(item, "boxes") or hasattr(item, "xyxy") for item in found):
        raise TypeError(f"detections are those of one image, got a list of {len(found)}: give them one by one ([0])")
    if isinstance(found, list | tuple) or hasattr(found, "shape"):
        return _from_array(_as_array(found))
    raise TypeError(f"cannot take detections from {type(found).__name__}; give {_TAKEN}")


def boxes_of_results(found: Any) -> tuple[Any, dict[str, Any]]:
    """Boxes of ultralytics' Results of whatever task, and what else there is of each; other values as they are."""
    boxes, oriented = getattr(found, "boxes", found), getattr(found, "obb", None)
    points = getattr(getattr(found, "keypoints", None), "data", None)
    data = {} if points is None else {KEYPOINTS: points}
    return (boxes, data) if boxes is not None or oriented is None else (oriented, {**data, CORNERS: oriented.xyxyxyxy})


def to_supervision(tracked: TrackedFrame) -> Any:
    """The frame as ``supervision.Detections`` with ``tracker_id``, for its annotators, zones and counters.

    Raises:
        UserError: the package is not installed.
    """
    try:
        import supervision
    except ImportError as error:
        raise UserError("supervision is not installed: pip install supervision") from error
    found = tracked.detections
    ours = {name: theirs for theirs, name in _THEIRS.items()}
    data = {ours.get(name, name): value for name, value in (found.data or {}).items()}
    if found.embedding is not None:
        data["embedding"] = found.embedding
    return supervision.Detections(
        xyxy=found.xyxy.copy(),
        confidence=found.score.copy(),
        class_id=found.class_id.copy(),
        tracker_id=tracked.track_id.copy(),
        data={name: value.copy() for name, value in data.items()},
    )


def _from_array(table: npt.NDArray[Any]) -> Taken:
    if table.size == 0:
        table = table.reshape(0, 6)
    if table.ndim != 2 or not 4 <= table.shape[1] <= 6:
        raise ValueError(f"cannot take detections from an array {list(table.shape)}; give {_TAKEN}")
    columns: list[Any] = [table[:, part] for part in (slice(4), 4, 5)[: table.shape[1] - 3]]
    return _detections(*columns)


def _detections(
    xyxy: Any, score: Any = None, class_id: Any = None, embedding: Any = None, data: Mapping[str, Any] | None = None
) -> Taken:
    with np.errstate(over="ignore"):
        boxes = _as_array(xyxy).astype(np.float32)
        scores = (np.ones(len(boxes)) if score is None else _as_array(score)).astype(np.float32)
    classes: Any = np.zeros(len(boxes)) if class_id is None else _as_array(class_id)
    embedding_rows: Any = None if embedding is None else _as_array(embedding)
    others: RowData | None = checked(data, len(boxes)) if data else None
    rows = None
    left_out = _NOTHING
    columns = [scores, classes] if embedding_rows is None else [scores, classes, embedding_rows]
    if boxes.ndim == 2 and boxes.shape[1] == 4 and all(each.shape[:1] == boxes.shape[:1] for each in columns):
        # else `Detections` says what is wrong
        kept, left_out = usable(boxes, scores)
        if left_out:
            rows = kept.nonzero()[0]
            boxes, scores, classes = boxes[rows], scores[rows], classes[rows]
            embedding_rows = embedding_rows if embedding_rows is None else embedding_rows[rows]
            others = rows_of(others, rows)
    found = Detections(xyxy=boxes, score=scores, class_id=classes, embedding=embedding_rows, data=others)
    return Taken(found, rows, left_out)


def _as_array(values: Any) -> npt.NDArray[Any]:
    try:
        return as_numbers(values)
    except ValueError as error:
        raise ValueError(f"cannot take detections from these values ({reason_of(error)}); give {_TAKEN}") from error
