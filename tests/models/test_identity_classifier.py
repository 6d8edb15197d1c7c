import math

import pytest
import torch
from torch.nn import functional as F

from clmot.config import LossConfig, ModelConfig, TrainConfig
from clmot.losses.criterion import criterion
from clmot.models.heads import IdentityClassifier
from clmot.models.levels import STRIDE
from clmot.models.network import Network
from clmot.structures import Batch
from clmot.training.optim import make_optimizer


def test_logits_are_those_of_the_scaled_embedding():
    torch.manual_seed(0)
    classifier = IdentityClassifier(8, 50)
    embeddings = F.normalize(torch.randn(3, 8), dim=1)
    expected = classifier.linear(math.sqrt(2) * math.log(49) * embeddings)
    torch.testing.assert_close(classifier(embeddings), expected)


def test_logits_are_float32_under_bfloat16():
    classifier = IdentityClassifier(4, 10)
    with torch.autocast("cpu", torch.bfloat16):
        assert classifier(torch.rand(2, 4).bfloat16()).dtype == torch.float32


def test_separable_embeddings_are_told_apart():
    torch.manual_seed(1)
    classifier = IdentityClassifier(16, 10)
    identities = torch.arange(10).repeat(4)
    embeddings = F.normalize(F.one_hot(identities, 16).float() + 0.1 * torch.randn(40, 16), dim=1)
    optimizer = torch.optim.Adam(classifier.parameters(), lr=0.02)
    for _ in range(40):
        optimizer.zero_grad()
        F.cross_entropy(classifier(embeddings), identities).backward()
        optimizer.step()
    assert (classifier(embeddings).argmax(dim=1) == identities).all()


@pytest.mark.parametrize("objective", ["identity", "instance"])
def test_the_supervised_baseline_does_not_train_against_a_frozen_classifier_or_frozen_task_weights(objective):
    """In the original the classifier and both task weights stayed as initialised, which made the baseline unfair."""
    torch.manual_seed(0)
    options = {"channels": [8, 8, 8, 8]}
    model = ModelConfig(
        encoder="resnet10t", encoder_options=options, width=8, embedding_dimension=8, stripes=2, identities=4
    )
    network = Network(model)
    optimizer = make_optimizer(network, TrainConfig(learning_rate=1e-2))
    left_top = torch.tensor([[4.0, 4], [30, 10], [4, 4], [30, 10]])
    boxes = torch.cat([left_top, left_top + torch.tensor([20.0, 40])], dim=1)
    zeros = torch.zeros(4, dtype=torch.int64)
    batch = Batch(
        images=torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8),
        boxes=boxes,
        classes=zeros,
        ignore=zeros.bool(),
        image_index=torch.tensor([0, 0, 1, 1]),
        object_index=torch.tensor([0, 1, 0, 1]),
        frame_index=zeros,
        sequence_index=zeros,
        identities=torch.tensor([0, 3, 0, 3]),
    )
    before = {name: value.detach().clone() for name, value in network.named_parameters()}
    losses = []
    for _ in range(8):
        output = network(batch.images, batch.boxes, batch.image_index)
        terms = criterion(output, batch, LossConfig(objective=objective), network.task_weights, STRIDE)
        optimizer.zero_grad()
        terms.total.backward()
        optimizer.step()
        losses.append(terms.parts["embedding"].item())
    learned = {name for name, value in network.named_parameters() if not torch.equal(value, before[name])}
    assert {name for name in before if name.startswith(("classifier.", "task_weights."))} <= learned
    assert losses[-1] < 0.8 * losses[0]
