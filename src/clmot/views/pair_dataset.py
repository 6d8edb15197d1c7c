"""From a draw to a pair of views: which frames it needs, read and composed.

Everything depends on the seed and the draw's number alone, so that worker processes and resumed runs see what a
straight run in one process sees.
"""

import copy

import numpy as np
from torch.utils.data import Dataset as TorchDataset

from clmot.config import ViewsConfig
from clmot.datasets.flat_samples import FlatSamples
from clmot.errors import UserError
from clmot.io.image import read_image
from clmot.structures import Dataset, Picture, Sample, ViewPair
from clmot.views.picture import picture_of
from clmot.views.random_streams import Streams
from clmot.views.temporal_pairs import as_neighbour, match_samples, match_tracklets
from clmot.views.unusable import MOST_IN_A_ROW, Fault, UnusableImage, first_messages
from clmot.views.view_pair import make_view_pair

Draw = tuple[int, int]
"""A sample's index, and the number of this draw in the endless sequence of draws: the seed of its views."""

ORDER_STREAM, VIEWS_STREAM, COMPOSE_STREAM, REPLACEMENT_STREAM = range(4)
"""Tell apart the random numbers that grow from one seed: order of samples, views, what they are views of, and which
samples take the place of those whose images cannot be used."""


class PairDataset(TorchDataset[ViewPair]):
    """Maps a draw to two views of its sample.

    Holds the annotations of all samples in a few flat arrays, which cost a worker process little. Of identities it
    holds what it is given: label-free training gives it none (`clmot.views.labels`).

    Args:
        dataset: the samples.
        views: ranges of the augmentations.
        size: width and height of the views in pixels.
        seed: of the run.
        tracklets: identities are those of tracklets (`DataConfig.tracklets`): neighbouring frames are matched by them,
            and no view holds any.
    """

    def __init__(
        self, dataset: Dataset, views: ViewsConfig, size: tuple[int, int], seed: int = 0, tracklets: bool = False
    ) -> None:
        self.views, self.size, self.seed, self.tracklets = views, size, seed, tracklets
        self._samples = FlatSamples.of(dataset.samples)
        self.sequences, self._facts = self._samples.sequences, self._samples.facts

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, draw: Draw) -> ViewPair:
        """Two views of a sample.

        Raises:
            UnusableImage: its image, or one that it borrows from, cannot be read or is not of the annotated size.
        """
        index, number = draw
        return self._pair(index, (number,))

    def with_replacement(self, draw: Draw) -> tuple[ViewPair, list[Fault]]:
        """Two views of a sample, or of another one where an image that they need cannot be used.

        Which other one depends on the seed and the draw's number alone, as all else does.

        Returns:
            The views, and what was wrong with the images that were tried in vain.

        Raises:
            UserError: one image after the other is unusable.
        """
        index, number = draw
        faults: list[Fault] = []
        while True:
            try:
                return self._pair(index, (number, *([len(faults)] if faults else []))), faults
            except UnusableImage as error:
                faults.append(Fault(error.sample_index, str(error)))
            if len(faults) == MOST_IN_A_ROW:
                named = first_messages(dict(faults).values())
                raise UserError(f"{named}; {MOST_IN_A_ROW} images in a row cannot be used")
            index = int(np.random.default_rng([self.seed, REPLACEMENT_STREAM, number, len(faults)]).integers(len(self)))

    def _pair(self, index: int, numbers: tuple[int, ...]) -> ViewPair:
        """Two views of a sample, with the random numbers of a draw, or of one of its replacements."""
        rng = np.random.default_rng([self.seed, VIEWS_STREAM, *numbers])
        streams = Streams(np.random.SeedSequence([self.seed, COMPOSE_STREAM, *numbers]))
        first, second = self._pictures(index, streams)
        return make_view_pair(first, second, self.views, self.size, rng)

    def with_views(self, views: ViewsConfig) -> "PairDataset":
        """The same samples with other augmentations."""
        other = copy.copy(self)
        other.views = views
        return other

    def picture(self, index: int) -> Picture:
        """A sample's image and boxes.

        Raises:
            UnusableImage: the image cannot be read, or is not of the size that the annotation says.
        """
        sample = self.sample(index)
        try:
            image = read_image(sample.image)
        except UserError as error:
            raise UnusableImage(str(error), index) from error
        height, width = image.shape[:2]
        if (width, height) != (sample.width, sample.height):
            sizes = f"the image is {width}x{height} but its annotation says {sample.width}x{sample.height}"
            raise UnusableImage(f"{sample.image}: {sizes}", index)
        if self.tracklets:
            sample = sample.without_identities()
        return picture_of(image, sample, index, int(self._facts[index, 2]))

    def _pictures(self, index: int, streams: Streams) -> tuple[Picture, Picture]:
        """What the two views of a sample show: its picture, or two neighbouring frames."""
        views = self.views
        pictures = [self.picture(index)]
        if views.neighbour and (rng := streams["neighbour"]).random() < views.neighbour:
            pictures += self._neighbour(index, pictures[0], rng)
        return pictures[0], pictures[-1]

    def _neighbour(self, index: int, first: Picture, rng: np.random.Generator) -> list[Picture]:
        """A frame of the sequence near a sample's with its boxes matched, or nothing where there is none."""
        distance = np.abs(self._facts[:, 3] - self._facts[index, 3])
        # of one sequence, and of one size
        alike = (self._facts[:, :3] == self._facts[index, :3]).all(axis=1)
        candidates = np.flatnonzero(alike & (distance > 0) & (distance <= self.views.neighbour_frames))
        if not len(candidates):
            return []
        chosen = int(rng.choice(candidates))
        match = match_tracklets if self.tracklets else match_samples
        pairs = match(self.sample(index), self.sample(chosen))
        return [] if pairs is None else [as_neighbour(self.picture(chosen), first, pairs)]

    def sample(self, index: int) -> Sample:
        """A sample's annotation."""
        return self._samples[index]
