"""After training: the whitening of the embedding, from the annotated boxes."""

from __future__ import annotations

import copy
import dataclasses
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from clmot.config import Config
from clmot.errors import UserError
from clmot.evaluation.embedding import EmbeddedSequence, embed_sequences
from clmot.evaluation.two_view import embed_views
from clmot.inference.attached import AttachedModel
from clmot.inference.model import Model
from clmot.inference.network_model import NetworkModel
from clmot.io.image import read_image
from clmot.io.progress import counted
from clmot.models.attached import AttachedNetwork
from clmot.models.network import Network
from clmot.models.whitening import WhitenedPool
from clmot.structures import Dataset, Sample
from clmot.training.learn_metric import learn_metric
from clmot.views.labels import with_labels
from clmot.views.pair_dataset import PairDataset

if TYPE_CHECKING:
    from rich.progress import Progress

log = logging.getLogger(__name__)

MAX_IMAGES = 400
"""Images that are looked at: frames evenly spread over each sequence, or both views of half as many."""

MAX_BOXES = 20_000
"""Boxes of known objects that are looked at: crowded frames are many boxes each, and what is read of a box is long."""

LEAST_BOXES = 3
"""Boxes of an object, at least, for it to say how its embedding changes."""

LEAST_OBJECTS = 10
"""Objects, at least, that say so: how a handful of people change is not how people do (docs/results.md), and two views
of many boxes tell more."""


def fit_whitening(
    network: nn.Module,
    config: Config,
    dataset: Dataset,
    device: torch.device,
    *,
    further: bool = False,
    bar: Progress | None = None,
) -> None:
    """Fit the whitening of a trained network's embedding, in place, where its pooling has one.

    Objects seen at several times, by identity or tracklet, say in which directions one object changes
    (`WhitenedPool.fit`). Where there are none or few, the same boxes in two views of a frame do.

    Args:
        network: a `Network` or an `AttachedNetwork`.
        config: the run's.
        dataset: as training saw it.
        device: to embed on.
        further: the network has a whitening that was fitted on other data: go on from it with a metric that tells the
            objects of this data apart (`clmot.training.learn_metric`), as far as there are enough known at several
            times.
        bar: shows how far it is.
    """
    pool = whitening_of(network)
    if pool is None:
        return
    log.info("fitting the whitening of the embedding")
    model = model_in_use(network, config, device)
    in_use = whitening_of(model.network)
    assert in_use is not None
    further = further and pool.is_fitted
    if not further:
        in_use.pass_through()
    parts = _embedded(model, dataset, bar)
    if further:
        metric = learn_metric(parts, LEAST_OBJECTS, config.train.seed)
        if metric is not None:
            pool.go_on(metric)
            log.info("the metric of the embedding is from %d boxes", sum(len(each.seconds) for each in parts))
        return
    seen = _over_time(parts)
    if not len(seen.around):
        seen = _in_two_views(model, dataset, bar)
    if not len(seen.around):
        log.warning("the whitening of the embedding is not fitted: there are too few boxes")
        return
    centre = np.mean([each.mean(axis=0) for each in seen.sequences], axis=0)
    overall = np.concatenate([each - each.mean(axis=0) for each in seen.sequences])
    pool.fit(torch.from_numpy(centre), _covariance(seen.around), _covariance(overall))
    log.info("the whitening of the embedding is from %d boxes %s", len(seen.around), seen.how)


def whitening_of(network: nn.Module) -> WhitenedPool | None:
    """The whitening within a network, if it has one."""
    return next((module for module in network.modules() if isinstance(module, WhitenedPool)), None)


class _Seen(NamedTuple):
    """Embeddings of boxes.

    Attributes:
        sequences: float64 [n, d] of each sequence.
        around: float64 [k, d], those of objects seen several times, less the mean of their object.
        how: they were seen, for the log.
    """

    sequences: list[npt.NDArray[np.float64]]
    around: npt.NDArray[np.float64]
    how: str


def _embedded(model: Model, dataset: Dataset, bar: Progress | None) -> list[EmbeddedSequence]:
    """Boxes of known objects; the number of a frame is its second."""
    known = [sample for sample in dataset.samples if (sample.identities >= 0).any()]
    # those of each sequence in order of time, so that every n-th is spread over it
    known.sort(key=lambda sample: (sample.sequence, sample.frame))
    boxes = sum(int((sample.identities >= 0).sum()) for sample in known)
    step = max(1, -(-len(known) // MAX_IMAGES), -(-boxes // MAX_BOXES))
    frames = [sample for sample in known[::step] if _is_readable(sample)]
    looked_at = counted(frames, bar, "whitening", len(frames))
    return embed_sequences(looked_at, model.embed, {sample.sequence: 1.0 for sample in frames})


def _over_time(parts: Sequence[EmbeddedSequence]) -> _Seen:
    """Known objects in several frames."""
    around: list[npt.NDArray[np.float64]] = []
    for part in parts:
        for identity in np.unique(part.identities):
            own = part.embeddings[part.identities == identity].astype(np.float64)
            if len(own) >= LEAST_BOXES:
                around.append(own - own.mean(axis=0))
    if len(around) < LEAST_OBJECTS:
        around = []
    return _Seen([part.embeddings.astype(np.float64) for part in parts], _stacked(around), "of objects over time")


def _in_two_views(model: Model, dataset: Dataset, bar: Progress | None) -> _Seen:
    """Boxes in the two views that training makes of a frame."""
    config = model.config
    boxes_alone, _ = with_labels(dataset, "none")
    views = dataclasses.replace(config.views, neighbour=0.0)
    pairs = PairDataset(boxes_alone, views, config.model.image_size, config.train.seed)
    chosen = np.linspace(0, len(pairs) - 1, min(len(pairs), MAX_IMAGES // 2)).round().astype(np.int64)
    drawn = (pairs.with_replacement((int(index), number))[0] for number, index in enumerate(chosen))
    seen = embed_views(counted(drawn, bar, "whitening", len(chosen)), model.embed)
    embeddings = seen.embeddings.astype(np.float64)
    # both views of a box one after the other
    order = np.lexsort((seen.object_index, seen.frame_index))
    first, second = order[:-1], order[1:]
    same = (seen.frame_index[first] == seen.frame_index[second]) & (
        seen.object_index[first] == seen.object_index[second]
    )
    half = (embeddings[first[same]] - embeddings[second[same]]) / 2
    # stills, each its own sequence, are one
    sequence = seen.sequence_index if 2 * len(pairs.sequences) < len(pairs) else np.zeros_like(seen.sequence_index)
    return _Seen(
        [embeddings[sequence == each] for each in np.unique(sequence)], _stacked([half, -half]), "in two views"
    )


def _is_readable(sample: Sample) -> bool:
    """Training went on without images that cannot be read, and so does this."""
    try:
        read_image(sample.image)
    except UserError:
        return False
    return True


def _stacked(parts: Sequence[npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
    return np.concatenate([np.empty((0, parts[0].shape[1] if parts else 0)), *parts])


def model_in_use(network: nn.Module, config: Config, device: torch.device) -> NetworkModel:
    """A model of a copy of a network, as it is used."""
    network = copy.deepcopy(network)
    if isinstance(network, AttachedNetwork):
        return AttachedModel(network, config, str(device))
    assert isinstance(network, Network)
    return NetworkModel(network, config, str(device))


def _covariance(deviations: npt.NDArray[np.float64]) -> torch.Tensor:
    return torch.from_numpy(deviations.T @ deviations / len(deviations))
