import math

import pytest
import torch
from torch.nn import functional as F

from clmot.losses.sigmoid import sigmoid


def masks(positives: int, negatives: int) -> tuple[torch.Tensor, torch.Tensor]:
    """One anchor with positives, negatives, and as many keys that are neither."""
    kind = torch.tensor([[0] * positives + [1] * negatives + [2] * 3])
    return kind == 0, kind == 1


def test_equals_binary_cross_entropy_of_every_pair():
    positive, negative = masks(2, 9)
    similarity = torch.rand(1, 14, generator=torch.Generator().manual_seed(0)).double() * 2 - 1
    logits = similarity[0, :11] / 0.2 + math.log(2 / 9)
    target = positive[0, :11].double()
    expected = F.binary_cross_entropy_with_logits(logits, target, reduction="sum") / 2
    torch.testing.assert_close(sigmoid(similarity, positive, negative, 0.2)[0], expected)


def test_equals_siglip_with_its_bias():
    """One positive among 32 768 pairs: log odds of -10.4, where SigLIP starts from -10."""
    positive, negative = masks(1, 32767)
    similarity = torch.rand(1, 32771, generator=torch.Generator().manual_seed(1)).double() - 0.5
    sign = torch.where(positive, 1.0, -1.0)[0, :32768]
    logits = 10 * similarity[0, :32768] - math.log(32767)
    torch.testing.assert_close(sigmoid(similarity, positive, negative)[0], -F.logsigmoid(sign * logits).sum())
    assert -math.log(32767) == pytest.approx(-10, abs=0.5)


@pytest.mark.parametrize(("positives", "negatives"), [(1, 1), (1, 7), (1, 999), (4, 20)])
def test_starts_calibrated(positives, negatives):
    """With cosines of 0 as many pairs are expected to be positives as there are: the bias is the best there can be."""
    positive, negative = masks(positives, negatives)
    shift = torch.zeros((), dtype=torch.float64, requires_grad=True)
    loss = sigmoid(torch.zeros(1, positives + negatives + 3).double() + shift, positive, negative)
    loss.sum().backward()
    assert shift.grad.item() == pytest.approx(0, abs=1e-9)
    odds = positives / negatives
    assert loss.item() == pytest.approx(math.log(1 + 1 / odds) + math.log(1 + odds) / odds)
