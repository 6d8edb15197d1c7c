"""What an exported file says about itself, so that it can be used without the run it came from."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import safetensors.torch
from safetensors import SafetensorError
from torch import nn

from clmot._version import __version__
from clmot.config import Config
from clmot.errors import UserError
from clmot.models.network import make_embedding_pool


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """Stored as strings beside the graph.

    Attributes:
        config: the configuration, with the classes' names and the input size.
        outputs: what the graph gives.
        any_size: other input sizes than the one in use are possible.
        pool: with maps, the embedding pooling that takes embeddings from them.
        pixels: with embeddings, `clmot.export.crops.Pixels`: what the numbers of its crops are.
        fingerprint: of the model that was exported.
    """

    config: Config
    outputs: Literal["maps", "detections", "embeddings"]
    any_size: bool
    pool: nn.Module | None = None
    pixels: str = ""
    fingerprint: str = ""

    def as_strings(self) -> dict[str, str]:
        """The form in the file; the pooling's weights as safetensors in base 64."""
        weights = safetensors.torch.save(self.pool.state_dict()) if self.pool is not None else b""
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
        config = Config.from_yaml(strings["config"], str(file))
        maps = strings["outputs"] == "maps"
        pool = None
        if maps:
            try:
                weights = safetensors.torch.load(base64.b64decode(strings["read_out"]))
                channels = {
                    int(level.removeprefix("stride")): weights[f"plain.projection.{index}"].shape[1]
                    for index, level in enumerate(config.model.levels)
                    if config.model.pooling == "stripes" and level.startswith("stride")
                }
                pool = make_embedding_pool(config.model, channels).eval()
                pool.load_state_dict(weights)
            except (KeyError, ValueError, RuntimeError, SafetensorError) as error:
                raise UserError(f"{file}: the pooling in its metadata is broken; export it again") from error
        return cls(
            config=config,
            outputs="maps" if maps else "detections",
            any_size=strings.get("any_size") == "true",
            pool=pool,
            fingerprint=strings.get("fingerprint", ""),
        )
