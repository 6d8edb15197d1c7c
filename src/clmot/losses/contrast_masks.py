"""Which boxes are positives and negatives of each other: the one place that decides it."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from clmot.structures import Batch


class BoxLabels(NamedTuple):
    """What is known of m boxes without looking at them.

    Attributes:
        object_index: [m], equal for boxes of one frame that are the same object.
        frame_index: [m], unique in the data set.
        sequence_index: [m].
        identities: [m], unique in the data set, -1 where unknown.
    """

    object_index: Int64[Tensor, " m"]
    frame_index: Int64[Tensor, " m"]
    sequence_index: Int64[Tensor, " m"]
    identities: Int64[Tensor, " m"]


class ContrastiveSet(NamedTuple):
    """Boxes that take part in the contrast.

    Attributes:
        embeddings: [m, d], unit vectors.
        labels: of the same boxes.
    """

    embeddings: Float[Tensor, "m d"]
    labels: BoxLabels

    def and_then(self, others: ContrastiveSet) -> ContrastiveSet:
        """These boxes first, then others."""
        labels = (torch.cat(pair) for pair in zip(self.labels, others.labels, strict=True))
        return ContrastiveSet(torch.cat([self.embeddings, others.embeddings]), BoxLabels(*labels))


def contrast_mask(batch: Batch) -> Bool[Tensor, " m"]:
    """Which boxes of a batch take part in the contrast."""
    return ~batch.ignore & (batch.object_index >= 0)


def contrastive_set(embeddings: Tensor, batch: Batch) -> ContrastiveSet:
    """The boxes of a batch that take part in the contrast: not ignored, and with a known place among the objects."""
    seen = contrast_mask(batch)
    labels = BoxLabels(
        batch.object_index[seen], batch.frame_index[seen], batch.sequence_index[seen], batch.identities[seen]
    )
    return ContrastiveSet(embeddings[seen], labels)


def contrast_pairs(
    anchors: BoxLabels, keys: BoxLabels, negatives: Literal["frame", "sequences"] = "sequences"
) -> tuple[Bool[Tensor, "m k"], Bool[Tensor, "m k"]]:
    """Who among the keys is a positive, and who a negative, of each anchor.

    Two boxes are known to be one object or two where both identities are known, or else where they lie in one frame.
    Positive: one object. Negative: two objects of one frame; of known identities in one sequence; and, unless only the
    ``frame`` counts, any two boxes of different sequences. What remains is neither: boxes in two frames of one
    sequence may show the same object.

    Args:
        anchors: m boxes.
        keys: k boxes, the first m of which are the anchors themselves.
        negatives: whether boxes of other sequences count.

    Returns:
        The masks of positives and negatives. No box is a pair with itself.
    """

    def equal(name: str) -> Tensor:
        return getattr(anchors, name)[:, None] == getattr(keys, name)  # type: ignore[no-any-return]

    known = equal("frame_index")
    same = known & equal("object_index")
    same_sequence = equal("sequence_index")
    if (anchors.identities >= 0).any():
        identified = (anchors.identities >= 0)[:, None] & (keys.identities >= 0)
        same = torch.where(identified, equal("identities"), same)
        known = known | (identified & same_sequence)
    if negatives != "frame":
        known = known | ~same_sequence
    negative = known & ~same
    same.diagonal().fill_(False)
    return same, negative
