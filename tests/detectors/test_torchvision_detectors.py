"""torchvision's detectors beside the adapter, and the maps that it reads."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torchvision.models import detection, get_model
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

from clmot.config import DetectorConfig
from clmot.detectors.feature_hooks import FeatureHooks
from clmot.detectors.output_parser import OutputParser
from clmot.detectors.registry import open_detector
from clmot.detectors.torchvision import TorchvisionDetector
from clmot.protocols import Detector, FeatureDetector


def build(family: str) -> nn.Module:
    """A small one of a family, with random weights."""
    torch.manual_seed(0)
    size = {"min_size": 64, "max_size": 128, "num_classes": 3}
    if family == "SSD":
        model = get_model("ssdlite320_mobilenet_v3_large", weights=None, weights_backbone=None, num_classes=3)
    elif family == "FasterRCNN":
        backbone = resnet_fpn_backbone(backbone_name="resnet18", weights=None)
        model = detection.FasterRCNN(backbone, **size)
    else:
        pyramid = resnet_fpn_backbone(
            backbone_name="resnet18", weights=None, returned_layers=[2, 3, 4], extra_blocks=LastLevelP6P7(256, 256)
        )
        model = getattr(detection, family)(pyramid, **size)
    return model.eval()


def image(width: int = 160, height: int = 96, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (height, width, 3), np.uint8)


@pytest.mark.parametrize("family", ["FasterRCNN", "RetinaNet", "FCOS", "SSD"])
def test_answers_are_torchvision_s_and_maps_come_with_them(family):
    model = build(family)
    images = [image(), image(seed=1)]
    with torch.no_grad():
        expected = model([torch.from_numpy(each).permute(2, 0, 1).float() / 255 for each in images])
    detector = TorchvisionDetector(model, OutputParser("mine", {1: "person", 2: "car"}))
    assert isinstance(detector, FeatureDetector)
    assert isinstance(detector, Detector)
    assert detector.classes == ("person", "car")
    found, features = detector.detect_with_features(images)
    for ours, alone, theirs in zip(found, detector.detect(images), expected, strict=True):
        assert ours.xyxy.tobytes() == alone.xyxy.tobytes() == theirs["boxes"].numpy().tobytes()
        assert ours.score.tobytes() == alone.score.tobytes() == theirs["scores"].numpy().tobytes()
        assert (ours.class_id == theirs["labels"].numpy() - 1).all()
    only = detector.features(images)
    assert features.strides == only.strides == tuple(detector.channels)
    assert {8, 16} <= set(features.strides)
    for values, again, stride in zip(features.maps, only.maps, features.strides, strict=True):
        assert torch.equal(values, again)
        assert values.shape[1] == detector.channels[stride]
        assert abs(values.shape[3] - features.size[0] / stride) < 1
        assert not values.requires_grad
        assert values.std() > 0


def test_a_map_s_cell_lies_where_the_matrix_says():
    """A bright spot in the image is a bright spot in the map, at its place."""
    torch.manual_seed(0)
    model = get_model(
        "fasterrcnn_mobilenet_v3_large_320_fpn", weights=None, weights_backbone=None, min_size=128, max_size=256
    )
    detector = TorchvisionDetector(model, OutputParser("mine", {1: "person"}))
    dark = np.full((100, 200, 3), 90, np.uint8)
    spotted = dark.copy()
    spotted[60:66, 150:156] = 255
    plain, lit = detector.features([dark]), detector.features([spotted])
    where = (lit.maps[0] - plain.maps[0]).abs().sum(dim=1)[0]
    row, column = np.unravel_index(int(where.argmax()), where.shape)
    expected = (lit.matrices[0] @ [153, 63, 1])[:2] / lit.strides[0]
    np.testing.assert_allclose([column + 0.5, row + 0.5], expected, atol=2)


def test_published_labels_and_others():
    options = {"weights": "none", "options": {"min_size": 64, "max_size": 64}}
    name = "torchvision:fasterrcnn_mobilenet_v3_large_320_fpn"
    detector = open_detector(DetectorConfig(name=name, classes=("car", "person"), **options))
    assert detector.classes == ("car", "person")
    options["options"] = {**options["options"], "num_classes": 3}
    assert open_detector(DetectorConfig(name=name, **options)).classes == ("class 1", "class 2")
    assert open_detector(DetectorConfig(name=name, labels=("head", "tail"), **options)).classes == ("head", "tail")


class Pyramid(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 4, stride=4)
        self.more = nn.Conv2d(4, 5, 3, padding=1)
        self.down = nn.Conv2d(5, 6, 3, stride=2, padding=1)
        self.shared = nn.Conv2d(6, 6, 1)

    def forward(self, x):
        x = self.down(self.more(self.stem(x)))
        return self.shared(self.shared(x)), F.max_pool2d(x, 2)


def test_taps_take_the_last_module_of_each_stride_that_runs_once():
    network = Pyramid()

    def run() -> tuple[int, int]:
        network(torch.zeros(1, 3, 44, 60))
        return 60, 44

    taps = FeatureHooks(network, run)
    assert taps.channels == {4: 5, 8: 6}
    images = torch.randn(2, 3, 44, 60)
    with torch.inference_mode(), taps.recording() as maps:
        network(images)
    more, down = taps.in_order(maps)
    assert torch.equal(more, network.more(network.stem(images)))
    assert torch.equal(down, network.down(more))
    (down.sum() * torch.ones((), requires_grad=True)).backward()  # can be learned from
    network(images)
    assert torch.equal(taps.in_order(maps)[0], more)  # nothing is read any more


def test_maps_on_the_way_to_another_stride_are_not_what_a_block_says():
    # MobileNet's blocks widen their input before they halve it: 144 channels at stride 4, which end as 32 at stride 8
    features = get_model("mobilenet_v2", weights=None).features.eval()

    def run() -> tuple[int, int]:
        features(torch.zeros(1, 3, 64, 64))
        return 64, 64

    assert FeatureHooks(features, run).channels == {4: 24, 8: 32, 16: 96, 32: 1280}
