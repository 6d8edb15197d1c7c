"""Named identities, told by their embeddings across videos and cameras.

    gallery = Gallery()
    gallery.enrol("Ada", model.embed(image, boxes_of_ada))  # from a few frames, sides and distances
    gallery.enrol("Ben", tracked_embeddings_of_ben)
    gallery.save("team.safetensors")

    found = model.detect(other_image)
    seen = Gallery.load("team.safetensors").recognise(found.embedding, threshold=0.3)
    seen.names  # ["Ben", None, "Ada"]

An embedding says only so much as the network that made it: enrol and recognise with the same model. How large distances
are is the model's affair too; ``clmot embed`` shows at which distance its genuine and impostor pairs part.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from jaxtyping import Float

from clmot.boxes import as_numbers
from clmot.errors import UserError, require
from clmot.io.named_arrays import damaged, read_arrays, write_arrays
from clmot.products import product
from clmot.structures import Detections, Float32Array
from clmot.tracking.assignment import assign
from clmot.tracking.candidates import all_pairs
from clmot.tracking.track_state import unit

Keep = Literal["diverse", "recent"]

_KIND = "gallery"


@dataclass(frozen=True, kw_only=True, eq=False)
class Recognised:
    """Who n embeddings are.

    Attributes:
        names: [n], None for those who are not known.
        distance: float32 [n], cosine distance to the identity that it was held for, to the nearest for those who are
            not known; infinite where nobody is enrolled.
        margin: float32 [n], how much farther the nearest other identity is; negative where another embedding of the
            same frame had the better claim to that one; infinite where there is no other.
    """

    names: list[str | None]
    distance: Float32Array
    margin: Float32Array


class Gallery:
    """Several embeddings of each of some identities; the nearest of them counts.

    Args:
        size: how many embeddings of an identity are kept at most.
        keep: which. diverse: those farthest from each other (greedy farthest-point selection from the medoid), so that
            sides and postures seen once are remembered; but so are wrong ones. recent: the last ones enrolled, for
            appearance that changes, as with clothes.

    Attributes:
        model: fingerprint of the model whose embeddings these are (`clmot.Model.fingerprint`), empty where unknown.

    Raises:
        UserError: `size` is less than 1, or `keep` is something else.

    Examples:
        >>> gallery = clmot.Gallery()
        >>> gallery.enrol("Ada", [[1.0, 0.0]])
        >>> gallery.enrol("Bob", [[0.0, 1.0]])
        >>> gallery.recognise([[0.9, 0.1]]).names
        ['Ada']
    """

    def __init__(self, size: int = 16, keep: Keep = "diverse") -> None:
        fits = isinstance(size, int) and not isinstance(size, bool) and size >= 1
        require(fits, f"gallery size must be a whole number >= 1, got {size!r}")
        require(keep in ("diverse", "recent"), f"gallery keep is {keep!r}, expected diverse or recent")
        self.size, self.keep, self.model = size, keep, ""
        self._known: dict[str, Float32Array] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Who is enrolled, in the order in which they came."""
        return tuple(self._known)

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, name: object) -> bool:
        return name in self._known

    def embeddings(self, name: str) -> Float32Array:
        """What is kept of an identity: float32 [k, d] of unit length.

        Raises:
            KeyError: nobody of that name is enrolled.
        """
        return self._known[name].copy()

    def enrol(self, name: str, embeddings: Any) -> None:
        """Add embeddings of an identity: a new one, or more of one that is known.

        Args:
            name: of the identity.
            embeddings: [n, d], oldest first (of crops, or of the detections of a track), of any length but zero; or
                `Detections` that have some.

        Raises:
            TypeError: the name is no text.
            ValueError: there is none, or one is not finite, is zero, or of another length than those known.
        """
        if not isinstance(name, str):
            raise TypeError(f"an identity's name is a text, not {name!r:.60}")
        new = self._checked(embeddings)
        if not len(new):
            raise ValueError(f"no embeddings to enrol {name!r} by")
        every = np.concatenate([self._known[name], new]) if name in self._known else new
        if len(every) > self.size:
            every = every[-self.size :] if self.keep == "recent" else every[farthest_points(every, self.size)]
        self._known[name] = every

    def use_model(self, fingerprint: str) -> None:
        """Say which model's embeddings come next; distances between those of two models mean nothing.

        Args:
            fingerprint: `clmot.Model.fingerprint`; empty where unknown, which goes with any.

        Raises:
            UserError: those enrolled are another model's.
        """
        if fingerprint and self.model and fingerprint != self.model:
            raise UserError(
                f"the gallery was made with another model (fingerprint {self.model}, this one is {fingerprint}); use "
                "that one, or begin a new gallery"
            )
        self.model = fingerprint or self.model

    def forget(self, name: str) -> None:
        """Remove an identity.

        Raises:
            KeyError: nobody of that name is enrolled.
        """
        del self._known[name]

    def distances(self, embeddings: Any) -> Float32Array:
        """Cosine distance of each embedding to the nearest of each identity's: float32 [n, identities].

        Raises:
            ValueError: as `recognise`.
        """
        vectors = self._checked(embeddings)
        if not self._known:
            return np.empty((len(vectors), 0), np.float32)
        similarity = product(vectors, np.concatenate(list(self._known.values())).T)
        starts = np.cumsum([0, *(len(each) for each in self._known.values())])[:-1]
        return np.asarray(np.maximum(1 - np.maximum.reduceat(similarity, starts, axis=1), 0), np.float32)

    def recognise(
        self, embeddings: Any, *, threshold: float = 0.3, margin: float = 0.0, exclusive: bool = True
    ) -> Recognised:
        """Who these are.

        Args:
            embeddings: [n, d], of any length but zero.
            threshold: who is this far (cosine distance) from everybody, or farther, is not known.
            margin: who is not this much nearer to one identity than to all others, is not known either.
            exclusive: the embeddings are of different objects of one frame, so that nobody is two of them; names are
                given so that the distances are least in total.

        Raises:
            ValueError: an embedding is not finite, is zero, or of another length than those enrolled.
        """
        distance = self.distances(embeddings)
        n, identities = distance.shape
        if not identities:
            nowhere = np.full(n, np.inf, np.float32)
            return Recognised(names=[None] * n, distance=nowhere, margin=nowhere.copy())
        held_for = np.argmin(distance, axis=1)
        known = distance[np.arange(n), held_for] < threshold
        if exclusive:
            row, column = all_pairs(n, identities)
            made = assign(row, column, distance.ravel().astype(np.float64), threshold)
            known[:] = False
            known[row[made]] = True
            held_for[row[made]] = column[made]
        own = distance[np.arange(n), held_for]
        others = distance.copy()
        others[np.arange(n), held_for] = np.inf
        lead = others.min(axis=1) - own
        known &= lead >= margin if margin else True
        names = self.names
        return Recognised(
            names=[names[i] if is_known else None for i, is_known in zip(held_for, known, strict=True)],
            distance=own,
            margin=lead,
        )

    def save(self, path: str | Path) -> None:
        """Write the gallery to one file (safetensors).

        Raises:
            UserError: it cannot be written.
        """
        arrays = {str(number): each for number, each in enumerate(self._known.values())}
        notes = {"names": self.names, "size": self.size, "keep": self.keep, "model": self.model}
        write_arrays(Path(path), _KIND, arrays, notes)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote.

        Raises:
            UserError: the file cannot be read, is cut short, or is something else.
        """
        arrays, notes = read_arrays(Path(path), _KIND)
        try:
            gallery = cls(int(notes["size"]), notes["keep"])
            gallery.model = str(notes.get("model", ""))
            for number, name in enumerate(notes["names"]):
                gallery._known[str(name)] = each = np.asarray(arrays[str(number)], np.float32)
                gallery._checked(each)
        except (KeyError, TypeError, ValueError, ArithmeticError, UserError) as error:
            raise damaged(Path(path), _KIND, error) from error
        return gallery

    def _checked(self, embeddings: Any) -> Float32Array:
        if isinstance(embeddings, Detections):
            embeddings = embeddings.embedding
            if embeddings is None:
                raise ValueError("these detections have no embeddings")
        vectors = as_numbers(embeddings).astype(np.float32)
        if vectors.ndim != 2:
            raise ValueError(f"embeddings must be [n, d], got {list(vectors.shape)}")
        length = next((each.shape[1] for each in self._known.values()), vectors.shape[1])
        if len(vectors) and vectors.shape[1] != length:
            raise ValueError(f"embeddings have length {vectors.shape[1]}, those enrolled {length}: of another model?")
        if not (np.isfinite(vectors).all() and vectors.any(axis=1).all()):
            raise ValueError("an embedding is zero or not finite")
        return unit(vectors).reshape(-1, length)


def farthest_points(vectors: Float[np.ndarray, "n d"], count: int) -> list[int]:
    """Rows far from each other: the medoid first, then always the one farthest from all taken (ties: the first).

    Source: Gonzalez, "Clustering to minimize the maximum intercluster distance", 1985.

    Args:
        vectors: of unit length; cosine distance.
        count: how many, at most n.

    Returns:
        Ascending row numbers.
    """
    distance = 1 - vectors @ vectors.T
    taken = [int(np.argmin(distance.sum(axis=1)))]
    nearest = distance[taken[0]].copy()
    while len(taken) < count:
        nearest[taken] = -np.inf
        taken.append(int(np.argmax(nearest)))
        np.minimum(nearest, distance[taken[-1]], out=nearest)
    return sorted(taken)
