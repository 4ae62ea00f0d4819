# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Results in a few files: the same pages come out of them, and nothing of the machine is in them."""

import json
import shutil
from dataclasses import replace

import pandas as pd
import pytest

from hpt.common.training_log import read_run
from hpt.method import question_log
from recipe.hpt.reproduction.errors import StudyError
from recipe.hpt.reproduction.study import packed, pages, state
from recipe.hpt.reproduction.study.command import main
from tests.unit.reproduction.report import folders
from tests.unit.reproduction.study.study_folders import SETTINGS, files, finish, study_folder


@pytest.fixture
def out(tmp_path):
    """A study with the questions of HPT, GRPO and a second stage, and with metrics under their old names."""
    out = study_folder(tmp_path / "study")
    finish(out, "grpo-seed0", "grpo", 0, **{"hpt/loss_offline": float("nan")})
    for name in ("hpt-seed0", "grpo-seed0", "sft_grpo-seed0-2-grpo"):
        folders.questions(out / "runs" / name, {(1, 0): {"a": 0, "b": 2}, (2, 0): {"c": 4, "d": 3}})
    return out


@pytest.fixture
def copy(out, tmp_path):
    for _ in range(2):  # a copy may be written again
        packed.pack(out, tmp_path / "copy", SETTINGS)
    return tmp_path / "copy"


def test_a_copy_has_few_files_and_nothing_of_the_machine(copy, tmp_path):
    assert {path.name for path in copy.iterdir()} == {"study.json", *packed.FILES}
    packed.unpack(copy, tmp_path / "again")
    unpacked = files(tmp_path / "again")
    assert not any(str(tmp_path) in content.decode() for content in unpacked.values())
    assert not any(b"actor/loss" in content or b"of this" in content for content in unpacked.values())
    assert "runs/sweep-hpt-lr0.0006/result.json" in unpacked
    assert "runs/sweep-hpt-lr0.0006/metrics.jsonl" not in unpacked
    assert not any(name.startswith("evaluations/hpt-seed1") for name in unpacked)
    logs = {name for name in unpacked if name.startswith("runs/") and "questions" in name}
    assert logs == {"runs/hpt-seed0/questions.jsonl", "runs/grpo-seed0/questions.jsonl"}


def test_what_comes_out_is_what_went_in(out, copy, tmp_path):
    again = tmp_path / "again"
    packed.unpack(copy, again)
    before, after = (read_run(folder / "runs" / "hpt-seed0").steps for folder in (out, again))
    assert after == {step: {n: v for n, v in row.items() if n != "actor/loss"} for step, row in before.items()}
    lost = read_run(again / "runs" / "grpo-seed0").steps[1]["hpt/loss_off"]
    assert lost != lost  # a value that is not finite is no missing value
    logs = [question_log.read(folder / "runs" / "hpt-seed0") for folder in (out, again)]
    assert logs[0] == logs[1] and set(logs[0]) == {1, 2}
    records = [
        [
            json.loads(line)
            for line in (folder / "evaluations/hpt-seed0/results/questions.jsonl").read_text().splitlines()
        ]
        for folder in (out, again)
    ]
    assert [{key: each[key] for key in records[1][0]} for each in records[0]] == records[1]
    assert records[1][0]["level"] is None


def test_a_copy_gives_the_same_pages(out, copy, tmp_path):
    pages.write_pages(out, SETTINGS)
    with packed.readable(copy) as study:
        pages.write_pages(study, SETTINGS, copy)
    made = ("tables/", "figures/", "report.html")
    first, second = (
        {name: content for name, content in files(folder).items() if name.startswith(made)} for folder in (out, copy)
    )
    assert first.keys() == second.keys() and "figures/figure4_builtin.csv" in first
    assert all(first[name] == second[name] for name in first)
    assert not (copy / "runs.yaml").exists()  # it would name folders that are not there


def test_a_copy_in_the_studys_own_layout_is_replaced(out, copy, tmp_path):
    shutil.copytree(out / "runs", copy / "runs")
    (copy / "runs.yaml").write_text("runs: []")
    packed.check_target(out, copy)
    packed.pack(out, copy, SETTINGS)
    assert {path.name for path in copy.iterdir()} == {"study.json", *packed.FILES}


def test_a_map_that_was_unpacked_is_packed_to_the_same_files(tmp_path):
    settings = replace(SETTINGS, cells=("", "coverage=0.5"))
    state.record_settings(tmp_path / "map", settings)
    for name, method in (("base-seed0", "base"), ("hpt-seed0", "hpt")):
        finish(tmp_path / "map", name, method, 0)
    packed.pack(tmp_path / "map", tmp_path / "first", settings)
    assert pd.read_parquet(tmp_path / "first" / packed.METRICS).empty  # hundreds of runs, and no report reads them
    packed.unpack(tmp_path / "first", tmp_path / "unpacked")
    packed.pack(tmp_path / "unpacked", tmp_path / "second", settings)
    assert files(tmp_path / "first") == files(tmp_path / "second")


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
        with pytest.raises(StudyError, match=message):
            packed.check_target(out, to)


def test_a_copy_takes_no_other_studys_place(out, copy):
    record = json.loads((copy / "study.json").read_text())
    record["settings"]["steps"] += 2
    (copy / "study.json").write_text(json.dumps(record))
    with pytest.raises(StudyError, match="holds results of a study with other settings"):
        packed.check_target(out, copy)


def test_damaged_results_are_named(copy, tmp_path):
    with pytest.raises(StudyError, match=r"without documents\.parquet"):
        packed.unpack(tmp_path / "nothing", tmp_path / "again")
    with pytest.raises(StudyError, match="is not empty"):
        packed.unpack(copy, copy)
    metrics = copy / packed.METRICS
    whole = metrics.read_bytes()
    for content in (b"", whole[: len(whole) // 2]):
        metrics.write_bytes(content)
        with pytest.raises(StudyError, match=r"metrics\.parquet, which cannot be read"):
            packed.unpack(copy, tmp_path / "again")
    pd.DataFrame({"run": ["a"]}).to_parquet(metrics)
    with pytest.raises(StudyError, match=r"metrics\.parquet, which cannot be read"):
        packed.unpack(copy, tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_a_path_that_leads_elsewhere_is_refused(copy, tmp_path):
    pd.DataFrame({"path": ["../elsewhere.json"], "text": ["{}"]}).to_parquet(copy / packed.DOCUMENTS)
    with pytest.raises(StudyError, match="expected paths inside"):
        packed.unpack(copy, tmp_path / "again")
    assert not (tmp_path / "elsewhere.json").exists()


def test_packed_results_are_not_trained_on(copy, capsys):
    before = files(copy)
    for arguments in ([], ["--dry-run"]):
        assert main([*arguments, "--out", str(copy)]) == 2
        assert "which holds packed results" in capsys.readouterr().err
    assert files(copy) == before


def test_the_command_unpacks(copy, tmp_path):
    assert main(["--out", str(copy), "--unpack-to", str(tmp_path / "again")]) == 0
    assert state.settings_for(tmp_path / "again", {}) == SETTINGS
    assert len(pages.entries(tmp_path / "again", SETTINGS)) == 4
