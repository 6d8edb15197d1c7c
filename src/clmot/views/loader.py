"""From a data set to training batches: which frames at which step, views in worker processes, packing.

What is loaded at a step depends on the seed and the step alone, not on workers, restarts or the state of any generator:
a run resumed at step k sees exactly the batches that an uninterrupted run sees from k on.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.utils.data import DataLoader, Sampler
from torch.utils.data import Dataset as TorchDataset

from clmot.config import DataConfig, ViewsConfig
from clmot.errors import UserError
from clmot.structures import Batch, Dataset, Float64Array, Int64Array, View, ViewPair
from clmot.views.pair_dataset import ORDER_STREAM, Draw, PairDataset
from clmot.views.unusable import Fault, UnusableImages
from clmot.views.worker_processes import start_worker, worker_context


def pack(pairs: Sequence[ViewPair]) -> Batch:
    """View pairs as one batch: views 2i and 2i+1 are pair i, all boxes lie along one axis."""
    views = [view for pair in pairs for view in pair.views]
    counts = torch.tensor([len(view.boxes) for view in views])
    return Batch(
        # the channel axis is moved, not copied: the result is in channels_last layout, which convolutions prefer
        images=torch.from_numpy(np.stack([view.image for view in views])).permute(0, 3, 1, 2),
        image_index=torch.repeat_interleave(torch.arange(len(views)), counts),
        **{name: torch.from_numpy(np.concatenate([getattr(view, name) for view in views])) for name in View.COLUMNS},
    )


class StepSampler(Sampler[list[Draw]]):
    """The draws of each training step, as a function of (seed, step).

    Epochs, each a permutation of the samples seeded by (seed, epoch), follow each other endlessly; step k takes the
    k-th stretch of `batch_size` of them, whatever the number of samples. With weights, an epoch is as long, but each
    sample is in it as often as its share of all weight says (systematic sampling: a share of 2.3 is 2 or 3 draws).

    Args:
        samples: number of samples.
        batch_size: frames a step, over all processes together.
        steps: the step to stop before.
        start_step: the first step.
        seed: of the run.
        rank: number of this process.
        world_size: number of processes; each takes its own slice of every batch.
        weights: float64 [samples], how often each is drawn relative to the others; None: all alike.

    Raises:
        UserError: there are no samples, or the batch cannot be shared out evenly.
    """

    def __init__(
        self,
        samples: int,
        *,
        batch_size: int,
        steps: int,
        start_step: int = 0,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        weights: Float64Array | None = None,
    ) -> None:
        if samples < 1:
            raise UserError("there are no frames to train on")
        if batch_size % world_size:
            raise UserError(f"train.batch_size must be a multiple of the {world_size} processes, got {batch_size}")
        self.samples, self.batch_size, self.seed = samples, batch_size, seed
        self.steps, self.start_step = steps, start_step
        self.share = batch_size // world_size
        self.rank, self.weights = rank, weights
        self._epoch, self._order = -1, np.empty(0, np.int64)

    def __len__(self) -> int:
        return max(0, self.steps - self.start_step)

    def __iter__(self) -> Iterator[list[Draw]]:
        return (self.draws(step) for step in range(self.start_step, self.steps))

    def draws(self, step: int) -> list[Draw]:
        """This process's draws at a step."""
        first = step * self.batch_size + self.rank * self.share
        return [(self._sample(draw), draw) for draw in range(first, first + self.share)]

    def _sample(self, draw: int) -> int:
        epoch, place = divmod(draw, self.samples)
        if epoch != self._epoch:
            rng = np.random.default_rng([self.seed, ORDER_STREAM, epoch])
            order = rng.permutation(self.samples)
            if self.weights is not None:
                order = rng.permutation(_drawn_by_weight(order, self.weights[order], rng.random()))
            self._epoch, self._order = epoch, order
        return int(self._order[place])


def _drawn_by_weight(order: Int64Array, weights: Float64Array, start: float) -> Int64Array:
    """Systematic sampling: as many draws as samples, at equal steps along their weights laid end to end.

    Args:
        order: int64 [n], the samples.
        weights: float64 [n], theirs.
        start: of the first draw, in [0, 1) steps.
    """
    ends = np.cumsum(weights)
    points = (np.arange(len(order)) + start) * (ends[-1] / len(order))
    # the last point may be rounded up to the very end
    places = np.searchsorted(ends, points, side="right").clip(max=len(order) - 1)
    return np.asarray(order[places], np.int64)


class LoadedBatch(NamedTuple):
    """What a worker process hands over.

    Attributes:
        batch: of a step.
        faults: the images that were to be in it and cannot be used.
    """

    batch: Batch
    faults: list[Fault]


class BatchLoader(DataLoader[LoadedBatch]):
    """A data loader whose worker processes report unusable images, and a user's mistake as the same `UserError`.

    Attributes:
        unusable: the images that could not be used up to the newest batch.
    """

    unusable: UnusableImages

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        """The batches, once.

        Raises:
            UserError: too many images cannot be used, or a worker process died.
        """
        try:
            for loaded in super().__iter__():
                if isinstance(loaded, UserError):
                    raise loaded
                self.unusable.add(loaded.faults)
                yield loaded.batch
        except RuntimeError as error:
            if not str(error).startswith("DataLoader worker"):
                raise
            raise UserError(
                "a data worker process died, perhaps for lack of memory: set data.workers=0 to do without"
            ) from error


def make_loader(
    dataset: Dataset,
    data: DataConfig,
    views: ViewsConfig,
    size: tuple[int, int],
    *,
    batch_size: int,
    steps: int,
    start_step: int = 0,
    seed: int = 0,
    rank: int = 0,
    world_size: int = 1,
    pin_memory: bool = False,
) -> BatchLoader:
    """The batches of training steps `start_step` up to `steps`.

    Args:
        dataset: the samples.
        data: number of worker processes (0 prepares the batches in this one), and what identities mean.
        views: ranges of the augmentations.
        size: width and height of the views in pixels.
        batch_size: frames a step over all processes together; each gives two views.
        steps: the step to stop before.
        start_step: the first step, above 0 in a resumed run.
        seed: of the run.
        rank: number of this training process.
        world_size: number of training processes.
        pin_memory: put batches into page-locked memory, for faster copies to a GPU.

    Raises:
        UserError: there are no samples, or the batch cannot be shared out evenly.
    """
    sampler = StepSampler(
        len(dataset.samples),
        batch_size=batch_size,
        steps=steps,
        start_step=start_step,
        seed=seed,
        rank=rank,
        world_size=world_size,
        weights=dataset.weights,
    )
    loader = BatchLoader(
        _Batches(PairDataset(dataset, views, size, seed, data.tracklets)),
        sampler=sampler,
        batch_size=None,
        collate_fn=_unchanged,
        num_workers=data.workers,
        prefetch_factor=3 if data.workers else None,
        worker_init_fn=start_worker,
        multiprocessing_context=worker_context(preload=__name__) if data.workers else None,
        pin_memory=pin_memory,
        # a generator of its own: the loader would draw from, and so advance, torch's global one
        generator=torch.Generator().manual_seed(seed),
    )
    loader.unusable = UnusableImages(len(dataset.samples))
    return loader


class _Batches(TorchDataset[LoadedBatch]):
    """Whole batches by their draws; a user's mistake is handed on as a value, since torch rewrites exceptions."""

    def __init__(self, pairs: PairDataset) -> None:
        self.pairs = pairs

    def __getitem__(self, draws: list[Draw]) -> LoadedBatch | UserError:  # type: ignore[override]
        try:
            drawn = [self.pairs.with_replacement(draw) for draw in draws]
        except UserError as error:
            return error
        return LoadedBatch(pack([pair for pair, _ in drawn]), [fault for _, faults in drawn for fault in faults])


def _unchanged(batch: Any) -> Any:
    return batch
