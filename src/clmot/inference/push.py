"""A model and its card for the Hugging Face Hub."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from clmot._version import __version__
from clmot.config import Config
from clmot.errors import UserError
from clmot.models.saved_model import load_saved_model
from clmot.shipped import find_model
from clmot.shipped.hub import HUB_FILE, hub_address


def push_model(
    model: str | Path,
    repository: str,
    *,
    licence: str,
    data: str,
    scores: Mapping[str, float] | None = None,
    private: bool = False,
    token: str | None = None,
) -> str:
    """Upload a model with its card, `README.md`; `clmot.load_model("hf://OWNER/NAME")` loads it.

    Args:
        model: a run, checkpoint or model file.
        repository: ``OWNER/NAME``, made where there is none.
        licence: of the model, as the Hub abbreviates it: ``apache-2.0``, ``cc-by-nc-4.0``, ``other``.
        data: what it was trained on, and under which terms: a sentence or more for the card.
        scores: names and values for the card.
        private: a new repository is seen by its owner only.
        token: of the Hub; by default the one of ``hf auth login``.

    Returns:
        The address of the commit.

    Raises:
        UserError: there is no such model, the Hub cannot be reached, or it refuses.
    """
    import huggingface_hub
    from huggingface_hub import errors

    address = hub_address(f"hf://{repository.removeprefix('hf://')}")
    assert address is not None
    saved = load_saved_model(find_model(model), weights=False)
    api = huggingface_hub.HfApi(token=token)
    with TemporaryDirectory() as folder:
        (Path(folder) / "README.md").write_text(model_card(saved.config, address[0], licence, data, scores or {}))
        (Path(folder) / HUB_FILE).symlink_to(saved.file.resolve())
        try:
            api.create_repo(address[0], private=private, exist_ok=True)
            commit = api.upload_folder(
                repo_id=address[0], folder_path=folder, commit_message=f"A model of clmot {__version__}"
            )
        except (errors.HfHubHTTPError, errors.LocalTokenNotFoundError, errors.OfflineModeIsEnabled, OSError) as error:
            raise UserError(f"hf://{address[0]}: not uploaded ({str(error).strip().splitlines()[0]:.200})") from error
    return str(commit.commit_url)


def model_card(config: Config, repository: str, licence: str, data: str, scores: Mapping[str, float]) -> str:
    """The card of a model: front matter of the Hub, what it is, how to use it, what it was trained on."""
    front = {
        "library_name": "clmot",
        "license": licence,
        "pipeline_tag": "object-detection",
        "tags": ["multi-object-tracking", "re-identification", "self-supervised"],
    }
    model = config.model
    facts = {
        "Recipe": config.recipe,
        "Encoder": config.detector.name or model.encoder,
        "Input": "x".join(map(str, model.image_size)),
        "Classes": ", ".join(model.classes),
        "Embedding": f"{model.embedding_dimension} numbers",
        "Made by": f"clmot {__version__}",
    }
    name = repository.partition("/")[2]
    tables = [
        _table(facts),
        *([f"## Scores\n\n{_table({key: f'{value:g}' for key, value in scores.items()})}"] if scores else []),
    ]
    use = (
        f"```bash\nclmot track street.mp4 --model hf://{repository} --out results\n```\n\n"
        f'```python\nimport clmot\n\nmodel = clmot.load_model("hf://{repository}")\n```'
    )
    parts = [
        f"---\n{yaml.safe_dump(front, sort_keys=False)}---",
        f"# {name}",
        "A multi-object tracker made by clmot: boxes and embeddings in one pass.",
        use,
        *tables,
        f"## Data\n\n{data}",
    ]
    return "\n\n".join(parts) + "\n"


def _table(rows: Mapping[str, str]) -> str:
    cells = (f"| {name} | {value.replace('|', chr(92) + '|')} |" for name, value in rows.items())
    return "\n".join(["| | |", "|---|---|", *cells])
