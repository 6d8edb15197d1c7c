import dataclasses
import pickle

import cv2
import numpy as np
import pytest
from data_builders import sample_of

import clmot.views.pair_dataset
from clmot.config import ViewsConfig
from clmot.errors import UserError
from clmot.io.image import read_image
from clmot.structures import Dataset
from clmot.views.pair_dataset import PairDataset
from clmot.views.transforms import blur, jitter_colour, random_affine, warp_image
from clmot.visualize.view_sheets import UNCHANGED

SIZE = (64, 32)
EVERYTHING = ViewsConfig(
    hsv=0.5,
    neighbour=0.5,
)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory, make_dataset):
    return make_dataset(tmp_path_factory.mktemp("frames"))


@pytest.fixture
def read(monkeypatch):
    """The names of the images read, in order."""
    names = []

    def noted(path):
        names.append(path.name)
        return read_image(path)

    monkeypatch.setattr(clmot.views.pair_dataset, "read_image", noted)
    return names


def alone(name, strength=1.0):
    return dataclasses.replace(UNCHANGED, **{name: strength})


def assert_equal(first, second):
    for one, other in zip(first.views, second.views, strict=True):
        for field in vars(one):
            np.testing.assert_array_equal(getattr(one, field), getattr(other, field), err_msg=field)


class TestPairDataset:
    def test_holds_the_samples_as_they_are_given(self, dataset):
        pairs = PairDataset(dataset, ViewsConfig(), SIZE)
        assert len(pairs) == len(dataset.samples)
        for index, sample in enumerate(dataset.samples):
            held, expected = pairs.sample(index), sample
            for name in vars(expected):
                np.testing.assert_array_equal(getattr(held, name), getattr(expected, name), err_msg=name)
                assert type(getattr(held, name)) is type(getattr(expected, name))

    def test_identities_are_handed_on_and_change_nothing_else(self, dataset):
        samples = [dataclasses.replace(s, identities=np.arange(len(s.boxes)) + 7) for s in dataset.samples]
        other = Dataset(samples=samples, classes=dataset.classes)
        for index in range(5):
            one, another = (PairDataset(these, EVERYTHING, SIZE)[index, 3] for these in (dataset, other))
            for view, named in zip(one.views, another.views, strict=True):
                for field in vars(view).keys() - {"identities"}:
                    np.testing.assert_array_equal(getattr(view, field), getattr(named, field))
                own = named.object_index >= 0
                assert (named.identities[~own] == -1).all()
                assert (named.identities[own] >= 7).all()

    def test_pairs_know_their_frame_and_sequence(self, dataset):
        pairs = PairDataset(dataset, ViewsConfig(), SIZE)
        for index in range(6):
            pair = pairs[index, 0]
            for view in pair.views:
                assert (view.frame_index == index).all()
                assert (view.sequence_index == index % 2).all()

    def test_views_depend_on_the_draw_and_the_seed(self, dataset):
        matrices = {
            PairDataset(dataset, ViewsConfig(), SIZE, seed)[0, draw].views[0].matrix.tobytes()
            for seed in (0, 1)
            for draw in (0, 1, 2**40)
        }
        assert len(matrices) == 6

    def test_an_image_of_another_size_is_a_clear_error(self, dataset):
        wrong = dataclasses.replace(dataset.samples[0], width=120)
        pairs = PairDataset(Dataset(samples=[wrong], classes=("person",)), ViewsConfig(), SIZE)
        with pytest.raises(UserError, match=r"0\.png: the image is 60x40 but its annotation says 120x40"):
            pairs[0, 0]

    def test_with_views_changes_the_views_alone(self, dataset):
        pairs = PairDataset(dataset, ViewsConfig(), SIZE, seed=4)
        other = pairs.with_views(EVERYTHING)
        assert_equal(other[1, 2], PairDataset(dataset, EVERYTHING, SIZE, seed=4)[1, 2])
        assert_equal(pairs[1, 2], PairDataset(dataset, ViewsConfig(), SIZE, seed=4)[1, 2])

    def test_with_everything_off_the_draws_are_affine_colour_blur_twice(self, dataset):
        """The views of a seed and draw stay what they were before there were other transforms."""
        config = ViewsConfig()
        pairs = PairDataset(dataset, config, SIZE, seed=11)
        for index, number in ((0, 0), (2, 17), (4, 2**33)):
            rng = np.random.default_rng([11, 1, number])
            image = read_image(dataset.samples[index].image)
            for view in pairs[index, number].views:
                matrix = random_affine(config, (60, 40), SIZE, rng)
                pixels = warp_image(jitter_colour(image, config, rng), matrix, SIZE)
                np.testing.assert_array_equal(view.matrix, matrix)
                np.testing.assert_array_equal(view.image, blur(pixels, config, rng))

    def test_a_neighbour_leaves_the_draws_of_the_views_alone(self, dataset):
        before = PairDataset(dataset, ViewsConfig(), SIZE)[0, 5]
        after = PairDataset(dataset, ViewsConfig(neighbour=1.0), SIZE)[0, 5]
        for one, other in zip(before.views, after.views, strict=True):
            np.testing.assert_array_equal(one.matrix, other.matrix)

    def test_grey_images_are_read_as_rgb(self, tmp_path, dataset):
        grey = np.random.default_rng(0).integers(0, 256, (40, 60), np.uint8)
        cv2.imwrite(str(tmp_path / "grey.png"), grey)
        sample = dataclasses.replace(dataset.samples[0], image=tmp_path / "grey.png")
        pairs = PairDataset(Dataset(samples=[sample], classes=("person",)), UNCHANGED, (60, 40))
        image = pairs[0, 0].views[0].image
        np.testing.assert_array_equal(image, np.repeat(grey[..., None], 3, axis=2))
        views = pairs.with_views(dataclasses.replace(EVERYTHING, hsv=0.0))[0, 0].views
        assert all(view.image.shape == (40, 60, 3) for view in views)


class TestSingleFrame:
    def test_goes_without_a_neighbour(self, dataset):
        pairs = PairDataset(Dataset(samples=dataset.samples[:1], classes=dataset.classes), UNCHANGED, SIZE)
        assert_equal(pairs.with_views(alone("neighbour"))[0, 7], pairs[0, 7])


class TestDeterminism:
    def test_a_draw_does_not_depend_on_those_before(self, dataset):
        one, other = (PairDataset(dataset, EVERYTHING, SIZE, seed=2) for _ in range(2))
        expected = [one[number % 6, number] for number in range(12)]
        for number in reversed(range(12)):
            assert_equal(other[number % 6, number], expected[number])

    def test_a_pickled_data_set_draws_the_same(self, dataset):
        pairs = PairDataset(dataset, EVERYTHING, SIZE)
        assert_equal(pickle.loads(pickle.dumps(pairs))[3, 9], pairs[3, 9])


@pytest.fixture(scope="module")
def walk(tmp_path_factory):
    """Six frames of one sequence in which two people walk and a third comes, and one of another."""
    folder = tmp_path_factory.mktemp("walk")
    rng = np.random.default_rng(0)
    samples = []
    for frame in (1, 2, 3, 4, 5, 6, 1):
        path = folder / f"{len(samples)}.png"
        cv2.imwrite(str(path), rng.integers(0, 256, (40, 60, 3), np.uint8))
        other = len(samples) == 6
        rows = [[5 + frame, 5, 15 + frame, 30], [40, 10 + frame, 50, 30 + frame], [25, 20, 35, 38]]
        if other or frame == 1:
            rows = rows[:2]
        samples.append(sample_of(rows, image=path, size=(60, 40), sequence="other" if other else "walk", frame=frame))
    return Dataset(samples=samples, classes=("person",))


class TestNeighbours:
    def test_the_second_view_shows_a_frame_within_the_distance(self, walk, read):
        config = dataclasses.replace(alone("neighbour"), neighbour_frames=2)
        pairs = PairDataset(walk, config, (60, 40))
        seen = set()
        for number in range(30):
            read.clear()
            first, second = pairs[2, number].views
            assert read[0] == "2.png"
            seen.add(read[1])
            np.testing.assert_array_equal(first.image, read_image(walk.samples[2].image))
            np.testing.assert_array_equal(second.image, read_image(walk.samples[int(read[1][0])].image))
        assert seen == {"0.png", "1.png", "3.png", "4.png"}

    def test_matched_boxes_are_positives_and_unmatched_ones_nothing(self, walk):
        pairs = PairDataset(walk, dataclasses.replace(alone("neighbour"), neighbour_frames=1), (60, 40))
        first, second = pairs[0, 0].views
        assert first.object_index.tolist() == [0, 1]
        assert second.object_index.tolist() == [0, 1, -1]
        assert second.frame_index.tolist() == [0, 0, 1]
        np.testing.assert_array_equal(second.boxes, walk.samples[1].boxes)

    def test_a_sequence_of_one_frame_shows_it_twice(self, walk, read):
        pairs = PairDataset(walk, alone("neighbour"), (60, 40))
        first, second = pairs[6, 0].views
        assert read == ["6.png"]
        np.testing.assert_array_equal(first.image, second.image)
        np.testing.assert_array_equal(second.object_index, [0, 1])

    def test_unrelated_stills_of_one_sequence_are_no_neighbours(self, dataset, read):
        samples = [
            dataclasses.replace(
                sample,
                boxes=sample.boxes[:1] * 0 + np.float32([index, 0, index + 1, 9]),
                **{name: getattr(sample, name)[:1] for name in ("classes", "ignore", "identities", "scores")},
            )
            for index, sample in enumerate(dataset.samples[:3])
        ]
        samples = [dataclasses.replace(sample, sequence="stills") for sample in samples]
        pairs = PairDataset(Dataset(samples=samples, classes=dataset.classes), alone("neighbour"), SIZE)
        for number in range(5):
            pairs[1, number]
        assert set(read) == {"1.png"}
