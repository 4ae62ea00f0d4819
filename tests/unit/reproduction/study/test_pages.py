# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
import shutil

import pytest

from recipe.hpt.reproduction.study import pages, state
from recipe.hpt.reproduction.study.plan import Settings, StudyError
from tests.unit.reproduction.report import folders

SETTINGS = Settings(steps=2, seeds=(0, 1))


def finish(out, name, method, seed, stage=0, kind="final", **data):
    folder = out / "runs" / name
    rows = {step: {"hpt/offline_ratio": 0.5 * step, "actor/loss": 1.0, **data} for step in (1, 2)}
    folders.metrics(folder, rows)
    (folder / "train.log").write_text("of this machine\n")
    result = {"name": name, "kind": kind, "method": method, "seed": seed, "stage": stage}
    state.finish(folder, result)


@pytest.fixture
def out(tmp_path):
    """Two methods on two seeds: HPT without its second evaluation, SFT -> GRPO without its second stage."""
    out = tmp_path / "study"
    state.record_settings(out, SETTINGS)
    for seed in (0, 1):
        finish(out, f"hpt-seed{seed}", "hpt", seed)
        finish(out, f"sft_grpo-seed{seed}-1-sft", "sft_grpo", seed)
    finish(out, "sft_grpo-seed0-2-grpo", "sft_grpo", 0, stage=1)
    finish(out, "sweep-hpt-lr0.0006", "hpt", 100, kind="sweep")
    evaluated = out / "evaluations" / "hpt-seed0" / "results"
    folders.evaluation(evaluated, {"builtin/level_1": [4, 0], "builtin/level_2": [2, 1]})
    text = (evaluated / "results.json").read_text()
    (evaluated / "results.json").write_text(text.replace('"name": "m"', f'"name": "{out}/m"'))
    state.mark_evaluated(evaluated.parent, {"seconds": 1.0})
    folders.evaluation(out / "evaluations" / "hpt-seed1" / "results", {"builtin/level_1": [4]}, finished=False)
    return out


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_report_is_given_what_has_finished(out):
    assert pages.entries(out, SETTINGS) == [
        {"model": "builtin", "method": "sft_grpo", "seed": 0, "training": ["runs/sft_grpo-seed0-1-sft", "runs/sft_grpo-seed0-2-grpo"]},
        {"model": "builtin", "method": "hpt", "seed": 0, "training": ["runs/hpt-seed0"], "evaluation": "evaluations/hpt-seed0/results"},
        {"model": "builtin", "method": "hpt", "seed": 1, "training": ["runs/hpt-seed1"]},
    ]  # fmt: skip


def test_pages_of_a_study(out):
    lines = pages.write_pages(out, SETTINGS)
    assert lines[-1] == str(out / "report.html")
    assert "43.8 ± " in (out / "tables" / "table2_builtin.md").read_text()  # 7 of 16
    data = (out / "figures" / "figure6_builtin.csv").read_text()
    assert "sft_grpo,3,0.5,,0\n" in data and "hpt,1,0.5,0,0 1\n" in data  # stages, seeds
    with pytest.raises(StudyError, match="nothing to report yet"):
        pages.write_pages(out, Settings(steps=2, seeds=(5,)))


def test_a_copy_gives_the_same_pages_and_nothing_of_the_machine(out, tmp_path):
    finish(out, "grpo-seed0", "grpo", 0)
    for name in ("hpt-seed0", "grpo-seed0", "sft_grpo-seed0-2-grpo"):
        folders.questions(out / "runs" / name, {(1, 0): {"a": 0, "b": 2}, (2, 0): {"c": 4, "d": 3}})
    for _ in range(2):  # a copy may be written again
        pages.copy_results(out, tmp_path / "copy", SETTINGS)
    copied = files(tmp_path / "copy")
    assert not any(str(tmp_path) in content.decode() for content in copied.values())
    assert not any(b"actor/loss" in content or b"of this" in content for content in copied.values())
    assert "runs/sweep-hpt-lr0.0006/result.json" in copied
    assert "runs/sweep-hpt-lr0.0006/metrics.jsonl" not in copied
    assert not any(name.startswith("evaluations/hpt-seed1") for name in copied)
    logs = {name for name in copied if name.startswith("runs/") and "questions" in name}
    assert logs == {"runs/hpt-seed0/questions.jsonl", "runs/grpo-seed0/questions.jsonl"}
    for folder in (out, tmp_path / "copy"):
        pages.write_pages(folder, SETTINGS)
    made = ("tables/", "figures/", "report.html", "runs.yaml")
    first, second = (
        {name: content for name, content in files(folder).items() if name.startswith(made)}
        for folder in (out, tmp_path / "copy")
    )
    assert first.keys() == second.keys() and "figures/figure4_builtin.csv" in first
    assert all(first[name] == second[name] for name in first)


def test_a_copy_takes_nothing_elses_place(out, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("")
    shutil.copytree(out, tmp_path / "full")
    (tmp_path / "full" / "task-seed0").mkdir()
    for to, message in (
        (out, "in the study's own folder"),
        (out / "copy", "in the study's own folder"),
        (tmp_path / "other", "something else than a copy"),
        (tmp_path / "full", "something else than a copy"),
    ):
        before = files(tmp_path)
        with pytest.raises(StudyError, match=message):
            pages.copy_results(out, to, SETTINGS)
        assert files(tmp_path) == before
