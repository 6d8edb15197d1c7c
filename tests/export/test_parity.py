"""The check that stands between a conversion and its file."""

import pytest
import torch

from clmot.errors import UserError
from clmot.export.graphs import DetectionsGraph, MapsGraph
from clmot.export.parity import FLOAT32, HALF, check_parity, parity_sizes, pictures

SIZES = [(128, 96), (64, 160)]


def eager(graph, change=lambda outputs: outputs):
    """A runtime that is torch itself, with a change to the outputs."""

    def run(inputs):
        with torch.inference_mode():
            outputs = [each.clone() for each in graph(*(torch.from_numpy(each) for each in inputs.values()))]
            return [each.numpy() for each in change(outputs)]

    return run


def shifted(index, amount):
    def change(outputs):
        outputs[index] = outputs[index] + amount
        return outputs

    return change


@pytest.fixture(scope="module")
def maps(network):
    return MapsGraph(network)


@pytest.fixture(scope="module")
def detections(network):
    return DetectionsGraph(network, 20)


def test_the_same_is_the_same(maps, detections):
    for graph in (maps, detections):
        # an embedding times itself is 1 but for rounding
        assert check_parity("x", graph, graph, eager(graph), SIZES, FLOAT32) < 0.02


@pytest.mark.parametrize(("index", "name"), list(enumerate(["heatmap", "size", "offset", "embedding_1"])))
def test_a_map_that_differs(maps, index, name):
    with pytest.raises(UserError, match=rf"^x: not written: 1 of 128x96: {name} differs by"):
        check_parity("x", maps, maps, eager(maps, shifted(index, 0.5)), SIZES, FLOAT32)


def test_no_number(maps, detections):
    for graph in (maps, detections):
        with pytest.raises(UserError, match="differs by nan"):
            check_parity("x", graph, graph, eager(graph, shifted(0, float("nan"))), SIZES, FLOAT32)


def test_another_shape(maps):
    def fixed(outputs):
        return [outputs[0][..., :24], *outputs[1:]]

    check_parity("x", maps, maps, eager(maps, lambda outputs: [outputs[0][..., :32], *outputs[1:]]), SIZES[:1], FLOAT32)
    with pytest.raises(UserError, match=r"output heatmap is \[1, 2, 24, 24\], the network's \[1, 2, 24, 32\]"):
        check_parity("x", maps, maps, eager(maps, fixed), SIZES, FLOAT32)


def test_what_cannot_be_run(maps):
    def run(inputs):
        raise RuntimeError("no such kernel\nand a long story")

    with pytest.raises(UserError, match=r"cannot be run \(no such kernel\)$"):
        check_parity("x", maps, maps, run, SIZES, FLOAT32)


@pytest.mark.parametrize(
    "change",
    [
        shifted(0, 2.0),
        lambda outputs: [*outputs[:2], 1 - outputs[2], outputs[3]],
        lambda outputs: [outputs[0], outputs[1] * 0.9, *outputs[2:]],
        lambda outputs: [each * 0 for each in outputs],
        lambda outputs: [*outputs[:3], outputs[3].flip(2)],
    ],
    ids=["boxes", "classes", "scores", "nothing", "embeddings"],
)
def test_detections_that_differ(detections, change):
    with pytest.raises(UserError, match=r"x: not written: 1 of 128x96: the set of detections differs by (0\.\d|1)"):
        check_parity("x", detections, detections, eager(detections, change), SIZES, FLOAT32)


def test_half_is_near_and_not_the_same(network, maps, detections):
    half = MapsGraph(network, half=True)
    assert 0 < check_parity("x", half, maps, eager(half), SIZES, HALF) < 1
    with pytest.raises(UserError, match="differs by"):
        check_parity("x", half, maps, eager(half), SIZES, FLOAT32)
    # what is found is alike, in numbers that are not
    half = DetectionsGraph(network, 20, True)
    assert check_parity("x", half, detections, eager(half), SIZES, HALF) < 1
    images = pictures(2, SIZES[0])
    with torch.inference_mode():
        assert not torch.equal(half(*half.inputs_of(images))[1], detections(*detections.inputs_of(images))[1])
    # what was halved is a copy
    assert {each.dtype for each in network.parameters()} == {torch.float32}


def test_sizes():
    assert parity_sizes((512, 288), any_size=True) == [(512, 288), (480, 352)]
    assert parity_sizes((512, 288), any_size=False) == [(512, 288)]
    assert parity_sizes((32, 32), any_size=True) == [(64, 64), (64, 128)]


def test_pictures_use_the_whole_range():
    images = pictures(2, (96, 64))
    assert images.shape == (2, 3, 64, 96)
    assert images.min() < 30
    assert images.max() > 225
    assert (images == pictures(2, (96, 64))).all()
