"""Whole comparisons, two steps each."""

import json
from pathlib import Path

import numpy as np
import pytest

import clmot.apps.bench.runner as runner
from clmot.apps.bench.bench_report import report_text, write_report
from clmot.apps.bench.measures import TRACKING, embedding_measures, found_again
from clmot.apps.bench.methods import MOTION
from clmot.apps.bench.plan import read_plan
from clmot.apps.bench.runner import run_bench
from clmot.apps.bench.runs import all_runs
from clmot.datasets.readers import read_dataset
from clmot.errors import UserError
from clmot.evaluation.baselines import histogram_embedding
from clmot.evaluation.embedding import EmbeddedSequence, embedding_scores
from clmot.evaluation.mot import evaluate
from clmot.io.frame_choice import FrameChoice
from clmot.io.mot_text import read_mot_text

pytestmark = pytest.mark.slow


def test_a_comparison_from_plan_to_report(write_plan, tmp_path, monkeypatch):
    """Everything once; again without any training; and a report that is the same."""
    methods = {"ours": None, MOTION: None, "warm": {"loss": {"temperature": 0.5, "objective": "none"}}}
    file = write_plan(
        methods=methods,
        seeds=[0],
        label_budget={"methods": ["supervised"], "shares": [0, 0.5]},
        references=["colour histogram", "untrained network"],
    )
    plan, out = read_plan(file), tmp_path / "out"
    found = list(run_bench(plan, out, progress=False))
    assert [each.run.name for each in found[:2]] == ["colour histogram", "untrained network"]
    assert len(found) == 2 + 3
    by_name = {(each.run.name, each.run.seed): each for each in found}
    identities = {name: each.facts["identities"] for (name, seed), each in by_name.items() if seed == 0}
    assert identities == {"ours": 0, "warm": 0, "supervised, 50 % of identities": 0.5}
    for each in found:
        assert len(each.sequences) == 2
        for measured in each.sequences.values():
            assert 0 <= measured.scores["rank-1"] <= 1
            assert 0 <= measured.scores["rank-1, mean-subtracted"] <= 1
            assert 0 < measured.scores["IDF1, appearance only"] <= 100
            if each.run.method is not None:
                assert measured.scores["IDF1, true boxes by motion"] > 50
                assert {"IDF1", "HOTA, every 5", "MOTA, by motion", "IDSW, true boxes, every 5"} <= set(measured.scores)
    # a network without an embedding tracks by motion
    for measured in by_name["warm", 0].sequences.values():
        assert measured.scores["IDF1, true boxes"] == measured.scores["IDF1, true boxes by motion"]

    text = write_report(plan, out).read_text()
    for words in ("seeds 0", "commit ", "CPU (", "| motion only |", "| warm - ours |", "## Tracking at every 5th",
                  "supervised, 50 % of identities 50 %", "2 steps of 2 frames"):  # fmt: skip
        assert words in text, words
    assert "not finished" not in text

    monkeypatch.setattr(runner, "train", lambda *_, **__: pytest.fail("trained again"))
    assert [each.sequences for each in run_bench(plan, out, progress=False)] == [each.sequences for each in found]
    assert report_text(plan, found, len(found)) == text

    # the folder belongs to these settings
    with pytest.raises(UserError, match=r"another train\.steps \(2, now 3\)"):
        list(run_bench(read_plan(write_plan(steps=3)), out, progress=False))


def test_of_a_half_split_the_first_halves_are_trained_on_and_the_second_scored(write_plan, scenes, tmp_path):
    """Scores are those of the tracks that are there, in the second halves; the paper's columns are in the report."""
    clips = scenes / "clips"
    plan = read_plan(write_plan(data={"half_split": str(clips)}, every=[1], references=[], measures=["tracking"]))
    [found] = run_bench(plan, tmp_path / "out", progress=False)
    folder = found.run.folder(tmp_path / "out")
    seen = read_dataset([folder / "data.yaml"]).samples
    assert {(each.sequence, each.frame) for each in seen} == {
        (each.name, frame) for each in plan.folds[0].test for frame in range(1, 5)
    }
    for test in plan.folds[0].test:
        tracks = folder / "tracks" / test.name / "true-boxes-by-motion-1"
        assert {each.frame for each in read_mot_text(tracks / f"{test.name}.txt")} <= {5, 6, 7, 8, 9}
        expected = evaluate(tracks, test, frames=FrameChoice(part="second-half")).combined
        measured = found.sequences[test.name].scores
        assert {name: measured[f"{name}, true boxes by motion"] for name in TRACKING} == {
            name: expected[name] for name in TRACKING
        }
    text = write_report(plan, tmp_path / "out").read_text()
    for column in ("MOTA", "MOTP", "IDF1", "IDSW", "MT", "ML", "HOTA"):
        assert f"| {column} |" in text
    assert "second halves, with the first trained on" in text


def test_an_interrupted_comparison_goes_on(write_plan, tmp_path, monkeypatch):
    plan, out = read_plan(write_plan(references=[], measures=["embedding"], seeds=[0, 1])), tmp_path / "out"
    with pytest.raises(UserError, match="no run is finished"):
        write_report(plan, out)
    trained = []
    train = runner.train

    def stopping(*arguments, **options):
        if len(trained) == 1:
            trained.append(None)
            raise KeyboardInterrupt
        trained.append(train(*arguments, **options))

    monkeypatch.setattr(runner, "train", stopping)
    with pytest.raises(KeyboardInterrupt):
        list(run_bench(plan, out, progress=False))
    write_report(plan, out)
    assert "not finished: 1 of 2 runs" in (out / "report.md").read_text()
    assert len(list(run_bench(plan, out, progress=False))) == 2
    assert len(trained) == 3
    assert json.loads((out / "ours/test/seed-1/settings.json").read_text())["seconds"] > 0


def test_cross_validation_holds_each_sequence_out(write_plan, scenes):
    plan = read_plan(write_plan(data={"cross_validate": str(scenes / "clips"), "train": str(scenes / "stills")}))
    first, second = sorted((scenes / "clips").iterdir())
    assert [(fold.train, fold.test) for fold in plan.folds] == [
        ((scenes / "stills", second), (first,)),
        ((scenes / "stills", first), (second,)),
    ]
    assert [run.fold.name for run in all_runs(plan) if run.method] == [first.name, second.name]


def test_found_again_agrees_with_rank_1(scenes):
    """The counts by identity add up to what the embedding scores say."""
    rng = np.random.default_rng(0)
    embeddings = rng.standard_normal((60, 5)).astype(np.float32)
    sequence = EmbeddedSequence(
        embeddings=embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True),
        identities=rng.integers(0, 6, 60),
        seconds=np.repeat(np.arange(20) / 4, 3),
    )
    counts = found_again(sequence)
    boxes, right = np.array(list(counts.values())).sum(axis=0)
    scores = embedding_scores([sequence])
    assert boxes == scores["queries"]
    assert right / boxes == pytest.approx(scores["rank-1"])
    folder = min((scenes / "clips").iterdir())
    assert embedding_measures(histogram_embedding, folder, ["tracking"]).scores == {}


def test_a_score_that_is_missing_is_no_number(write_plan, tmp_path):
    """Too few impostors for a false accept rate: JSON without NaN, a dash in the table."""
    plan = read_plan(write_plan(references=["colour histogram"], measures=["embedding"], embed_every=4))
    found = next(run_bench(plan, tmp_path / "out", progress=False))
    assert any("TPR@FAR=0.001" not in each.scores for each in found.sequences.values())
    assert "NaN" not in (Path(tmp_path) / "out/colour-histogram/test/scores.json").read_text()
    write_report(plan, tmp_path / "out")
    assert "- |" in (tmp_path / "out" / "report.md").read_text()
