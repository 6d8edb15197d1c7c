"""`clmot config`: print every setting."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from clmot.cli.app import BEGIN, Recipe, app
from clmot.config import load_config


@app.command(name="config", group=BEGIN)
def show_config(
    *overrides: Annotated[str, Parameter(help="SECTION.KEY=VALUE settings laid over recipe and file.")],
    recipe: Recipe = None,
    config: Path | None = None,
) -> None:
    """Print every setting as YAML, to look at or to start a file of one's own from.

    Examples:

        clmot config > mine.yaml
        clmot config --recipe demo train.steps=500

    Parameters
    ----------
    config
        YAML file laid over the recipe.
    """
    print(load_config(recipe, config, overrides).to_yaml(), end="")
