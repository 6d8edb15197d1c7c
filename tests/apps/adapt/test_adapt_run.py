"""Whole adaptations of a network that has learned nothing, on coloured boxes that walk."""

import json

import numpy as np
import pytest
import torch

import clmot.apps.adapt.run as run_module
from clmot.apps.adapt.judgement import Judgement
from clmot.apps.adapt.report import decide
from clmot.apps.adapt.run import adapt
from clmot.errors import UserError
from clmot.inference.model import load_model
from clmot.models.saved_model import load_saved_model
from tests.apps.adapt.conftest import draw, place, write_video

pytestmark = pytest.mark.slow

QUICK = ["train.steps=4", "train.save_every=2", "adapt.min_seconds=0.1", "adapt.held_out=0.5"]


def go(model, video, out, *changes, **options):
    return adapt(model, [video], out, overrides=[*QUICK, *changes], device="cpu", progress=False, **options)


def equal_weights(one, two):
    return all(torch.equal(one[name].float(), two[name].float()) for name in one)


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    return write_video(tmp_path_factory.mktemp("short") / "walk", 16)


@pytest.fixture(scope="module")
def adapted(tiny_run, video, tmp_path_factory, seeing):
    out = tmp_path_factory.mktemp("adapted") / "out"
    return go(tiny_run, video, out, "train.learning_rate=0.01"), out


def test_leaves_a_model_that_detects_as_before_and_a_report(adapted, tiny_run):
    found, out = adapted
    old, new = load_saved_model(tiny_run), load_saved_model(out)
    # the same model: classes that no video shows, and settings, are what they were
    assert new.config == old.config
    image = draw(3)
    boxes = np.array([[10, 10, 40, 80]], np.float32)
    before, after = (load_model(each, device="cpu") for each in (tiny_run, out))
    np.testing.assert_array_equal(before.detect(image).xyxy, after.detect(image).xyxy)
    changed = np.abs(before.embed(image, boxes) - after.embed(image, boxes)).max() > 1e-4
    assert changed == found.kept
    assert found.kept == decide(found.before, found.after)[0]
    assert found.videos == {
        "walk": {
            "frames": 8,
            "tracklets": 3,
            "boxes": 24,
            "held-out frames": 8,
            "held-out tracklets": 3,
            "held-out boxes": 24,
        }
    }
    report = (out / "report.md").read_text()
    assert found.reason in report
    assert "| **d' against the hardest** | " in report
    assert json.loads((out / "report.json").read_text())["kept"] == found.kept


def test_a_metric_alone_is_learned_without_training(tiny_run, video, tmp_path, seeing, monkeypatch):
    monkeypatch.setattr(run_module, "LEAST_OBJECTS", 2)
    monkeypatch.setattr(run_module, "train", None)
    out = tmp_path / "out"
    found = adapt(tiny_run, [video], out, overrides=QUICK[2:], device="cpu", progress=False)
    assert found.kept
    assert found.steps == 0
    old, new = (load_saved_model(each).weights for each in (tiny_run, out))
    changed = {name for name, value in new.items() if not torch.equal(value, old[name])}
    assert changed == {"read_out.matrix"}
    few = tmp_path / "few"
    monkeypatch.setattr(run_module, "LEAST_OBJECTS", 10)
    assert not adapt(tiny_run, [video], few, overrides=QUICK[2:], device="cpu", progress=False).kept
    assert equal_weights(old, load_saved_model(few).weights)


def test_small_boxes_of_others_are_read_at_another_size(tiny_run, video, tmp_path, seeing, monkeypatch):
    monkeypatch.setattr(run_module, "LEAST_OBJECTS", 2)
    monkeypatch.setattr(run_module, "reading_size", lambda *_: 128)
    rows = [(n, *place(person, n)) for n in range(1, 17) for person in range(3)]
    boxes = tmp_path / "walk.txt"
    boxes.write_text("".join(f"{n},-1,{x1},{y1},{x2 - x1},{y2 - y1},0.9\n" for n, x1, y1, x2, y2 in rows))
    found = adapt(tiny_run, [video], tmp_path / "out", boxes=boxes, overrides=QUICK[2:], device="cpu", progress=False)
    assert found.kept
    assert load_saved_model(tmp_path / "out").config.detect.size == (128,)
    # boxes of the model's own are found at the size that they are read at
    adapt(tiny_run, [video], tmp_path / "own", overrides=QUICK[2:], device="cpu", progress=False)
    assert load_saved_model(tmp_path / "own").config.detect.size == ()


def test_what_scores_less_is_rolled_back(tiny_run, video, tmp_path, seeing, monkeypatch):
    scores = iter([0.9, 0.8])
    monkeypatch.setattr(
        run_module, "judge", lambda *_, **__: Judgement(hardest={"walk": [next(scores)] * 3}, by_gap=[0.9] * 5)
    )
    found = go(tiny_run, video, tmp_path / "out")
    assert not found.kept
    assert found.reason.startswith("no evidence of gain, the old weights stay: ")
    assert "from 0.90 to 0.80, by -0.10" in found.reason
    assert found.model.name == "checkpoint-000000"
    assert equal_weights(load_saved_model(tiny_run).weights, load_saved_model(tmp_path / "out").weights)


@pytest.mark.parametrize("stage", ["take_frames", "train", "judge"])
def test_an_interrupted_adaptation_goes_on_to_the_same_end(
    tiny_run, video, tmp_path, seeing, monkeypatch, adapted, stage
):
    straight, _ = adapted
    real, out = getattr(run_module, stage), tmp_path / "interrupted"

    def interrupt(*arguments, **options):
        if stage == "train":
            real(arguments[0], arguments[1], arguments[2].updated({"train": {"steps": 2}}), **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(run_module, stage, interrupt)
    with pytest.raises(KeyboardInterrupt):
        go(tiny_run, video, out, "train.learning_rate=0.01")
    monkeypatch.setattr(run_module, stage, real)
    with pytest.raises(UserError, match="already holds an adaptation; go on with --resume"):
        go(tiny_run, video, out, "train.learning_rate=0.01")
    with pytest.raises(UserError, match="begun with another"):
        go(tiny_run, video, out, "train.learning_rate=0.02", resume=True)
    resumed = go(tiny_run, video, out, "train.learning_rate=0.01", resume=True)
    if stage != "train":  # whose schedule was cut short above
        np.testing.assert_equal(resumed.after.as_dict(), straight.after.as_dict())
        assert equal_weights(load_saved_model(resumed.model).weights, load_saved_model(straight.model).weights)
    # and then it is finished
    monkeypatch.setattr(run_module, "train", None)
    again = go(tiny_run, video, out, "train.learning_rate=0.01", resume=True)
    np.testing.assert_equal(again.as_dict(), resumed.as_dict())


def test_the_whole_network_can_learn_too(tiny_run, video, tmp_path, seeing, caplog):
    found = go(tiny_run, video, tmp_path / "out", "train.learn=all", "train.steps=1")
    old, new = (load_saved_model(each).weights for each in (tiny_run, tmp_path / "out" / "training"))
    assert old.keys() == new.keys()
    assert not torch.equal(old["heatmap.out.weight"], new["heatmap.out.weight"])
    assert found.steps == 1


def test_learns_at_the_size_that_the_video_is_tracked_at(tiny_run, video, tmp_path, seeing):
    go(tiny_run, video, tmp_path / "out", "detect.size=[96]", "train.steps=1")
    assert load_saved_model(tmp_path / "out" / "training").config.model.image_size == (96, 64)
    assert load_saved_model(tmp_path / "out").config.model.image_size == (160, 96)


def test_too_few_tracklets_are_a_users_mistake(tiny_run, tmp_path, seeing):
    lone = write_video(tmp_path / "lone", 20, people=(1,))
    with pytest.raises(UserError, match="lone: too few tracklets: no frame shows two objects"):
        go(tiny_run, lone, tmp_path / "one")
    short = write_video(tmp_path / "short", 12)
    with pytest.raises(UserError, match=r"too few tracklets in the part held out to judge by \(adapt\.held_out=0\.1\)"):
        go(tiny_run, short, tmp_path / "two", "adapt.held_out=0.1")


def test_two_videos_of_one_name_are_two(tiny_run, video, tmp_path, seeing):
    other = write_video(tmp_path / "other" / "walk", 16)
    found = adapt(tiny_run, [video, other], tmp_path / "out", overrides=QUICK, device="cpu", progress=False)
    assert list(found.videos) == ["walk", "walk-2"]
    assert found.videos["walk-2"]["tracklets"] == 3


def test_a_frame_rate_that_the_user_gives_holds(video, monkeypatch, tiny_run, tmp_path):
    rates = []

    def stop(sources, *_):
        rates.extend(source.frame_rate for source in sources.values())
        raise KeyboardInterrupt

    monkeypatch.setattr(run_module, "_keep_tracklets", stop)
    for name, changes in (("own", ()), ("given", ("tracker.frame_rate=4",))):
        with pytest.raises(KeyboardInterrupt):
            go(tiny_run, video, tmp_path / name, *changes)
    assert rates[0] != 4
    assert rates[1] == 4
