# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The file that names a report's runs."""

import pytest

from recipe.hpt.reproduction.report.runs import (
    RunEntry,
    RunsError,
    label_of,
    methods_of,
    model_label,
    models_of,
    read_runs,
    seeds_note,
    unknown_note,
)
from tests.unit.reproduction.report.folders import evaluation, metrics, runs_file

HPT = {"model": "builtin", "method": "hpt"}


def test_a_file(tmp_path):
    metrics(tmp_path / "runs/a", {1: {"x": 1}})
    metrics(tmp_path / "runs/b", {1: {"x": 1}})
    evaluation(tmp_path / "eval", {"tiny": [1]})
    file = runs_file(
        tmp_path,
        {**HPT, "training": "runs/a", "evaluation": "eval"},
        {"model": "m", "method": "sft_grpo", "seed": 3, "training": ["runs/a", "runs/b"]},
    )
    first, second = read_runs(file)
    assert first == RunEntry("builtin", "hpt", 0, (tmp_path / "runs/a",), (tmp_path / "eval",))
    assert second.seed == 3 and second.training == (tmp_path / "runs/a", tmp_path / "runs/b")
    assert second.evaluation == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("runs: [", "is not YAML"),
        ("", "not just a list `runs`"),
        ("- a", "not just a list `runs`"),
        ("runs: []", "is empty or not a list"),
        ("runs: {a: b}", "is empty or not a list"),
        ("runs: [1]\nmore: 2", "not just a list `runs`"),
        ("runs: [hpt]", "run 1: got 'hpt'"),
        ("runs: [{model: m}]", "run 1: got method=None; expected a name"),
        ("runs: [{model: m, method: 3}]", "got method=3"),
        (
            "runs: [{model: m, method: hpt, sead: 1}]",
            "unknown key sead; the keys are model, method",
        ),
        ("runs: [{model: m, method: hpt, seed: -1}]", "got seed=-1"),
        ("runs: [{model: m, method: hpt, seed: true}]", "got seed=True"),
        ("runs: [{model: m, method: hpt, seed: '0'}]", "got seed='0'"),
        ("runs: [{model: m, method: hpt, training: 3}]", "got training=3; expected a folder"),
        ("runs: [{model: m, method: hpt, training: gone}]", "training gone is not a folder"),
        ("runs: [{model: m, method: hpt, training: empty}]", "training empty has no metrics.jsonl"),
        ("runs: [{model: m, method: hpt, evaluation: [empty]}]", "empty has no results.json"),
        ("runs: [{model: m, method: hpt, training: [empty, empty]}]", "the same folder twice"),
        (
            "runs: [{model: m, method: hpt}, {model: m, method: hpt}]",
            "m, hpt, seed 0 is listed twice",
        ),
        ("runs: [{model: a b, method: hpt}, {model: a_b, method: hpt}]", "would share files"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, message):
    (tmp_path / "empty").mkdir()
    file = tmp_path / "runs.yaml"
    file.write_text(text)
    with pytest.raises(RunsError) as error:
        read_runs(file)
    assert message in str(error.value) and str(file) in str(error.value)


def test_all_problems_are_in_one_message(tmp_path):
    file = runs_file(tmp_path, {**HPT, "seed": -1, "training": "gone"}, {"model": "m"})
    with pytest.raises(RunsError) as error:
        read_runs(file)
    assert str(error.value).count("\n") == 3


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(RunsError, match="cannot be read"):
        read_runs(tmp_path / "none.yaml")
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00runs")
    with pytest.raises(RunsError, match="is not YAML"):
        read_runs(tmp_path / "bytes.yaml")


def test_an_evaluation_belongs_to_one_run_a_training_may_be_shared(tmp_path):
    metrics(tmp_path / "sft", {1: {}})
    metrics(tmp_path / "grpo", {1: {}})
    shared = [
        {"model": "m", "method": "sft", "training": "sft"},
        {"model": "m", "method": "sft_grpo", "training": ["sft", "grpo"]},
    ]
    assert len(read_runs(runs_file(tmp_path, *shared))) == 2
    evaluation(tmp_path / "eval", {"tiny": [1]})
    file = runs_file(tmp_path, {**HPT, "evaluation": "eval"}, {**HPT, "seed": 1, "evaluation": "./eval"})
    with pytest.raises(RunsError, match=r"belongs to builtin, hpt, seed 0 and to .* seed 1"):
        read_runs(file)


def test_names_and_order():
    entries = [
        RunEntry(model, method)
        for model, method in (
            ("z", "own"), ("builtin", "hpt_gamma_1_8"), ("llama3.1_8b", "hpt"), ("z", "base"),
            ("qwen2.5_math_7b", "sft_grpo"), ("z", "off_on"),
        )
    ]  # fmt: skip
    assert methods_of(entries) == ["base", "sft_grpo", "hpt", "off_on", "hpt_gamma_1_8", "own"]
    assert models_of(entries) == ["qwen2.5_math_7b", "llama3.1_8b", "builtin", "z"]
    (note,) = unknown_note(methods_of(entries))
    assert note.endswith(": own.") and unknown_note(["hpt", "oat_zero"]) == []
    assert [label_of(each) for each in ("sft_grpo", "own", "hpt_gamma_1_8", "oat_zero")] == [
        "SFT -> GRPO", "own", "HPT, gamma 1/8", "Oat-Zero",
    ]  # fmt: skip
    assert model_label("llama3.1_8b") == "LLaMA-3.1-8B" and model_label("z") == "z"


def test_seeds_in_words():
    assert seeds_note({"HPT": (0, 1), "SFT": (0, 1)}) == "Seeds: 0, 1."
    assert seeds_note({"HPT": (0, 1), "SFT": (2,)}) == "Seeds differ: HPT (0, 1); SFT (2)."
