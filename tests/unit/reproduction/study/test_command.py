# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The study's command with trainings that are files only."""

import functools
import json
import shutil
import sys
import time
from collections import Counter

import pytest

from recipe.hpt import configs
from recipe.hpt.reproduction.methods import ABLATIONS, COMPARED, METHODS
from recipe.hpt.reproduction.study import command as study
from recipe.hpt.reproduction.study import data, plan, state
from tests.helpers.checkpoints import write_checkpoint
from tests.unit.reproduction.report import folders

pytestmark = pytest.mark.slow

# The rate at which each method does best here; GRPO ties at the two smaller ones.
BEST = {"sft_only": 1e-3, "rl_only": 1e-4, "switch": 1e-2}
RATES = "1e-4,1e-3,1e-2"


@pytest.fixture(scope="module", autouse=True)
def composed_once():
    """Every study reads the size of a batch from the same configuration."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("recipe.hpt.reproduction.study.command.compose", functools.cache(configs.compose))
        yield


@pytest.fixture(scope="module")
def tasks(tmp_path_factory):
    """Tasks by seed, with a file in place of a base model."""
    root = tmp_path_factory.mktemp("tasks")
    for seed in (0, 1, 100):
        data.write_splits(root / str(seed), seed, train_size=600, per_level=4, cells=["", CELL], extra_sets=True)
        (root / str(seed) / data.MODEL).mkdir()
        (root / str(seed) / data.MODEL / "manifest.json").write_text("{}")
    return root


class Trainings:
    """Stands in for the launch: writes what a training leaves, and remembers what it was given."""

    def __init__(self):
        self.started = []
        self.fail = set()  # names of runs that end with status 1
        self.interrupt = {}  # name -> batches after which Ctrl-C comes
        self.endless = set()  # names of runs that go on until they are interrupted

    def __call__(self, folder, overrides, show):
        given = dict(item.split("=", 1) for item in overrides)
        steps = int(given["trainer.total_training_steps"])
        self.started.append((folder.name, given))
        if folder.name in self.fail:
            (folder / "train.log").write_text("no luck\n")
            return 1
        if folder.name in self.endless:
            for _ in range(2000):
                show(0)
                time.sleep(0.01)
            return 1
        start = state.checkpoint_step(folder) or 0
        with open(folder / "metrics.jsonl", "a") as file:
            if given["trainer.val_before_train"] == "true":
                self.log(file, start, given)
            if given["trainer.val_only"] == "true":
                return 0
            for step in range(start + 1, steps + 1):
                self.checkpoint(folder, step)
                if self.interrupt.get(folder.name) == step:
                    raise KeyboardInterrupt
                self.log(file, step, given)
                show(step)
        return 0

    def log(self, file, step, given):
        strategy, rate = given.get("hpt.strategy"), given.get("actor_rollout_ref.actor.optim.lr")
        right = 0.25 + 0.5 * (rate is not None and float(rate) == BEST.get(strategy))
        names = ["level_1", "level_7"]
        if "ood_level" in given["data.val_files"]:
            names += ["ood_level/level_8", "ood_notation/level_1"]
        levels = {f"val-core/builtin/{name}/acc/mean@1": right for name in names}
        values = {**levels, "timing_s/step": 1.0, "hpt/steps_skipped": 0.0, "hpt/tokens_sampled": 10.0}
        file.write(json.dumps({"step": step, "data": values}) + "\n")

    def checkpoint(self, folder, step):
        write_checkpoint(folder, step)

    @property
    def names(self):
        return [name for name, _ in self.started]

    def given(self, name):
        (given,) = [given for started, given in self.started if started == name]
        return given


class Evaluations:
    """Stands in for the evaluation, in the same way."""

    def __init__(self):
        self.started = []
        self.fail = set()

    def __call__(self, folder, overrides):
        self.started.append((folder.name, dict(item.split("=", 1) for item in overrides)))
        if folder.name in self.fail:
            return 1
        (folder / "train.log").write_text("")
        folders.evaluation(folder / "results", {f"builtin/level_{level}": [3, 1] for level in (1, 7)})
        return 0

    @property
    def names(self):
        return [name for name, _ in self.started]


@pytest.fixture
def trainings():
    return Trainings()


@pytest.fixture
def evaluations():
    return Evaluations()


@pytest.mark.parametrize(("override", "expected"), [("a=b", "preloaded"), ("hpt.fork_workers=false", sys.executable)])
def test_trainings_are_forked_unless_workers_are_not(monkeypatch, tmp_path, override, expected):
    interpreters = []
    monkeypatch.setattr(study, "preloaded", lambda: "preloaded")
    monkeypatch.setattr(study, "run_training", lambda *arguments: interpreters.append(arguments[-1]) or 0)
    assert study.launch_training(tmp_path, [override], print) == 0
    assert interpreters == [expected]


@pytest.fixture
def launch(tmp_path, tasks, trainings, evaluations):
    """launch(*arguments) -> exit status; four batches, one seed and no sweeps unless the arguments say otherwise."""

    def make_task(folder, seed, settings):
        if not folder.exists():
            shutil.copytree(tasks / str(seed), folder)

    def start(*arguments, defaults=("--steps", "4", "--seeds", "0", "--sweep-lrs", "1e-3")):
        options = [*defaults, "--out", str(tmp_path / "out"), *arguments]
        return study.main(options, launch=trainings, make_task=make_task, evaluate=evaluations)

    return start


def results(tmp_path):
    lines = (tmp_path / "out" / "results.jsonl").read_text().splitlines()
    return {line["name"]: line for line in map(json.loads, lines)}


CELL = "wrong_step=0.3,coverage=0.5,mistake=carry"
MAP = {
    "steps": 4, "seeds": (0, 1), "sweep_lrs": (1e-3, 1e-2), "cells": ("", CELL), "sweep_cell": CELL, "searches": True,
    "validations": 1, "evaluated": (CELL,),
}  # fmt: skip
"""A small map."""
LABEL = "wrong_step0.3-coverage0.5-mistake_carry"


@pytest.fixture
def small_map(launch, monkeypatch):
    monkeypatch.setattr(study, "MAP", MAP)
    return lambda *arguments: launch("--map", "--only", "base,sft,sft_grpo,hpt", *arguments, defaults=())


def test_a_whole_map(small_map, trainings, evaluations, tmp_path, capsys):
    assert small_map("--at-once", "2") == 0
    assert len(set(trainings.names)) == len(trainings.names)
    found = results(tmp_path)
    assert found.keys() == set(trainings.names)
    searched = {name for name in found if name.startswith("sweep-hpt")}
    rates = {"0.001", "0.01", "0.1"}  # the largest of the first two was the best
    assert searched == {f"sweep-hpt-lr{rate}" for rate in rates} | {
        f"sweep-hpt-lr0.01-weight{weight}"
        for weight in ("4", "0.25", "0.06", "0.01", "0.002")  # a tie: on and on
    }
    names = [
        f"{method}-{data.demonstrations_of(CELL).label}-seed{seed}" for seed in (0, 1) for method in ("sft", "hpt")
    ]
    assert {name: found[name]["learning_rate"] for name in names} == dict(zip(names, (1e-3, 1e-2) * 2, strict=True))
    assert (found[names[0]]["cell"], found[names[0]]["tokens_sampled"]) == (CELL, 40)
    assert {name for name in found if name.startswith("base")} == {"base-seed0", "base-seed1"}
    assert evaluations.names == [
        f"{method}-{LABEL}-seed{seed}" for seed in (0, 1) for method in ("sft", "sft_grpo", "hpt")
    ]
    assert "30% wrong, 50% covered" in capsys.readouterr().out
    for name in ("map.svg", "map.csv", "map_lines.svg", "results.md"):
        assert (tmp_path / "out" / name).exists()
    started = len(trainings.names)
    assert small_map() == 0
    assert len(trainings.names) == started


def test_the_cells_that_are_evaluated_come_first_and_a_failure_is_not_tried_twice(small_map, trainings, evaluations):
    trainings.fail = {f"hpt-{LABEL}-seed1"}
    evaluations.started = trainings.started  # one list for both
    assert small_map() == 1
    in_cell = [LABEL in name for name in trainings.names if not name.startswith("sweep")]
    assert in_cell == sorted(in_cell, reverse=True) and len(set(in_cell)) == 2
    tried = Counter(trainings.names)
    assert tried[f"hpt-{LABEL}-seed0"] == 2 and tried[f"hpt-{LABEL}-seed1"] == 1  # trained and evaluated; failed


def test_a_map_goes_on_without_the_option(small_map, launch, trainings, evaluations, tmp_path):
    assert small_map() == 0
    before = len(evaluations.names)
    assert launch("--only", "grpo", defaults=()) == 0
    rows = {
        line.split("|")[1].strip() for line in (tmp_path / "out" / "results.md").read_text().splitlines() if "|" in line
    }
    assert {"HPT", "SFT -> GRPO", "GRPO"} <= rows  # what earlier launches asked for stays in the tables
    assert launch("--dry-run", defaults=()) == 0
    assert before and any(name.startswith("grpo-seed") for name in trainings.names)


def test_a_faulty_sft_counts_the_questions_that_it_reads(launch, tmp_path):
    assert launch("--only", "sft,sft_dropped") == 0
    found = results(tmp_path)
    assert [found[f"{name}-seed0"]["questions"] for name in ("sft", "sft_dropped")] == [256, 64]
    assert len({found[f"{name}-seed0"]["optimizer_steps"] for name in ("sft", "sft_dropped")}) == 1


def test_a_cells_files_are_the_runs(small_map, trainings, tmp_path):
    assert small_map() == 0
    task = tmp_path / "out" / "task-seed0"
    hpt, sft = (trainings.given(f"{method}-{LABEL}-seed0") for method in ("hpt", "sft"))
    assert hpt["data.train_files"] == str(task / LABEL / "train.parquet")
    assert sft["data.train_files"] == str(task / LABEL / "train_covered_256_rows.parquet")
    assert hpt["data.val_files"] == f"[{task}/test.parquet,{task}/ood_level.parquet,{task}/ood_notation.parquet]"
    assert trainings.given("sft-seed0")["data.train_files"] == str(task / "train.parquet")


def test_a_failed_run_of_a_map_is_marked(small_map, trainings, tmp_path, capsys):
    trainings.fail = {f"hpt-{LABEL}-seed1"}
    assert small_map() == 1
    assert f"failed: hpt-{LABEL}-seed1: exit status 1" in capsys.readouterr().err
    table = (tmp_path / "out" / "results.md").read_text()
    (line,) = [line for line in table.splitlines() if line.startswith("| HPT  ")][:1]
    assert line.rstrip("| ").endswith("failed")


def test_an_interrupted_map_ends_what_runs_and_goes_on(small_map, trainings, tmp_path):
    trainings.interrupt, trainings.endless = {"sweep-sft-lr0.001": 2}, {"sweep-sft-lr0.01"}
    assert small_map("--at-once", "2") == 130
    assert state.launches_of(tmp_path / "out" / "runs" / "sweep-sft-lr0.01")[-1]["status"] is None
    trainings.interrupt, trainings.endless = {}, set()
    assert small_map("--at-once", "2") == 0
    assert results(tmp_path)["sweep-sft-lr0.001"]["launches"] == 2


SWEPT = ("--steps", "4", "--seeds", "0,1", "--sweep-lrs", RATES)


def test_a_whole_study(launch, trainings, tmp_path, capsys):
    assert launch("--only", "base,sft_grpo,hpt", defaults=SWEPT) == 0
    assert len(trainings.names) == 9 + 2 * 4
    final = {name: line["learning_rate"] for name, line in results(tmp_path).items() if "seed" in name}
    assert final == {
        f"{name}-seed{seed}": rate
        for seed in (0, 1)
        for name, rate in (("base", None), ("hpt", 1e-2))
    } | {
        f"sft_grpo-seed{seed}-{stage}": rate
        for seed in (0, 1)
        for stage, rate in (("1-sft", 1e-3), ("2-grpo", 1e-4))
    }  # fmt: skip
    out = capsys.readouterr().out
    tables = (tmp_path / "out" / "results.md").read_text()
    for text in (out, tables):
        assert "0.750 ± 0.000" in text and "17 of 17 runs finished" in text
        assert "at the edge of the sweep, so a better one may lie outside: GRPO, HPT." in text
    assert "| base model  | 2     |" in tables and "| base model" not in out
    assert (tmp_path / "out" / "curves.png").exists() and (tmp_path / "out" / "curves.csv").exists()


def test_development_questions_choose_and_test_questions_report(launch, trainings):
    assert launch("--only", "hpt", defaults=SWEPT) == 0
    files = {name: given["data.val_files"].rsplit("/", 2)[1:] for name, given in trainings.started}
    assert files["sweep-hpt-lr0.001"] == ["task-seed100", "dev.parquet"]
    assert files["hpt-seed1"] == ["task-seed1", "test.parquet"]
    model = trainings.given("hpt-seed1")["actor_rollout_ref.model.path"]
    assert model.endswith("task-seed1/base_model")


def test_the_second_stage_starts_from_the_firsts_model_and_reads_on(launch, trainings, tmp_path):
    assert launch("--only", "sft_grpo", "data.train_batch_size=32") == 0
    first, second = (trainings.given(f"sft_grpo-seed0-{stage}") for stage in ("1-sft", "2-grpo"))
    folder = tmp_path / "out" / "runs" / "sft_grpo-seed0-1-sft"
    assert second["actor_rollout_ref.model.path"] == str(folder / "global_step_2/actor/huggingface")
    assert first["data.train_files"].endswith("task-seed0/train.parquet")
    assert second["data.train_files"].endswith("task-seed0/train_from_64.parquet")
    assert (tmp_path / "out" / "task-seed0" / "train_from_64.parquet").exists()


def test_a_result_line_holds_what_it_takes_to_read_it(launch, tmp_path):
    assert launch("--only", "hpt", "data.train_batch_size=32") == 0
    (line,) = results(tmp_path).values()
    assert line["accuracy"] == {"1": 0.25, "7": 0.25}
    assert (line["steps"], line["questions"], line["optimizer_steps"]) == (4, 128, 16)
    assert line["verl"] and line["vllm"] and line["torch"] and "commit" in line
    assert line["wall_seconds"] >= 0 and line["launches"] == 1
    assert str(tmp_path) not in json.dumps(line)  # nor anyone's home


def test_what_is_finished_is_not_repeated(launch, trainings):
    assert launch("--only", "base,sft") == 0
    assert trainings.names == ["base-seed0", "sft-seed0"]
    assert launch(defaults=()) == 0  # the folder's settings, all methods but the ablations
    assert sorted(trainings.names) == sorted(
        f"{name}-seed0{stage}"
        for name in COMPARED
        for stage in ([""] if len(METHODS[name].stages) < 2 else ["-1-sft", "-2-grpo"])
    )


def test_a_full_study_goes_on_with_ablations_and_evaluations(launch, trainings, evaluations, tmp_path, capsys):
    assert launch() == 0
    before = len(trainings.names)
    assert evaluations.names == []
    assert launch("--full", defaults=()) == 0
    assert trainings.names[before:] == [f"{name}-seed0" for name in ABLATIONS]
    assert evaluations.names == [f"{name}-seed0" for name in (*COMPARED, *ABLATIONS)]
    given = dict(evaluations.started)
    out = tmp_path / "out"
    assert given["sft_grpo-seed0"] == {
        "model": str(out / "runs/sft_grpo-seed0-2-grpo/global_step_2/actor/huggingface"),
        "benchmarks": str(out / "task-seed0/test.parquet"),
        "out": str(out / "evaluations/sft_grpo-seed0/results"),
        "n": "16",
        "seed": "0",
    }
    assert given["base-seed0"]["model"] == str(out / "task-seed0/base_model")
    assert launch("--full", defaults=()) == 0
    assert len(evaluations.names) == len((*COMPARED, *ABLATIONS))
    assert "12 of 12 runs finished" in (out / "results.md").read_text()
    assert "Table 6, small version: the gate" in (out / "report.html").read_text()
    assert f"report      {out / 'report.html'}" in capsys.readouterr().out


def test_an_evaluation_that_failed_is_reported_and_tried_again(launch, trainings, evaluations, tmp_path, capsys):
    evaluations.fail, trainings.fail = {"sft-seed0"}, {"grpo-seed0"}
    assert launch("--full", "--only", "sft,grpo,hpt") == 1
    assert evaluations.names == ["sft-seed0", "hpt-seed0"]
    error = capsys.readouterr().err
    log = tmp_path / "out" / "evaluations" / "sft-seed0" / "train.log"
    assert f"failed: evaluation of sft-seed0: exit status 1; its log: {log}" in error
    assert "waiting: evaluation of grpo-seed0: grpo-seed0 has not finished" in error
    evaluations.fail, trainings.fail = set(), set()
    assert launch("--full", "--only", "sft,grpo,hpt") == 0
    assert evaluations.names[2:] == ["sft-seed0", "grpo-seed0"]


def test_a_report_of_what_is_there_runs_nothing(launch, trainings, tmp_path, capsys):
    trainings.interrupt = {"hpt_gamma_1_4-seed0": 2}
    assert launch("--full", "--only", "sft,hpt,hpt_gamma_1_4") == 130
    started = len(trainings.names)
    assert launch("--report", defaults=()) == 0
    assert launch("--copy-to", str(tmp_path / "copy"), defaults=()) == 0
    assert len(trainings.names) == started
    for folder in ("out", "copy"):
        assert "2 of 8 runs finished" in (tmp_path / folder / "results.md").read_text()
        assert (tmp_path / folder / "report.html").exists()
    assert str(tmp_path / "copy" / "report.html") in capsys.readouterr().out


def test_a_report_of_nothing_says_so(launch, trainings, tmp_path, capsys):
    assert launch("--report", defaults=()) == 2
    assert "without study.json; expected a study's folder" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    trainings.fail = {"sft-seed0"}
    assert launch("--only", "sft") == 1
    assert launch("--report", defaults=()) == 2
    assert "there is nothing to report yet" in capsys.readouterr().err


def test_other_numbers_of_samples_do_not_mix(launch, capsys):
    assert launch("--only", "base", "--samples", "8") == 0
    assert launch("--only", "base", "--samples", "16", defaults=()) == 2
    assert "got samples=16" in capsys.readouterr().err


@pytest.mark.parametrize(("batch", "only_validates"), [(2, "false"), (4, "true")])
def test_an_interrupted_run_resumes_and_makes_up_for_its_validation(
    launch, trainings, tmp_path, capsys, batch, only_validates
):
    trainings.interrupt = {"hpt-seed0": batch}
    assert launch("--only", "sft,hpt") == 130
    assert "the same command goes on where it was" in capsys.readouterr().err
    assert list(results(tmp_path)) == ["sft-seed0"]
    trainings.interrupt = {}
    assert launch("--only", "sft,hpt") == 0
    assert trainings.names == ["sft-seed0", "hpt-seed0", "hpt-seed0"]
    resumed = trainings.started[-1][1]
    assert resumed["trainer.val_before_train"] == "true"
    assert resumed["trainer.val_only"] == only_validates
    line = results(tmp_path)["hpt-seed0"]
    assert line["launches"] == 2 and line["curve"].keys() == {"1", "2", "3", "4"}


def test_a_failed_run_is_reported_with_its_log_and_tried_again(launch, trainings, tmp_path, capsys):
    trainings.fail = {"sft_grpo-seed0-1-sft"}
    assert launch("--only", "sft_grpo,hpt") == 1
    assert trainings.names == ["sft_grpo-seed0-1-sft", "hpt-seed0"]  # the others went on
    error = capsys.readouterr().err
    log = tmp_path / "out" / "runs" / "sft_grpo-seed0-1-sft" / "train.log"
    assert f"failed: sft_grpo-seed0-1-sft: exit status 1; its log: {log}" in error
    assert "waiting: sft_grpo-seed0-2-grpo: its first stage, sft_grpo-seed0-1-sft, has not" in error
    assert log.read_text() == "no luck\n"
    trainings.fail = set()
    assert launch("--only", "sft_grpo,hpt") == 0
    assert trainings.names[2:] == ["sft_grpo-seed0-1-sft", "sft_grpo-seed0-2-grpo"]
    assert results(tmp_path)["sft_grpo-seed0-1-sft"]["launches"] == 2


def test_what_needs_a_model_that_is_gone_waits_and_names_the_run(launch, trainings, evaluations, tmp_path, capsys):
    """Packed results have no models."""
    assert launch("--only", "sft,sft_grpo") == 0
    runs = tmp_path / "out" / "runs"
    for folder in runs.iterdir():
        shutil.rmtree(folder / "global_step_4", ignore_errors=True)
        shutil.rmtree(folder / "global_step_2", ignore_errors=True)
    shutil.rmtree(runs / "sft_grpo-seed0-2-grpo")
    shutil.rmtree(tmp_path / "out" / "task-seed0")
    started = len(trainings.names)
    assert launch("--full", "--only", "base,sft,sft_grpo", defaults=()) == 1
    assert trainings.names[started:] == ["base-seed0"] and evaluations.names == ["base-seed0"]
    error = capsys.readouterr().err
    assert f"waiting: evaluation of sft-seed0: sft-seed0 has no model any more; remove {runs}/sft-seed0 to " in error
    assert f"sft_grpo-seed0-2-grpo: sft_grpo-seed0-1-sft has no model any more; remove {runs}/sft_grpo-seed0-1" in error
    shutil.rmtree(tmp_path / "out" / "task-seed0")
    shutil.rmtree(tmp_path / "out" / "evaluations")
    launch("--full", "--only", "base", defaults=())
    assert evaluations.names == ["base-seed0"] * 2 and (tmp_path / "out" / "task-seed0" / "test.parquet").exists()


def test_a_missing_sweep_run_holds_back_its_methods_only(launch, trainings, capsys):
    trainings.fail = {"sweep-grpo-lr0.001"}
    assert launch("--only", "sft,grpo", defaults=SWEPT) == 1
    assert [name for name in trainings.names if "seed" in name] == ["sft-seed0", "sft-seed1"]
    error = capsys.readouterr().err
    assert "waiting: grpo-seed1: the sweep of grpo lacks the learning rates 0.001" in error


def test_a_training_without_a_last_validation_has_failed(launch, trainings, monkeypatch, capsys):
    monkeypatch.setattr(trainings, "log", lambda file, step, given: None)
    assert launch("--only", "sft") == 1
    assert "have no validation after batch 4; its log:" in capsys.readouterr().err


def test_a_changed_setting_is_refused_and_nothing_is_run(launch, trainings, capsys):
    assert launch("--only", "base") == 0
    assert launch("--steps", "6", defaults=()) == 2
    assert launch("data.train_batch_size=32", defaults=()) == 2
    error = capsys.readouterr().err
    assert "got steps=6, but" in error and "name a new folder with --out" in error
    assert "got overrides=['data.train_batch_size=32']" in error
    assert trainings.names == ["base-seed0"]


def test_a_finished_run_of_other_code_is_refused(launch, monkeypatch, capsys):
    assert launch("--only", "hpt") == 0
    monkeypatch.setattr(plan, "WARMUP_SHARE", 0.5)
    assert launch("--only", "hpt") == 2
    assert "with other overrides than this code gives it" in capsys.readouterr().err


def test_a_study_may_be_moved(launch, trainings, tmp_path):
    assert launch("--only", "hpt") == 0
    (tmp_path / "out").rename(tmp_path / "elsewhere")
    assert launch("--only", "hpt", "--out", str(tmp_path / "elsewhere"), defaults=()) == 0
    assert trainings.names == ["hpt-seed0"]


def test_a_dry_run_prints_the_plan_and_writes_nothing(launch, trainings, tmp_path, capsys):
    assert launch("--dry-run", defaults=()) == 0
    out = capsys.readouterr().out
    assert "40 batches x 64 questions = 2560 questions" in out and "= 320 optimizer steps" in out
    assert "Expected: 3.2 hours for 39 runs on" in out
    assert launch("--dry-run", "--at-once", "2", defaults=()) == 0
    assert "Expected: 2.3 hours for 39 runs on" in capsys.readouterr().out
    assert launch("--dry-run", "--full", defaults=()) == 0
    full = capsys.readouterr().out
    assert "hours for 51 runs and 33 evaluations on" in full and "evaluate mix_on-seed2" in full
    assert trainings.started == [] and not (tmp_path / "out").exists()


def test_a_dry_run_knows_what_is_left(launch, trainings, capsys):
    trainings.interrupt = {"hpt-seed0": 2}
    assert launch("--only", "base,hpt") == 130
    capsys.readouterr()
    assert launch("--only", "base,hpt,srft", "--dry-run", defaults=()) == 0
    status = {row.split()[0]: row.split("  ")[-1] for row in capsys.readouterr().out.splitlines() if "-seed0" in row}
    assert status == {"base-seed0": "finished", "srft-seed0": "to do", "hpt-seed0": "resumes at 2"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "hpt,gpro"], "Unknown method 'gpro'. Available: base, sft, grpo, sft_grpo, luffy, srft, hpt,"),
        (["--seed", "1"], "Unknown option '--seed'. Available: -h, --help, --only, --full, --map, --leaderboard, "),
        (["--seeds", "a"], "got 'a'; expected integers, separated by commas"),
        (["--sweep-lrs", "1e-3;1e-2"], "got '1e-3;1e-2'; expected numbers, separated by commas"),
        (["gamma"], "got 'gamma'; expected key=value"),
        (["--map", "--only", "sft", "--leaderboard"], "got --only and --leaderboard; expected one of them"),
        (["--at-once", "0"], "got --at-once 0; expected a whole number >= 1"),
    ],
)  # fmt: skip
def test_wrong_options_say_what_there_is(launch, capsys, arguments, message):
    with pytest.raises(SystemExit) as stop:
        launch(*arguments, defaults=())
    assert stop.value.code == 2
    assert message in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--samples", "0"], "error: got --samples 0; expected a whole number >= 1"),
        (["hpt.sft_coef=1"], "error: got the override hpt.sft_coef=...; the study sets it"),
        (["--steps", "5"], "error: got --steps 5; expected an even number"),
        (["hpt.gamma=1"], "error: got the override hpt.gamma=...; the study sets it for each run itself"),
        (["--leaderboard"], "error: got --leaderboard without a map; expected --map"),
        (["hpt.gama=1"], "error: Unknown setting 'hpt.gama'. Did you mean hpt.gamma"),
    ],
)  # fmt: skip
def test_wrong_settings_are_one_message(launch, tmp_path, capsys, arguments, message):
    assert launch(*arguments, defaults=()) == 2
    assert capsys.readouterr().err.startswith(message)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("option", ["--out", "--copy-to"])
def test_a_file_where_a_folder_is_expected_is_refused(tmp_path, capsys, option):
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit) as end:
        study.main([option, str(tmp_path / "file")])
    assert end.value.code == 2 and "file, a file; expected a folder" in capsys.readouterr().err
