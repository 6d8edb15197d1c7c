import pytest
import torch
from torch.nn import functional as F

from clmot.losses.similarity import cosines


def units(count: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(count, 5, generator=generator, dtype=torch.float64), dim=1)


@pytest.mark.parametrize("count", [0, 1, 7])
def test_of_boxes_with_themselves_in_both_directions(count):
    """The shorter gradient equals the product rule, for a gradient that is not symmetric."""
    upstream = torch.randn(count, count, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    gradients = []
    for anchors in (units(count, 0).requires_grad_(), units(count, 0).requires_grad_()):
        similarity = cosines(anchors, anchors) if not gradients else anchors @ anchors.T
        torch.testing.assert_close(similarity, F.cosine_similarity(anchors[:, None], anchors, dim=2))
        similarity.backward(upstream)
        gradients.append(anchors.grad)
    torch.testing.assert_close(*gradients)


def test_of_boxes_with_others_in_both_directions():
    anchors, keys = units(3, 0).requires_grad_(), units(4, 1).requires_grad_()
    torch.testing.assert_close(cosines(anchors, keys), F.cosine_similarity(anchors[:, None], keys, dim=2))
    assert torch.autograd.gradcheck(cosines, (anchors, keys))
