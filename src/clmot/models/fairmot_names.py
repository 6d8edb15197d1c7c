"""The networks of FairMOT, CL-MOT and CenterNet in their files' words: which one a file holds, what its keys mean.

The keys of such a file: the encoder's (``base.`` before them for DLA), the up-sampling's, and for each head NAME
(``hm`` heatmap, ``wh`` size, ``reg`` offset, ``id`` embedding) ``NAME.0``, a 3x3
convolution, and ``NAME.2``, a 1x1 one.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import Tensor

from clmot.errors import UserError

HEADS = {"heatmap": "hm", "size": "wh", "offset": "reg", "embedding": "id"}
"""Our heads and theirs."""

TRAINING_ONLY = ("classifier.", "task_weights.")
"""Parts of our network that the originals keep out of their checkpoints."""


@dataclass(frozen=True)
class Architecture:
    """One of the originals' networks.

    Attributes:
        name: the original's name (its ``--arch``).
        recipe: our recipe with the same network.
        neck: our neck (`ModelConfig.neck`) that this one's up-sampling is.
        translate: the name of a tensor of our encoder or neck to the original's.
        unused: keys that such files hold and no forward pass reads.
    """

    name: str
    recipe: str
    neck: Literal["dla", "deconvolution", "deconvolution-last", "concat", "concat-mixed"]
    translate: Callable[[str], str]
    unused: re.Pattern[str]

    def original(self, name: str) -> str:
        """The original's name of a tensor of ours."""
        head = re.fullmatch(r"(heatmap|size|offset|embedding)\.(body\.0|out)\.(weight|bias)", name)
        if head is None:
            return self.translate(name)
        return f"{HEADS[head[1]]}.{'2' if head[2] == 'out' else '0'}.{head[3]}"


def find_architecture(tensors: Mapping[str, Tensor], file: Path) -> Architecture:
    """The network that a state dict belongs to.

    Raises:
        UserError: none of those that are known; says what was expected and what was found.
    """
    if "base.base_layer.0.weight" in tensors and "ida_up.node_1.conv.weight" in tensors:
        # ImageNet's classifier; projections of trees two levels deep, whose children project for themselves
        unused = re.compile(r"base\.fc\..*|base\.level[34]\.project\..*")
        return Architecture("dla_34", "dla34", "dla", _dla_name, unused)
    if "layer3.1.conv1.weight" in tensors and tensors.keys() & {"deconv_layer1.0.weight", "deconv_layers.0.weight"}:
        blocks = sum(bool(re.fullmatch(r"layer3\.\d+\.conv1\.weight", key)) for key in tensors)
        depth = {(2, False): 18, (6, False): 34, (6, True): 50}.get((blocks, "layer1.0.conv3.weight" in tensors))
        if depth:
            unused, recipe = re.compile(r"fc\..*"), f"resnet{depth}-dcn"
            if "deconv_layers.0.weight" in tensors:
                return Architecture(f"resdcn_{depth}", recipe, "deconvolution-last", _resnet_name, unused)
            return Architecture(f"resfpndcn_{depth}", recipe, "deconvolution", _resnet_pyramid_name, unused)
    if "stage4.0.branches.3.0.conv1.weight" in tensors:
        width = len(tensors["stage4.0.branches.0.0.conv1.weight"])
        neck: Literal["concat", "concat-mixed"] = "concat-mixed" if "last_layer.0.weight" in tensors else "concat"
        if width in (18, 32):
            return Architecture(f"hrnet_{width}", f"hrnet{width}", neck, _hrnet_name, re.compile(r"(?!)"))
    found = ", ".join(f"'{key}' {list(tensors[key].shape)}" for key in list(tensors)[:3])
    raise UserError(
        f"{file}: not weights of FairMOT, CL-MOT or CenterNet: expected dla_34 (with 'base.base_layer.0.weight', "
        "'ida_up.node_1.conv.weight', ...), resdcn_18, _34 or _50 ('layer3.1.conv1.weight', "
        "'deconv_layers.0.weight', ...), resfpndcn_18, _34 or _50 ('deconv_layer1.0.weight', ...) or "
        "hrnet_18 or _32 ('stage4.0.branches.3.0.conv1.weight', ...), "
        f"found {found}, ..."
    )


def _dla_name(name: str) -> str:
    place = re.fullmatch(r"neck\.(?:stages\.(\d)|last)\.(project|node|up)\.(\d)\.(.+)", name)
    if place is None:
        return name.replace("encoder.body.", "base.")
    stage, part, index, rest = place.groups()
    whole = "ida_up" if stage is None else f"dla_up.ida_{stage}"
    part = "proj" if part == "project" else part
    return f"{whole}.{part}_{int(index) + 1}.{rest if part == 'up' else _block_name(rest)}"


def _resnet_name(name: str) -> str:
    place = re.fullmatch(r"neck\.up\.(\d)\.(\d)\.(.+)", name)
    if place is None:
        return name.removeprefix("encoder.body.")
    stage, layer, rest = place.groups()
    # one sequence of six layers a stage
    return f"deconv_layers.{6 * int(stage) + int(layer)}.{rest.replace('offset_mask', 'conv_offset_mask')}"


def _resnet_pyramid_name(name: str) -> str:
    place = re.fullmatch(r"neck\.(up|project|smooth)\.(\d)\.(.+)", name)
    if place is None:
        return name.removeprefix("encoder.body.")
    part, index, rest = place.groups()
    if part == "up":
        return f"deconv_layer{int(index) + 1}.{rest.replace('offset_mask', 'conv_offset_mask')}"
    return f"{part}_layer{int(index) + 1}.{_block_name(rest)}"


def _hrnet_name(name: str) -> str:
    return name.removeprefix("encoder.body.").replace("neck.mix.", "last_layer.")


def _block_name(rest: str) -> str:
    """A deformable convolution and its normalisation."""
    for ours, theirs in (("0.offset_mask.", "conv.conv_offset_mask."), ("0.", "conv."), ("1.", "actf.0.")):
        if rest.startswith(ours):
            return theirs + rest.removeprefix(ours)
    raise ValueError(f"no such tensor in a block: {rest}")
