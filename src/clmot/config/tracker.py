"""Constants of the association, and published sets of them by name.

Every part of the association is a switch of its own, so that a preset is nothing but values.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any, Literal, get_args, get_type_hints

from clmot.errors import UserError, did_you_mean, require

Family = Literal["detector", "heatmap", "rescaled"]
"""What gives scores: a detector with chances of objects (YOLO, SSD), the heatmaps of our own networks, or a file of
another scale (`clmot.apps.track.external_detections.rescaled`)."""

SCORES: dict[Family, tuple[float, float, float]] = {
    "detector": (0.5, 0.1, 0.6),
    "heatmap": (0.4, 0.2, 0.5),
    "rescaled": (0.3, 0.1, 0.3),
}
"""`high_score`, `low_score` and `new_track_score` that suit them (docs/tracking.md has the table)."""

STEPS_A_SECOND = 12.0
"""Of the motion filter, however many frames a second there are (docs/experiments.md)."""

_SHARES = (
    "high_score",
    "low_score",
    "new_track_score",
    "new_track_overlap",
    "appearance_weight",
    "appearance_trust",
    "motion_only_iou_threshold",
    "iou_threshold",
    "recovery_iou_threshold",
    "direction_weight",
    "lost_overlap_weight",
)
_LEAST = {
    "confirm_frames": 1,
    "lost_seconds": 0,
    "max_aspect": 0,
    "mean_subtraction": 0,
    "min_area": 0,
    "nearest_distance": 0,
}
_COSINES = ("appearance_threshold",)


@dataclass(frozen=True, kw_only=True)
class TrackerConfig:
    """Which detections may join which tracks, in which order, and how long a track lives.

    Distances: IoU distance is one minus the intersection over union; cosine distance is one minus the cosine. A stage
    with threshold 0 does not take place.

    Examples:
        >>> clmot.TrackerConfig.named("byte").association
        'overlap'
    """

    high_score: float = SCORES["detector"][0]
    """Detections at least this sure take part in the first two stages (FairMOT: 0.4, CL-MOT: 0.6)."""
    low_score: float = SCORES["detector"][1]
    """Detections between this and `high_score` may continue a track by overlap alone (ByteTrack's second stage); equal
    to `high_score`, there are none."""
    new_track_score: float = SCORES["detector"][2]
    """An unmatched detection at least this sure starts a track."""
    new_track_overlap: float = 0.5
    """None is started in the place of another: where the detection overlaps one that a track got, or a surer one, by
    this IoU or more; 1: always (the published trackers)."""

    association: Literal["fused", "gated", "overlap"] = "fused"
    """First stage. fused: cosine distance plus a little Mahalanobis distance, gated by the latter (FairMOT). gated: IoU
    distance, or half the cosine distance where that is less and boxes are near each other (BoT-SORT). overlap: IoU
    distance (SORT, ByteTrack, OC-SORT); so are the others where there are no embeddings."""
    appearance: bool = True
    """Use embeddings where the detections have them; off is motion only."""
    appearance_trust: float = 0.4
    """fused and gated: embeddings are used as soon as and while tracks and detections are each other's nearest by so
    much more often than by chance (`clmot.tracking.trust`): those that tell nobody apart do no harm; 0 is always."""
    appearance_threshold: float = 0.85
    """fused: largest cost of a match, `appearance_weight` x cosine distance + the rest x Mahalanobis distance. Without
    `mean_subtraction` distances are less (CL-MOT: 0.7; FairMOT's 0.4 suits embeddings trained with identities)."""
    appearance_weight: float = 0.95
    """fused: share of the cosine distance in the cost (FairMOT: 0.98)."""
    lost_overlap_weight: float = 0.3
    """fused: weight of the IoU distance that is added to the cost of tracks not seen in the last frame: their gate
    grows, and looks alone would decide (FairMOT: 0)."""
    motion_only_iou_threshold: float = 0.8
    """gated and overlap: largest cost of a first-stage match (ByteTrack)."""
    fuse_score: bool = True
    """Multiply overlaps of the first stage, and of the one for unconfirmed tracks, by the detection's score
    (ByteTrack)."""
    height_overlap: bool = True
    """Multiply first-stage overlaps by that of the boxes' extents from top to bottom, which tells people behind each
    other apart (Hybrid-SORT's height-modulated IoU)."""
    direction_weight: float = 0.2
    """Weight of how well a detection lies in the direction that a track was seen to move in, in first-stage overlap
    costs, over three frames; 0 is off (OC-SORT's observation-centric momentum: 0.2)."""

    iou_threshold: float = 0.5
    """Largest IoU distance of a second-stage match, of sure detections with tracks seen in the last frame (FairMOT)."""
    recovery_iou_threshold: float = 0.6
    """Largest IoU distance between a sure detection and the place where a track was last seen (OC-SORT's
    observation-centric recovery: 0.7)."""
    nearest_distance: float = 1.0
    """A sure detection that overlaps no track goes to the nearest that is unconfirmed, up to so many of its sizes (the
    mean of the sides, or the width) away, or that was seen in the last frame, as far as its filter deems possible; 0:
    off."""
    published_bookkeeping: bool = False
    """As the code of FairMOT, ByteTrack and BoT-SORT has it: tracks not yet confirmed are expected where they were
    seen; a track can be found again in the frame after the one in which it ended (and then ends at once when it is lost
    again); of a seen and a lost track that overlap by 0.85, the one ends that was followed for a shorter time; sides
    are a pixel longer where overlaps are measured; and all detections change a track's embedding alike. Without it, the
    less sure change it less (Deep OC-SORT's dynamic appearance)."""

    camera: Literal["auto", "none", "sparse-flow", "ecc", "file"] = "auto"
    """Where the camera's motion comes from, by which tracks are moved before they are matched: the images (sparse
    optical flow, or the slower ECC; these need the image of every frame in `Tracker.update`), or the matrices of
    `camera_file`. auto: sparse flow where images are given."""
    camera_file: str = ""
    """Text file with the camera's motion, one line for each frame, for `camera` file."""
    observation_reupdate: bool = False
    """When a lost track is found again, let its filter walk the straight line between the two observations, instead of
    keeping the velocity it drifted with (OC-SORT's observation-centric re-update)."""

    mean_subtraction: float = 2.0
    """Running mean subtraction: the mean of all embeddings of the video so far is taken out of each, as what they have
    in common tells no two objects apart. So many identities with an embedding of zeros are in the mean from the
    beginning; 0 is off (FairMOT)."""

    boxes: Literal["detection", "filter"] = "detection"
    """Which box of a track is given out: the detection's own, or the filter's belief (FairMOT, ByteTrack)."""

    confirm_frames: int = 2
    """Frames running in which a track is seen before it gets its id; tracks of a video's first frame get it at once."""
    lost_seconds: float = 2.0
    """How long a track is kept unseen, one frame at least unless this is 0 (FairMOT: 30 frames at 30 frames/s, which is
    one second)."""
    max_aspect: float = 0.0
    """Boxes wider than this times their height are not shown, though tracked; 0 shows all. FairMOT, ByteTrack and
    others leave out of their results what is wider than 1.6, for they know standing people only."""
    min_area: float = 0.0
    """Boxes of at most this area in pixels are not shown, though tracked (FairMOT: 100, CL-MOT: 200)."""
    frame_rate: float = 30.0
    """Frames a second of the video; `clmot track` sets it from the source."""

    def __post_init__(self) -> None:
        for name, kind in _KINDS.items():
            value, choices = getattr(self, name), get_args(kind)  # of a Literal
            fits = value in choices if choices else isinstance(value, _ANY.get(kind, kind))
            fits = fits and (kind is bool or not isinstance(value, bool))
            require(fits, f"tracker.{name} is {value!r}, expected {', '.join(choices) or kind.__name__}")
        for names, largest in ((_SHARES, 1), (_COSINES, 2)):
            for name in names:
                value = getattr(self, name)
                require(0 <= value <= largest, f"tracker.{name} must be in [0, {largest}], got {value}")
        for name, least in _LEAST.items():
            value = getattr(self, name)
            require(least <= value < math.inf, f"tracker.{name} must be >= {least}, got {value}")
        require(0 < self.frame_rate < math.inf, f"tracker.frame_rate must be > 0, got {self.frame_rate}")
        require(
            (self.camera == "file") == bool(self.camera_file),
            f"tracker.camera_file goes with tracker.camera=file; got camera {self.camera!r}, file {self.camera_file!r}",
        )

    @staticmethod
    def named(name: str, **changes: Any) -> TrackerConfig:
        """One of the `PRESETS`, with other values for some of its fields; ByteTrack and BoT-SORT are names of two.

        Raises:
            UserError: there is none of that name, or a value is out of range.
        """
        written = re.sub(r"[-_]|track$", "", str(name).lower())
        if written not in PRESETS:
            raise UserError(
                f"unknown tracker preset '{name}'{did_you_mean(str(name), PRESETS)}; known: {', '.join(PRESETS)}"
            )
        return replace(PRESETS[written], **changes)

    def at(self, frame_rate: float | None) -> TrackerConfig:
        """The same constants for a video of so many frames a second; None where nobody says how many."""
        return self if frame_rate is None else replace(self, frame_rate=frame_rate)

    @property
    def uses_embeddings(self) -> bool:
        """Whether embeddings make a difference; they need not be read where they do not."""
        return self.appearance and self.association != "overlap"

    @property
    def scores(self) -> tuple[float, float, float]:
        """High, low, and that of a new track."""
        return self.high_score, self.low_score, self.new_track_score

    def suited(self, family: Family) -> TrackerConfig:
        """This with the scores of another family, if it has those of one; what somebody chose stays."""
        if self.scores not in SCORES.values():
            return self
        high, low, new = SCORES[family]
        return replace(self, high_score=high, low_score=low, new_track_score=new)

    @property
    def steps_a_second(self) -> float:
        """Steps of the motion filter, whose noise is that of one; the published trackers have one for each frame."""
        by_frame = self.published_bookkeeping or self.observation_reupdate
        return self.frame_rate if by_frame else STEPS_A_SECOND

    @property
    def lost_frames(self) -> int:
        """How many frames a track is kept unseen."""
        from clmot.io.frame_choice import frames_in  # not for the help of the command line, which needs no NumPy

        return frames_in(self.lost_seconds, self.frame_rate)


_KINDS = get_type_hints(TrackerConfig)
_ANY: dict[Any, Any] = {float: Real, int: Integral}

_BEFORE_OC_SORT: dict[str, Any] = {
    "mean_subtraction": 0.0,
    "height_overlap": False,
    "new_track_overlap": 1.0,
    "direction_weight": 0.0,
    "recovery_iou_threshold": 0.0,
    "published_bookkeeping": True,
    "boxes": "filter",
    "lost_seconds": 1.0,
    "appearance_trust": 0.0,
    "nearest_distance": 0.0,
}
"""What FairMOT and its direct descendants have in common."""

PRESETS: dict[str, TrackerConfig] = {
    "clmot": TrackerConfig(),
    "fairmot": TrackerConfig(
        high_score=0.4,
        low_score=0.4,
        new_track_score=0.4,
        appearance_threshold=0.4,
        appearance_weight=0.98,
        lost_overlap_weight=0.0,
        fuse_score=False,
        camera="none",
        **_BEFORE_OC_SORT,
    ),
    "byte": TrackerConfig(
        association="overlap",
        high_score=0.6,
        low_score=0.1,
        new_track_score=0.7,
        fuse_score=True,
        iou_threshold=0.0,
        camera="none",
        **_BEFORE_OC_SORT,
    ),
    "botsort": TrackerConfig(
        association="gated",
        high_score=0.6,
        low_score=0.1,
        new_track_score=0.7,
        fuse_score=True,
        iou_threshold=0.0,
        camera="sparse-flow",
        **_BEFORE_OC_SORT,
    ),
    "ocsort": TrackerConfig(
        association="overlap",
        high_score=0.6,
        low_score=0.6,
        new_track_score=0.6,
        motion_only_iou_threshold=0.7,
        fuse_score=False,
        height_overlap=False,
        new_track_overlap=1.0,
        direction_weight=0.2,
        iou_threshold=0.0,
        recovery_iou_threshold=0.7,
        observation_reupdate=True,
        camera="none",
        confirm_frames=3,
        lost_seconds=1.0,
        appearance_trust=0.0,
        nearest_distance=0.0,
    ),
}
"""Trackers by name: ours; FairMOT (Zhang et al. 2021) and ByteTrack (Zhang et al. 2022), equal to their code in what
they match and show, one class at a time; and in the manner of BoT-SORT (Aharon et al. 2022) and OC-SORT (Cao et al.
2023): docs/tracking.md says what differs. Scores are those that their detectors give: other detectors want other
`high_score`, `low_score` and `new_track_score`."""
