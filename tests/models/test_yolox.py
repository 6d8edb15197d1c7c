"""YOLOX-nano as encoder, neck and heads."""

import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from clmot.boxes import iou
from clmot.config import DetectorConfig, load_config
from clmot.detectors.registry import open_detector
from clmot.errors import UserError
from clmot.io.image import read_image
from clmot.io.runtimes import open_network
from clmot.models.decode import decode
from clmot.models.network import Network
from clmot.models.yolox import CELLS, Darknet, Pyramid, centre_maps, load_yolox
from clmot.structures import OutputMaps
from clmot.training.init_weights import initialise
from clmot.views.transforms import warp_image


@pytest.fixture
def published():
    """The file, and a street."""
    data = Path(os.environ.get("CLMOT_DATA", "none"))
    file, frame = data / "weights" / "yolox_nano.onnx", data / "mot" / "TUD-Stadtmitte" / "img1" / "000010.jpg"
    if not file.is_file() or not frame.is_file():
        pytest.skip("CLMOT_DATA names no folder with weights/yolox_nano.onnx and mot/TUD-Stadtmitte")
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    return file, frame


def unsure(size=64, classes=1):
    """Levels that say that there is nothing."""
    made = []
    for cells in CELLS:
        side = size // 4 // cells
        made.append((torch.full((1, classes, side, side), -9.0), torch.full((1, 5, side, side), -9.0)))
    return made


def say(levels, level, row, column, box, score, class_id=0):
    """Let a cell of a level say a box [4], xyxy pixels."""
    classes, boxes = levels[level]
    stride = 4 * CELLS[level]
    x1, y1, x2, y2 = box
    sure = math.log(math.sqrt(score) / (1 - math.sqrt(score)))
    classes[0, class_id, row, column] = sure
    centre = ((x1 + x2) / 2 / stride - column, (y1 + y2) / 2 / stride - row)
    size = (math.log((x2 - x1) / stride), math.log((y2 - y1) / stride))
    boxes[0, :, row, column] = torch.tensor([*centre, *size, sure])


def objects(levels, classes=1):
    maps = centre_maps(levels)
    split = OutputMaps(maps[:, :classes], maps[:, classes:-2], maps[:, -2:], ())
    return decode(split, 4, 0.1, 50)


@pytest.mark.parametrize("level", [0, 1, 2])
def test_what_all_cells_around_an_object_say_is_one_object(level):
    """A person seen by 3 x 3 cells, whose boxes hardly differ, is found once, where the cell in its centre says."""
    box = torch.tensor([13.6, 6.8, 35, 62])
    levels = unsure()
    stride = 4 * CELLS[level]
    row, column = int(34 // stride), int(24 // stride)
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            if 0 <= row + down < 64 // stride and 0 <= column + right < 64 // stride:
                away = down or right
                say(levels, level, row + down, column + right, box + (0.4 * right if away else 0), 0.8 if away else 0.9)
    found = objects(levels)
    assert len(found.boxes) == 1
    torch.testing.assert_close(found.boxes[0], box, atol=0.05, rtol=0)
    assert 0.7 < found.score[0] <= 0.9  # less the way to the nearest centre of a cell


def test_two_objects_of_two_classes_and_levels_are_both_found():
    levels = unsure(classes=2)
    say(levels, 0, 1, 1, (8, 4, 20, 24), 0.7, class_id=1)
    say(levels, 1, 2, 2, (30, 14, 54, 62), 0.9)
    found = objects(levels, classes=2)
    assert found.class_id.tolist() == [0, 1]
    torch.testing.assert_close(found.boxes, torch.tensor([[30.0, 14, 54, 62], [8, 4, 20, 24]]), atol=0.05, rtol=0)


def test_its_maps_are_those_of_the_published_file(published):
    """Of encoder and the head's branches, to 1e-4 of ONNX Runtime's, though pixels come as RGB and in one stem."""
    file, _ = published
    darknet, pyramid = Darknet().eval(), Pyramid(("person",)).eval()
    assert load_yolox(file, darknet, pyramid, ("person",)) == f"YOLOX-nano: 110 convolutions from {file}"
    names = ["input.67", "input.175", "input.283", "input.631", "input.663", "input.775", "input.807"]
    network = open_network(file, also=names)
    images = torch.randint(0, 256, (1, 3, 416, 416), generator=torch.Generator().manual_seed(0)).float()
    expected = network.run({"images": images.flip(1).numpy()})[1:]
    branches = []
    for level in pyramid.levels:
        level.register_forward_hook(lambda _, __, output: branches.extend(output))
    with torch.no_grad():
        maps = darknet(images)
        pyramid(maps)
    for ours, theirs in zip([*maps[:3], *branches[:2], *branches[4:]], expected, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-4)


def test_it_finds_what_the_published_file_finds(published):
    """Without suppression, and without having been trained for peaks: the same people at the same places."""
    file, frame = published
    config = load_config(recipe="yolox_nano", overrides=[f"model.pretrained={file}"])
    network = Network(config.model).eval()
    initialise(network, config.model)
    image = read_image(frame)
    detector = open_detector(DetectorConfig(name=f"onnx:{file}", classes=("person",)), min_score=0.5)
    (theirs,) = detector.detect([image])
    pixels = np.full((416, 416, 3), 114, np.uint8)
    pixels[:312] = warp_image(image, np.diag([0.65, 0.65, 1.0]), (416, 312))
    with torch.no_grad():
        ours = decode(network.maps(torch.from_numpy(pixels).permute(2, 0, 1)[None]), 4, 0.5, 50)
    overlap = iou(theirs.xyxy, (ours.boxes / 0.65).numpy())
    assert len(theirs) == len(ours.boxes) == 6
    assert (overlap.max(axis=1) > 0.9).all()


def test_mistakes(published, tmp_path):
    file, _ = published
    other = tmp_path / "other.onnx"
    other.write_bytes(b"none")
    with pytest.raises(UserError, match=r"other\.onnx: not a readable ONNX file"):
        load_yolox(other, Darknet())
    with pytest.raises(UserError, match=r"osnet_x0_25_msmt17\.onnx: not the published YOLOX-nano"):
        load_yolox(file.parent / "osnet_x0_25_msmt17.onnx", Darknet())
    with pytest.raises(UserError, match=r"does not know the class 'persons' \(did you mean 'person'\?\)"):
        load_yolox(file, Darknet(), Pyramid(("persons",)), ("persons",))
    config = load_config(recipe="mobilenet", overrides=[f"model.pretrained={file}"])
    with pytest.raises(UserError, match=r"is for model\.encoder=yolox_nano"):
        initialise(Network(config.model), config.model)
    config = load_config(recipe="yolox_nano", overrides=["model.pretrained=timm"])
    with pytest.raises(UserError, match=r"name its published ONNX file with model\.pretrained="):
        initialise(Network(config.model), config.model)
