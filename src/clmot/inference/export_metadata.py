"""What an exported file says about itself, so that it can be used without the run it came from."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from clmot._version import __version__
from clmot.config import Config
from clmot.errors import UserError
from clmot.inference.read_out import Array, Pool, make_pool


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """Stored as strings beside the graph.

    Attributes:
        config: the configuration, with the classes' names and the input size.
        outputs: what the graph gives.
        any_size: other input sizes than the one in use are possible.
        weights: with maps, of the embedding pooling that takes embeddings from them.
        pool: made of these, when read.
        pixels: with embeddings, `clmot.export.crops.Pixels`: what the numbers of its crops are.
        fingerprint: of the model that was exported.
    """

    config: Config
    outputs: Literal["maps", "detections", "embeddings"]
    any_size: bool
    weights: Mapping[str, Array] = field(default_factory=dict)
    pool: Pool | None = None
    pixels: str = ""
    fingerprint: str = ""

    def as_strings(self) -> dict[str, str]:
        """The form in the file; the pooling's weights as safetensors in base 64."""
        weights = safetensors.numpy.save({name: _shortest(each) for name, each in self.weights.items()})
        return {
            "format": "clmot",
            "version": __version__,
            "outputs": self.outputs,
            "any_size": str(self.any_size).lower(),
            "classes": ",".join(self.config.model.classes),
            "config": self.config.to_yaml(),
            "read_out": base64.b64encode(weights).decode(),
            "pixels": self.pixels,
            "fingerprint": self.fingerprint,
        }

    @classmethod
    def from_strings(cls, strings: dict[str, str], file: Path) -> Metadata:
        """What `as_strings` gave.

        Raises:
            UserError: the file is none of clmot's, or broken, or only embeds crops.
        """
        if strings.get("format") == "clmot" and strings.get("outputs") == "embeddings":
            raise UserError(f"{file}: embeds crops, for trackers of others; export the model without --crops")
        if strings.get("format") != "clmot" or strings.get("outputs") not in ("maps", "detections"):
            raise UserError(f"{file}: not made by clmot export (its metadata say nothing of clmot)")
        if "config" not in strings:
            raise UserError(f"{file}: its metadata lack the configuration; export it again")
        config = Config.from_yaml(strings["config"], str(file))
        weights: Mapping[str, Array] = {}
        pool = None
        if strings["outputs"] == "maps":
            try:
                stored = safetensors.numpy.load(base64.b64decode(strings["read_out"]))
                weights = {name: each.astype(np.float32) for name, each in stored.items()}
                pool = make_pool(config.model, weights)
            except (KeyError, ValueError, SafetensorError) as error:
                raise UserError(f"{file}: the pooling in its metadata is broken; export it again") from error
        return cls(
            config=config,
            outputs="maps" if pool else "detections",
            any_size=strings.get("any_size") == "true",
            weights=weights,
            pool=pool,
            fingerprint=strings.get("fingerprint", ""),
        )


def _shortest(values: Array) -> Array:
    """The same numbers in float16 where that holds them."""
    with np.errstate(over="ignore"):
        half = values.astype(np.float16)
    return half if (half == values).all() else np.ascontiguousarray(values)
