import pytest
import torch

from clmot.losses.reduce import mean_by_row, positives_and_negatives


def test_mean_by_row():
    values = torch.tensor([1.0, 2.0, 6.0, 5.0])
    assert mean_by_row(values, torch.tensor([2, 0, 0, 3]), 5).tolist() == [4, 0, 1, 5, 0]
    assert mean_by_row(values[:0], torch.zeros(0, dtype=torch.int64), 2).tolist() == [0, 0]


@pytest.mark.parametrize("temperature", [0.05, 1.0])
def test_equals_indexing_and_a_masked_log_sum_exp_in_both_directions(temperature):
    generator = torch.Generator().manual_seed(0)
    kind = torch.rand(7, 12, generator=generator)
    positive, negative = kind < 0.2, kind > 0.4
    rows, columns = positive.nonzero(as_tuple=True)
    similarity = torch.rand(7, 12, generator=generator).double() * 2 - 1
    gradients = []
    for fused in (True, False):
        values = similarity.clone().requires_grad_()
        if fused:
            near, far = positives_and_negatives(values, rows, columns, negative, temperature)
        else:
            expected = values[rows, columns] / temperature
            torch.testing.assert_close(near, expected)
            near = expected
            expected = torch.where(negative, values / temperature, -torch.inf).logsumexp(dim=1)
            torch.testing.assert_close(far, expected)
            far = expected
        (near.sin().sum() + (far**2).sum()).backward()
        gradients.append(values.grad)
    torch.testing.assert_close(*gradients)


def test_a_row_without_negatives_has_the_lowest_number_and_no_gradient():
    similarity = torch.zeros(2, 3, requires_grad=True)
    none = torch.zeros(0, dtype=torch.int64)
    negative = torch.tensor([[False] * 3, [True] * 3])
    _, far = positives_and_negatives(similarity, none, none, negative, 0.1)
    far.sum().backward()
    assert far[0] == torch.finfo(torch.float32).min
    assert similarity.grad.tolist() == [[0, 0, 0], pytest.approx([10 / 3] * 3)]
