"""Batch normalisation as part of the convolution before it: the same network for use, in fewer steps."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from timm.layers.norm_act import BatchNormAct2d
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from clmot.models.network import Network

_PROBE_SIZE = (64, 96)
_TOLERANCE = 1e-3


def fold_batch_norm(network: Network) -> Network:
    """A copy that gives the same maps up to rounding, without the normalisations' passes over memory.

    With its statistics fixed, a batch normalisation is one factor and one summand a channel, which the weights of the
    convolution before it can take over. Pairs are found by watching a pass, and the copy's maps are compared with the
    network's: where that fails, as with an encoder that takes one size of image only, it is the network that returns.

    Args:
        network: left as it is, but for its mode, which is set to evaluation.
    """
    network.eval()
    generator = torch.Generator().manual_seed(0)
    probe = torch.randint(0, 256, (1, 3, *_PROBE_SIZE), generator=generator, dtype=torch.uint8).to(network.mean.device)
    with torch.no_grad():
        try:
            pairs, expected = _watch(network, probe)
        except (AssertionError, RuntimeError, ValueError):
            return network
        folded = copy.deepcopy(network)
        for convolution, norm in pairs:
            _fold(folded, convolution, norm)
        same = all(map(_close, _maps(folded, probe), expected))
    return folded if same else network


def _watch(network: Network, probe: Tensor) -> tuple[list[tuple[str, str]], list[Tensor]]:
    """Names of convolutions and of the normalisations that take what they give; and the output maps."""
    made: dict[int, tuple[str, Tensor]] = {}  # with the tensors, so that no number is given twice
    taken: list[tuple[str, str]] = []
    hooks = []

    def give(name: str, output: Tensor) -> None:
        made[id(output)] = (name, output)

    def take(name: str, values: Tensor) -> None:
        if id(values) in made:
            taken.append((made[id(values)][0], name))

    for name, module in network.named_modules():
        # subclasses may do something else with their weights
        if type(module) is nn.Conv2d:
            hooks.append(module.register_forward_hook(lambda _, __, output, name=name: give(name, output)))
        elif type(module) in (nn.BatchNorm2d, BatchNormAct2d) and module.running_mean is not None:
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
