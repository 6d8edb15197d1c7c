import dataclasses
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch

from clmot.config import DataConfig, ViewsConfig
from clmot.errors import UserError
from clmot.structures import Dataset, View, ViewPair
from clmot.views.loader import StepSampler, make_loader, pack

SIZE = (64, 32)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory, make_dataset):
    return make_dataset(tmp_path_factory.mktemp("frames"))


EVERYTHING = ViewsConfig(
    published=True,
    hsv=0.5,
    neighbour=0.5,
)


def loader(dataset, workers=0, steps=5, views=EVERYTHING, **options):
    return make_loader(
        dataset,
        DataConfig(workers=workers),
        views,
        SIZE,
        **{"batch_size": 4, "steps": steps, "seed": 3, **options},
    )


def assert_equal(first, second):
    for name, value in vars(first).items():
        assert torch.equal(value, getattr(second, name)), name


def view_of(rng, rows):
    n = len(rows)
    return View(
        image=rng.integers(0, 256, (32, 64, 3), np.uint8),
        boxes=rng.uniform(0, 60, (n, 4)).astype(np.float32),
        frame_index=rng.integers(0, 99, n),
        sequence_index=rng.integers(0, 9, n),
        identities=rng.integers(-1, 50, n),
        classes=rng.integers(0, 2, len(rows)),
        ignore=rng.random(len(rows)) < 0.5,
        object_index=np.array(rows, np.int64),
        matrix=np.eye(3),
    )


class TestPack:
    def test_equals_a_loop_over_boxes(self):
        rng = np.random.default_rng(0)
        pairs = [
            ViewPair(views=(view_of(rng, a), view_of(rng, b)))
            for a, b in (([0, 1, 4], [1, -1]), ([], [0]), ([], []), ([2], []))
        ]
        batch = pack(pairs)
        columns = ("classes", "ignore", "object_index", "frame_index", "sequence_index", "identities")
        rows = []
        for image_index in range(8):
            pair = pairs[image_index // 2]
            view = pair.views[image_index % 2]
            np.testing.assert_array_equal(batch.images[image_index].permute(1, 2, 0), view.image)
            for k in range(len(view.boxes)):
                facts = (getattr(view, name)[k] for name in columns)
                rows.append((*view.boxes[k], image_index, *facts))
        packed = [
            (
                *batch.boxes[k].tolist(),
                batch.image_index[k].item(),
                *(getattr(batch, name)[k].item() for name in columns),
            )
            for k in range(len(batch.boxes))
        ]
        np.testing.assert_array_equal(np.array(packed, np.float64), np.array(rows, np.float64))
        assert len(rows) == 7

    def test_dtypes_and_shapes_without_any_box(self):
        rng = np.random.default_rng(0)
        batch = pack([ViewPair(views=(view_of(rng, []), view_of(rng, [])))])
        assert batch.images.shape == (2, 3, 32, 64)
        assert batch.images.dtype == torch.uint8
        assert batch.boxes.shape == (0, 4)
        assert batch.boxes.dtype == torch.float32
        assert batch.ignore.dtype == torch.bool
        for name in ("classes", "object_index", "image_index", "frame_index", "sequence_index", "identities"):
            assert getattr(batch, name).shape == (0,)
            assert getattr(batch, name).dtype == torch.int64

    def test_images_are_channels_last(self):
        rng = np.random.default_rng(0)
        batch = pack([ViewPair(views=(view_of(rng, []), view_of(rng, [])))])
        assert batch.images.is_contiguous(memory_format=torch.channels_last)


class TestStepSampler:
    def test_every_epoch_is_another_permutation(self):
        draws = [draw for step in StepSampler(7, batch_size=3, steps=14, seed=1) for draw in step]
        assert [number for _, number in draws] == list(range(42))
        epochs = [tuple(index for index, _ in draws[start : start + 7]) for start in range(0, 42, 7)]
        assert all(sorted(epoch) == list(range(7)) for epoch in epochs)
        assert len(set(epochs)) == 6

    @pytest.mark.parametrize("world_size", [1, 2, 3, 6])
    def test_processes_partition_the_batch(self, world_size):
        whole = list(StepSampler(10, batch_size=6, steps=8, seed=1))
        shares = [
            list(StepSampler(10, batch_size=6, steps=8, seed=1, rank=rank, world_size=world_size))
            for rank in range(world_size)
        ]
        for step, batch in enumerate(whole):
            assert [draw for share in shares for draw in share[step]] == batch
            assert all(len(share[step]) == 6 // world_size for share in shares)

    def test_fewer_samples_than_the_batch(self):
        steps = list(StepSampler(2, batch_size=5, steps=3, seed=0))
        assert [len(step) for step in steps] == [5, 5, 5]
        indices = [index for step in steps for index, _ in step]
        assert all(sorted(indices[start : start + 2]) == [0, 1] for start in range(0, 14, 2))

    def test_no_samples_and_uneven_batches_are_clear_errors(self):
        with pytest.raises(UserError, match="no frames"):
            StepSampler(0, batch_size=4, steps=1)
        with pytest.raises(UserError, match=r"train\.batch_size must be a multiple of the 3 processes, got 4"):
            StepSampler(5, batch_size=4, steps=1, world_size=3)


class TestLoader:
    @pytest.mark.slow
    def test_workers_change_nothing(self, dataset):
        alone, helped = list(loader(dataset, workers=0)), list(loader(dataset, workers=1))
        assert len(alone) == len(helped) == 5
        for one, other in zip(alone, helped, strict=True):
            assert_equal(one, other)
            assert other.images.is_contiguous(memory_format=torch.channels_last)

    def test_resumed_is_the_rest_of_the_straight_run(self, dataset):
        straight, resumed = list(loader(dataset)), list(loader(dataset, start_step=3))
        assert len(resumed) == 2
        for one, other in zip(straight[3:], resumed, strict=True):
            assert_equal(one, other)

    def test_does_not_touch_the_global_generator(self, dataset):
        torch.manual_seed(0)
        expected = torch.rand(1)
        torch.manual_seed(0)
        for _ in loader(dataset, steps=2):
            pass
        assert torch.equal(torch.rand(1), expected)

    @pytest.mark.parametrize("workers", [0, 1])
    def test_a_corrupt_image_is_the_same_one_line_error(self, dataset, tmp_path, workers):
        broken = tmp_path / "broken.png"
        broken.write_bytes(Path(dataset.samples[0].image).read_bytes()[:40])
        samples = [*dataset.samples, dataclasses.replace(dataset.samples[0], image=broken)]
        with pytest.raises(UserError) as caught:
            list(loader(Dataset(samples=samples, classes=("person", "car")), workers=workers))
        assert str(caught.value).startswith(f"{broken}: ")
        assert "\n" not in str(caught.value)

    def test_workers_do_not_run_the_main_script_again(self, dataset, tmp_path, monkeypatch):
        script = types.ModuleType("__main__")
        script.__file__ = str(tmp_path / "script.py")
        Path(script.__file__).write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()")
        monkeypatch.setitem(sys.modules, "__main__", script)
        assert len(list(loader(dataset, workers=1))) == 5
        assert not (tmp_path / "ran").exists()
        assert sys.modules["__main__"] is script

    def test_the_error_comes_at_its_step(self, dataset, tmp_path):
        index, _ = StepSampler(6, batch_size=2, steps=5, seed=3).draws(2)[1]
        samples = list(dataset.samples)
        samples[index] = dataclasses.replace(samples[index], image=tmp_path / "missing.png")
        with_gap = Dataset(samples=samples, classes=dataset.classes)
        # a frame that nobody borrows from
        batches = iter(loader(with_gap, views=ViewsConfig(), batch_size=2))
        for _ in range(2):
            next(batches)
        with pytest.raises(UserError, match=r"missing\.png"):
            next(batches)
