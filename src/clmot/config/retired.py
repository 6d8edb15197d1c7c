"""Settings that are gone: what configurations and saved runs of before may name, for one release."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

log = logging.getLogger(__name__)

GONE: dict[str, Any] = {
    "tracker.border_share": 0.0,
    "tracker.class_aware": True,
    "tracker.direction_frames": 3,
    "tracker.gallery_size": 0,
    "tracker.noise_scale_adaptive": False,
    "tracker.reentry_threshold": 0.0,
    "views.background": 0.0,
    "views.brightness": 0.15,
    "views.contrast": 0.15,
    "views.copy_paste": 0.0,
    "views.erase": 0.0,
    "views.hue": 4.0,
    "views.mosaic": 0.0,
    "views.object_stretch": 0.0,
    "views.saturation": 0.15,
    "views.warp": 0.0,
}
"""By name, with the value that means what is done now."""


def without_retired(changes: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Changes of a configuration without what is no setting any more.

    One line in the log names those that asked for something else than what is done now.

    Args:
        changes: sections of keys and values.
        source: where they came from, named in that line.
    """
    kept: dict[str, Any] = {}
    ignored: list[str] = []
    for section, values in changes.items():
        kept[section] = values
        if isinstance(values, Mapping):
            ignored += [
                f"{section}.{key}={value}"
                for key, value in values.items()
                if f"{section}.{key}" in GONE and value != GONE[f"{section}.{key}"]
            ]
            kept[section] = {key: value for key, value in values.items() if f"{section}.{key}" not in GONE}
    if ignored:
        log.warning("%s: no longer a setting, ignored: %s", source, ", ".join(ignored))
    return kept
