"""What is refused of a detector's answer, and what is kept."""

import re

import numpy as np
import pytest
import torch

from clmot.config import Config, DetectorConfig
from clmot.detectors.frozen import load_into
from clmot.detectors.output_parser import OutputParser
from clmot.detectors.python_function import FunctionDetector, open_function
from clmot.detectors.registry import open_detector
from clmot.errors import UserError
from clmot.inference.attached import BareModel
from clmot.structures import Detections

LABELS = {1: "person", 2: "car", 5: "bus"}
BOX = [0.0, 0.0, 4.0, 8.0]
IMAGE = np.zeros((16, 16, 3), np.uint8)


def test_keeps_the_wanted_classes_in_the_wanted_order():
    answers = OutputParser("x", LABELS, ("bus", "person"), 0.3)
    found = answers([BOX] * 4, [0.9, 0.8, 0.7, 0.2], torch.tensor([1, 2, 5, 1]))
    assert answers.classes == ("bus", "person")
    assert found.class_id.tolist() == [1, 0]
    np.testing.assert_allclose(found.score, [0.9, 0.7])
    assert OutputParser("x", LABELS).classes == ("person", "car", "bus")


@pytest.mark.parametrize("nothing", [[], np.empty((0, 4)), torch.empty(0)])
def test_nothing_found_is_an_answer(nothing):
    assert len(OutputParser("x", LABELS)(nothing, [], [])) == 0


def test_boxes_without_area_or_not_finite_are_left_out_and_counted(caplog):
    answers, rows = OutputParser("x", LABELS), [BOX, [3, 3, 3, 9], [5, 5, 2, 9], [0, 0, np.nan, 8], BOX]
    for _ in range(2):
        assert answers(rows, [0.9, 0.9, 0.9, 0.9, np.inf], [1] * 5).xyxy.tolist() == [BOX]
    assert answers.left_out == {"box without area": 4, "box or score that is not finite": 4}
    assert [record.getMessage()[:17] for record in caplog.records] == ["detector x: left "] * 2


@pytest.mark.parametrize(
    ("boxes", "scores", "labels", "line"),
    [
        ([[0, 0, 4]], [0.9], [1], r"gave boxes \[1, 3\], scores \[1\] and labels \[1\]; \[n, 4\], \[n\] and \[n\]"),
        ([BOX, BOX], [0.9], [1, 1], r"scores \[1\] and labels \[2\]"),
        ([BOX], [[0.9]], [1], r"scores \[1, 1\]"),
        ([BOX], [90.0], [1], "gave scores from 90 to 90; chances from 0 to 1 are needed: divide percentages by 100"),
        ([BOX], ["sure"], [1], "gave no array of numbers"),
        ([BOX], [0.5], [7], r"gave label 7, which has no name \(known: 1, 2, 5\)"),
        ([BOX], [0.5], [1.5], "gave label 1.5"),
    ],
)
def test_nonsense_is_refused_with_one_line(boxes, scores, labels, line):
    with pytest.raises(UserError, match=f"detector x: .*{line}") as caught:
        OutputParser("x", LABELS)(boxes, scores, labels)
    assert "\n" not in str(caught.value)


def test_a_class_it_does_not_know():
    with pytest.raises(
        UserError, match=r"knows no class 'persn' \(did you mean 'person'\?\); it knows person, car, bus"
    ):
        OutputParser("x", LABELS, ("persn",))


@pytest.mark.parametrize(
    "answer",
    [
        Detections(xyxy=[BOX], score=[0.5], class_id=[0]),
        ([BOX], [0.5], [0]),
        {"boxes": [BOX], "scores": [0.5], "labels": [0]},
        [[*BOX, 0.5, 0]],
        np.array([[*BOX, 0.5, 0]]),
        torch.tensor([[*BOX, 0.5, 0]]),
    ],
)
def test_a_function_may_answer_in_many_ways(answer):
    (found,) = FunctionDetector(lambda image: answer).detect([IMAGE])
    assert (found.xyxy.tolist(), found.score.tolist(), found.class_id.tolist()) == ([BOX], [0.5], [0])


@pytest.mark.parametrize("answer", [None, 3, np.zeros((2, 5)), "boxes"])
def test_other_answers_of_a_function(answer):
    with pytest.raises(UserError, match=r"detector mine: gave .*; Detections, \(boxes, scores, labels\) or rows"):
        FunctionDetector(lambda image: answer, name="mine").detect([IMAGE])


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("nowhere", "write it as python:package.module:function"),
        ("nowhere:find", "no such function"),
        ("none.py:find", "none.py: no such file"),
        ("math:pi", "is float, not a function"),
        ("math:find", "has no attribute 'find'"),
    ],
)
def test_functions_that_are_not_there(name, line):
    with pytest.raises(UserError, match=re.escape(line)):
        open_function(name, DetectorConfig(), "cpu", 0.1)


@pytest.mark.parametrize("name", ["torchvison:ssd300_vgg16", "torchvision", "", "yolo"])
def test_descriptions_that_name_no_detector(name):
    with pytest.raises(UserError, match=f"detector '{name}': write LIBRARY:NAME.*torchvision:fasterrcnn_resnet50_fpn"):
        open_detector(DetectorConfig(name=name))


def test_torchvision_names():
    with pytest.raises(UserError, match=r"unknown \(did you mean 'ssd300_vgg16'\?\); known: fasterrcnn"):
        open_detector(DetectorConfig(name="torchvision:ssd30_vgg16", weights="none"))
    many = DetectorConfig(
        name="torchvision:ssdlite320_mobilenet_v3_large", weights="none", options={"num_classes": "many"}
    )
    with pytest.raises(UserError, match=r"cannot be had .*; name a file of weights \(detector"):
        open_detector(many)


def test_weights_that_do_not_fit(tmp_path):
    model = torch.nn.Linear(3, 2)
    for change, line in (
        ({"weight": torch.zeros(4, 3), "bias": torch.zeros(2)}, r"'weight' is \[4, 3\], the detector has \[2, 3\]"),
        ({"weight": torch.zeros(2, 3)}, "'bias' is missing"),
        ({**model.state_dict(), "more": torch.zeros(1)}, "'more' is not part of it"),
    ):
        torch.save(change, tmp_path / "w.pth")
        with pytest.raises(UserError, match=f"no weights of it: {line}"):
            load_into(model, tmp_path / "w.pth", "it")
    with pytest.raises(UserError, match="no such weights file"):
        load_into(model, tmp_path / "none.pth", "it")


class Mine:
    """A detector as users write it."""

    classes = ("person",)

    def __init__(self, found):
        self.found = found

    def detect(self, images):
        return self.found


def found(score, class_id):
    return Detections(xyxy=[[0, 0, 4, 4]], score=[score], class_id=[class_id])


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (None, "detect gave NoneType"),
        ([], "detect gave 0 Detections for 1 image"),
        ([None], "detect gave a list with NoneType"),
        ([found(90, 0)], "gave scores from 90 to 90"),
        ([found(0.9, 1)], "gave class 1; its classes are 0 to 0"),
        ([found(0.9, -1)], "gave class -1"),
    ],
)
def test_what_a_detector_of_the_user_s_own_cannot_mean_is_refused_by_its_name(answer, message):
    with pytest.raises(UserError, match=f"detector Mine: {message}"):
        BareModel(Mine(answer), Config()).detect(np.zeros((8, 8, 3), np.uint8))
