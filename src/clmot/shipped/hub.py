"""Models of the Hugging Face Hub: ``hf://OWNER/NAME``, or ``hf://OWNER/NAME@REVISION``."""

from __future__ import annotations

import re
from pathlib import Path

from clmot.errors import UserError

HUB_FILE = "model.safetensors"
# a path of the command line has lost one of the strokes
_ADDRESS = re.compile(r"hf:/{1,2}([\w.-]+/[\w.-]+?)(?:@([\w./-]*[\w.-]))?/?")


def hub_address(name: str) -> tuple[str, str | None] | None:
    """Repository and revision of an address of the Hub, None where it is none.

    Raises:
        UserError: it begins as one and goes on otherwise.
    """
    if not name.startswith("hf:"):
        return None
    found = _ADDRESS.fullmatch(name)
    if found is None:
        raise UserError(f"{name}: a model of the Hub is hf://OWNER/NAME, or hf://OWNER/NAME@REVISION")
    return found[1], found[2]


def hub_model(repository: str, revision: str | None = None) -> Path:
    """The model file of a repository, downloaded once into the Hub's cache.

    Only ``model.safetensors`` is fetched: weights and configuration as text, nothing that is executed.

    Raises:
        UserError: there is no such repository or file, it cannot be reached and is not in the cache, or
            huggingface-hub is not installed.
    """
    address = f"hf://{repository}" + (f"@{revision}" if revision else "")
    try:
        import huggingface_hub
        from huggingface_hub import errors
    except ImportError as error:
        raise UserError(f"{address}: needs pip install huggingface-hub, or the file itself") from error
    try:
        return Path(huggingface_hub.hf_hub_download(repository, HUB_FILE, revision=revision))
    except errors.GatedRepoError as error:
        raise UserError(
            f"{address}: its owner asks for consent; give it on the page of the model, then hf auth login"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise UserError(f"{address}: there is no such model, or it is private (hf auth login)") from error
    except errors.RevisionNotFoundError as error:
        raise UserError(f"{address}: there is no such revision") from error
    except errors.LocalEntryNotFoundError as error:
        raise UserError(f"{address}: is not in the cache, and the Hub cannot be reached") from error
    except errors.EntryNotFoundError as error:
        raise UserError(f"{address}: holds no {HUB_FILE}; was it made by push_to_hub?") from error
    except (errors.HfHubHTTPError, OSError) as error:
        raise UserError(f"{address}: cannot be downloaded ({str(error).splitlines()[0]:.200})") from error
