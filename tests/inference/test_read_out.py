"""What is read off arrays is what the modules that learn read off tensors."""

import numpy as np
import pytest
import torch

from clmot.config import ModelConfig
from clmot.inference.read_out import ArrayMaps, find_objects, make_pool
from clmot.models.color_histogram import ColourCells
from clmot.models.decode import decode
from clmot.models.embedding_pool import embed_peaks
from clmot.models.levels import STRIDE
from clmot.models.network import make_embedding_pool
from clmot.structures import OutputMaps

CHANNELS = {4: 5, 8: 12, 16: 7, 32: 3}
CONFIGS = {
    "colours, and levels longer and shorter than the width": {"levels": ("stride16", "colour", "stride4", "neck")},
    "one level": {"levels": ("stride8",), "stripes": 1},
    "center": {"pooling": "center"},
}


def scene(config: ModelConfig, cells: tuple[int, int], images: int = 2) -> tuple[torch.nn.Module, OutputMaps]:
    """A pooling with weights, and maps with peaks here and there."""
    generator = torch.Generator().manual_seed(0)
    pool = make_embedding_pool(config, CHANNELS)
    for value in pool.state_dict().values():
        value.normal_(std=0.3, generator=generator)
    high, wide = cells

    def noise(channels: int, stride: int = STRIDE) -> torch.Tensor:
        return torch.randn(images, channels, high * STRIDE // stride, wide * STRIDE // stride, generator=generator)

    embedding = [noise(8)]
    if config.pooling == "stripes":
        known = {"colour": (3, 4), "neck": (config.width, 4), **{f"stride{k}": (v, k) for k, v in CHANNELS.items()}}
        embedding = [noise(*known[level]) for level in config.levels]
        embedding = [torch.rand_like(v) if n == "colour" else v for v, n in zip(embedding, config.levels, strict=True)]
    return pool, OutputMaps(noise(2) - 1, 2 * noise(4) + 3, noise(2), tuple(embedding))


def as_arrays(maps: OutputMaps) -> ArrayMaps:
    heatmap, size, offset, embedding = maps
    last = [np.moveaxis(each.numpy(), 1, -1) for each in (heatmap, size, offset, *embedding)]
    return ArrayMaps(*last[:3], tuple(last[3:]))


@pytest.mark.parametrize("kind", CONFIGS)
@pytest.mark.parametrize("threshold", [0.0, 0.3])
def test_objects_and_embeddings_are_those_of_the_modules(kind, threshold):
    config = ModelConfig(width=8, embedding_dimension=16, **{"stripes": 3, **CONFIGS[kind]})
    pool, maps = scene(config, (16, 24))
    weights = {name: value.numpy() for name, value in pool.state_dict().items()}
    boxes, score, class_id, image_index, cells = decode(maps, STRIDE, threshold, 60)
    with torch.inference_mode():
        expected = embed_peaks(pool, maps.embedding, boxes, cells, image_index)
    found = find_objects(as_arrays(maps), make_pool(config, weights), threshold, 60)
    assert len(found.score) == len(score) > 20
    assert {0, 1} == {*found.class_id.tolist()} == {*found.image_index.tolist()}
    np.testing.assert_allclose(found.score, score, rtol=1e-5)
    np.testing.assert_array_equal(found.class_id, class_id)
    np.testing.assert_array_equal(found.image_index, image_index)
    np.testing.assert_allclose(found.boxes, boxes, atol=1e-4)
    np.testing.assert_allclose(found.embedding, expected, atol=2e-5)


@pytest.mark.parametrize("kind", CONFIGS)
def test_maps_in_bfloat16_are_read_as_the_float32_that_they_are(kind):
    config = ModelConfig(width=8, embedding_dimension=16, **{"stripes": 3, **CONFIGS[kind]})
    pool, maps = scene(config, (16, 24))
    weights = {name: value.numpy() for name, value in pool.state_dict().items()}
    halves = [each.bfloat16() for each in (*maps[:3], *maps.embedding)]
    expected = as_arrays(OutputMaps(*(each.float() for each in halves[:3]), tuple(each.float() for each in halves[3:])))
    short = [np.moveaxis(each.view(torch.int16).numpy().view(np.uint16), 1, -1) for each in halves]
    read = find_objects(ArrayMaps(*short[:3], tuple(short[3:])), make_pool(config, weights), 0.3, 60)
    for got, wanted in zip(read, find_objects(expected, make_pool(config, weights), 0.3, 60), strict=True):
        np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("kind", CONFIGS)
def test_boxes_anywhere_are_read_as_by_the_modules(kind):
    """Beyond the image, across its border, wider than it, thinner than a cell, and in no order of images."""
    config = ModelConfig(width=8, embedding_dimension=16, **{"stripes": 3, **CONFIGS[kind]})
    pool, maps = scene(config, (16, 24))
    places = [[-90, -90, -40, -40], [-9, 3, 12, 70], [-50, -50, 200, 200], [40.2, 20.1, 40.4, 20.9], [90, 60, 99, 70]]
    boxes, images = torch.tensor(places), torch.tensor([1, 0, 1, 0, 0])
    weights = {name: value.numpy() for name, value in pool.state_dict().items()}
    read = make_pool(config, weights)(as_arrays(maps).embedding, boxes.numpy(), images.numpy())
    with torch.inference_mode():
        np.testing.assert_allclose(read, pool(maps.embedding, boxes, images), atol=2e-5)
    assert make_pool(config, weights)(as_arrays(maps).embedding, np.empty((0, 4)), images.numpy()[:0]).shape[0] == 0


def test_nothing_is_found_where_nothing_scores():
    config = ModelConfig(pooling="center")
    _, maps = scene(config, (8, 8))
    maps = maps._replace(heatmap=torch.full_like(maps.heatmap, -9.0))
    found = find_objects(as_arrays(maps), make_pool(config, {}), 0.2, 10)
    assert [each.shape for each in found] == [(0, 4), (0,), (0,), (0,), (0, 8)]


def test_colours_are_those_of_the_pixels():
    config = ModelConfig(width=8, embedding_dimension=16, stripes=3, levels=("colour",))
    pool = make_embedding_pool(config, CHANNELS)
    images = torch.randint(0, 256, (2, 3, 64, 96), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))
    boxes, index = torch.tensor([[-5.0, 3, 40, 70], [50, 20, 60, 64], [10, 10, 30, 50]]), torch.tensor([1, 0, 0])
    weights = {name: value.numpy() for name, value in pool.state_dict().items()}
    read = make_pool(config, weights)([images.permute(0, 2, 3, 1).numpy()], boxes.numpy(), index.numpy())
    np.testing.assert_allclose(read, pool((ColourCells(4)(images),), boxes, index), atol=2e-5)


def test_equal_neighbours_are_one_peak_and_equal_peaks_apart_are_two():
    config = ModelConfig(pooling="center")
    _, maps = scene(config, (8, 8), images=1)
    heatmap = torch.full((1, 2, 8, 8), -9.0)
    heatmap[0, 0, 2, 2:4] = heatmap[0, 0, 3, 3] = heatmap[0, 0, 6, 6] = heatmap[0, 1, 2, 2] = 1.0
    maps = maps._replace(heatmap=heatmap, size=torch.ones_like(maps.size), offset=torch.zeros_like(maps.offset))
    found = find_objects(as_arrays(maps), make_pool(config, {}), 0.2, 10)
    centres = ((found.boxes[:, :2] + found.boxes[:, 2:]) / (2 * STRIDE)).tolist()
    assert sorted(zip(found.class_id.tolist(), centres, strict=True)) == [(0, [2, 2]), (0, [6, 6]), (1, [2, 2])]
