import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_builders import encoded, put

from clmot.datasets.readers import labelstudio, read_dataset
from clmot.datasets.readers.labelstudio import read_labelstudio
from clmot.errors import UserError

WIDTH, HEIGHT = 200, 100
JPEG = encoded(WIDTH, HEIGHT)


def rectangle(label: str, x: Any, y: float, width: float, height: float, **more: Any) -> dict[str, Any]:
    value = {"x": x, "y": y, "width": width, "height": height, "rotation": 0, "rectanglelabels": [label]} | more
    return {"id": "Dx_aB91ISN", "type": "rectanglelabels", "original_width": WIDTH, "value": value}


def task(image: str, *annotations: dict[str, Any]) -> dict[str, Any]:
    return {"id": 1, "annotations": list(annotations), "predictions": [], "data": {"image": image}}


def annotation(*result: Any, **more: Any) -> dict[str, Any]:
    return {"id": 7, "was_cancelled": False, "result": list(result)} | more


def write(root: Path, tasks: Any, *images: str) -> Path:
    put(root, dict.fromkeys(images, JPEG))
    (root / "export.json").write_text(json.dumps(tasks))
    return root


def test_export(tmp_path: Path) -> None:
    polygon = {"type": "polygonlabels", "value": {"points": [[10, 10], [20, 30], [5, 20]], "polygonlabels": ["car"]}}
    choice = {"type": "choices", "value": {"choices": ["rain"]}}
    tasks = [
        task("/data/upload/1/0f1e2d3c-a%20b.jpg", annotation(rectangle("person", -10, 20, 30, 40), polygon, choice)),
        task("/data/local-files/?d=sub/c.jpg", annotation()),
        task("s3://bucket/d.jpg"),
        task("https://example.com/x/e.jpg?token=1", annotation(was_cancelled=True)),
    ]
    root = write(tmp_path / "set", tasks, "images/a b.jpg", "images/sub/c.jpg")
    for path in (root, root / "export.json"):
        dataset = read_dataset([path])
        assert dataset.classes == ("person", "car")
        assert dataset.skipped == {
            "task without annotation": 2,
            "result other than a labelled box or polygon (choices)": 1,
        }
        a, c = dataset.samples
        np.testing.assert_allclose(a.boxes, [[-20, 20, 40, 60], [10, 10, 40, 30]])
        assert (a.sequence, a.frame, a.width, a.height) == ("set/images/a b", 1, WIDTH, HEIGHT)
        assert (c.image, len(c.boxes)) == (root / "images/sub/c.jpg", 0)


def test_of_several_annotations_one_counts(tmp_path: Path) -> None:
    boxes = [annotation(rectangle(name, 10, 10, 10, 10)) for name in ("none", "first", "second", "third")]
    boxes[0]["was_cancelled"] = True
    assert read_dataset([write(tmp_path, [task("a.jpg", *boxes)], "a.jpg")]).classes == ("first",)
    boxes[3]["ground_truth"] = True
    assert read_dataset([write(tmp_path, [task("a.jpg", *boxes)], "a.jpg")]).classes == ("third",)


@pytest.mark.parametrize("degrees", [0, 30, 90, 315])
def test_turned_boxes(tmp_path: Path, degrees: float) -> None:
    """Clockwise about the top left corner, in pixels."""
    tasks = [task("a.jpg", annotation(rectangle("cat", 40, 50, 10, 5, rotation=degrees)))]
    (sample,) = read_dataset([write(tmp_path, tasks, "a.jpg")]).samples
    angle = math.radians(degrees)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    corners = np.array([[0, 0], [20, 0], [20, 5], [0, 5]]) @ turn.T + [80, 50]
    np.testing.assert_allclose(sample.boxes[0], [*corners.min(axis=0), *corners.max(axis=0)], rtol=1e-5)


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ({"a": 1}, r"export\.json: expected a list of tasks"),
        ([{"image": "a.jpg", "annotations": 3}], r"export\.json: \[0\]\.annotations is 3"),
        ([task("", annotation())], r"\[0\]\.data has no address of an image or video; expected Label Studio"),
        ([task("none.jpg", annotation()), task("b.jpg", annotation())], r"\[0\]: image none\.jpg not found; .* 1 more"),
        ([task("a.jpg", annotation(3))], r"\[0\]\.annotations\.result is \[3\]"),
        (
            [task("a.jpg", annotation(rectangle("cat", "1", 2, 3, 4)))],
            r"\[0\]\.result\[0\]\.value \(x, y, width, height\)",
        ),
    ],
)
def test_faulty_files(tmp_path: Path, tasks: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_labelstudio(write(tmp_path, tasks, "a.jpg") / "export.json")


def test_degenerate_boxes_are_counted(tmp_path: Path) -> None:
    tasks = [task("a.jpg", annotation(rectangle("cat", 1, 1, 0, 5), rectangle("cat", 1, 1, 5, 5)))]
    assert read_dataset([write(tmp_path, tasks, "a.jpg")]).skipped == {"degenerate box": 1}


@pytest.mark.parametrize("text", ['{"images": [], "annotations": []}', '[{"image_id": 1, "bbox": [1, 2, 3, 4]}]', ""])
def test_other_json_is_not_claimed(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    assert not labelstudio.FORMAT.matches(tmp_path)
    assert not labelstudio.FORMAT.matches(tmp_path / "a.json")
    with pytest.raises(UserError, match="no Label Studio export there"):
        read_labelstudio(tmp_path)


def test_images_under_another_key(tmp_path: Path) -> None:
    each = task("", annotation(rectangle("person", 10, 20, 30, 40)))
    each["data"] = {"comment": "at night", "photo": "/data/upload/1/0f1e2d3c-a.jpg"}
    (sample,) = read_dataset([write(tmp_path, [each], "images/a.jpg")]).samples
    np.testing.assert_allclose(sample.boxes, [[20, 20, 80, 60]])


def test_predictions_count_where_nobody_annotated(tmp_path: Path) -> None:
    regions = [rectangle("person", 10, 20, 30, 40) | {"score": 0.9}, rectangle("person", 50, 20, 30, 40)]
    each = {"data": {"image": "a.jpg"}, "predictions": [{"score": 0.6, "result": regions}]}
    root = write(tmp_path, [each], "a.jpg", "b.jpg")
    dataset = read_labelstudio(root)
    np.testing.assert_allclose(dataset.samples[0].scores, [0.9, 0.6])
    assert dataset.notes == ("predictions of a model: no task has an annotation",)
    write(root, [each, task("b.jpg", annotation(rectangle("dog", 10, 20, 30, 40)))])
    dataset = read_dataset([root])
    assert dataset.classes == ("dog",)
    assert dataset.skipped == {"task without annotation": 1}


def test_video(tmp_path: Path) -> None:
    """Boxes move evenly between key frames; the last one lasts to the end, and what is not enabled is gone after it."""

    def track(label: str, *keys: tuple[int, float, bool]) -> dict[str, Any]:
        box = {"y": 20, "width": 10, "height": 50}
        sequence = [{"frame": frame, "x": x, "enabled": enabled} | box for frame, x, enabled in keys]
        return {"type": "videorectangle", "value": {"framesCount": 6, "sequence": sequence, "labels": [label]}}

    result = [track("car", (1, 0, True), (5, 40, True)), track("dog", (2, 30, False), (4, 60, True), (5, 70, False))]
    each = task("", annotation(*result))
    each["data"] = {"video": "/data/upload/1/0f1e2d3c-street.mp4"}
    root = write(tmp_path, [each])
    with pytest.raises(UserError, match=r"image 000001\.jpg of Label Studio's video street \(extract its frames"):
        read_dataset([root])
    write(root, [each], *(f"street/{number:06d}.jpg" for number in range(1, 7)))
    dataset = read_dataset([root], identities=True)
    assert dataset.classes == ("car", "dog")
    found = [dict(zip(s.identities.tolist(), s.boxes[:, 0].tolist(), strict=True)) for s in dataset.samples]
    # of 200 pixels
    assert found == [{1: 0}, {1: 20, 2: 60}, {1: 40}, {1: 60, 2: 120}, {1: 80, 2: 140}, {1: 80}]
    np.testing.assert_allclose(dataset.samples[0].boxes, [[0, 20, 20, 70]])


def test_the_short_export_is_named(tmp_path: Path) -> None:
    short = [{"image": "a.jpg", "label": [], "annotator": 1, "annotation_id": 1, "lead_time": 3.1}]
    with pytest.raises(UserError, match=r"Label Studio's JSON export \(not JSON-MIN\)"):
        read_dataset([write(tmp_path, short, "a.jpg")])
