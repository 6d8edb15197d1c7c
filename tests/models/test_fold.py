import copy

import pytest
import torch
from torch import nn

from clmot.config import load_config
from clmot.models.fold import FusedConvolution, fold_batch_norm, fuse_for_cpu
from clmot.models.network import Network

SMALL = ["model.width=8", "model.stripes=2", "model.embedding_dimension=16"]


def trained(*overrides: str) -> Network:
    """A network whose normalisations have statistics and weights of their own."""
    torch.manual_seed(0)
    network = Network(load_config(overrides=[*SMALL, *overrides]).model)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.2)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.2)
    return network


def norms(network: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())


@pytest.mark.parametrize(
    ("overrides", "left"),
    [
        (["model.encoder=resnet10t", "model.encoder_options={channels: [8, 8, 16, 16]}"], 0),
        (["model.encoder=mobilenetv2_035"], 0),  # normalisation and activation in one module
        (["model.encoder=resnet10t", "model.encoder_options={channels: [8, 8, 16, 16]}", "model.neck=dla"], 0),
        (["model.encoder=densenet121", "model.encoder_options={growth_rate: 4, block_config: [1, 1, 1, 1]}"], None),
    ],
)
def test_maps_are_the_same_with_fewer_steps(overrides: list[str], left: int | None) -> None:
    network = trained(*overrides)
    before = copy.deepcopy(network.state_dict())
    folded = fold_batch_norm(network)
    assert norms(network) > norms(folded)
    assert folded.joint is not None
    if left is not None:
        assert norms(folded) == left
    images = torch.randint(0, 256, (2, 3, 96, 128), dtype=torch.uint8)
    fused = fuse_for_cpu(folded, torch.float32)
    assert sum(isinstance(each, FusedConvolution) for each in fused.modules()) > 10
    with torch.no_grad():
        expected = network.maps(images)
        for actual in (folded.maps(images), fused.maps(images)):
            pairs = zip((*expected[:3], *expected[3]), (*actual[:3], *actual[3]), strict=True)
            for theirs, ours in pairs:
                torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_deformable_convolutions_keep_their_normalisation() -> None:
    small = ["model.encoder=resnet10t", "model.encoder_options={channels: [8, 8, 16, 16]}", "model.neck=dla"]
    network = trained(*small, "model.deformable=true")
    folded = fold_batch_norm(network)
    assert 0 < norms(folded) < norms(network)


def test_a_convolution_that_others_use_too_stays_as_it_is() -> None:
    """What the fold cannot see from pairs alone, the comparison of maps does."""

    class Skipping(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.convolution, self.norm = nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8)
            nn.init.constant_(self.norm.running_var, 4)

        def forward(self, values: torch.Tensor) -> torch.Tensor:
            values = self.convolution(values)
            return values + self.norm(values)

    network = trained("model.encoder=resnet10t", "model.encoder_options={channels: [8, 8, 16, 16]}")
    network.neck.smooth[0].append(Skipping())
    assert fold_batch_norm(network) is network


def test_a_shared_normalisation_stays_as_it_is() -> None:
    network = trained("model.encoder=resnet10t", "model.encoder_options={channels: [8, 8, 16, 16]}")
    network.size.body[1] = network.offset.body[1]
    folded = fold_batch_norm(network)
    assert norms(folded) == 1
    images = torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8)
    torch.testing.assert_close(folded.maps(images).size, network.maps(images).size, rtol=1e-3, atol=1e-4)


def test_random_numbers_of_others_are_left_alone() -> None:
    network = trained("model.encoder=resnet10t", "model.encoder_options={channels: [8, 8, 16, 16]}")
    state = torch.get_rng_state()
    fold_batch_norm(network)
    assert torch.equal(torch.get_rng_state(), state)


def test_the_last_layers_and_all_biases_are_float32_whatever_the_rest_is() -> None:
    """Rounded biases would double the distance of bfloat16 from float32."""
    network = trained("model.encoder=mobilenetv2_035")
    nn.init.normal_(network.heatmap.out.weight)
    network = fold_batch_norm(network)
    images = torch.randint(0, 256, (2, 3, 96, 128), dtype=torch.uint8)
    if not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        pytest.skip("needs a processor that computes in bfloat16")
    fused = fuse_for_cpu(network, torch.bfloat16)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        plain, actual = network.maps(images).heatmap, fused.maps(images).heatmap
    assert actual.dtype == torch.float32
    with torch.no_grad():
        expected = network.maps(images).heatmap
    assert 0 < (actual - expected).abs().mean() < 0.9 * (plain - expected).abs().mean()


def test_what_comes_out_differently_is_not_fused() -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.convolution, self.activation = nn.Conv2d(8, 8, 1), nn.ReLU()

        def forward(self, values: torch.Tensor) -> torch.Tensor:
            values = self.convolution(values)
            return values - self.activation(values)

    network = fold_batch_norm(trained("model.encoder=resnet10t", "model.encoder_options={channels: [8, 8, 16, 16]}"))
    network.neck.smooth[0].append(Both())
    assert fuse_for_cpu(network, torch.float32) is network
