"""The losses of recipe `paper` against CL-MOT's formulas, written out as loops over pairs and triplets of boxes."""

import math

import pytest
import torch
from torch.nn import functional as F

from clmot.config import load_config
from clmot.losses.criterion import embedding_loss
from clmot.losses.targets import detection_targets
from clmot.structures import Batch, TrainingOutput

# frame and object of each box, the first views' boxes before the second views'. Frame 1 shows one object alone; of
# frame 2 the second view shows one object of two
BOXES = [(0, 0), (0, 1), (0, 2), (1, 0), (2, 0), (2, 1), (0, 0), (0, 1), (0, 2), (1, 0), (2, 1)]


def loss_of(embeddings: torch.Tensor, objective: str) -> torch.Tensor:
    frame, index = torch.tensor(BOXES).T
    second = torch.arange(len(BOXES)) >= 6
    boxes = torch.tensor([[0.0, 0, 8, 8]]).expand(len(BOXES), 4)
    batch = Batch(
        images=torch.zeros(6, 3, 32, 32, dtype=torch.uint8),
        boxes=boxes,
        classes=torch.zeros_like(frame),
        ignore=torch.zeros_like(second),
        image_index=2 * frame + second,
        object_index=index,
        frame_index=frame,
        sequence_index=frame,
        identities=torch.full_like(frame, -1),
    )
    config = load_config("paper", overrides=[f"loss.objective={objective}"]).loss
    total, count = embedding_loss(TrainingOutput(None, embeddings, None), batch, config, None)
    return total / count


def others(i: int) -> tuple[list[int], list[int]]:
    """Positives and negatives of a box: the same object of its frame in another view, other objects of its frame."""
    mine = [j for j in range(len(BOXES)) if j != i and BOXES[j][0] == BOXES[i][0]]
    return [j for j in mine if BOXES[j] == BOXES[i]], [j for j in mine if BOXES[j] != BOXES[i]]


def nt_xent(e: torch.Tensor) -> torch.Tensor:
    """Mean over all positive pairs, those of a box without negatives included."""
    pairs = []
    for i in range(len(BOXES)):
        positives, negatives = others(i)
        for p in positives:
            up = torch.exp(F.cosine_similarity(e[i], e[p], dim=0) / 0.5)
            down = sum((torch.exp(F.cosine_similarity(e[i], e[n], dim=0) / 0.5) for n in negatives), up)
            pairs.append(-torch.log(up / down))
    assert len(pairs) == 10
    assert sum(pair.item() == 0 for pair in pairs) == 2, "of the object that is alone"
    return torch.stack(pairs).mean()


def triplet(e: torch.Tensor) -> torch.Tensor:
    """Mean over all triplets above zero, by Euclidean distance."""
    triplets = [
        math.dist(e[i].tolist(), e[p].tolist()) - math.dist(e[i].tolist(), e[n].tolist()) + 0.5
        for i in range(len(BOXES))
        for p in others(i)[0]
        for n in others(i)[1]
    ]
    active = [each for each in triplets if each > 0]
    assert 0 < len(active) < len(triplets)
    return torch.tensor(sum(active) / len(active))


def triplet_hard(e: torch.Tensor) -> torch.Tensor:
    """Mean over the boxes with a positive and a negative, of the farthest positive and the nearest negative."""
    losses = []
    for i in range(len(BOXES)):
        far, near = ([math.dist(e[i].tolist(), e[j].tolist()) for j in which] for which in others(i))
        if far and near:
            losses.append(max(0.0, max(far) - min(near) + 0.5))
    return torch.tensor(sum(losses) / len(losses))


@pytest.mark.parametrize("published", [nt_xent, triplet, triplet_hard])
@pytest.mark.parametrize("seed", range(3))
def test_paper_is_the_published_formula(published, seed):
    noise = torch.randn(len(BOXES), 16, generator=torch.Generator().manual_seed(seed))
    frame, index = torch.tensor(BOXES).T
    # objects that are told apart now and then, so that there are triplets of both kinds
    embeddings = F.normalize(noise + 4 * F.one_hot(3 * frame + index, 16), dim=1)
    assert loss_of(embeddings, published.__name__).item() == pytest.approx(published(embeddings).item(), rel=1e-5)


def test_targets_of_clipped_boxes_are_the_published_ones():
    """Centre, cell, offset, width and height of each box on a map of 20 x 12 cells."""
    generator = torch.Generator().manual_seed(0)
    corner = torch.rand(40, 2, generator=generator) * torch.tensor([70.0, 40]) - 10
    boxes = torch.cat([corner, corner + 8 + 30 * torch.rand(40, 2, generator=generator)], dim=1)
    boxes = torch.minimum(boxes.clamp(min=0), torch.tensor([80.0, 48, 80, 48]))
    none, image = torch.zeros(40, dtype=torch.bool), torch.zeros(40, dtype=torch.int64)
    targets = detection_targets(boxes, image, none, image, (1, 1, 12, 20), 4)
    for i, (left, top, right, bottom) in enumerate((boxes / 4).tolist()):
        x, y = (left + right) / 2, (top + bottom) / 2
        assert (targets.column[i], targets.row[i]) == (int(x), int(y))
        assert targets.offset[i].tolist() == pytest.approx([x - int(x), y - int(y)], abs=1e-5)
        width, height = right - left, bottom - top
        assert targets.size[i].tolist() == pytest.approx([width / 2, height / 2] * 2, abs=1e-5)
        assert targets.heatmap[0, 0, int(y), int(x)] == 1


def test_equal_embeddings_have_finite_gradients():
    """The Euclidean distance of two equal vectors has no slope."""
    embeddings = F.normalize(torch.ones(len(BOXES), 4), dim=1).requires_grad_()
    for objective in ("triplet", "triplet_hard"):
        loss = loss_of(embeddings, objective)
        assert loss.item() == pytest.approx(0.5, abs=1e-3)
        assert torch.isfinite(torch.autograd.grad(loss, embeddings)[0]).all()
