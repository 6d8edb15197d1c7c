"""The methods of a comparison: named sets of settings that say how the embedding is taught, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clmot.config import Config
from clmot.errors import UserError, did_you_mean

OURS = "ours"
MOTION = "motion only"
"""Needs no training of its own: the detections of another method, associated by motion."""

Settings = Mapping[str, Any]
"""Nested settings as in a configuration file: ``{"loss": {"temperature": 0.5}}``."""

_SUPERVISED: Settings = {"data": {"identities": True}, "loss": {"objective": "identity"}}
_POINT: Settings = {"model": {"pooling": "center", "embedding_dimension": 128}}

# the embedding's part of the recipe `paper`; detection, network and optimiser are everybody's
_PUBLISHED: Settings = {
    "model": {"pooling": "center", "embedding_dimension": 512},
    "views": {
        "published": True,
        "hsv": 0.5,
        "colour": 0,
        "aspect": 0,
        "scale": [0.5, 1.2],
        "shift": 0.1,
        "rotate": 5,
    },
    "loss": {"temperature": 0.5, "negatives": "frame", "detection_views": "first", "task_weights": "fixed"},
}

METHODS: dict[str, Settings] = {
    OURS: {},
    "supervised": _SUPERVISED,
    "NT-Xent as published": _PUBLISHED,
    "instance classes": {"loss": {"objective": "instance"}},
    "none": {"loss": {"objective": "none"}},
    MOTION: {},
    "contrast with identities": {"data": {"identities": True}},
    "ours, tracklets": {
        "data": {"tracklets": True},
        "views": {"neighbour": 0.7, "neighbour_frames": 60},
    },
    "supervised, centre point": {**_SUPERVISED, **_POINT},
    "triplet": {"loss": {"objective": "triplet"}},
    "triplet, hard": {"loss": {"objective": "triplet_hard"}},
    "negatives of the frame": {"loss": {"negatives": "frame"}},
}
"""Methods that a comparison can name without saying what they are."""

DEFAULT_METHODS = (OURS, "supervised", "NT-Xent as published", "instance classes", "none", MOTION)

COMMON = ("data", "detect", "tracker", "refine", "train.steps", "train.epochs", "train.batch_size", "train.seed")
"""Sections and settings that every method of a fair comparison shares, besides where the network starts from."""
_NETWORK = ("model.encoder", "model.encoder_options", "model.pretrained", "model.image_size", "model.neck")
_OWN = ("data.identities", "data.identity_share", "data.tracklets")


@dataclass(frozen=True, kw_only=True)
class Method:
    """One way to teach the embedding.

    Attributes:
        name: its row in the report.
        settings: laid over what all methods have in common.
        share: of the identities, how many it was given as part of a label budget; None outside of one.
    """

    name: str
    settings: Settings
    share: float | None = None

    def config(self, common: Config) -> Config:
        """The method's whole configuration.

        Raises:
            UserError: a setting is faulty, or one that all methods must share.
        """
        where = f"method '{self.name}'"
        config = common.updated(self.settings, where)
        for path in _names(self.settings):
            shared = any(path == each or path.startswith(f"{each}.") for each in (*COMMON, *_NETWORK))
            if shared and path not in _OWN:
                raise UserError(f"{where}: {path} must be the same for every method; put it under 'settings'")
        return config


def known_identities(config: Config) -> float:
    """Share of the training identities that a configuration lets its training see."""
    return config.data.identity_share if config.data.identities else 0.0


def find_method(name: str, changes: Settings | None = None) -> Method:
    """A method by name: a built-in one, or ``like`` one and changed.

    Args:
        name: of the method.
        changes: nested settings; ``like`` names the built-in method they change (by default `OURS`).

    Raises:
        UserError: there is no such built-in method.
    """
    changes = dict(changes or {})
    base = str(changes.pop("like", OURS if changes and name not in METHODS else name))
    if base not in METHODS:
        raise UserError(
            f"method '{name}': no built-in method '{base}'{did_you_mean(base, METHODS)}; known: {', '.join(METHODS)}; "
            "for one of your own give its settings"
        )
    return Method(name=name, settings=merged(METHODS[base], changes))


def budget_methods(base: str, shares: list[float]) -> list[Method]:
    """A method with a smaller share of the identities each; share 0 is `OURS`, which needs no method of its own."""
    method = find_method(base)
    return [
        Method(
            name=f"{base}, {100 * share:g} % of identities",
            settings=merged(method.settings, {"data": {"identities": True, "identity_share": share}}),
            share=share,
        )
        for share in shares
        if share > 0
    ]


def merged(base: Settings, changes: Settings) -> dict[str, Any]:
    """Nested settings with others laid over them."""
    result = dict(base)
    for key, value in changes.items():
        before = result.get(key)
        result[key] = merged(before, value) if isinstance(before, Mapping) and isinstance(value, Mapping) else value
    return result


def _names(settings: Settings) -> list[str]:
    """``section.key`` of all settings."""
    return [f"{section}.{key}" for section, values in settings.items() for key in values]
