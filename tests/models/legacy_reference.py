"""The networks of FairMOT, CL-MOT and CenterNet, written out over tensors of their checkpoints' names.

Each function is the forward pass and the table of keys and shapes in one: a tensor that is not in the state yet is
drawn at random when it is first used, and a second call reads it. Nothing here comes from clmot.
"""

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import deform_conv2d

HEADS_128 = {"hm": 1, "wh": 4, "id": 128, "reg": 2}
HEADS_512 = {"hm": 1, "wh": 2, "reg": 2, "id": 512}
HEADS_CENTERNET = {"hm": 80, "wh": 2, "reg": 2}


class State(dict[str, Tensor]):
    """A state dict that grows, and the layers that read it."""

    def __init__(self, seed: int = 0):
        super().__init__()
        self.generator = torch.Generator().manual_seed(seed)

    def normal(self, name: str, shape: tuple[int, ...], std: float) -> Tensor:
        return self.setdefault(name, std * torch.randn(shape, generator=self.generator))

    def uniform(self, name: str, shape: tuple[int, ...], low: float, high: float) -> Tensor:
        return self.setdefault(name, low + (high - low) * torch.rand(shape, generator=self.generator))

    def convolution(
        self, name: str, x: Tensor, channels: int, kernel: int, stride: int = 1, bias: bool = False, gain: float = 1.0
    ) -> Tensor:
        std = gain * (2 / (x.shape[1] * kernel**2)) ** 0.5
        weight = self.normal(f"{name}.weight", (channels, x.shape[1], kernel, kernel), std)
        shift = self.normal(f"{name}.bias", (channels,), 0.1) if bias else None
        return F.conv2d(x, weight, shift, stride, kernel // 2)

    def norm(self, name: str, x: Tensor, gain: float = 1.0) -> Tensor:
        shape = (x.shape[1],)
        weight = self.uniform(f"{name}.weight", shape, 0.5 * gain, 1.2 * gain)
        bias = self.normal(f"{name}.bias", shape, 0.1)
        mean = self.normal(f"{name}.running_mean", shape, 0.1)
        variance = self.uniform(f"{name}.running_var", shape, 0.6, 1.5)
        self.setdefault(f"{name}.num_batches_tracked", torch.tensor(7))
        return F.batch_norm(x, mean, variance, weight, bias)

    def deformable(self, name: str, x: Tensor, channels: int) -> Tensor:
        """DCNv2: 18 offsets (y, x of each of nine taps), then 9 logits of the taps' modulation."""
        guide = self.convolution(f"{name}.conv_offset_mask", x, 27, 3, bias=True, gain=0.3)
        weight = self.normal(f"{name}.weight", (channels, x.shape[1], 3, 3), 2 * (2 / (9 * x.shape[1])) ** 0.5)
        bias = self.normal(f"{name}.bias", (channels,), 0.1)
        return deform_conv2d(x, guide[:, :18], weight, bias, padding=1, mask=guide[:, 18:].sigmoid())

    def deformable_block(self, name: str, x: Tensor, channels: int) -> Tensor:
        return F.relu(self.norm(f"{name}.actf.0", self.deformable(f"{name}.conv", x, channels)))

    def basic_block(self, name: str, x: Tensor, channels: int, stride: int, residual: Tensor) -> Tensor:
        out = F.relu(self.norm(f"{name}.bn1", self.convolution(f"{name}.conv1", x, channels, 3, stride)))
        out = self.norm(f"{name}.bn2", self.convolution(f"{name}.conv2", out, channels, 3), gain=0.4)
        return F.relu(out + residual)

    def bottleneck(self, name: str, x: Tensor, channels: int, stride: int, residual: Tensor) -> Tensor:
        out = F.relu(self.norm(f"{name}.bn1", self.convolution(f"{name}.conv1", x, channels, 1)))
        out = F.relu(self.norm(f"{name}.bn2", self.convolution(f"{name}.conv2", out, channels, 3, stride)))
        out = self.norm(f"{name}.bn3", self.convolution(f"{name}.conv3", out, 4 * channels, 1), gain=0.4)
        return F.relu(out + residual)

    def residual_layer(self, name: str, x: Tensor, channels: int, blocks: int, stride: int, deep: bool) -> Tensor:
        """Blocks of a ResNet; the first one's shortcut is projected where shapes change."""
        block, wide = (self.bottleneck, 4 * channels) if deep else (self.basic_block, channels)
        for index in range(blocks):
            place, step, residual = f"{name}.{index}", stride if index == 0 else 1, x
            if step != 1 or x.shape[1] != wide:
                residual = self.norm(
                    f"{place}.downsample.1", self.convolution(f"{place}.downsample.0", x, wide, 1, step)
                )
            x = block(place, x, channels, step, residual)
        return x

    def heads(self, x: Tensor, channels: dict[str, int]) -> dict[str, Tensor]:
        """3x3 convolution to 256 channels, ReLU, 1x1 convolution, both with a bias."""
        return {
            name: self.convolution(
                f"{name}.2", F.relu(self.convolution(f"{name}.0", x, 256, 3, bias=True)), count, 1, bias=True
            )
            for name, count in channels.items()
        }


def dla_34(state: State, x: Tensor, heads: dict[str, int]) -> dict[str, Tensor]:
    """DLA-34 with DCNv2 in its up-sampling."""
    x = F.relu(state.norm("base.base_layer.1", state.convolution("base.base_layer.0", x, 16, 7)))
    x = F.relu(state.norm("base.level0.1", state.convolution("base.level0.0", x, 16, 3)))
    x = F.relu(state.norm("base.level1.1", state.convolution("base.level1.0", x, 32, 3, 2)))
    layers = []
    for level, channels, depth in ((2, 64, 1), (3, 128, 2), (4, 256, 2), (5, 512, 1)):
        x = _tree(state, f"base.level{level}", x, channels, depth, 2, level > 2, [])
        layers.append(x)
    state.convolution("base.fc", x, 1000, 1, bias=True)  # ImageNet's classifier is in the file and not used

    outputs = [layers[-1]]
    for index, channels in enumerate((256, 128, 64)):
        start = 2 - index
        layers[start:] = _aggregate(state, f"dla_up.ida_{index}", layers[start:], channels, (1, 2, 2, 2))
        outputs.insert(0, layers[-1])
    return state.heads(_aggregate(state, "ida_up", outputs[:3], 64, (1, 2, 4))[-1], heads)


def _tree(
    state: State, name: str, x: Tensor, channels: int, depth: int, stride: int, root: bool, children: list[Tensor]
) -> Tensor:
    bottom = F.max_pool2d(x, stride, stride) if stride > 1 else x
    residual = bottom
    if x.shape[1] != channels:  # also made, and not used, where the tree is two deep
        residual = state.norm(f"{name}.project.1", state.convolution(f"{name}.project.0", bottom, channels, 1))
    children = [*children, bottom] if root else children
    if depth == 2:
        first = _tree(state, f"{name}.tree1", x, channels, 1, stride, False, [])
        return _tree(state, f"{name}.tree2", first, channels, 1, 1, False, [*children, first])
    first = state.basic_block(f"{name}.tree1", x, channels, stride, residual)
    second = state.basic_block(f"{name}.tree2", first, channels, 1, first)
    joined = torch.cat([second, first, *children], dim=1)
    return F.relu(state.norm(f"{name}.root.bn", state.convolution(f"{name}.root.conv", joined, channels, 1)))


def _aggregate(state: State, name: str, layers: list[Tensor], channels: int, factors: tuple[int, ...]) -> list[Tensor]:
    """Each level but the first is projected, brought to the first one's size and merged with the one before."""
    layers = list(layers)
    for index in range(1, len(layers)):
        factor = factors[index]
        projected = state.deformable_block(f"{name}.proj_{index}", layers[index], channels)
        kernel = state.uniform(f"{name}.up_{index}.weight", (channels, 1, 2 * factor, 2 * factor), 0, 0.6)
        raised = F.conv_transpose2d(projected, kernel, stride=factor, padding=factor // 2, groups=channels)
        layers[index] = state.deformable_block(f"{name}.node_{index}", raised + layers[index - 1], channels)
    return layers


RESNET_BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}


def resdcn(state: State, x: Tensor, heads: dict[str, int], depth: int) -> dict[str, Tensor]:
    """ResNet whose last map is enlarged by three pairs of DCNv2 and transposed convolution, numbered in one row."""
    x = resnet(state, x, depth)[-1]
    for index, channels in enumerate((256, 128, 64)):
        at = [f"deconv_layers.{6 * index + layer}" for layer in range(6)]  # the third and sixth are ReLU
        x = F.relu(state.norm(at[1], state.deformable(at[0], x, channels)))
        kernel = state.normal(f"{at[3]}.weight", (channels, channels, 4, 4), (2 / (4 * channels)) ** 0.5)
        x = F.relu(state.norm(at[4], F.conv_transpose2d(x, kernel, stride=2, padding=1)))
    return state.heads(x, heads)


def resnet(state: State, x: Tensor, depth: int) -> list[Tensor]:
    """Maps at strides 4, 8, 16, 32."""
    x = F.relu(state.norm("bn1", state.convolution("conv1", x, 64, 7, 2)))
    x = F.max_pool2d(x, 3, 2, 1)
    levels = []
    for index, blocks in enumerate(RESNET_BLOCKS[depth]):
        x = state.residual_layer(f"layer{index + 1}", x, 64 * 2**index, blocks, 1 if index == 0 else 2, depth >= 50)
        levels.append(x)
    return levels


def resfpndcn(state: State, x: Tensor, heads: dict[str, int], depth: int) -> dict[str, Tensor]:
    """ResNet with a pyramid of DCNv2 and transposed convolutions."""
    levels = resnet(state, x, depth)
    x = levels[-1]
    for index, channels in enumerate((256, 128, 64), start=1):
        place = f"deconv_layer{index}"
        x = F.relu(state.norm(f"{place}.1", state.deformable(f"{place}.0", x, channels)))
        kernel = state.normal(f"{place}.3.weight", (channels, channels, 4, 4), (2 / (4 * channels)) ** 0.5)
        x = F.relu(state.norm(f"{place}.4", F.conv_transpose2d(x, kernel, stride=2, padding=1)))
        x = x + state.deformable_block(f"project_layer{index}", levels[3 - index], channels)
        x = state.deformable_block(f"smooth_layer{index}", x, channels)
    return state.heads(x, heads)


def hrnet(state: State, x: Tensor, heads: dict[str, int], width: int, mixed: bool = False) -> dict[str, Tensor]:
    """HRNet: parallel branches, all four brought to stride 4, side by side; in CL-MOT's code mixed by a convolution."""
    x = F.relu(state.norm("bn1", state.convolution("conv1", x, 64, 3, 2)))
    x = F.relu(state.norm("bn2", state.convolution("conv2", x, 64, 3, 2)))
    branches = [state.residual_layer("layer1", x, 64, 4, 1, deep=True)]
    for stage, modules in ((2, 1), (3, 4), (4, 3)):
        branches = _transition(state, f"transition{stage - 1}", branches, width)
        for module in range(modules):
            branches = _exchange(state, f"stage{stage}.{module}", branches)
    raised = [F.interpolate(x, size=branches[0].shape[-2:], mode="bilinear") for x in branches[1:]]
    joined = torch.cat([branches[0], *raised], dim=1)
    if mixed:
        joined = F.relu(state.norm("last_layer.1", state.convolution("last_layer.0", joined, 64, 1, bias=True)))
    return state.heads(joined, heads)


def _transition(state: State, name: str, branches: list[Tensor], width: int) -> list[Tensor]:
    """One branch more, at half the size of the last one."""
    out = []
    for index in range(max(2, len(branches) + 1)):
        channels = width * 2**index
        if index < len(branches):
            x = branches[index]
            if x.shape[1] != channels:
                x = F.relu(state.norm(f"{name}.{index}.1", state.convolution(f"{name}.{index}.0", x, channels, 3)))
            out.append(x)
        else:
            place = f"{name}.{index}.0"
            halved = state.convolution(f"{place}.0", branches[-1], channels, 3, 2)
            out.append(F.relu(state.norm(f"{place}.1", halved)))
    return out


def _exchange(state: State, name: str, branches: list[Tensor]) -> list[Tensor]:
    """Four basic blocks in each branch, then each branch takes the sum of all."""
    branches = [
        state.residual_layer(f"{name}.branches.{index}", x, x.shape[1], 4, 1, deep=False)
        for index, x in enumerate(branches)
    ]
    out = []
    for i, target in enumerate(branches):
        total = torch.zeros_like(target)
        for j, x in enumerate(branches):
            place, channels = f"{name}.fuse_layers.{i}.{j}", target.shape[1]
            if j > i:
                x = state.norm(f"{place}.1", state.convolution(f"{place}.0", x, channels, 1), gain=0.3)
                x = F.interpolate(x, scale_factor=2 ** (j - i), mode="nearest")
            for step in range(i - j):
                last = step == i - j - 1
                x = state.convolution(f"{place}.{step}.0", x, channels if last else x.shape[1], 3, 2)
                x = state.norm(f"{place}.{step}.1", x, gain=0.3 if last else 1.0)
                x = x if last else F.relu(x)
            total = total + x
        out.append(F.relu(total))
    return out
