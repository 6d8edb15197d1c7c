"""Identity classification: cross-entropy and its focal form."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F


def identity_cross_entropy(
    logits: Float[Tensor, "m identities"], identities: Int64[Tensor, " m"], gamma: float = 0.0
) -> Float[Tensor, " m"]:
    """Cross-entropy of each box's identity (FairMOT), or its focal form ``(1 - p)^gamma * -log p`` (Lin et al. 2017).

    Args:
        logits: of every identity.
        identities: the true ones, -1 where unknown.
        gamma: how much less the boxes count that are told already; 0 is plain cross-entropy.

    Returns:
        One loss a box; zero, with zero gradient, where the identity is unknown.
    """
    loss = F.cross_entropy(logits, identities, reduction="none", ignore_index=-1)
    if gamma == 0:
        return loss
    # 1 - p without cancellation; not below eps, where its power has no finite slope for gamma < 1
    doubt = -torch.expm1(-loss)
    return doubt.clamp(min=torch.finfo(loss.dtype).eps) ** gamma * loss
