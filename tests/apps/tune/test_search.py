import errno
import shutil
import sys

import pytest
import yaml

from clmot.apps.tune import search, study
from clmot.apps.tune.judge import Judge
from clmot.apps.tune.search import plainer, tune
from clmot.config import load_config
from clmot.config.tracker import PRESETS, TrackerConfig
from clmot.errors import UserError
from clmot.evaluation.mot import evaluate

pytest.importorskip("optuna")

FROM = {"changes": {"tracker": {"preset": "fairmot"}}}  # the default leaves little to be found on these clips


def run(data, out, trials=10, jobs=1, **options):
    return tune("det", data, out, trials=trials, jobs=jobs, progress=False, **options)


def values(tuning):
    return [(trial.number, trial.value, trial.config) for trial in tuning.trials]


@pytest.fixture(scope="module", autouse=True)
def few_draws():
    """A thousand draws would take longer than the searches."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "DRAWS", 20)
        yield


@pytest.fixture(scope="module")
def tuned(streets, tmp_path_factory):
    out = tmp_path_factory.mktemp("tuned")
    return out, run(streets, out, trials=16, **FROM)


def test_what_is_told_is_what_evaluation_says(streets, tuned):
    out, found = tuned
    for name, value in (("default", found.base_value), ("tuned", found.best_value)):
        scores = evaluate(out / "results" / name, streets).combined
        assert value == pytest.approx((scores["HOTA"] + scores["IDF1"]) / 2, abs=1e-9)
    assert found.best_value > found.base_value
    won = max(trial.value for trial in found.trials) - found.base_value
    assert found.best_value >= found.base_value + 0.95 * won
    assert set(found.comparison.of_sequences("tuned")) == {"first", "second"}
    assert found.comparison.differences["tuned"]["HOTA"].interval


def test_the_file_says_what_is_best(tuned):
    out, found = tuned
    config = load_config(file=out / "tracker.yaml").tracker
    assert config == found.best
    assert "frame_rate" not in (out / "tracker.yaml").read_text()
    assert set(found.changes) == {name for name, value in vars(found.best).items() if value != vars(found.base)[name]}


def test_only_what_made_the_difference_stays_changed():
    base = TrackerConfig()
    best = TrackerConfig.named("ocsort", high_score=0.9, low_score=0.35, lost_seconds=3.0)

    def score(config):  # two constants matter, a third one hardly, and the rest not at all
        value = 10 * (config.high_score == 0.9) + 8 * (config.confirm_frames == 3) + 0.5 * (config.low_score == 0.35)
        return 40.0 + value

    found, value = plainer(best, score(best), base, score(base), score)
    assert found == TrackerConfig(high_score=0.9, confirm_frames=3)
    assert value == 58
    assert plainer(base, 40.0, base, 40.0, score) == (base, 40.0)


def test_the_first_trials_are_next_to_the_presets(tuned):
    first = {trial.config.direction_weight for trial in tuned[1].trials[: len(PRESETS)]}
    assert PRESETS["ocsort"].direction_weight in first
    assert all(trial.config.association == "overlap" for trial in tuned[1].trials)  # no embeddings here


def test_optuna_opens_the_journal(tuned):
    optuna = pytest.importorskip("optuna")
    out, found = tuned
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(out / "trials.log")))
    study = optuna.load_study(storage=storage, study_name="tune")
    assert len(study.trials) == len(found.trials)


@pytest.mark.parametrize("way", ["processes", "resumed"])
def test_trials_are_the_same_however_they_are_made(streets, tuned, tmp_path, way):
    if way == "processes":
        again = run(streets, tmp_path, trials=16, **FROM, jobs=2)
    else:
        run(streets, tmp_path, trials=study.BATCH, **FROM)
        again = run(streets, tmp_path, trials=16, **FROM)
    assert values(again) == values(tuned[1])
    assert values(run(streets, tmp_path, trials=16, **FROM, seed=5)) == values(again)  # nothing left to do


def test_another_seed_tries_other_constants(streets, tuned, tmp_path):
    other = run(streets, tmp_path, trials=study.BATCH, **FROM, seed=1000)
    assert values(other) != values(tuned[1])[: study.BATCH]


def test_what_is_set_is_not_searched(streets, tmp_path):
    changes = {"tracker": {"preset": "byte", "lost_seconds": 0.7}, "detect": {"score_threshold": 0.11}}
    found = run(streets, tmp_path, trials=9, changes=changes, metric="idf1")
    assert found.base == TrackerConfig.named("byte", lost_seconds=0.7)
    assert {trial.config.lost_seconds for trial in found.trials} == {0.7}
    assert len({trial.config.high_score for trial in found.trials}) > 1
    assert yaml.safe_load((tmp_path / "tracker.yaml").read_text())["detect"] == {"score_threshold": 0.11}


@pytest.mark.parametrize("other", [{"metric": "hota"}, {"changes": {"tracker": {"lost_seconds": 1}}}, {"data": True}])
def test_a_folder_holds_one_search(streets, tmp_path, other):
    data = tmp_path / "data"
    shutil.copytree(streets, data)
    run(data, tmp_path / "out", trials=1)
    if other.pop("data", False):
        file = data / "first" / "det" / "det.txt"
        file.write_text(file.read_text() + "1,-1,5,5,9,9,0.9,-1,-1,-1\n")
    with pytest.raises(UserError, match="was begun with another"):
        run(data, tmp_path / "out", trials=1, **other)


def test_an_interrupt_keeps_what_was_scored(streets, tmp_path, monkeypatch):
    measure, calls = Judge.measure, []

    def interrupted(self, name, config):
        calls.append(name)
        if len(calls) == 2 + 2 * 3 + 1:  # the default, three trials, and half of a fourth
            raise KeyboardInterrupt
        return measure(self, name, config)

    monkeypatch.setattr(Judge, "measure", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(streets, tmp_path)
    assert load_config(file=tmp_path / "tracker.yaml").tracker
    monkeypatch.setattr(Judge, "measure", measure)
    assert len(run(streets, tmp_path, trials=3).trials) == 3
    assert len(run(streets, tmp_path, trials=5).trials) == 5


def test_a_late_search_ends_with_the_default(streets, tmp_path):
    found = run(streets, tmp_path, timeout=1e-9)
    assert found.trials == []
    assert (found.best, found.best_value) == (TrackerConfig(), found.base_value)


def test_a_journal_cut_short_goes_on(streets, tmp_path):
    first = run(streets, tmp_path, trials=2)
    journal = tmp_path / "trials.log"
    journal.write_text(journal.read_text() + '{"op_code": 6, "worker_id": "x')
    assert values(run(streets, tmp_path, trials=3))[:2] == values(first)


def test_a_disk_that_fails_is_one_line_and_keeps_what_was_scored(streets, tmp_path, monkeypatch):
    from optuna.storages.journal import JournalFileBackend

    first, append, calls = run(streets, tmp_path, trials=2), JournalFileBackend.append_logs, []

    def full(self, logs):
        calls.append(logs)
        if len(calls) > 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        append(self, logs)

    monkeypatch.setattr(JournalFileBackend, "append_logs", full)
    with pytest.raises(UserError, match=r"trials\.log: cannot write the search: No space left on device"):
        run(streets, tmp_path, trials=5)
    monkeypatch.setattr(JournalFileBackend, "append_logs", append)
    assert values(run(streets, tmp_path, trials=3))[:2] == values(first)
    assert not [file.name for file in tmp_path.iterdir() if "lock" in file.name]


@pytest.mark.parametrize("wrong", [{"trials": 0}, {"timeout": 0}, {"jobs": 0}])
def test_numbers_that_cannot_be(streets, tmp_path, wrong):
    with pytest.raises(UserError, match="must be > 0"):
        run(streets, tmp_path, **wrong)


def test_a_frame_rate_beside_the_sequences_own_is_refused(streets, tmp_path):
    with pytest.raises(UserError, match="correct frameRate in their seqinfo"):
        run(streets, tmp_path, changes={"tracker": {"frame_rate": 5}})


def test_without_optuna_one_line_says_so(streets, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UserError, match=r"clmot\[tune\]"):
        run(streets, tmp_path)
