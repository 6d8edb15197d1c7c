"""What ONNX Runtime says, against the network itself."""

import numpy as np
import pytest
import torch

import clmot
from clmot.boxes import iou
from clmot.errors import UserError
from clmot.export.parity import pictures
from clmot.inference.model import load_model
from clmot.inference.network_model import NetworkModel
from clmot.models.decode import decode
from clmot.models.levels import STRIDE
from clmot.synthetic import write_scenes

runtime = pytest.importorskip("onnxruntime")


def session(made):
    return runtime.InferenceSession(str(made.file), providers=["CPUExecutionProvider"])


def same_objects(ours, theirs):
    """Two lists of detections, best first, are the same but for rounding."""
    assert len(ours) == len(theirs) > 0
    np.testing.assert_allclose(ours.score, theirs.score, atol=1e-4)
    overlap = iou(ours.xyxy, theirs.xyxy) * (ours.class_id[:, None] == theirs.class_id)
    assert (overlap.max(axis=1) > 0.999).all()
    cosine = (ours.embedding * theirs.embedding[overlap.argmax(axis=1)]).sum(axis=1)
    np.testing.assert_allclose(cosine, 1, atol=1e-4)


@pytest.mark.parametrize("size", [(128, 96), (64, 160)])
@pytest.mark.parametrize("batch", [1, 3])
def test_maps_are_the_network_s(maps_file, network, batch, size):
    images = pictures(batch, size, seed=1)
    with torch.inference_mode():
        maps = network.maps(images)
    outputs = session(maps_file).run(None, {"images": images.numpy()})
    assert maps_file.any_size
    assert maps_file.outputs == ("heatmap", "size", "offset", "embedding_1", "embedding_2")
    for actual, expected in zip(outputs, (*maps[:3], *maps.embedding[1:]), strict=True):
        np.testing.assert_allclose(actual, expected.numpy(), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("size", [(128, 96), (64, 160)])
@pytest.mark.parametrize("batch", [1, 3])
def test_detections_are_the_decoded_maps(decoded_file, network, config, batch, size):
    images = pictures(batch, size, seed=1)
    with torch.inference_mode():
        maps = network.maps(images)
        peaks = decode(maps, STRIDE, config.detect.score_threshold, 20)
        embeddings = network.read_out(maps.embedding, peaks.boxes, peaks.image_index)
    # the threshold need not be given
    boxes, scores, classes, vectors = session(decoded_file).run(None, {"images": images.numpy()})
    assert boxes.shape == (batch, 20, 4)
    assert vectors.shape == (batch, 20, 24)
    assert 0 < len(peaks.score) == (scores > 0).sum()
    for image in range(batch):
        there, mine = scores[image] > 0, peaks.image_index == image
        ours, theirs = (
            clmot.Detections(xyxy=b, score=s, class_id=c, embedding=e)
            for b, s, c, e in (
                (boxes[image][there], scores[image][there], classes[image][there], vectors[image][there]),
                (peaks.boxes[mine], peaks.score[mine], peaks.class_id[mine], embeddings[mine]),
            )
        )
        same_objects(ours, theirs)


def test_empty_rows_are_zero(decoded_file):
    images = pictures(1, (64, 64)).numpy()
    inputs = {"images": images, "score_threshold": np.array(0.999, np.float32)}
    boxes, scores, classes, _ = session(decoded_file).run(None, inputs)
    empty = scores == 0
    assert empty.any()
    assert not boxes[empty].any()
    assert not classes[empty].any()


def test_the_file_knows_its_classes_and_configuration(maps_file, decoded_file, config):
    for made, outputs in ((maps_file, "maps"), (decoded_file, "detections")):
        stored = session(made).get_modelmeta().custom_metadata_map
        assert stored["outputs"] == outputs
        assert stored["classes"] == "person,car"
        loaded = clmot.load_model(made.file)
        assert loaded.classes == ("person", "car")
        assert loaded.config == config


@pytest.mark.parametrize("kind", ["maps_file", "decoded_file"])
def test_a_loaded_file_detects_as_the_model(kind, request, model, random_pictures):
    loaded = load_model(request.getfixturevalue(kind).file, device="cpu")
    for ours, theirs in zip(loaded.detect_batch(random_pictures), model.detect_batch(random_pictures), strict=True):
        same_objects(ours, theirs)
    assert loaded.detect_batch([]) == []


def test_a_file_of_one_size_keeps_it(maps_file, network, config, random_pictures, tmp_path):
    """Pictures of every shape are letterboxed into it, and no other is to be had."""
    onnx = pytest.importorskip("onnx")
    file = onnx.load(maps_file.file)
    for name, value in (("any_size", "false"), ("version", "0")):
        (entry,) = (each for each in file.metadata_props if each.key == name)
        entry.value = value
    for axis, length in ((2, 96), (3, 128)):
        axes = file.graph.input[0].type.tensor_type.shape.dim
        axes[axis].dim_value = length
    onnx.save(file, tmp_path / "fixed.onnx")
    fixed = NetworkModel(network, config.updated({"detect": {"size": [128, 96]}}), "cpu", "float32")
    loaded = load_model(tmp_path / "fixed.onnx", device="cpu")
    for ours, theirs in zip(loaded.detect_batch(random_pictures), fixed.detect_batch(random_pictures), strict=True):
        same_objects(ours, theirs)
    with pytest.raises(UserError, match=r"fixed\.onnx: has an input size of its own; leave out --size"):
        load_model(tmp_path / "fixed.onnx", size=256)


@pytest.mark.parametrize("size", [(256,), (64, 128)])
def test_a_file_of_any_size_takes_a_size_as_the_model_does(maps_file, network, config, random_pictures, size):
    chosen = NetworkModel(network, config.updated({"detect": {"size": list(size)}}), "cpu", "float32")
    loaded = load_model(maps_file.file, device="cpu", size=size)
    for ours, theirs in zip(loaded.detect_batch(random_pictures), chosen.detect_batch(random_pictures), strict=True):
        same_objects(ours, theirs)


def test_the_threshold_can_be_changed_later(decoded_file, model, random_pictures):
    loaded = load_model(decoded_file.file)
    scores = loaded.detect(random_pictures[0]).score
    middle = float(np.median(scores))
    loaded.config = loaded.config.updated({"detect": {"score_threshold": middle}})
    assert (loaded.detect(random_pictures[0]).score == scores[scores > np.float32(middle)]).all()
    loaded.config = loaded.config.updated({"detect": {"score_threshold": 0.0, "max_detections": 3}})
    assert (loaded.detect(random_pictures[0]).score == scores[:3]).all()


def test_given_boxes_are_embedded(maps_file, decoded_file, model, random_pictures):
    boxes = np.array([[10, 5, 60, 80], [90, 20, 140, 99]], np.float32)
    expected = model.embed(random_pictures[0], boxes)
    np.testing.assert_allclose(load_model(maps_file.file).embed(random_pictures[0], boxes), expected, atol=1e-4)
    with pytest.raises(UserError, match="embeds no others; export it without --decode"):
        load_model(decoded_file.file).embed(random_pictures[0], boxes)


def test_tracks_are_the_model_s(maps_file, decoded_file, model, tmp_path):
    write_scenes(tmp_path, still_frames=0, still_sequences=0, clips=1, clip_frames=6, size=(256, 160), seed=3)
    rows = {}
    # as loaded, in ONNX Runtime: named by a path, a file runs in whatever runtime was measured to be the fastest
    files = [load_model(each.file, device="cpu") for each in (maps_file, decoded_file)]
    for name, tracker in (("eager", model), ("maps", files[0]), ("decoded", files[1])):
        (result,) = clmot.track(tmp_path / "clips", tracker, tmp_path / name, progress=False)
        rows[name] = np.loadtxt(result.text_path, delimiter=",")
        assert result.tracks > 0
    for name in ("maps", "decoded"):
        np.testing.assert_allclose(rows[name], rows["eager"], atol=0.02)


@pytest.mark.parametrize("which", ["maps_file", "decoded_file"])
def test_axes_have_names_that_say_how_long_they_are(which, request):
    made = session(request.getfixturevalue(which))
    assert made.get_inputs()[0].shape == ["batch", 3, "height", "width"]
    images = pictures(3, (64, 160), seed=1)
    outputs = made.run(None, {"images": images.numpy()})
    for found, output in zip(outputs, made.get_outputs(), strict=True):
        assert output.shape[0] == "batch"
        lengths = {"batch": 3, "height": 160, "width": 64}
        assert tuple(eval(str(axis), lengths) for axis in output.shape) == found.shape
