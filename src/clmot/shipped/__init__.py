"""Models by name: those that come with the package, and those of the Hugging Face Hub where one is named."""

from importlib import resources
from pathlib import Path

from clmot.shipped.hub import hub_address, hub_model

DEFAULT = "clmot-pedestrian"
"""What `clmot track` uses where no model is named; its card is docs/clmot-pedestrian.md."""

LICENCE = "for research only (CC BY-NC-SA 3.0)"
"""Of what it learned from: the licence file beside it says more."""

NAMES = (DEFAULT,)


def shipped_model(name: str) -> Path | None:
    """The file of the shipped model of that name, None where there is none of it."""
    if name not in NAMES:
        return None
    return Path(str(resources.files(__name__) / f"{name}.safetensors"))


def shipped_graph(name: str | Path) -> Path | None:
    """The same as ONNX, made by ``clmot export NAME --to onnx``: for other runtimes, and where there is no torch."""
    return None if shipped_model(str(name)) is None else Path(str(resources.files(__name__) / f"{name}.onnx"))


def find_model(name: str | Path) -> Path:
    """What a name stands for: the path that it is, if there is one, else a shipped model's or the Hub's, else the path.

    Raises:
        UserError: as `hub_model`.
    """
    path = Path(name)
    if not path.exists() and (address := hub_address(str(name))) is not None:
        return hub_model(*address)
    return path if path.exists() else shipped_model(str(name)) or path
