# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
import pytest

from recipe.hpt.reproduction.report.__main__ import main
from recipe.hpt.reproduction.report.runs import read_runs
from tests.unit.reproduction.report import folders


@pytest.fixture
def runs(tmp_path):
    """What scripts leave: a training, one of two stages and another seed, evaluations, and what is none of these."""
    for name in (
        "qwen2.5_math_7b_hpt", "qwen2.5_math_7b_sft_then_grpo/sft", "qwen2.5_math_7b_sft_then_grpo/grpo",
        "qwen2.5_math_1.5b_hpt_gamma_1_8_seed2", "quickstart",
    ):  # fmt: skip
        folders.metrics(tmp_path / name, {1: {"hpt/demonstration_share_rows": 0.5}})
    (tmp_path / "qwen2.5_math_7b_luffy").mkdir()  # started, nothing measured
    (tmp_path / "qwen2.5_math_7b_sft_then_grpo_seed1" / "sft").mkdir(parents=True)
    for name in ("qwen2.5_math_7b_hpt", "qwen2.5_math_7b_hpt_curve", "llama3.1_8b_base"):
        folders.evaluation(tmp_path / "eval" / name, {"math500": [1, 0]})
    (tmp_path / "eval" / "qwen2.5_math_7b_grpo").mkdir()
    return tmp_path


def test_runs_of_the_scripts_are_found_by_name(runs, capsys):
    file = runs / "runs.yaml"
    assert main(["runs", str(runs), "--out", str(file)]) == 0
    found = {
        (entry.model, entry.method, entry.seed): (
            [str(path.relative_to(runs)) for path in entry.training],
            [str(path.relative_to(runs)) for path in entry.evaluation],
        )
        for entry in read_runs(file)
    }
    assert found == {
        ("llama3.1_8b", "base", 0): ([], ["eval/llama3.1_8b_base"]),
        ("qwen2.5_math_1.5b", "hpt_gamma_1_8", 2): (["qwen2.5_math_1.5b_hpt_gamma_1_8_seed2"], []),
        ("qwen2.5_math_7b", "hpt", 0): (
            ["qwen2.5_math_7b_hpt"],
            ["eval/qwen2.5_math_7b_hpt", "eval/qwen2.5_math_7b_hpt_curve"],
        ),
        ("qwen2.5_math_7b", "sft_grpo", 0): (
            ["qwen2.5_math_7b_sft_then_grpo/sft", "qwen2.5_math_7b_sft_then_grpo/grpo"],
            [],
        ),
    }
    assert "qwen2.5_math_1.5b, hpt_gamma_1_8, seed 2: training" in capsys.readouterr().out
    before = len(read_runs(file))
    folders.metrics(runs / "llama3.1_8b_luffy_seed7", {1: {}})
    assert main(["runs", str(runs), "--out", str(file)]) == 0  # once more, when there is more
    assert len(read_runs(file)) == before + 1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("elsewhere/runs.yaml", "as its paths are relative"),
        ("mine.yaml", "which this command did not write; name another file"),
    ],
)
def test_a_file_that_would_not_do_is_refused(runs, capsys, name, message):
    (runs / "mine.yaml").write_text("runs: []\n")
    assert main(["runs", str(runs), "--out", str(runs / name)]) == 2
    assert message in capsys.readouterr().err
    assert (runs / "mine.yaml").read_text() == "runs: []\n"


def test_two_names_of_one_run_are_refused(runs, capsys):
    folders.metrics(runs / "qwen2.5_math_7b_hpt_seed0", {1: {}})
    assert main(["runs", str(runs), "--out", str(runs / "runs.yaml")]) == 2
    said = capsys.readouterr().err
    assert "training qwen2.5_math_7b_hpt;" in said and "training qwen2.5_math_7b_hpt_seed0)" in said
    assert not (runs / "runs.yaml").exists()


def test_a_folder_without_runs_is_refused(tmp_path, capsys):
    assert main(["runs", str(tmp_path / "no"), "--out", str(tmp_path / "no" / "runs.yaml")]) == 2
    assert "without a training or an evaluation" in capsys.readouterr().err
    assert not (tmp_path / "no").exists()


def test_runs_of_ones_own_are_found_whatever_their_names(tmp_path):
    for name in ("my_model", "my_model_seed2"):
        folders.metrics(tmp_path / name, {1: {"hpt/demonstration_share_rows": 0.5}})
    for name in ("my_eval", "eval/my_model"):
        folders.evaluation(tmp_path / name, {"math500": [1, 0]})
    file = tmp_path / "runs.yaml"
    assert main(["runs", str(tmp_path), "--out", str(file)]) == 0
    found = {
        (entry.model, entry.method, entry.seed): [path.name for path in (*entry.training, *entry.evaluation)]
        for entry in read_runs(file)
    }
    assert found == {
        ("own", "my_model", 0): ["my_model", "my_model"],
        ("own", "my_model", 2): ["my_model_seed2"],
        ("own", "my_eval", 0): ["my_eval"],
    }
    assert main(["tables", str(file), "--out", str(tmp_path / "tables")]) == 0
