"""A memory of earlier boxes, to contrast with: negatives from many more sequences than a batch holds."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from clmot.losses.contrast_masks import BoxLabels, ContrastiveSet, contrastive_set
from clmot.structures import Batch


class EmbeddingQueue(nn.Module):
    """The last embeddings and where they came from, oldest overwritten first (MoCo: He et al. 2020).

    Entries know their sequence, because two boxes of one sequence may show the same object; of their frame and place
    in it nothing is kept. All of it is in `state_dict`.

    Args:
        size: entries.
        dimension: length of an embedding.
    """

    embeddings: Tensor
    sequence_index: Tensor
    identities: Tensor
    pushed: Tensor

    def __init__(self, size: int, dimension: int) -> None:
        super().__init__()
        self.register_buffer("embeddings", torch.zeros(size, dimension))
        self.register_buffer("sequence_index", torch.full((size,), -1))
        self.register_buffer("identities", torch.full((size,), -1))
        self.register_buffer("pushed", torch.tensor(0))

    def push(self, keys: ContrastiveSet) -> None:
        """Remember some boxes."""
        size = len(self.embeddings)
        rows = torch.arange(len(keys.embeddings), device=self.embeddings.device)[-size:]
        places = (self.pushed + rows) % size
        self.embeddings[places] = keys.embeddings[rows].detach()
        self.sequence_index[places] = keys.labels.sequence_index[rows]
        self.identities[places] = keys.labels.identities[rows]
        self.pushed += len(keys.embeddings)

    def remembered(self) -> ContrastiveSet:
        """Copies of what it holds."""
        held = slice(0, min(int(self.pushed), len(self.embeddings)))
        unknown = torch.full_like(self.sequence_index[held], -1)
        labels = BoxLabels(
            object_index=unknown,
            frame_index=unknown,
            sequence_index=self.sequence_index[held].clone(),
            identities=self.identities[held].clone(),
        )
        return ContrastiveSet(self.embeddings[held].clone(), labels)


@torch.no_grad()
def momentum_keys(network: nn.Module, batch: Batch) -> ContrastiveSet:
    """What the moving average of the network, MoCo's momentum encoder, makes of a batch's boxes.

    Only of the first view of each pair: the second shows the same objects, and would cost as much again.

    Args:
        network: the moving average, in evaluation mode.
        batch: views and boxes.
    """
    first = batch.of_views(slice(None, None, 2))
    return contrastive_set(network(first.images, first.embedding_boxes, first.image_index).embeddings, first)
