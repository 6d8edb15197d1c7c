import math

import pytest
import torch

from clmot.losses.detection import heatmap_focal, l1_at_objects


def test_focal_equals_the_formula_cell_by_cell():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 5, 4, generator=generator)
    target = torch.rand(2, 3, 5, 4, generator=generator)
    target[0, 1, 2, 3] = target[1, 0, 0, 0] = 1.0
    ignored = torch.rand(2, 5, 4, generator=generator) < 0.3
    ignored[0, 2, 3] = ignored[1, 0, 0] = False
    expected = 0.0
    for v in range(2):
        for c in range(3):
            for y in range(5):
                for x in range(4):
                    if ignored[v, y, x]:
                        continue
                    p, t = 1 / (1 + math.exp(-logits[v, c, y, x].item())), target[v, c, y, x].item()
                    expected -= (1 - p) ** 2 * math.log(p) if t == 1 else (1 - t) ** 4 * p**2 * math.log(1 - p)
    total, count = heatmap_focal(logits, target, ignored)
    assert total.item() == pytest.approx(expected, rel=1e-5)
    assert count.item() == 2


def test_focal_of_extreme_logits_is_their_size():
    logits = torch.tensor([1e4, -1e4, 0.0]).view(1, 1, 1, 3).requires_grad_()
    total, _ = heatmap_focal(logits, torch.tensor([0.0, 1, 0]).view(1, 1, 1, 3), torch.zeros(1, 1, 3, dtype=torch.bool))
    total.backward()
    # two that are certain and wrong, and one that is undecided
    assert total.item() == pytest.approx(2e4 + math.log(2) / 4, rel=1e-6)
    assert logits.grad.flatten().tolist() == pytest.approx([1, -1, (1 + math.log(2)) / 8 + math.log(2) / 8], abs=1e-3)


def test_l1_without_objects_is_zero_with_zero_gradient():
    prediction = torch.zeros(0, 4, requires_grad=True)
    total, count = l1_at_objects(prediction, torch.zeros(0, 4))
    total.backward()
    assert total.item() == count.item() == 0
