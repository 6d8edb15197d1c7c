"""KITTI tracking text, a row a box (Geiger et al. 2012).

Columns: frame (0-based), track id, type, truncated, occluded, alpha, left, top, right, bottom (0-based pixels), seven
numbers about the object in space, and in results its score.
"""

from __future__ import annotations

from collections.abc import Sequence

from clmot.structures import TrackedFrame

TYPES = ("Car", "Van", "Truck", "Pedestrian", "Person", "Person_sitting", "Cyclist", "Tram", "Misc")
"""What objects are; ``DontCare`` regions aside."""
COLUMNS = tuple(
    "frame track_id type truncated occluded alpha left top right bottom height width length x y z rotation_y".split()
)

_TYPE_OF = {name.lower(): name for name in TYPES} | {"person": "Pedestrian"}
_NOT_KNOWN = "-1 -1 -10"
_NOT_IN_SPACE = "-1 -1 -1 -1000 -1000 -1000 -10"


def kitti_type(name: str) -> str | None:
    """What KITTI calls a class; None where it has no type for it."""
    return _TYPE_OF.get(name.lower())


def kitti_rows(tracked: TrackedFrame, classes: Sequence[str]) -> str:
    """Results of one frame as KITTI's benchmark takes them, with its own numbers for what is not known.

    Args:
        tracked: the frame.
        classes: class names. Persons are KITTI's pedestrians; what KITTI has no type for is its ``Misc``.
    """
    found = tracked.detections
    rows = zip(
        tracked.track_id.tolist(), found.class_id.tolist(), found.xyxy.tolist(), found.score.tolist(), strict=True
    )
    return "".join(
        f"{tracked.frame - 1} {identity} {kitti_type(classes[kind]) or 'Misc'} {_NOT_KNOWN} "
        f"{left:.3f} {top:.3f} {right:.3f} {bottom:.3f} {_NOT_IN_SPACE} {score:.6f}\n"
        for identity, kind, (left, top, right, bottom), score in rows
    )
