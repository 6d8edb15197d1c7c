import pytest
import torch

from clmot.config import Config, ModelConfig
from clmot.errors import UserError
from clmot.models.network import Network
from clmot.training.checkpoint import load_state, save_checkpoint
from clmot.training.init_weights import initialise, start_from

TINY = {"encoder": "resnet10t", "encoder_options": {"channels": (8, 8, 16, 16)}, "width": 8}


def tiny(**changes) -> ModelConfig:
    return ModelConfig(**{**TINY, "pooling": "center", "embedding_dimension": 20, **changes})


@pytest.fixture
def run(tmp_path):
    """A saved model without a training state, as imported ones are."""
    torch.manual_seed(1)
    model = tiny(classes=("person", "car"), identities=3)
    save_checkpoint(tmp_path / "run", 0, Config(model=model), Network(model).state_dict(), state=None)
    return tmp_path / "run"


def test_what_fits_is_taken_and_the_rest_is_listed(run, caplog):
    source = Network(tiny(classes=("person", "car"), identities=3))
    initialise(source, tiny(pretrained=str(run)))
    target = Network(tiny())
    initialise(target, tiny(pretrained=str(run / "checkpoint-000000/model.safetensors")))
    other = source.state_dict()
    changed = {name for name, value in target.state_dict().items() if not torch.equal(value, other[name])}
    assert changed == {"heatmap.out.weight", "heatmap.out.bias"}
    assert "2 tensors start anew: heatmap.out.weight, heatmap.out.bias" in caplog.text
    left = "classifier.linear.bias, classifier.linear.weight, heatmap.out.bias, heatmap.out.weight"
    assert f"4 tensors of the file are left out: {left}" in caplog.text


def test_a_metric_of_another_length_starts_anew(tmp_path, caplog):
    torch.manual_seed(1)
    models = [tiny(pooling="stripes", stripes=2, embedding_dimension=length) for length in (12, 12, 20)]
    source, alike, longer = map(Network, models)
    torch.nn.init.normal_(source.read_out.centre)
    save_checkpoint(tmp_path / "run", 0, Config(model=models[0]), source.state_dict(), state=None)
    start_from(alike, tmp_path / "run")
    assert all(torch.equal(value, source.state_dict()[name]) for name, value in alike.state_dict().items())
    assert not caplog.records
    start_from(longer, tmp_path / "run")
    assert torch.equal(longer.read_out.centre, source.read_out.centre)
    assert "1 tensors start anew: read_out.matrix" in caplog.text


def test_another_encoder_is_refused(run):
    config = tiny(encoder="mobilenetv3_small_050", encoder_options={}, pretrained=str(run))
    with pytest.raises(UserError, match=r"its encoder is resnet10t: nothing of it fits this network"):
        initialise(Network(config), config)
    with pytest.raises(UserError, match="holds no checkpoint"):
        initialise(Network(tiny()), tiny(pretrained=str(run.parent)))


def test_such_a_model_cannot_be_resumed(run):
    with pytest.raises(UserError, match="holds weights and no run to resume; train from them with --start"):
        load_state(run / "checkpoint-000000")
