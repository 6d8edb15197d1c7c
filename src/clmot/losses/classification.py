"""Identity classification: cross-entropy and its focal form."""

from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F


def identity_cross_entropy(
    logits: Float[Tensor, "m identities"], identities: Int64[Tensor, " m"]
) -> Float[Tensor, " m"]:
    """Cross-entropy of each box's identity (FairMOT).

    Args:
        logits: of every identity.
        identities: the true ones, -1 where unknown.

    Returns:
        One loss a box; zero, with zero gradient, where the identity is unknown.
    """
    return F.cross_entropy(logits, identities, reduction="none", ignore_index=-1)
