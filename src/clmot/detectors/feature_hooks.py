"""Feature maps of a network that was not made to show them: read off its modules while it runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from clmot.models.encoder import STRIDES


class FeatureHooks:
    """Finds a network's last module of each of the strides 4, 8, 16 and 32 by one run, and reads their maps later on.

    The last map of a stride has seen most of the network. Left out are modules that run more than once in a pass (which
    map would be meant?). Those within a block that ends at another stride, whose maps are often wider and lead to it,
    are taken only where there is nothing else.

    Args:
        part: the network's part to look in: its backbone.
        run: runs the network once, and gives width and height of its input in pixels.

    Attributes:
        channels: of the maps, by stride, finest first; empty where the part has no maps.
    """

    def __init__(self, part: nn.Module, run: Callable[[], tuple[int, int]]) -> None:
        seen: list[tuple[str, torch.Size]] = []

        def note(name: str) -> Callable[[nn.Module, Any, Any], None]:
            def hook(module: nn.Module, inputs: Any, output: Any) -> None:
                if isinstance(output, Tensor) and output.ndim == 4:
                    seen.append((name, output.shape))

            return hook

        hooks = [module.register_forward_hook(note(name)) for name, module in part.named_modules() if name]
        try:
            width, height = run()
        finally:
            for hook in hooks:
                hook.remove()
        times = Counter(name for name, _ in seen)
        blocks = {name: shape[2:] for name, shape in seen if not isinstance(part.get_submodule(name), nn.Sequential)}
        leads_on = {
            name: any(blocks.get(outer, shape[2:]) != shape[2:] for outer in _around(name)) for name, shape in seen
        }
        names: dict[int, str] = {}
        channels: dict[int, int] = {}
        for name, shape in sorted(seen, key=lambda each: not leads_on[each[0]]):
            for stride in STRIDES:
                if times[name] == 1 and has_stride(shape, width, height, stride):
                    names[stride], channels[stride] = name, shape[1]
        self.channels = dict(sorted(channels.items()))
        self._modules = {stride: part.get_submodule(names[stride]) for stride in self.channels}

    @contextmanager
    def recording(self) -> Iterator[dict[int, Tensor]]:
        """The maps by stride, as soon as the network has run inside."""
        maps: dict[int, Tensor] = {}

        def keep(stride: int) -> Callable[[nn.Module, Any, Any], None]:
            def hook(module: nn.Module, inputs: Any, output: Any) -> None:
                maps[stride] = output

            return hook

        hooks = [module.register_forward_hook(keep(stride)) for stride, module in self._modules.items()]
        try:
            yield maps
        finally:
            for hook in hooks:
                hook.remove()

    def in_order(self, maps: dict[int, Tensor]) -> tuple[Tensor, ...]:
        """Recorded maps, finest first."""
        # what was made in inference mode could not be learned from
        return tuple(maps[stride].clone() if maps[stride].is_inference() else maps[stride] for stride in self.channels)


def _around(name: str) -> Iterator[str]:
    """Names of the modules that a module is in."""
    while "." in name:
        name = name.rpartition(".")[0]
        yield name


def has_stride(shape: Sequence[int], width: int, height: int, stride: int) -> bool:
    """Whether a map has as many cells as the stride gives, rounded down or up."""
    return all(side // stride <= cells <= -(-side // stride) for cells, side in ((shape[2], height), (shape[3], width)))
