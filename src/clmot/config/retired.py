"""Settings that are gone or renamed: what configurations and saved runs of before may say, for one release."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import Any

log = logging.getLogger(__name__)

GONE: dict[str, Any] = {
    "adapt.frames_per_second": 5.0,
    "adapt.max_frames": 1000,
    "adapt.max_overlap": 0.3,
    "adapt.min_frames": 10,
    "adapt.neighbour_seconds": 2.0,
    "loss.focal_gamma": 2.0,
    "loss.margin": 0.5,
    "loss.offset_weight": 1.0,
    "loss.queue_size": 8192,
    "model.colour_share": lambda model: 0.35 if "colour" in model.get("levels", ()) else ...,
    "model.head_norm": ...,
    "model.projection": [],
    "model.visible_parts": False,
    "refine.join_seconds": 10.0,
    "refine.join_speed": 3.0,
    "tracker.border_share": 0.0,
    "tracker.class_aware": True,
    "tracker.confidence_weighted": lambda tracker: (
        ... if tracker.get("association") == "overlap" else not tracker.get("published_bookkeeping")
    ),
    "tracker.direction_frames": 3,
    "tracker.duplicate_iou_threshold": lambda tracker: 0.15 if tracker.get("published_bookkeeping") else 0.0,
    "tracker.embedding_momentum": 0.9,
    "tracker.gallery_size": 0,
    "tracker.gated_appearance_threshold": 0.25,
    "tracker.low_score_iou_threshold": 0.5,
    "tracker.noise_rate": ...,
    "tracker.noise_scale_adaptive": False,
    "tracker.proximity_threshold": 0.5,
    "tracker.reentry_threshold": 0.0,
    "tracker.unconfirmed_iou_threshold": 0.7,
    "train.accumulate": 1,
    "train.compile": False,
    "train.gradient_clip": lambda train: math.inf if train.get("optimizer") == "adam" else 10.0,
    "train.log_every": 10,
    "train.sync_batchnorm": True,
    "train.weight_decay": lambda train: 0.0 if train.get("optimizer") == "adam" else 0.01,
    "views.background": 0.0,
    "views.blur": lambda views: 0.2 if views.get("colour", 1) else 0.0,
    "views.brightness": 0.15,
    "views.clip": lambda views: views.get("opposite_mirror", False),
    "views.contrast": 0.15,
    "views.copy_paste": 0.0,
    "views.erase": 0.0,
    "views.hue": 4.0,
    "views.min_visible_share": lambda views: 0.1 if views.get("opposite_mirror") else 0.35,
    "views.mosaic": 0.0,
    "views.off_center": 0.0,
    "views.object_stretch": 0.0,
    "views.occlude": 0.0,
    "views.saturation": 0.15,
    "views.warp": 0.0,
}
"""By name, with the value that means what is done now, perhaps by the others of its section; `...`: any."""


INSTEAD: dict[str, dict[str, str]] = {
    "loss.negatives": {"queue": "sequences"},
    "loss.objective": {"decoupled": "nt_xent", "sigmoid": "nt_xent", "identity_focal": "identity"},
}
"""By name, what stands for values that are gone."""


RENAMED: dict[str, str] = {
    "model.read_out": "pooling",
    "tracker.centring": "mean_subtraction",
    "views.opposite_mirror": "published",
}
"""By name, the key in the same section that says it now."""


def without_retired(changes: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Changes of a configuration without what is no setting any more, and with today's names.

    One line in the log names those that asked for something else than what is done now, and one the new names.

    Args:
        changes: sections of keys and values.
        source: where they came from, named in that line.
    """
    kept: dict[str, Any] = {}
    ignored: list[str] = []
    renamed: list[str] = []
    for section, values in changes.items():
        kept[section] = values
        if isinstance(values, Mapping):
            kept[section] = {}
            for key, value in values.items():
                name = f"{section}.{key}"
                if name in GONE:
                    now = GONE[name](values) if callable(GONE[name]) else GONE[name]
                    ignored += [f"{name}={value}"] if now not in (value, ...) else []
                elif (other := INSTEAD.get(name, {}).get(str(value))) is not None:
                    ignored.append(f"{name}={value} (now {other})")
                    kept[section][key] = other
                else:
                    if name in RENAMED and value:  # one that is off needs no name
                        renamed.append(f"{name} is {section}.{RENAMED[name]}")
                    kept[section][RENAMED.get(name, key)] = value
    if ignored:
        log.warning("%s: no longer a setting, ignored: %s", source, ", ".join(ignored))
    if renamed:
        log.warning("%s: settings with new names: %s", source, ", ".join(renamed))
    return kept
