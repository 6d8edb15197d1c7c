"""Where a run's weights come from: an encoder's pretrained ones, another run, or another code base's checkpoint."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

from clmot.config import ModelConfig
from clmot.errors import UserError
from clmot.io.atomic import write_whole_text
from clmot.models.attached import AttachedNetwork, CropHead
from clmot.models.encoder import initialise_encoder
from clmot.models.fairmot_import import read_legacy
from clmot.models.network import Network
from clmot.models.saved_model import MODEL_FILE, find_checkpoint, is_model_file, load_saved_model
from clmot.models.yolox import NAME, Darknet, Pyramid, load_yolox
from clmot.shipped import find_model
from clmot.training.checkpoint import save_checkpoint

log = logging.getLogger(__name__)


def initialise(network: Network | AttachedNetwork, config: ModelConfig) -> None:
    """Give a new network what `config.pretrained` names: an encoder's weights, or those of another run.

    Raises:
        UserError: they cannot be had, or nothing of them fits.
    """
    path = find_model(config.pretrained)
    if path.is_dir() or path.name == MODEL_FILE or is_model_file(path):
        start_from(network, path)
        return
    part = network.head if isinstance(network, AttachedNetwork) else network
    if isinstance(part, Network | CropHead) and path.suffix == ".onnx":
        if not isinstance(part.encoder.body, Darknet):
            raise UserError(f"model.pretrained: {path} is for model.encoder={NAME}")
        neck = part.neck if isinstance(part, Network) and isinstance(part.neck, Pyramid) else None
        log.info(load_yolox(path, part.encoder.body, neck, config.classes))
    elif isinstance(part, Network | CropHead):
        initialise_encoder(part.encoder, config.encoder, config.encoder_options, config.pretrained)


def start_from(network: Network | AttachedNetwork, path: Path) -> None:
    """Take what fits, by name and shape, from another run; what starts anew and what is left over is logged.

    Args:
        network: changed in place.
        path: a run folder, one of its checkpoints, or a model file.

    Raises:
        UserError: there is no model, or nothing of its encoder fits.
    """
    saved, state = load_saved_model(path), network.state_dict()
    fitting = {
        name: value
        for name, value in saved.weights.items()
        if name in state and state[name].shape == value.shape and not name.endswith("num_batches_tracked")
    }
    if not any(name.startswith(("encoder.", "head.")) for name in fitting):
        raise UserError(f"{saved.file}: its encoder is {saved.config.model.encoder}: nothing of it fits this network")
    network.load_state_dict(state | fitting)
    log.info("%d tensors from %s", len(fitting), saved.file)
    for what, names in (("start anew", state), ("of the file are left out", saved.weights)):
        others = [name for name in names if name not in fitting and not name.endswith("num_batches_tracked")]
        if others:
            log.warning("%d tensors %s: %s", len(others), what, ", ".join(others))


def import_weights(
    file: str | Path,
    out: str | Path,
    *,
    recipe: str | None = None,
    classes: Sequence[str] = (),
    overrides: Iterable[str] = (),
) -> str:
    """Make a run folder of a checkpoint of FairMOT, CL-MOT or CenterNet, to track with or to start training from.

    Args:
        file: the PyTorch file.
        out: the run folder.
        recipe: as `clmot.models.fairmot_import.read_legacy` has it, and so are the other arguments.
        classes: names of the classes.
        overrides: ``section.key=value`` strings.

    Returns:
        One line that says what was read.

    Raises:
        UserError: the file or the settings do not fit, or the run folder holds a model already.

    Examples:
        >>> clmot.import_weights("fairmot_dla34.pth", "runs/fairmot")  # doctest: +SKIP
    """
    file, out = Path(file), Path(out)
    if found := find_checkpoint(out):
        raise UserError(f"{out}: already holds {found.name}; choose another --out")
    model = read_legacy(file, recipe=recipe, classes=classes, overrides=overrides)
    save_checkpoint(out, 0, model.config, model.network.state_dict(), state=None)
    write_whole_text(out / "config.yaml", model.config.to_yaml(), "the configuration")
    return model.summary
