"""`clmot config`: print every setting."""

from __future__ import annotations

import shutil
import textwrap
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from clmot.cli.app import BEGIN, Recipe, app
from clmot.config import load_config
from clmot.config.explain import as_yaml, commented_yaml, explained


@app.command(name="config", group=BEGIN)
def show_config(
    *arguments: Annotated[
        str,
        Parameter(
            name="SETTINGS",
            help="SECTION.KEY=VALUE settings laid over recipe and file; or SECTION.KEY or SECTION alone, to have it "
            "explained.",
        ),
    ],
    recipe: Recipe = None,
    config: Path | None = None,
) -> None:
    """Print every setting as YAML with what it does, to start a file of one's own from; or explain some.

    Examples:

        clmot config > mine.yaml
        clmot config tracker.high_score
        clmot config --recipe demo train.steps=500

    Parameters
    ----------
    config
        YAML file laid over the recipe.
    """
    asked = [argument for argument in arguments if "=" not in argument]
    loaded = load_config(recipe, config, [argument for argument in arguments if "=" in argument])
    if not asked:
        print(commented_yaml(loaded), end="")
        return
    values, width = loaded.as_dict(), min(shutil.get_terminal_size().columns, 100)
    for index, setting in enumerate(each for name in asked for each in explained(name)):
        section, _, key = setting.name.partition(".")
        value = as_yaml(values[section][key])
        print(
            *([""] if index else []), f"{setting.name}: {value}  ({setting.kind}; default {setting.default})", sep="\n"
        )
        print(textwrap.fill(setting.text, width, initial_indent="  ", subsequent_indent="  "))
