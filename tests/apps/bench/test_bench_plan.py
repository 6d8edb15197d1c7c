"""Plans as they are read, and what is wrong with others."""

import re
from pathlib import Path

import pytest

from clmot.apps.bench.methods import ARMS, MOTION, OURS, budget_arms, find_arm, known_identities, merged
from clmot.apps.bench.plan import read_plan
from clmot.config import load_config
from clmot.errors import UserError


def test_every_built_in_arm_fits_every_kind_of_network():
    common = load_config("demo")
    for name in ARMS:
        config = find_arm(name).config(common)
        supervised = "supervised" in name or "with identities" in name
        assert known_identities(config) == supervised
        assert (config.train, config.tracker, config.detect) == (common.train, common.tracker, common.detect)
    assert find_arm("supervised, centre point").config(common).model.pooling == "center"
    assert find_arm(OURS).config(common) == common


def test_an_arm_of_ones_own():
    arm = find_arm("published, colder", {"like": "NT-Xent as published", "loss": {"temperature": 0.1}})
    config = arm.config(load_config())
    assert config.loss.temperature == 0.1
    assert config.loss.negatives == "frame"
    assert config.views.hsv == 0.5
    assert find_arm("warm", {"loss": {"temperature": 1}}).config(load_config()).loss.temperature == 1
    assert merged({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}, "d": 4}) == {"a": {"b": 3, "c": 2}, "d": 4}


def test_label_budget():
    arms = budget_arms("supervised", [0, 0.01, 1])
    assert [arm.name for arm in arms] == ["supervised, 1 % of identities", "supervised, 100 % of identities"]
    assert [known_identities(arm.config(load_config())) for arm in arms] == [0.01, 1]
    assert arms[1].config(load_config()) == find_arm("supervised").config(load_config())


def test_defaults(write_plan, scenes):
    plan = read_plan(write_plan(arms=None))
    assert plan.arms[0].name == OURS
    assert MOTION in [arm.name for arm in plan.arms]
    assert MOTION not in [arm.name for arm in plan.trained]
    assert (plan.seeds, plan.every, plan.measures) == ((0,), (1, 5), ("embedding", "association", "tracking"))
    assert plan.common.train.steps == 2
    assert [path.name for path in plan.folds[0].test] == sorted(path.name for path in (scenes / "clips").iterdir())


def test_paths_are_relative_to_the_file_and_variables_filled_in(write_plan, scenes, tmp_path, monkeypatch):
    (tmp_path / "stills").symlink_to(scenes / "stills")
    monkeypatch.setenv("BENCH_CLIPS", str(scenes / "clips"))
    plan = read_plan(write_plan(data={"train": ["stills"], "test": ["$BENCH_CLIPS"]}))
    assert plan.folds[0].train == (tmp_path / "stills",)
    start = {"model": {"pretrained": "$BENCH_CLIPS/net.pt"}}
    assert read_plan(write_plan(settings=start)).common.model.pretrained == str(scenes / "clips" / "net.pt")
    monkeypatch.delenv("BENCH_CLIPS")
    with pytest.raises(UserError, match=r"\$BENCH_CLIPS: the environment variable is not set"):
        read_plan(write_plan(data={"train": ["stills"], "test": ["$BENCH_CLIPS"]}))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"arm": ["ours"]}, "unknown key 'arm'.*arms"),
        ({"arms": ["supervised"]}, "'ours' must be among them"),
        ({"arms": ["ours", "supervized"]}, "no built-in arm 'supervized'.*supervised"),
        ({"arms": {"ours": None, "x": {"loss": {"temprature": 1}}}}, "unknown key 'loss.temprature'"),
        ({"arms": {"ours": None, "x": 3}}, "arm 'x': expected settings"),
        ({"arms": {"ours": None, "x": {"train": {"steps": 5}}}}, "train.steps must be the same for every arm"),
        ({"arms": {"ours": None, "x": {"tracker": {"preset": "byte"}}}}, "tracker.preset must be the same"),
        ({"arms": {"ours": None, "x": {"model": {"encoder": "resnet18"}}}}, "model.encoder must be the same"),
        ({"settings": {"data": {"identities": True}}}, "only supervised ones may see any"),
        ({"steps": 0}, "train.steps must be >= 1"),
        ({"seeds": []}, "seeds: expected whole numbers"),
        ({"seeds": [0, "x"]}, "seeds: expected whole numbers"),
        ({"every": [0]}, "every: expected whole numbers >= 1"),
        ({"measures": ["speed"]}, "unknown measure 'speed'"),
        ({"label_budget": [2]}, r"shares must be numbers in \[0, 1\]"),
        ({"references": ["colour histgram"]}, "reference 'colour histgram'.*colour histogram"),
        ({"references": {"net": {"onnx": "none.onnx"}}}, "none.onnx: no such file"),
        ({"references": {"net": {"file": "none.onnx"}}}, "expected {onnx: FILE}"),
        ({"arms": ["ours", "none"], "label_budget": {"arms": ["none", "none"], "shares": [1]}}, "two arms.*are named"),
        ({"data": {"train": "x"}}, "either 'test' or 'cross_validate'"),
        ({"data": {"test": "nowhere"}}, "no such folder"),
    ],
)
def test_mistakes(write_plan, changes, says):
    with pytest.raises(UserError, match=says):
        read_plan(write_plan(**changes))


def test_nothing_is_scored_that_was_trained_on(write_plan, scenes):
    clips = sorted((scenes / "clips").iterdir())
    with pytest.raises(UserError, match="is trained on as well"):
        read_plan(write_plan(data={"train": str(scenes / "clips"), "test": str(clips[0])}))
    with pytest.raises(UserError, match="nothing is left to train on"):
        read_plan(write_plan(data={"cross_validate": str(clips[0])}))


def test_a_sequence_without_ground_truth_cannot_be_scored(write_plan, scenes, tmp_path):
    sequence = tmp_path / "test" / "s1"
    sequence.mkdir(parents=True)
    (sequence / "img1").symlink_to(min((scenes / "clips").iterdir()) / "img1")
    with pytest.raises(UserError, match=r"no gt/gt\.txt"):
        read_plan(write_plan(data={"train": str(scenes / "stills"), "test": str(sequence)}))


def test_the_documented_example_is_a_plan(scenes, tmp_path, monkeypatch):
    text = (Path(__file__).parents[3] / "docs" / "bench.md").read_text()
    example = re.search(r"```yaml\n(.*?)```", text, re.S)
    assert example
    for name in ("MOT16-11", "PETS09-S2L1", "TUD-Campus"):
        (tmp_path / "mot" / name).mkdir(parents=True)
    (tmp_path / "mot" / "TUD-Stadtmitte").symlink_to(min((scenes / "clips").iterdir()))
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "osnet_x0_25_msmt17.onnx").touch()
    monkeypatch.setenv("CLMOT_DATA", str(tmp_path))
    (tmp_path / "bench.yaml").write_text(example[1])
    plan = read_plan(tmp_path / "bench.yaml")
    assert len(plan.arms) > 5
    assert plan.references[-1].onnx == tmp_path / "weights" / "osnet_x0_25_msmt17.onnx"
