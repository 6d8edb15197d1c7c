"""Adapters of optional libraries, on randomly initialised models of their own."""

import dataclasses
import sys

import numpy as np
import pytest
import torch

import clmot
from clmot.apps.attach.attach import attach
from clmot.config import DetectorConfig
from clmot.detectors.output_parser import OutputParser
from clmot.detectors.registry import fingerprint_of, open_detector
from clmot.errors import UserError
from clmot.io.image import read_image
from clmot.protocols import FeatureDetector

pytestmark = pytest.mark.slow


def image_of(scenes) -> np.ndarray:
    return read_image(sorted((scenes / "clips").rglob("*.jpg"))[0])


def attach_and_track(detector, scenes, settings, out) -> None:
    """Train some steps, track, evaluate; the detector finds the same before, after, and through the model."""
    image = image_of(scenes)
    before = detector.detect([image])[0]
    attach(detector, scenes / "stills", out / "run", settings("train.steps=1"), progress=False)
    model = clmot.load_model(out / "run", device="cpu", detector=detector)
    for found in (detector.detect([image])[0], model.detect(image)):
        assert found.xyxy.tobytes() == before.xyxy.tobytes()
        assert found.score.tobytes() == before.score.tobytes()
    clmot.track(scenes / "clips", model, out / "results", progress=False)
    assert 0 <= clmot.evaluate(out / "results", scenes / "clips").combined["IDF1"] <= 100


def transformer(kind: str):
    """A tiny model of transformers' own making, and its image processor."""
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    size = {"height": 96, "width": 160}
    labels = {"num_labels": 2, "id2label": {0: "person", 1: "car"}, "label2id": {"person": 0, "car": 1}}
    if kind == "yolos":
        config = transformers.YolosConfig(
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=32,
            image_size=[96, 160],
            num_detection_tokens=8,
            use_mid_position_embeddings=False,
            **labels,
        )
        processor = transformers.YolosImageProcessor(size={"shortest_edge": 96, "longest_edge": 160})
    elif kind == "detr":
        config = transformers.DetrConfig(
            use_timm_backbone=False,
            use_pretrained_backbone=False,
            backbone=None,
            backbone_config=transformers.ResNetConfig(
                embedding_size=8, hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 1, 1], out_features=["stage4"]
            ),
            d_model=32,
            encoder_layers=1,
            decoder_layers=1,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=32,
            decoder_ffn_dim=32,
            num_queries=8,
            **labels,
        )
        processor = transformers.DetrImageProcessor(size={"shortest_edge": 96, "longest_edge": 160})
    elif kind == "rfdetr":
        if not hasattr(transformers, "RfDetrConfig"):
            pytest.skip("transformers is too old for RF-DETR")
        backbone = transformers.RfDetrDinov2Config(
            hidden_size=32,
            num_hidden_layers=3,
            num_attention_heads=2,
            mlp_ratio=2,
            image_size=160,
            patch_size=16,
            num_windows=2,
            out_features=["stage1", "stage3"],
        )
        config = transformers.RfDetrConfig(
            backbone_config=backbone,
            d_model=32,
            decoder_layers=2,
            decoder_ffn_dim=32,
            decoder_self_attention_heads=2,
            decoder_cross_attention_heads=2,
            num_queries=8,
            group_detr=2,
            c2f_num_blocks=1,
            **labels,
        )
        processor = transformers.RfDetrImageProcessor(size=size)
    else:
        sizes = {"embedding_size": 8, "hidden_sizes": [8, 16, 16, 32], "depths": [1, 1, 1, 1]}
        backbone = transformers.RTDetrResNetConfig(**sizes, out_features=["stage2", "stage3", "stage4"])
        kinds = {"rtdetr": transformers.RTDetrConfig, "dfine": transformers.DFineConfig}
        config = kinds[kind](
            backbone_config=backbone,
            encoder_hidden_dim=32,
            encoder_in_channels=[16, 16, 32],
            d_model=32,
            decoder_in_channels=[32, 32, 32],
            encoder_ffn_dim=32,
            decoder_ffn_dim=32,
            num_queries=8,
            decoder_layers=2,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            num_denoising=0,
            **labels,
        )
        processor = transformers.RTDetrImageProcessor(size=size)
    return transformers.AutoModelForObjectDetection.from_config(config).eval(), processor


@pytest.mark.parametrize("kind", ["yolos", "detr", "rfdetr", "rtdetr", "dfine"])
def test_transformers(kind, scenes, settings, tmp_path):
    from clmot.detectors.transformers import TransformersDetector

    model, processor = transformer(kind)
    detector = TransformersDetector(model, processor, OutputParser(kind, model.config.id2label, ["person"]))
    assert isinstance(detector, FeatureDetector)
    assert 16 in detector.channels
    image = image_of(scenes)
    # transformers by itself
    with torch.no_grad():
        outputs = model(**processor(images=[image], return_tensors="pt"))
    (expected,) = processor.post_process_object_detection(outputs, threshold=0.0, target_sizes=[image.shape[:2]])
    (found,) = detector.detect([image])
    kept = (expected["labels"] == 0).numpy()
    kept &= (expected["boxes"][:, 2:] > expected["boxes"][:, :2]).all(dim=1).numpy()
    assert found.xyxy.tobytes() == expected["boxes"].numpy()[kept].tobytes()
    assert found.score.tobytes() == expected["scores"].numpy()[kept].tobytes()
    (again,), features = detector.detect_with_features([image])
    assert again.xyxy.tobytes() == found.xyxy.tobytes()
    for values, stride in zip(features.maps, features.strides, strict=True):
        assert abs(values.shape[3] - features.size[0] / stride) < 1
    if kind == "rtdetr":  # those of a transformer's folder are attached below
        attach_and_track(detector, scenes, settings, tmp_path)


def test_transformers_of_a_folder(scenes, settings, tmp_path):
    model, processor = transformer("yolos")
    model.save_pretrained(tmp_path / "yolos")
    processor.save_pretrained(tmp_path / "yolos")
    attach(f"transformers:{tmp_path / 'yolos'}", scenes / "stills", tmp_path / "run", settings(), progress=False)
    assert clmot.load_model(tmp_path / "run", device="cpu").classes == ("person", "car")
    with pytest.raises(UserError, match=r"cannot be had .*; name a folder that save_pretrained wrote"):
        open_detector(DetectorConfig(name=f"transformers:{tmp_path / 'none'}"))


def test_transformers_images_of_several_sizes(scenes):
    from clmot.detectors.transformers import TransformersDetector

    model, processor = transformer("detr")
    detector = TransformersDetector(model, processor, OutputParser("detr", model.config.id2label))
    image = image_of(scenes)
    small = np.ascontiguousarray(image[:48, :100])
    together, features = detector.detect_with_features([image, small])
    for each, index in ((image, 0), (small, 1)):
        (alone,), maps = detector.detect_with_features([each])
        assert together[index].xyxy.tobytes() == alone.xyxy.tobytes()
        for ours, theirs in zip(features.maps, maps.maps, strict=True):
            assert torch.equal(ours[index, :, : theirs.shape[2], : theirs.shape[3]], theirs[0])


def test_ultralytics(scenes, settings, tmp_path, monkeypatch):
    monkeypatch.setenv("YOLO_CONFIG_DIR", str(tmp_path / "yolo"))
    monkeypatch.setenv("YOLO_OFFLINE", "1")
    ultralytics = pytest.importorskip("ultralytics")
    from clmot.detectors.ultralytics import UltralyticsDetector

    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    yolo = ultralytics.YOLO("yolo11n.yaml")
    detector = UltralyticsDetector(
        yolo, OutputParser("yolo", yolo.names, min_score=1e-6), options={"imgsz": 160, "max_det": 20}
    )
    assert isinstance(detector, FeatureDetector)
    assert set(detector.channels) == {4, 8, 16, 32}
    image = image_of(scenes)
    other = ultralytics.YOLO("yolo11n.yaml")
    other.model.load_state_dict(yolo.model.state_dict())
    (expected,) = other.predict(
        [np.ascontiguousarray(image[..., ::-1])], imgsz=160, conf=1e-6, max_det=20, device="cpu", verbose=False
    )
    (found,), features = detector.detect_with_features([image])
    assert len(found) > 0
    assert found.xyxy.tobytes() == expected.boxes.xyxy.numpy().tobytes()
    assert features.size == (160, 96)
    np.testing.assert_array_equal(features.matrices[0], np.eye(3))
    attach_and_track(detector, scenes, settings, tmp_path)


def test_rfdetr(scenes, settings, tmp_path):
    """From a checkpoint as training leaves it, with names of its own."""
    rfdetr = pytest.importorskip("rfdetr")
    torch.manual_seed(0)
    small = {"resolution": 128, "positional_encoding_size": 8, "num_queries": 8, "num_select": 8, "dec_layers": 1}
    small |= {"group_detr": 1, "num_classes": 2}
    model = rfdetr.RFDETRNano(pretrain_weights=None, device="cpu", **small)
    file = tmp_path / "checkpoint.pth"
    args = {"class_names": ["person", "car"], "num_classes": 2, "num_queries": 8, "group_detr": 1}
    torch.save({"model": model.model.model.state_dict(), "args": args, "model_name": "RFDETRNano"}, file)
    config = DetectorConfig(name=f"rfdetr:{file}", classes=("person",), options=small)
    detector = open_detector(config)
    assert isinstance(detector, FeatureDetector)
    assert detector.channels == {16: 256}
    image = image_of(scenes)
    expected = model.predict([image], threshold=0.0, include_source_image=False)[0]
    (found,), features = detector.detect_with_features([image])
    # a label more than there are classes is background
    assert found.xyxy.tobytes() == expected.xyxy[expected.class_id == 0].tobytes()
    assert 0 < len(found) < len(expected)
    assert features.size == (128, 128)
    np.testing.assert_array_equal(features.matrices[0] @ [160, 96, 1], [128, 128, 1])
    assert fingerprint_of(detector) == fingerprint_of(open_detector(config))
    assert open_detector(dataclasses.replace(config, labels=("dog", "person"))).detect([image])[0].xyxy.tobytes() == (
        expected.xyxy[expected.class_id == 1].tobytes()
    )
    attach_and_track(detector, scenes, settings, tmp_path)


def test_rfdetr_mistakes(tmp_path):
    pytest.importorskip("rfdetr")
    with pytest.raises(
        UserError, match=r"rfdetr:nanoo: no such file \(did you mean 'nano'\?\); name one of nano, small"
    ):
        open_detector(DetectorConfig(name="rfdetr:nanoo"))
    file = tmp_path / "checkpoint.pth"
    file.write_bytes(b"none")
    with pytest.raises(UserError, match=r"checkpoint\.pth: cannot be had \("):
        open_detector(DetectorConfig(name=f"rfdetr:{file}"))
    with pytest.raises(UserError, match=r"has its own weights; leave out mine\.pth"):
        open_detector(DetectorConfig(name=f"rfdetr:{file}", weights="mine.pth"))


@pytest.mark.parametrize(
    ("module", "name"),
    [("transformers", "x"), ("rfdetr", "nano"), ("ultralytics", "yolo11n.pt"), ("onnxruntime", "onnx")],
)
def test_a_missing_package_names_its_extra(module, name, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    file = tmp_path / "detector.onnx"
    file.write_bytes(b"none")
    description = f"onnx:{file}" if module == "onnxruntime" else f"{module}:{name}"
    extra = "onnx" if module == "onnxruntime" else module
    with pytest.raises(UserError, match=rf"{module}.* cannot be imported .*; pip install 'clmot\[{extra}\]'"):
        open_detector(DetectorConfig(name=description))
