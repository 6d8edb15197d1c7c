"""Detection scores against a naive average precision, pycocotools, and what is known by construction."""

import contextlib
import io
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from data_builders import sample_of

from clmot.errors import UserError
from clmot.evaluation.detection import _as_coco, evaluate_detections, match_greedily, score_detections
from clmot.evaluation.detection_files import BoxList
from clmot.evaluation.tables import detection_csv, detection_table
from clmot.io.frame_choice import FrameChoice
from clmot.structures import Dataset, Sample


def sample(boxes: np.ndarray, classes: np.ndarray, ignore: np.ndarray, frame: int = 1) -> Sample:
    return sample_of(boxes, size=(400, 300), frame=frame, classes=classes, ignore=ignore)


def crowd(seed: int, images: int = 12, per_image: int = 14, classes: int = 2) -> tuple[Dataset, BoxList]:
    """Images full of boxes, some ignored, and detections around them with misses, clutter and doubles."""
    rng = np.random.default_rng(seed)
    samples, rows = [], []
    for image in range(images):
        corner = rng.uniform(0, 250, (per_image, 2)).round(1)
        boxes = np.concatenate([corner, corner + rng.uniform(20, 60, (per_image, 2)).round(1)], axis=1)
        kinds, ignore = rng.integers(0, classes, per_image), rng.random(per_image) < 0.2
        samples.append(sample(boxes, kinds, ignore, image + 1))
        for box, kind in zip(boxes, kinds, strict=True):
            for _ in range(rng.integers(0, 3)):
                rows.append((image, kind, rng.uniform(), *(box + rng.normal(0, 5, 4))))
        for _ in range(5):
            x, y = rng.uniform(0, 250, 2)
            rows.append((image, rng.integers(classes), rng.uniform(0, 0.6), x, y, x + 40, y + 40))
    table = np.array(rows)
    found = BoxList(
        image=table[:, 0].astype(int), class_id=table[:, 1].astype(int), score=table[:, 2], xyxy=table[:, 3:]
    )
    return Dataset(samples=samples, classes=tuple(str(i) for i in range(classes))), found


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0) * max(height, 0)
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def naive_average_precision(found: BoxList, samples: list[Sample], threshold: float) -> float:
    """One class, nothing ignored: mean precision at 101 recalls, each the best at that recall or more."""
    taken: set[tuple[int, int]] = set()
    hits = []
    for row in np.argsort(-found.score, kind="stable"):
        image = int(found.image[row])
        free = [i for i in range(len(samples[image].boxes)) if (image, i) not in taken]
        overlaps = [overlap(found.xyxy[row], samples[image].boxes[i].astype(float)) for i in free]
        hit = bool(overlaps) and max(overlaps) >= threshold
        if hit:
            taken.add((image, free[int(np.argmax(overlaps))]))
        hits.append(hit)
    total = sum(len(each.boxes) for each in samples)
    points = [(sum(hits[: k + 1]) / total, sum(hits[: k + 1]) / (k + 1)) for k in range(len(hits))]
    return float(
        np.mean([max((p for r, p in points if r >= recall - 1e-12), default=0) for recall in np.linspace(0, 1, 101)])
    )


def test_average_precision_by_hand() -> None:
    dataset, found = crowd(0, images=4, per_image=6, classes=1)
    samples = [sample(s.boxes, s.classes, np.zeros(len(s.boxes), bool), s.frame) for s in dataset.samples]
    scores = score_detections(found, Dataset(samples=samples, classes=dataset.classes)).combined
    by_threshold = [naive_average_precision(found, samples, t) for t in np.linspace(0.5, 0.95, 10)]
    assert scores["AP"] == pytest.approx(100 * np.mean(by_threshold))
    assert scores["AP50"] == pytest.approx(100 * by_threshold[0])
    assert scores["AP75"] == pytest.approx(100 * by_threshold[5])
    assert 10 < scores["AP50"] < 95


@pytest.mark.parametrize("seed", range(3))
def test_equals_pycocotools(seed: int) -> None:
    coco = pytest.importorskip("pycocotools.coco")
    from pycocotools.cocoeval import COCOeval

    dataset, found = crowd(seed)
    ltwh = np.concatenate([found.xyxy[:, :2], found.xyxy[:, 2:] - found.xyxy[:, :2]], axis=1)
    with contextlib.redirect_stdout(io.StringIO()):
        truth = coco.COCO()
        truth.dataset = _as_coco(dataset.samples, 2)
        truth.createIndex()
        results = [
            {"image_id": int(i) + 1, "category_id": int(c) + 1, "bbox": b.tolist(), "score": float(s)}
            for i, c, b, s in zip(found.image, found.class_id, ltwh, found.score, strict=True)
        ]
        evaluation = COCOeval(truth, truth.loadRes(results), "bbox")
        evaluation.params.maxDets = [1, 10, 1000]
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"][:, :, :, 0, -1]
    scores = score_detections(found, dataset)
    assert scores.combined["AP"] == pytest.approx(100 * precision.mean(), abs=1e-9)
    for number, values in enumerate(scores.classes.values()):
        assert values["AP50"] == pytest.approx(100 * precision[0, :, number].mean(), abs=1e-9)
    images = [each for each in evaluation.evalImgs if each and each["aRng"] == [0, 1e10]]
    ignored = sum(int(each["dtIgnore"][0].sum()) for each in images)
    hits = sum(int((each["dtMatches"][0].astype(bool) & ~each["dtIgnore"][0].astype(bool)).sum()) for each in images)
    hit, left_out = match_greedily(found, dataset.samples)
    assert (hit.sum(), left_out.sum()) == (hits, ignored)
    assert ignored > 5
    assert scores.combined["TP"] == hits
    assert scores.combined["precision"] == pytest.approx(100 * hits / (len(found.image) - ignored))
    wanted = sum(int((~each.ignore).sum()) for each in dataset.samples)
    assert scores.combined["recall"] == pytest.approx(100 * hits / wanted)


def test_best_score_to_keep() -> None:
    """The threshold that is named gives the F1 that is named, and no other gives a better one."""
    dataset, found = crowd(5)
    found = BoxList(**{**vars(found), "score": found.score.round(1)})  # with ties
    scores = score_detections(found, dataset).combined
    kept = {t: score_detections(found[found.score >= t], dataset).combined["F1"] for t in np.unique(found.score)}
    assert kept[scores["at score"]] == pytest.approx(scores["best F1"])
    assert max(kept.values()) == pytest.approx(scores["best F1"])


def test_more_than_a_hundred_boxes_in_an_image() -> None:
    corner = np.stack(np.meshgrid(np.arange(15) * 25, np.arange(12) * 25), axis=-1).reshape(-1, 2)
    boxes = np.concatenate([corner, corner + 20], axis=1).astype(float)
    dataset = Dataset(samples=[sample(boxes, np.zeros(180, int), np.zeros(180, bool))], classes=("person",))
    found = BoxList(image=np.zeros(180, int), xyxy=boxes, score=np.linspace(0.1, 1, 180), class_id=np.zeros(180, int))
    assert score_detections(found, dataset).combined["AP"] == pytest.approx(100)
    nothing = score_detections(found[found.score > 2], dataset).combined
    assert (nothing["AP"], nothing["recall"], nothing["FN"]) == (0, 0, 180)
    assert np.isnan(nothing["precision"])


@pytest.fixture
def sequences(tmp_path: Path) -> Path:
    """Two sequences; persons, and in frame 2 a static person whom nobody need find."""
    for name in ("MOT17-02-DPM", "MOT17-04-DPM"):
        folder = tmp_path / "gt" / name
        (folder / "img1").mkdir(parents=True)
        (folder / "gt").mkdir()
        for frame in (1, 2):
            cv2.imwrite(str(folder / "img1" / f"{frame:06d}.jpg"), np.zeros((100, 200, 3), np.uint8))
        (folder / "gt" / "gt.txt").write_text("1,1,11,11,20,40,1,1,1\n2,1,15,11,20,40,1,1,1\n2,2,101,11,20,40,0,7,1\n")
    return tmp_path


def test_frames_that_were_not_looked_at_are_no_misses(sequences: Path, tmp_path: Path) -> None:
    """As with `clmot detect --every 2`: of sequences, and of stills by their place in the folder."""
    video = sequences / "gt" / "MOT17-02-DPM"
    result = tmp_path / "MOT17-02-DPM.txt"
    result.write_text("1,-1,11,11,20,40,0.9\n")
    assert [evaluate_detections(result, video).combined[name] for name in ("TP", "FN")] == [1, 1]
    half = FrameChoice(every=2)
    assert [evaluate_detections(result, video, frames=half).combined[name] for name in ("TP", "FN")] == [1, 0]

    names = ["2.png", "10.png", "11.png"]
    for name in names:
        cv2.imwrite(str(tmp_path / name), np.zeros((100, 200, 3), np.uint8))
    content = {
        "images": [{"id": n, "file_name": name, "width": 200, "height": 100} for n, name in enumerate(names)],
        "annotations": [{"id": n, "image_id": n, "category_id": 1, "bbox": [10, 10, 20, 40]} for n in range(3)],
        "categories": [{"id": 1, "name": "person"}],
    }
    boxes = tmp_path / "boxes.json"
    boxes.write_text(json.dumps(content))
    looked_at = content | {"images": content["images"][::2]}
    looked_at["annotations"] = [each | {"score": 0.9} for each in content["annotations"][::2]]
    found = tmp_path / "found.json"
    found.write_text(json.dumps(looked_at))
    assert [evaluate_detections(found, boxes).combined[name] for name in ("TP", "FN")] == [2, 1]
    assert [evaluate_detections(found, boxes, frames=half).combined[name] for name in ("TP", "FN")] == [2, 0]


def test_motchallenge_text(sequences: Path) -> None:
    rows = "1,-1,11,11,20,40,0.9\n2,-1,101,11,20,40,0.8\n2,-1,151,11,20,40,0.2\n3,-1,1,1,9,9,0.9\n"
    results = sequences / "det"
    results.mkdir()
    (results / "MOT17-02-DPM.txt").write_text(rows)
    with pytest.raises(UserError, match=r"no detections of 1 sequence: expected MOT17-04-DPM\.txt \(found MOT17-02"):
        evaluate_detections(results, sequences / "gt")
    (results / "MOT17-04.txt").write_text(rows)
    scores = evaluate_detections(results, sequences / "gt")
    assert scores.rows["gt"].results.rows == 8
    assert scores.rows["gt"].results.left_out == {"in frames without annotations": 2, "on ignored boxes": 2}
    assert [scores.combined[name] for name in ("TP", "FP", "FN")] == [2, 2, 2]
    sure = evaluate_detections(results, sequences / "gt", min_score=0.5).combined
    assert [sure[name] for name in ("TP", "FP", "FN", "precision", "recall")] == [2, 0, 2, 100, 50]
    one = evaluate_detections(results / "MOT17-02-DPM.txt", sequences / "gt" / "MOT17-02-DPM").combined
    assert one["AP"] == pytest.approx(scores.combined["AP"])
    for name in ("MOT17-02-DPM", "MOT17-04-DPM"):
        (sequences / "gt" / name / "det").mkdir()
        (sequences / "gt" / name / "det" / "det.txt").write_text(rows)
    assert evaluate_detections(sequences / "gt", sequences / "gt") == scores
    (results / "labels.txt").write_text("car\npedestrian\n")
    (results / "MOT17-02-DPM.txt").write_text("1,1,11,11,20,40,0.9,2,1\n")
    (results / "MOT17-04.txt").write_text("1,1,11,11,20,40,0.9,2,1\n1,1,11,11,20,40,0.9,1,1\n")
    by_name = evaluate_detections(results, sequences / "gt")
    assert (by_name.combined["TP"], by_name.combined["FP"]) == (2, 0)
    assert by_name.rows["gt"].results.left_out == {"of classes not scored": 1}
    (results / "labels.txt").unlink()
    with pytest.raises(UserError, match=r"MOT17-02-DPM\.txt:1: class is 2; the ground truth has person"):
        evaluate_detections(results, sequences / "gt")

    lines = [line for line in detection_table(scores).markdown().splitlines() if line.startswith("|")]
    assert lines[0].startswith("| class | AP | AP50 |")
    assert len(lines) == 3
    assert detection_csv(scores).splitlines()[0].startswith("sequence,class,AP,AP50,AP75,precision")


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    for number in (1, 2):
        cv2.imwrite(str(tmp_path / "images" / f"{number}.png"), np.zeros((100, 200, 3), np.uint8))
    content = {
        "images": [{"id": 70 + n, "file_name": f"{n}.png", "width": 200, "height": 100} for n in (1, 2)],
        "categories": [{"id": 3, "name": "person"}, {"id": 8, "name": "car"}, {"id": 9, "name": "tram"}],
        "annotations": [
            {"id": 1, "image_id": 71, "category_id": 8, "bbox": [10, 10, 20, 40], "area": 800, "iscrowd": 0},
            {"id": 2, "image_id": 72, "category_id": 3, "bbox": [50, 10, 20, 40], "area": 800, "iscrowd": 0},
        ],
    }
    (tmp_path / "boxes.json").write_text(json.dumps(content))
    return tmp_path


def test_coco_results(coco: Path) -> None:
    right = [
        {"image_id": 71, "category_id": 8, "bbox": [10, 10, 20, 40], "score": 0.9},
        {"image_id": 72, "category_id": 3, "bbox": [50, 10, 20, 40], "score": 0.8},
        {"image_id": 72, "category_id": 9, "bbox": [50, 10, 20, 40], "score": 0.8},
    ]
    (coco / "det.json").write_text(json.dumps(right))
    scores = evaluate_detections(coco / "det.json", coco / "boxes.json")
    assert scores.combined["AP"] == pytest.approx(100)
    assert [scores.combined[name] for name in ("TP", "FP", "FN")] == [2, 0, 0]
    assert list(scores.classes) == ["person", "car"]
    assert scores.rows["boxes.json"].results.left_out == {"of classes not scored": 1}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, r"det\.json: \$: object missing required field images; expected detections as COCO"),
        ([{"image_id": 71}], r"det\.json: \$\[0\]: object missing required field category_id"),
        ([{"image_id": 5, "category_id": 3, "bbox": [1, 1, 1, 1], "score": 1}], r"\[0\]\.image_id is 5, which .*boxes"),
        ([{"image_id": 71, "category_id": 4, "bbox": [1, 1, 1, 1], "score": 1}], r"\[0\]\.category_id is 4, which"),
        (
            [{"image_id": 71, "category_id": 3, "bbox": [1, 1, 1], "score": 1}],
            r"\$\[0\]\.bbox: expected array",
        ),
        ([{"image_id": [71], "category_id": 3, "bbox": [1, 1, 1, 1], "score": 1}], r"\$\[0\]\.image_id: expected int"),
        (
            [{"image_id": 71, "category_id": 3, "bbox": [1, 1, 1, 10**400], "score": 1}],
            r"\$\[0\]\.bbox\[3\]: number",
        ),
    ],
)
def test_bad_coco_results(coco: Path, content: object, message: str) -> None:
    (coco / "det.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=message):
        evaluate_detections(coco / "det.json", coco / "boxes.json")


def test_coco_results_of_ground_truth_without_ids(coco: Path) -> None:
    """Of another format, which is JSON too."""
    shape = {"label": "person", "shape_type": "rectangle", "points": [[1, 1], [9, 9]]}
    content = {"imagePath": "1.png", "imageWidth": 200, "imageHeight": 100, "shapes": [shape]}
    labels = coco / "images" / "1.json"
    labels.write_text(json.dumps(content))
    (coco / "det.json").write_text("[]")
    for found, message in (
        ({}, r"1\.json: \$: object missing required field images; expected a COCO file with images"),
        ({"images": []}, r"1\.json: \$: object missing required field categories; expected a COCO file"),
        (
            {"images": [{"id": 1}], "categories": []},
            r"1\.json: \$\.images\[0\]: object missing .* file_name",
        ),
        (
            {"images": [], "categories": [{"name": "car"}]},
            r"1\.json: \$\.categories\[0\]: object missing .* id",
        ),
    ):
        labels.write_text(json.dumps(content | found))
        with pytest.raises(UserError, match=message):
            evaluate_detections(coco / "det.json", labels, format="labelme")
