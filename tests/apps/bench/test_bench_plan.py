"""Plans as they are read, and what is wrong with others."""

import re
from pathlib import Path

import pytest

from clmot.apps.bench.methods import METHODS, MOTION, OURS, budget_methods, find_method, known_identities, merged
from clmot.apps.bench.plan import read_plan
from clmot.config import load_config
from clmot.errors import UserError


def test_every_built_in_arm_fits_every_kind_of_network():
    common = load_config("demo")
    for name in METHODS:
        config = find_method(name).config(common)
        supervised = "supervised" in name or "with identities" in name
        assert known_identities(config) == supervised
        assert (config.train, config.tracker, config.detect) == (common.train, common.tracker, common.detect)
    assert find_method("supervised, centre point").config(common).model.pooling == "center"
    assert find_method(OURS).config(common) == common


def test_an_arm_of_ones_own():
    method = find_method("published, colder", {"like": "NT-Xent as published", "loss": {"temperature": 0.1}})
    config = method.config(load_config())
    assert config.loss.temperature == 0.1
    assert config.loss.negatives == "frame"
    assert config.views.hsv == 0.5
    assert find_method("warm", {"loss": {"temperature": 1}}).config(load_config()).loss.temperature == 1
    assert merged({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}, "d": 4}) == {"a": {"b": 3, "c": 2}, "d": 4}


def test_label_budget():
    methods = budget_methods("supervised", [0, 0.01, 1])
    assert [method.name for method in methods] == ["supervised, 1 % of identities", "supervised, 100 % of identities"]
    assert [known_identities(method.config(load_config())) for method in methods] == [0.01, 1]
    assert methods[1].config(load_config()) == find_method("supervised").config(load_config())


def test_defaults(write_plan, scenes):
    plan = read_plan(write_plan(methods=None))
    assert plan.methods[0].name == OURS
    assert MOTION in [method.name for method in plan.methods]
    assert MOTION not in [method.name for method in plan.trained]
    assert (plan.seeds, plan.every, plan.measures) == ((0,), (1, 5), ("embedding", "association", "tracking"))
    assert plan.common.train.steps == 2
    assert [path.name for path in plan.folds[0].test] == sorted(path.name for path in (scenes / "clips").iterdir())


def test_a_half_split_has_each_video_once_and_nothing_else_to_score(write_plan, scenes, tmp_path):
    clip = next((scenes / "clips").iterdir())
    for copy in ("DPM", "FRCNN", "SDP"):
        (tmp_path / "train").mkdir(exist_ok=True)
        (tmp_path / "train" / f"MOT17-02-{copy}").symlink_to(clip)
    halves = {"half_split": str(tmp_path / "train")}
    [fold] = read_plan(write_plan(data=halves)).folds
    assert ([video.name[:8] for video in fold.test], fold.part, fold.train) == (["MOT17-02"], "second-half", ())
    with pytest.raises(UserError, match="data needs one of 'test', 'cross_validate' and 'half_split'"):
        read_plan(write_plan(data={**halves, "test": str(clip)}))


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
        ({"method": ["ours"]}, "unknown field method"),
        ({"methods": ["supervised"]}, "'ours' must be among them"),
        ({"methods": ["ours", "supervized"]}, "no built-in method 'supervized'.*supervised"),
        ({"methods": {"ours": None, "x": {"loss": {"temprature": 1}}}}, "unknown key 'loss.temprature'"),
        ({"methods": {"ours": None, "x": 3}}, r"\$.methods\[...\]: expected object . null, got int"),
        ({"methods": {"ours": None, "x": {"train": {"steps": 5}}}}, "train.steps must be the same for every method"),
        ({"methods": {"ours": None, "x": {"tracker": {"preset": "byte"}}}}, "tracker.preset must be the same"),
        ({"methods": {"ours": None, "x": {"model": {"encoder": "resnet18"}}}}, "model.encoder must be the same"),
        ({"settings": {"data": {"identities": True}}}, "only supervised ones may see any"),
        ({"steps": 0}, "train.steps must be >= 1"),
        ({"seeds": []}, r"\$.seeds: expected array of length >= 1"),
        ({"seeds": [0, "x"]}, r"\$.seeds\[1\]: expected int, got str"),
        ({"every": [0]}, r"\$.every\[0\]: expected int >= 1"),
        ({"measures": ["speed"]}, r"\$.measures\[0\]: invalid enum value 'speed'"),
        ({"label_budget": [2]}, r"\$.label_budget\[0\]: expected float <= 1"),
        ({"references": ["colour histgram"]}, "reference 'colour histgram'.*colour histogram"),
        ({"references": {"net": {"onnx": "none.onnx"}}}, "none.onnx: no such file"),
        (
            {"references": {"net": {"file": "none.onnx"}}},
            r"\$.references\[...\]: object",
        ),
        (
            {"methods": ["ours", "none"], "label_budget": {"methods": ["none", "none"], "shares": [1]}},
            "two methods.*are named",
        ),
        ({"data": {"train": "x"}}, "one of 'test', 'cross_validate' and 'half_split'"),
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
    assert len(plan.methods) > 5
    assert plan.references[-1].onnx == tmp_path / "weights" / "osnet_x0_25_msmt17.onnx"
