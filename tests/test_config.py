import dataclasses
import math
import typing
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import clmot
from clmot import config as config_module
from clmot.config import RECIPES, Config, DataConfig, ModelConfig, TrainConfig, ViewsConfig, explain, load_config
from clmot.config.retired import GONE, RENAMED
from clmot.errors import UserError

SECTIONS = {field.name: field for field in dataclasses.fields(Config) if field.name != "recipe"}


def write(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "run.yaml"
    file.write_text(text)
    return file


def error_of(action, *arguments, **options) -> str:
    with pytest.raises(UserError) as caught:
        action(*arguments, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


class TestLayers:
    def test_defaults_are_the_street_recipe(self):
        assert load_config() == Config() == load_config("street")

    def test_each_layer_overrides_the_one_before(self, tmp_path, monkeypatch):
        def tiny(base: Config) -> Config:
            return base.updated({"train": {"steps": 10, "seed": 10, "batch_size": 3}})

        monkeypatch.setitem(RECIPES, "tiny", tiny)
        file = write(tmp_path, "recipe: tiny\ntrain:\n  steps: 20\n  seed: 20\n")
        made = load_config(file=file, overrides=["train.steps=30"])
        assert (made.train.steps, made.train.seed, made.train.batch_size) == (30, 20, 3)
        assert made.recipe == "tiny"
        assert made.train.learning_rate == TrainConfig().learning_rate
        assert load_config(overrides=["recipe=tiny"]).train.batch_size == 3
        assert load_config("street", file).train.batch_size == TrainConfig().batch_size

    def test_every_recipe_is_valid_and_named(self):
        for name in RECIPES:
            assert load_config(name).recipe == name

    def test_an_empty_file_changes_nothing(self, tmp_path):
        assert load_config(file=write(tmp_path, "# nothing yet\n")) == Config()

    def test_configurations_cannot_be_changed(self):
        with pytest.raises(dataclasses.FrozenInstanceError):
            Config().train.steps = 5  # type: ignore[misc]


class TestOverrides:
    @pytest.mark.parametrize(
        ("override", "value"),
        [
            ("train.learning_rate=1e-3", 0.001),
            ("train.learning_rate=1", 1.0),
            ("train.steps=5", 5),
            ("train.steps=1000.0", 1000),
            ("tracker.appearance=false", False),
            ("views.scale=[0.5, 2]", (0.5, 2.0)),
            ("model.image_size=[320,192]", (320, 192)),
            ("model.classes=[car, bus]", ("car", "bus")),
            ("model.classes=car", ("car",)),
            ("model.encoder=resnet18", "resnet18"),
            ("model.encoder_options={drop_rate: 0.1}", {"drop_rate": 0.1}),
            ("loss.negatives=frame", "frame"),
        ],
    )
    def test_values_have_the_declared_type(self, override, value):
        section, key = override.partition("=")[0].split(".")
        got = getattr(getattr(load_config(overrides=[override]), section), key)
        assert got == value
        assert type(got) is type(value)

    def test_later_overrides_win_and_sections_add_up(self):
        made = load_config(overrides=["train.steps=5", "train.seed=9", "train.steps=6"])
        assert (made.train.steps, made.train.seed) == (6, 9)


class TestErrors:
    @pytest.mark.parametrize(
        ("override", "parts"),
        [
            ("train.learning_rat=1", ["train.learning_rat", "did you mean 'learning_rate'?"]),
            ("trian.steps=1", ["trian", "did you mean 'train'?"]),
            ("loss.negatives=frames", ["loss.negatives", "did you mean 'frame'?", "frame, sequences"]),
            ("train.steps", ["train.steps", "section.key=value"]),
            ("train=5", ["'train' is a section"]),
            ("train.steps=abc", ["train.steps", "expected int", "'abc'"]),
            ("train.steps=2.5", ["train.steps", "expected int", "2.5"]),
            ("train.steps=.inf", ["train.steps", "expected int", "inf"]),
            ("train.steps=.nan", ["train.steps", "expected int", "nan"]),
            ("train.steps=true", ["train.steps", "expected int"]),
            ("train.learning_rate=true", ["train.learning_rate", "expected float"]),
            ("train.learning_rate=fast", ["train.learning_rate", "expected float", "'fast'"]),
            ("train.learning_rate=.nan", ["train.learning_rate", "nan"]),
            ("tracker.appearance=1", ["tracker.appearance", "expected bool"]),
            ("views.scale=[1]", ["views.scale", "expected 2 values"]),
            ("views.scale=[a, b]", ["views.scale", "expected float", "'a'"]),
            ("model.encoder_options=3", ["model.encoder_options", "expected a mapping"]),
            ("train.steps=[", ["train.steps=[", "YAML"]),
            ("zzz=1", ["unknown key 'zzz'"]),
        ],
    )
    def test_override(self, override, parts):
        message = error_of(load_config, overrides=[override])
        for part in parts:
            assert part in message

    def test_unlike_words_are_not_suggested(self):
        assert "did you mean" not in error_of(load_config, overrides=["train.qqqq=1"])

    def test_plain_value_before_section(self):
        assert "plain value before" in error_of(load_config, overrides=["train=1", "train.steps=2"])

    def test_unknown_recipe(self):
        message = error_of(load_config, "stret")
        assert "unknown recipe 'stret'" in message
        assert "did you mean 'street'?" in message
        assert error_of(load_config, overrides=["recipe=stret"]) == message

    def test_yaml_error_names_the_line(self, tmp_path):
        file = write(tmp_path, "train:\n  steps: 5\n  seed: [1, 2\nloss:\n")
        assert error_of(load_config, file=file).startswith(f"{file}:4: not valid YAML")

    def test_a_control_character(self, tmp_path):
        assert "not valid YAML" in error_of(load_config, file=write(tmp_path, "train: \x01\n"))

    def test_a_recipe_that_is_no_name(self, tmp_path):
        assert "unknown recipe" in error_of(load_config, file=write(tmp_path, "recipe: [street]\n"))

    def test_file_errors_name_the_file_and_key(self, tmp_path):
        file = write(tmp_path, "train:\n  stepz: 5\n")
        message = error_of(load_config, file=file)
        assert message.startswith(f"{file}: ")
        assert "'train.stepz' (did you mean 'steps'?)" in message

    def test_a_file_without_sections(self, tmp_path):
        assert "expected sections" in error_of(load_config, file=write(tmp_path, "- 1\n- 2\n"))

    def test_missing_file_and_folder(self, tmp_path):
        assert str(tmp_path / "no.yaml") in error_of(load_config, file=tmp_path / "no.yaml")
        assert str(tmp_path) in error_of(load_config, file=tmp_path)

    def test_binary_file(self, tmp_path):
        (tmp_path / "run.yaml").write_bytes(b"\xff\xfe\x00")
        assert "expected the configuration" in error_of(load_config, file=tmp_path / "run.yaml")


class TestRanges:
    @pytest.mark.parametrize(
        ("kind", "values", "part"),
        [
            (DataConfig, {"min_visibility": 1.1}, "data.min_visibility"),
            (DataConfig, {"workers": -1}, "data.workers"),
            (ViewsConfig, {"scale": (0, 1)}, "views.scale"),
            (ViewsConfig, {"scale": (2, 1)}, "views.scale"),
            (ViewsConfig, {"mirror": 1.5}, "views.mirror"),
            (ViewsConfig, {"aspect": 1}, "views.aspect"),
            (ViewsConfig, {"rotate": 181}, "views.rotate"),
            (ModelConfig, {"image_size": (500, 288)}, "multiples of 32"),
            (ModelConfig, {"image_size": (0, 288)}, "multiples of 32"),
            (ModelConfig, {"classes": ()}, "model.classes"),
            (ModelConfig, {"width": 0}, "model.width"),
            (ModelConfig, {"embedding_dimension": 0}, "model.embedding_dimension"),
            (config_module.LossConfig, {"temperature": 0}, "loss.temperature"),
            (config_module.LossConfig, {"size_weight": -1}, "loss.size_weight"),
            (TrainConfig, {"steps": 0}, "train.steps"),
            (TrainConfig, {"learning_rate": 0}, "train.learning_rate"),
            (TrainConfig, {"ema": 1}, "train.ema"),
            (config_module.DetectConfig, {"score_threshold": 1}, "detect.score_threshold"),
            (config_module.DetectConfig, {"max_detections": 0}, "detect.max_detections"),
            (config_module.TrackerConfig, {"high_score": 1.01}, "tracker.high_score"),
            (config_module.TrackerConfig, {"appearance_threshold": 2.1}, "tracker.appearance_threshold"),
            (config_module.TrackerConfig, {"lost_seconds": -1}, "tracker.lost_seconds"),
            (config_module.TrackerConfig, {"frame_rate": 0}, "tracker.frame_rate"),
        ],
    )
    def test_out_of_range_names_the_field(self, kind, values, part):
        assert part in error_of(kind, **values)

    def test_the_borders_are_allowed(self):
        ViewsConfig(scale=(1, 1), mirror=1, rotate=180, aspect=0)
        DataConfig(workers=0, min_visibility=1)
        ModelConfig(embedding_dimension=1, width=1, stripes=1)
        ModelConfig(levels=("stride4", "stride8", "neck"), stripes=7, embedding_dimension=100)


def values_of(kind: typing.Any) -> st.SearchStrategy[typing.Any]:
    """Any value of an attribute's type (its range is checked when the section is made)."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return st.sampled_from(arguments)
    if origin is tuple and arguments[-1] is ...:
        return st.lists(values_of(arguments[0]), min_size=1, max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*map(values_of, arguments))
    if origin is dict:
        return st.dictionaries(st.text(min_size=1), st.integers() | st.booleans() | st.text(), max_size=3)
    simple = {
        int: st.integers(0, 20).map(lambda n: 32 * n) | st.integers(0, 10**6),
        float: st.floats(0, 1) | st.floats(0, 1e6),
        bool: st.booleans(),
        str: st.text(st.characters(codec="utf-8", exclude_categories=["Cs"])),
    }
    return simple[kind]


@st.composite
def configurations(draw) -> Config:
    sections = {}
    for name, default in ((name, getattr(Config(), name)) for name in SECTIONS):
        section = default
        for key, kind in typing.get_type_hints(type(default)).items():
            try:
                section = dataclasses.replace(section, **{key: draw(values_of(kind))})
            except UserError:
                continue
        sections[name] = section
    return Config(**sections)


class TestRoundTrip:
    @pytest.mark.slow
    @settings(deadline=None, max_examples=40)
    @given(configurations())
    def test_yaml_gives_the_configuration_back(self, tmp_path_factory, made):
        file = tmp_path_factory.getbasetemp() / "round_trip.yaml"
        file.write_text(made.to_yaml(), encoding="utf-8")
        assert load_config(file=file) == made

    def test_yaml_is_plain_and_in_order(self):
        plain = yaml.safe_load(Config().to_yaml())
        assert plain.pop("clmot") == clmot.__version__
        assert plain == Config().as_dict()
        assert list(plain) == [field.name for field in dataclasses.fields(Config)]
        assert plain["model"]["image_size"] == [512, 288]


def test_settings_that_are_gone_still_load_with_one_line(tmp_path: Path, caplog) -> None:
    file = write(tmp_path, "tracker: {gallery_size: 0, border_share: 0.2, high_score: 0.6}\n")
    assert load_config(file=file).tracker == dataclasses.replace(Config().tracker, high_score=0.6)
    load_config(overrides=["tracker.gallery_size=8", "tracker.class_aware=false"])
    assert [record.getMessage() for record in caplog.records] == [
        f"{file}: no longer a setting, ignored: tracker.border_share=0.2",
        "override: no longer a setting, ignored: tracker.gallery_size=8, tracker.class_aware=False",
    ]
    caplog.clear()
    assert load_config(overrides=["loss.objective=sigmoid"]).loss.objective == "nt_xent"
    assert [record.getMessage() for record in caplog.records] == [
        "override: no longer a setting, ignored: loss.objective=sigmoid (now nt_xent)"
    ]


def test_settings_with_new_names_load_under_the_old_ones_with_one_line(tmp_path: Path, caplog) -> None:
    file = write(tmp_path, "tracker: {centring: 3.0}\nmodel: {read_out: center}\n")
    loaded = load_config(file=file)
    assert (loaded.tracker.mean_subtraction, loaded.model.pooling) == (3.0, "center")
    assert [record.getMessage() for record in caplog.records] == [
        f"{file}: settings with new names: tracker.centring is tracker.mean_subtraction, "
        "model.read_out is model.pooling"
    ]


def test_no_setting_is_both_there_and_gone() -> None:
    here = {f"{name}.{key}" for name, section in Config().as_dict().items() if name != "recipe" for key in section}
    assert not here & {*GONE, *RENAMED}
    assert {f"{name.split('.')[0]}.{new}" for name, new in RENAMED.items()} <= here


def test_what_is_done_now_needs_no_note(caplog) -> None:
    """As in the configuration of every run that was saved before."""
    saved: dict[str, dict[str, object]] = {}
    for name, value in GONE.items():
        section, key = name.split(".")
        saved.setdefault(section, {})[key] = value({}) if callable(value) else value
    assert Config().updated(saved) == Config()
    assert not caplog.records


def test_what_the_published_recipes_said_needs_no_note_either(caplog) -> None:
    """Of settings that others stand for now; what asked for something else is named."""
    paper = load_config("paper")
    said = {
        "views": {"blur": 0.0, "colour": 0, "clip": True, "min_visible_share": 0.1, "opposite_mirror": True},
        "train": {"weight_decay": 0.0, "gradient_clip": math.inf, "optimizer": "adam"},
        "tracker": {"published_bookkeeping": True, "confidence_weighted": False, "duplicate_iou_threshold": 0.15},
        "model": {"colour_share": 0.5},
    }
    assert paper.updated(said) == paper
    assert [record.getMessage() for record in caplog.records] == [
        "config: settings with new names: views.opposite_mirror is views.published"
    ]
    caplog.clear()
    assert Config().updated({"views": {"opposite_mirror": False}, "train": {"weight_decay": 0.05}}) == Config()
    assert [record.getMessage() for record in caplog.records] == [
        "config: no longer a setting, ignored: train.weight_decay=0.05"
    ]


def test_every_setting_says_what_it_does_and_what_it_takes():
    known = explain.settings()
    assert {name.partition(".")[0] for name in known} == set(SECTIONS)
    assert [name for name, setting in known.items() if len(setting.text) < 20 or not setting.kind] == []
    assert known["tracker.high_score"].default == "0.4"
    assert known["views.scale"].kind == "[number, number]"
    assert known["train.precision"].kind == "32-true | bf16-mixed"
    # as a file has them, defaults are what is loaded
    written = "\n".join(f"{setting.name}={setting.default}" for setting in known.values()).splitlines()
    assert load_config(None, None, written) == load_config(None, None, [])


def test_a_setting_is_explained_by_its_name_and_a_section_whole():
    (high,) = explain.explained("tracker.high_score")
    assert "first two stages" in high.text
    assert [each.name for each in explain.explained("refine")] == [
        f"refine.{field.name}" for field in dataclasses.fields(config_module.RefineConfig)
    ]
    assert "did you mean 'tracker.high_score'" in error_of(explain.explained, "tracker.hihg_score")
    assert "did you mean tracker.high_score?" in error_of(explain.explained, "high_score")


@pytest.mark.parametrize("recipe", [None, "paper", "mobilenet"])
def test_comments_change_nothing(recipe):
    config = load_config(recipe, None, ["model.classes=['a: b', '# c']", "views.scale=[0.5, .inf]"])
    text = explain.commented_yaml(config)
    assert Config.from_yaml(text, "here") == config
    assert max(map(len, text.splitlines())) <= 120
