"""Eight-bit exports: what is calibrated, what is compared, and what is refused."""

import dataclasses

import numpy as np
import pytest
import torch

from clmot.datasets.readers import read_dataset
from clmot.errors import UserError
from clmot.export import int8_agreement as agreement
from clmot.export import save
from clmot.export.calibration import Frames, draw_frames
from clmot.export.int8_agreement import check_crops, compare
from clmot.export.parity import pictures
from clmot.export.save import export, export_crops
from clmot.inference.model import load_model
from clmot.io.image import read_image
from clmot.io.runtimes import open_network
from clmot.models.attached import CropHead
from clmot.structures import Detections
from clmot.synthetic import write_scenes


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A clip with annotated boxes and identities."""
    folder = tmp_path_factory.mktemp("scenes")
    write_scenes(folder, still_frames=1, still_sequences=1, clips=1, clip_frames=12, size=(160, 96), seed=1)
    (sequence,) = (folder / "clips").iterdir()
    return sequence


@pytest.fixture(scope="module")
def settings(config):
    """Who comes last among the K best is chance where nothing was learned; here all peaks may come."""
    return config.updated({"detect": {"max_detections": 300}}, "test")


@pytest.fixture(scope="module")
def _untrained():
    """Of a network that learned nothing, some peaks are chance."""
    pytest.importorskip("onnxruntime")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(agreement, "LEAST_FOUND", 0.8)
        yield


@pytest.fixture(scope="module")
def int8_file(_untrained, network, settings, clip, tmp_path_factory):
    return export(network, settings, "onnx", tmp_path_factory.mktemp("int8") / "int8.onnx", int8=[clip])


def weights_by_name(model):
    """Of each convolution: its weight as stored, and whether that is quantised."""
    from onnx import numpy_helper

    stored = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    made_by = {node.output[0]: node for node in model.graph.node}
    found = {}
    for node in model.graph.node:
        if node.op_type == "Conv":
            source = made_by.get(node.input[1])
            name = source.input[0] if source is not None else node.input[1]
            found[name.removesuffix("_quantized")] = stored[name]
    return found


def test_convolutions_are_eight_bits_and_the_last_of_each_head_is_not(int8_file, settings):
    onnx = pytest.importorskip("onnx")
    weights = weights_by_name(onnx.load(int8_file.file))
    kinds = {name: value.dtype.name for name, value in weights.items()}
    heads = {f"network.{name}.out.weight" for name in ("heatmap", "size", "offset")}
    assert {name for name, kind in kinds.items() if kind == "float32"} == heads
    assert set(kinds.values()) == {"float32", "int8"}
    assert len(kinds) > 10
    # seven bits: no processor overflows
    assert max(int(np.abs(value.astype(int)).max()) for name, value in weights.items() if name not in heads) == 64
    cost = int8_file.agreement
    assert cost.images == 3
    assert cost.detections > 20
    assert 0.8 < cost.found <= 1
    assert 0.99 < cost.cosine < 1
    assert int8_file.apart == cost.apart < 1
    assert list(cost.scores) == ["AP", "AP50", "rank-1", "TPR@FAR=0.1"]
    for before, now in cost.scores.values():
        assert abs(before - now) < 0.2
    # whatever else a file is good for, it is good for in eight bits
    model = load_model(int8_file.file)
    assert model.config == settings
    maps = model.maps(pictures(3, (96, 160)).permute(0, 2, 3, 1).numpy())
    assert maps.heatmap.shape == (3, 40, 24, 2)
    assert str(cost).splitlines()[1].startswith("AP: ")


def test_integers_and_float32_give_nearly_the_same_maps(int8_file, network, clip):
    model = load_model(int8_file.file)
    pixels, _ = model.letterbox([read_image(read_dataset([clip]).samples[0].image)])
    with torch.inference_mode():
        maps = network.maps(torch.from_numpy(pixels).permute(0, 3, 1, 2))
    heatmap, size, offset, embedding = model.maps(pixels)
    pairs = zip((heatmap, size, offset, *embedding), (*maps[:3], *maps.embedding), strict=True)
    for got, wanted in pairs:
        if got is pixels:  # which show the colours
            continue
        expected = wanted.permute(0, 2, 3, 1).numpy()
        # rounding shows, and is small beside what the map says
        assert np.abs(got - expected).mean() < 0.1 * expected.std()
    assert not np.array_equal(heatmap, maps.heatmap.permute(0, 2, 3, 1).numpy())


@pytest.mark.usefixtures("_untrained")
def test_openvino(network, settings, clip, tmp_path):
    pytest.importorskip("openvino")
    made = export(network, settings, "openvino", tmp_path / "int8.xml", int8=[clip])
    assert sorted(file.name for file in tmp_path.iterdir()) == ["int8.bin", "int8.xml"]
    whole = export(network, settings, "openvino", tmp_path / "whole.xml")
    assert (tmp_path / "int8.bin").stat().st_size < 0.5 * whole.file.with_suffix(".bin").stat().st_size
    assert made.agreement.found > 0.8
    assert load_model(made.file).detect(draw_frames([clip], 12).held_out[0].image).embedding.shape[1] == 24


@pytest.mark.usefixtures("_untrained")
def test_decoded(network, config, clip, tmp_path):
    made = export(network, config, "onnx", tmp_path / "int8.onnx", decode=True, int8=[clip])
    assert made.outputs == ("boxes", "scores", "classes", "embeddings")
    # boxes of others cannot be embedded
    assert list(made.agreement.scores) == ["AP", "AP50"]
    # the threshold need not be given
    assert len(open_network(made.file).run({"images": pictures(2, (128, 96)).numpy()})) == 4


@pytest.mark.usefixtures("_untrained")
def test_what_was_calibrated_on_nothing_is_refused(network, settings, clip, tmp_path, monkeypatch):
    """On black images nothing is ever above black's values, and so it stays."""
    out = tmp_path / "int8.onnx"
    out.write_bytes(b"what was here before")
    right = draw_frames([clip], 12)
    black = Frames(
        (each._replace(image=np.zeros_like(each.image)) for each in right.calibration), right.held_out, right.classes
    )
    monkeypatch.setattr(save, "draw_frames", lambda paths, count: black)
    with pytest.raises(
        UserError, match=r"^export to onnx: not written: int8, on 3 images .*: [\d.]+% of detections are found again"
    ):
        export(network, settings, "onnx", out, int8=[clip])
    assert out.read_bytes() == b"what was here before"
    assert [file.name for file in tmp_path.iterdir()] == ["int8.onnx"]


@pytest.mark.usefixtures("_untrained")
def test_nothing_to_compare_is_no_agreement(network, settings, clip, tmp_path):
    blind = settings.updated({"tracker": {"high_score": 1.0, "new_track_score": 1.0}}, "test")
    with pytest.raises(UserError, match=r"nothing reaches tracker\.high_score"):
        export(network, blind, "onnx", tmp_path / "int8.onnx", int8=[clip])


def test_frames_are_at_equal_distances_and_each_has_one_part(clip):
    samples = read_dataset([clip], identities=True).samples
    images = [read_image(sample.image) for sample in samples]

    def places(chosen):
        return [next(i for i, image in enumerate(images) if np.array_equal(image, frame.image)) for frame in chosen]

    frames = draw_frames([clip], 100)
    assert places(frames.calibration) == [0, 1, 3, 4, 5, 7, 8, 9, 11]
    assert places(frames.held_out) == [2, 6, 10]
    assert frames.classes == read_dataset([clip]).classes
    for frame, place in zip(frames.held_out, (2, 6, 10), strict=True):
        np.testing.assert_array_equal(frame.sample.boxes, samples[place].boxes)
        np.testing.assert_array_equal(frame.sample.identities, samples[place].identities)
    frames = draw_frames([clip], 8)
    assert sorted([*places(frames.calibration), *places(frames.held_out)]) == [
        0, 2, 3, 5, 6, 8, 9, 11,
    ]  # fmt: skip


def test_images_without_boxes(clip, caplog):
    alone = draw_frames([clip / "img1", clip / "img1"], 24)
    assert alone.classes == ()
    assert [frame.sample for frame in alone.held_out] == [None] * 6
    assert sum(1 for _ in alone.calibration) == 18
    assert not caplog.records


def test_boxes_that_cannot_be_read_are_told(clip, tmp_path, caplog):
    (tmp_path / "gt").mkdir()
    (tmp_path / "img1").symlink_to(clip / "img1")
    (tmp_path / "gt" / "gt.txt").write_text("1,1,no\n")
    assert draw_frames([tmp_path], 8).classes == ()
    assert "images without their boxes" in caplog.text
    assert "gt.txt:1" in caplog.text


@pytest.mark.parametrize(
    ("count", "message"), [(7, r"--int8-frames must be >= 8, got 7"), (8, "3 images to calibrate")]
)
def test_too_few(clip, tmp_path, count, message):
    for number in (1, 2, 3):
        (tmp_path / f"{number}.jpg").symlink_to(next((clip / "img1").iterdir()))
    with pytest.raises(UserError, match=message):
        draw_frames([tmp_path], count)


def test_no_such_place(tmp_path):
    with pytest.raises(UserError, match=r"none: no such file or folder"):
        draw_frames([tmp_path / "none"], 8)


SEEN = Detections(
    xyxy=np.array([[0, 0, 10, 20], [30, 0, 40, 20], [60, 0, 70, 20]]),
    score=np.array([0.9, 0.4, 0.2]),
    class_id=np.array([0, 1, 0]),
    embedding=np.eye(3),
)


def changed(**fields):
    return dataclasses.replace(SEEN, **fields)


@pytest.mark.parametrize(
    ("other", "detections", "found", "cosine"),
    [
        (SEEN, 4, 1.0, 1.0),  # the third has too low a score to count
        (changed(score=np.array([0.9, 0.28, 0.2])), 3, 1.0, 1.0),  # below, but by less than half
        (changed(score=np.array([0.9, 0.1, 0.2])), 3, 2 / 3, 1.0),
        (changed(class_id=np.array([0, 0, 0])), 4, 0.5, 1.0),
        (changed(xyxy=SEEN.xyxy + np.array([4, 0, 4, 0])), 4, 0.0, np.nan),  # an overlap of 6/14
        (changed(xyxy=SEEN.xyxy + np.array([3, 0, 3, 0])), 4, 1.0, 1.0),  # of 7/13
        (changed(embedding=np.array([[0.6, 0.8, 0], [0.6, 0.8, 0], [0, 0, 1]])), 4, 1.0, 0.7),
        (changed(score=np.zeros(3)), 2, 0.0, np.nan),
    ],
    ids=["same", "lower", "lost", "class", "apart", "near", "embedding", "nothing"],
)
def test_compare(other, detections, found, cosine):
    for pair in ((SEEN, other), (other, SEEN)):
        cost = compare(*([each] for each in pair), min_score=0.3)
        assert (cost.images, cost.detections) == (1, detections)
        np.testing.assert_allclose([cost.found, cost.cosine], [found, cosine], atol=1e-6)


def test_an_image_that_cannot_be_read_is_named_and_left_out(clip, tmp_path, caplog):
    for image in (clip / "img1").iterdir():
        (tmp_path / image.name).write_bytes(image.read_bytes())
    (tmp_path / "000004.jpg").write_bytes(b"no image")
    found = draw_frames([tmp_path], 100)
    assert len(list(found.calibration)) + len(found.held_out) == len(list(tmp_path.iterdir())) - 1
    assert "000004.jpg" in caplog.text


class TestCrops:
    """The embedding of crops in eight bits."""

    def test_of_annotated_boxes(self, network, crop_config, clip, tmp_path, monkeypatch):
        pytest.importorskip("onnxruntime")
        monkeypatch.setattr(agreement, "LEAST_COSINE", 0.9)
        options = {"size": (64, 128), "int8": [clip], "int8_frames": 12}
        made = export_crops(network, crop_config, "onnx", tmp_path / "reid.onnx", **options)
        assert made.agreement.images == 3
        boxes = read_dataset([clip]).samples
        assert made.agreement.detections == sum(int((~boxes[i].ignore).sum()) for i in (2, 6, 10))
        assert 0.9 < made.agreement.cosine < 1
        assert {"rank-1", "TPR@FAR=0.1"} >= set(made.agreement.scores)
        assert "boxes, median cosine" in str(made.agreement)
        onnx = pytest.importorskip("onnx")
        assert any(node.op_type == "QuantizeLinear" for node in onnx.load(made.file).graph.node)

    def test_an_embedding_that_got_lost_is_refused(self, clip):
        frames = list(draw_frames([clip], 8).held_out)
        rng = np.random.default_rng(0)

        def right(image, boxes):
            return np.eye(16, dtype=np.float32)[: len(boxes)]

        def wrong(image, boxes):
            found = rng.normal(size=(len(boxes), 16))
            return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)

        def there(frame):
            return frame.sample.boxes[:16]

        assert check_crops("x", right, right, frames, there).cosine == 1
        with pytest.raises(UserError, match=r"x: not written: int8, on 2 images .* median cosine of embeddings"):
            check_crops("x", wrong, right, frames, there)
        with pytest.raises(UserError, match="there are no boxes; calibrate on images with objects"):
            check_crops("x", right, right, frames, lambda _: np.empty((0, 4), np.float32))

    def test_a_head_that_finds_nothing_wants_boxes(self, crop_config, clip, tmp_path):
        head = CropHead(crop_config.updated({"model": {"levels": ["colour", "stride4"]}}, "test"))
        with pytest.raises(UserError, match="needs boxes: calibrate it on a data set, not on images alone"):
            export_crops(
                head, crop_config, "onnx", tmp_path / "x.onnx", size=(64, 128), int8=[clip / "img1"], int8_frames=8
            )
