"""Encoders: any timm model with `features_only`, and where its weights come from."""

import difflib
import logging
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

import huggingface_hub
import timm
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from clmot.errors import UserError, reason_of
from clmot.models import yolox

log = logging.getLogger(__name__)

STRIDES = (4, 8, 16, 32)

NARROW: dict[str, tuple[str, dict[str, Any]]] = {
    "resnet18d-narrow": ("resnet18d", {"channels": (32, 64, 96, 128), "stem_width": 8}),
}
"""Encoders of ours: a timm model and the arguments that make it narrower. Pretrained weights do not fit them."""


def timm_encoder(name: str, options: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The timm model and its keyword arguments that an encoder's name and options stand for."""
    model, narrowing = NARROW.get(name, (name, {}))
    return model, {**narrowing, **options}


class Encoder(nn.Module):
    """A timm encoder cut down to its feature maps at strides 4, 8, 16 and 32.

    Args:
        name: timm model name, or one of `NARROW`.
        options: keyword arguments for `timm.create_model`.

    Attributes:
        channels: channels of the four maps.
        mean, std: the pixel statistics that the encoder's pretrained weights expect, in [0, 1].

    Raises:
        UserError: timm does not know the name, or the model has no maps at these strides.
    """

    def __init__(self, name: str, options: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.body: nn.Module
        self.mean: tuple[float, ...]
        self.std: tuple[float, ...]
        if name == yolox.NAME:
            self.body, self.indices = yolox.Darknet(), list(range(len(STRIDES)))
            self.channels = [after for _, after, _ in yolox.STAGES]
            self.mean, self.std = (0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255)
            return
        model, arguments = timm_encoder(name, options or {})
        try:
            self.body = timm.create_model(model, features_only=True, pretrained=False, **arguments)
        except Exception as error:  # timm raises whatever its builders raise
            near = difflib.get_close_matches(name, timm.list_models(), n=3) if name not in timm.list_models() else []
            hint = f"; similar: {', '.join(near)}" if near else ""
            raise UserError(
                f"model.encoder '{name}': timm cannot build it as an encoder ({reason_of(error)}){hint}"
            ) from error
        info: Any = self.body.feature_info
        reductions = list(info.reduction())
        if not all(stride in reductions for stride in STRIDES):
            raise UserError(f"model.encoder '{name}': needs maps at strides {STRIDES}, has {tuple(reductions)}")
        # the last map of each stride has seen most of the network
        last = {stride: index for index, stride in enumerate(reductions)}
        self.indices = [last[stride] for stride in STRIDES]
        self.channels = [info.channels()[index] for index in self.indices]
        defaults = timm.get_pretrained_cfg(model)
        self.mean = tuple(defaults.mean) if defaults else (0.5, 0.5, 0.5)
        self.std = tuple(defaults.std) if defaults else (0.5, 0.5, 0.5)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Feature maps [v, channels_l, height / stride_l, width / stride_l] for strides 4, 8, 16, 32."""
        maps = self.body(images)
        return [maps[index] for index in self.indices]


def initialise_encoder(
    encoder: Encoder, name: str, options: Mapping[str, Any], pretrained: str, setting: str = "model.pretrained="
) -> str:
    """Give an encoder its starting weights and say in the log where they came from.

    Args:
        encoder: changed in place.
        name: the timm model name.
        options: the keyword arguments the encoder was built with.
        pretrained: ``none``, ``timm`` (its hub or local cache), or the path of a file of weights.
        setting: what names a file or ``none`` instead, for messages.

    Returns:
        One line that says what the encoder starts from.

    Raises:
        UserError: the named file cannot be read or does not fit; or timm's weights cannot be had.
    """
    if pretrained == "none":
        line = f"encoder {name}: random weights"
        log.info(line)
        return line
    if pretrained != "timm":
        line = load_encoder_weights(encoder, Path(pretrained))
        log.info(line)
        return line
    if name == yolox.NAME:
        raise UserError(f"encoder {name}: name its published ONNX file with {setting}FILE ({yolox.ADDRESS})")
    if name in NARROW:
        raise UserError(f"encoder {name}: nobody trained it before; take --recipe mobilenet, or {setting}none")
    model, arguments = timm_encoder(name, options)
    try:
        overlay = _pretrained_source(model)
        source = timm.create_model(
            model, features_only=True, pretrained=True, pretrained_cfg_overlay=overlay, **arguments
        )
        encoder.body.load_state_dict(source.state_dict())
    except Exception as error:  # no network, no such weights: hub libraries raise many types
        raise UserError(
            f"encoder {name}: timm's pretrained weights cannot be had ({reason_of(error)}); download {_address(model)} "
            f"elsewhere and name it with {setting}FILE, set HF_ENDPOINT to a mirror that can be reached, or start from "
            f"random weights with {setting}none"
        ) from error
    line = f"encoder {name}: timm's pretrained weights"
    log.info(line)
    return line


def _address(model: str) -> str:
    """Where a browser finds the weights."""
    defaults = timm.get_pretrained_cfg(model)
    if defaults and defaults.hf_hub_id:
        return f"https://huggingface.co/{defaults.hf_hub_id}/resolve/main/model.safetensors"
    return "a file of weights"


def _pretrained_source(name: str) -> dict[str, str] | None:
    """Where timm shall take weights from: a file in the local cache, or (None) the hub.

    Raises:
        OSError: not in the cache, and the hub cannot be reached. The hub's client would only say so after a minute of
            retries.
    """
    defaults = timm.get_pretrained_cfg(name)
    repository = defaults.hf_hub_id if defaults else None
    if not repository:
        return None
    for file in ("model.safetensors", "pytorch_model.bin"):
        cached = huggingface_hub.try_to_load_from_cache(repository, file)
        if isinstance(cached, str):
            return {"file": cached}
    if huggingface_hub.constants.HF_HUB_OFFLINE:
        raise OSError("not in the local cache, and HF_HUB_OFFLINE is set")
    host = urlsplit(huggingface_hub.constants.ENDPOINT)
    if not getproxies():
        socket.create_connection((host.hostname or "", host.port or 443), timeout=5).close()
    log.info("encoder %s: downloading timm's pretrained weights from %s/%s", name, host.netloc, repository)
    return None


def load_encoder_weights(encoder: Encoder, file: Path) -> str:
    """Load an encoder from a safetensors or PyTorch file.

    Names are matched first. Where the file names its tensors differently (another code base's layout of the same
    architecture), tensors are matched by order, provided that every shape agrees. Classifier weights left over in
    the file are not used.

    Raises:
        UserError: the file cannot be read, or fits neither by name nor by order.
    """
    saved = {key: value for key, value in read_state_dict(file).items() if not key.endswith("num_batches_tracked")}
    wanted = {key: value for key, value in encoder.body.state_dict().items() if not key.endswith("num_batches_tracked")}
    if all(key in saved and saved[key].shape == value.shape for key, value in wanted.items()):
        chosen, how = {key: saved[key] for key in wanted}, "by name"
    else:
        pairs = list(zip(wanted.items(), saved.items(), strict=False))
        for (key, value), (saved_key, saved_value) in pairs:
            if value.shape != saved_value.shape:
                raise UserError(
                    f"{file}: not weights of this encoder: '{saved_key}' is {list(saved_value.shape)} "
                    f"where '{key}' is {list(value.shape)}"
                )
        if len(pairs) < len(wanted):
            raise UserError(f"{file}: not weights of this encoder: {len(saved)} tensors, {len(wanted)} are needed")
        chosen, how = {key: saved_value for (key, _), (_, saved_value) in pairs}, "by order and shape"
    encoder.body.load_state_dict(chosen, strict=False)
    return f"encoder: {len(chosen)} tensors from {file}, matched {how}; {len(saved) - len(chosen)} in the file not used"


def read_state_dict(file: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors or PyTorch file, without running any code from it.

    ``state_dict`` / ``model`` wrappers and ``module.`` prefixes are taken off.

    Raises:
        UserError: the file is missing, unreadable or holds no tensors.
    """
    if not file.is_file():
        raise UserError(f"{file}: no such weights file")
    try:
        loaded: Any
        if file.suffix == ".safetensors":
            loaded = load_file(file)
        else:
            loaded = torch.load(file, map_location="cpu", weights_only=True)
    except (OSError, SafetensorError, RuntimeError, EOFError, ValueError) as error:
        raise UserError(f"{file}: not a weights file ({reason_of(error)})") from error
    except Exception as error:  # pickle refuses anything but tensors
        raise UserError(
            f"{file}: refused: no weights file, or one that holds more than tensors ({type(error).__name__})"
        ) from error
    for wrapper in ("state_dict", "model"):
        if isinstance(loaded, Mapping) and isinstance(loaded.get(wrapper), Mapping):
            loaded = loaded[wrapper]
    if not isinstance(loaded, Mapping):
        raise UserError(f"{file}: holds {type(loaded).__name__}, not named tensors")
    tensors = {str(key).removeprefix("module."): value for key, value in loaded.items() if isinstance(value, Tensor)}
    if not tensors:
        raise UserError(f"{file}: holds no tensors")
    return tensors
