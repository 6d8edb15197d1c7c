"""The same network for use in fewer steps: what training needs apart becomes part of the convolution before it."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from timm.layers.norm_act import BatchNormAct2d
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from clmot.models.color_histogram import ColourCells
from clmot.models.heads import joint_head
from clmot.models.network import Network

_PROBE_SIZE = (64, 96)
_TOLERANCE = 1e-3
_ACTIVATIONS = {nn.ReLU: ("relu", []), nn.ReLU6: ("hardtanh", [0.0, 6.0]), nn.SiLU: ("swish", [])}
"""As oneDNN calls them, with their constants."""


def fold_batch_norm(network: Network) -> Network:
    """A copy that gives the same maps up to rounding, without the normalisations' passes over memory.

    With its statistics fixed, a batch normalisation is one factor and one summand a channel, which the weights of the
    convolution before it can take over. Pairs are found by watching a pass. The heads that find objects become one,
    where they are of one kind. The copy's maps are compared with the network's: where that fails, as with an encoder
    that takes one size of image only, it is the network that returns.

    Args:
        network: left as it is, but for its mode, which is set to evaluation.
    """
    network.eval()
    probe = _probe(network)
    with torch.no_grad():
        try:
            pairs, expected = _watch(network, probe, (nn.BatchNorm2d, BatchNormAct2d))
        except (AssertionError, RuntimeError, ValueError):
            return network
        folded = copy.deepcopy(network)
        for convolution, norm in pairs:
            _fold(folded, convolution, norm)
        folded.joint = joint_head(folded.heatmap, folded.size, folded.offset)
        same = all(map(_close, _maps(folded, probe), expected))
    return folded if same else network


def computes_bfloat16() -> bool:
    """Whether convolutions in bfloat16 are worth it on this processor, as oneDNN says."""
    try:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    except (AttributeError, RuntimeError):  # of a torch without oneDNN
        return False


def fuse_for_cpu(network: Network, precision: torch.dtype) -> Network:
    """A copy whose convolutions are oneDNN's, with the activation in the same step.

    Args:
        network: without normalisations (`fold_batch_norm`); left as it is.
        precision: float32 or bfloat16, of weights and values; biases, and the last layer of each head, are float32.

    Returns:
        The copy; the network where this processor or torch cannot do that, or something else came out.
    """
    if precision == torch.bfloat16 and not computes_bfloat16():
        return network
    probe = _probe(network)
    with torch.no_grad():
        try:
            pairs, expected = _watch(network, probe, tuple(_ACTIVATIONS))
            # what is fused is checked in float32, as bfloat16 is not that close
            if not all(map(_close, _maps(_fused(network, dict(pairs), torch.float32), probe), expected)):
                return network
            return _fused(network, dict(pairs), precision)
        except (
            AssertionError,
            AttributeError,
            RuntimeError,
            ValueError,
        ):  # of another torch, or a processor of another kind
            return network


def leave_out_colours(network: Network) -> None:
    """Give an empty map in place of the level of colours, for pooling that reads these off the pixels."""
    for name, module in list(network.named_modules()):
        if isinstance(module, ColourCells):
            network.set_submodule(name, _NoColours())


class _NoColours(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images.new_empty(0)


def _fused(network: Network, activations: dict[str, str], precision: torch.dtype) -> Network:
    fused = copy.deepcopy(network)
    for name, module in network.named_modules():
        if type(module) is nn.Conv2d and module.padding_mode == "zeros" and not isinstance(module.padding, str):
            kind = None
            if name in activations:
                kind = type(network.get_submodule(activations[name]))
                fused.set_submodule(activations[name], nn.Identity())
            exact = name.endswith(".out")
            fused.set_submodule(name, FusedConvolution(module, kind, torch.float32 if exact else precision))
    return fused


class FusedConvolution(nn.Module):
    """A convolution and the activation after it, in one step of oneDNN.

    Args:
        source: the convolution.
        activation: its kind, if there is one.
        precision: of weights and values.
    """

    def __init__(self, source: nn.Conv2d, activation: type[nn.Module] | None, precision: torch.dtype) -> None:
        super().__init__()
        name, constants = _ACTIVATIONS[activation] if activation else ("none", [])
        self._arguments = (source.padding, source.stride, source.dilation, source.groups, name, constants, "")
        self._weight = source.weight.detach().to(precision, memory_format=torch.channels_last)
        self._bias = None if source.bias is None else source.bias.detach().float()
        self._precision = precision

    def forward(self, values: Tensor) -> Tensor:
        """[v, c, h, w] to [v, o, h, w]."""
        found: Tensor = torch.ops.mkldnn._convolution_pointwise(
            values.to(self._precision), self._weight, self._bias, *self._arguments
        )
        return found


def _probe(network: Network) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    probe = torch.randint(0, 256, (1, 3, *_PROBE_SIZE), generator=generator, dtype=torch.uint8)
    return probe.to(network.mean.device)


def _watch(
    network: Network, probe: Tensor, kinds: tuple[type[nn.Module], ...]
) -> tuple[list[tuple[str, str]], list[Tensor]]:
    """Names of convolutions and of the modules of some kinds that take what they give; and the output maps."""
    # with the tensors, so that no number is given twice, and how often they were written to, as by `+=`
    made: dict[int, tuple[str, Tensor, int]] = {}
    taken: list[tuple[str, str]] = []
    hooks = []

    def give(name: str, output: Tensor) -> None:
        made[id(output)] = (name, output, output._version)

    def take(name: str, values: Tensor) -> None:
        source, _, writes = made.get(id(values), ("", values, -1))
        if values._version == writes:
            taken.append((source, name))

    for name, module in network.named_modules():
        # subclasses may do something else with their weights
        if type(module) is nn.Conv2d:
            hooks.append(module.register_forward_hook(lambda _, __, output, name=name: give(name, output)))
        elif type(module) in kinds and getattr(module, "running_mean", module) is not None:
            hooks.append(module.register_forward_pre_hook(lambda _, inputs, name=name: take(name, inputs[0])))
    try:
        maps = _maps(network, probe)
    finally:
        for hook in hooks:
            hook.remove()
    return list(_once(taken)), maps


def _once(pairs: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Pairs neither of whose modules is in another one, as shared modules are."""
    for pair in pairs:
        if sum(bool({*pair} & {*other}) for other in pairs) == 1:
            yield pair


def _fold(network: nn.Module, convolution: str, norm: str) -> None:
    before, after = network.get_submodule(convolution), network.get_submodule(norm)
    assert isinstance(before, nn.Conv2d)
    assert isinstance(after, nn.BatchNorm2d)
    assert after.running_mean is not None
    assert after.running_var is not None
    before.weight, before.bias = fuse_conv_bn_weights(
        before.weight, before.bias, after.running_mean, after.running_var, after.eps, after.weight, after.bias
    )
    network.set_submodule(norm, after.act if isinstance(after, BatchNormAct2d) else nn.Identity())


def _maps(network: Network, probe: Tensor) -> list[Tensor]:
    heatmap, size, offset, embedding = network.maps(probe)
    return [heatmap, size, offset, *embedding]


def _close(actual: Tensor, expected: Tensor) -> bool:
    return bool((actual - expected).abs().max() <= _TOLERANCE * expected.abs().max())
