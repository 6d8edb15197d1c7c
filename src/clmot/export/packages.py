"""Packages that only exports need."""

import importlib
from typing import Any

from clmot.errors import UserError


def import_extra(package: str, extra: str) -> Any:
    """Import a package of one of clmot's extras.

    Raises:
        UserError: it is not installed; the message names the extra.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise UserError(f"{package} is not installed; pip install 'clmot[{extra}]'") from error
