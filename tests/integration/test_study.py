# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""A study of two methods on the real stack, with evaluation and report, interrupted once."""

import json
import os
import signal
import sys

import pytest

from hpt.common.files import TRACKER
from recipe.hpt.reproduction.report.runs import read_runs
from recipe.hpt.reproduction.study import data
from recipe.hpt.reproduction.task.base_model import train_base_model
from recipe.hpt.reproduction.task.model import BaseModelSettings
from tests.helpers.processes import ROOT, Command, start

pytestmark = [pytest.mark.ray, pytest.mark.timeout(900)]

SECOND_STAGE = "sft_grpo-seed0-2-grpo"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A few questions, and a half-trained model of 0.1 M parameters."""
    folder = tmp_path_factory.mktemp("tiny") / "task"
    data.write_splits(folder, seed=0, train_size=48, per_level=2)
    settings = BaseModelSettings(steps=120, eval_per_level=2, hidden_size=64, num_layers=2, num_heads=2)
    train_base_model(folder / data.MODEL, settings, progress=False)
    return folder


@pytest.fixture
def launch(tiny, tmp_path):
    """launch() -> Command; what still runs at the end is killed, and its training with it."""
    started = []

    def begin() -> Command:
        arguments = [
            sys.executable, str(ROOT / "tests" / "helpers" / "tiny_study.py"), str(tiny),
            "--full", "--only", "base,sft_grpo", "--samples", "2", "--seeds", "0", "--steps", "2",
            "--sweep-lrs", "1e-3", "--out", str(tmp_path / "out"),
            "data.train_batch_size=16", "actor_rollout_ref.actor.ppo_mini_batch_size=8",
        ]  # fmt: skip
        started.append(start(arguments, tmp_path / "study.log"))
        return started[-1]

    yield begin
    for command in started:
        command.kill()


def test_a_study_goes_on_after_an_interruption(launch, tmp_path):
    out = tmp_path / "out"
    study = launch()
    # Then the checkpoint of the last batch is complete, and its validation is not.
    study.wait_until((out / "runs" / SECOND_STAGE / TRACKER).exists, 400)
    study.process.send_signal(signal.SIGINT)
    assert study.wait(120) == 130, study.log
    before = [json.loads(line)["name"] for line in (out / "results.jsonl").read_text().splitlines()]
    assert before == ["base-seed0", "sft_grpo-seed0-1-sft"]
    untouched = {name: os.stat(out / "runs" / name / "metrics.jsonl").st_mtime_ns for name in before}

    study = launch()
    assert study.wait(400) == 0, study.log
    results = {line["name"]: line for line in map(json.loads, (out / "results.jsonl").read_text().splitlines())}
    assert list(results) == [*before, SECOND_STAGE]
    assert untouched == {name: os.stat(out / "runs" / name / "metrics.jsonl").st_mtime_ns for name in before}
    second = results[SECOND_STAGE]
    assert second["launches"] == 2 and set(second["accuracy"]) == {str(n) for n in range(1, 8)}
    assert (second["questions_before"], second["questions"]) == (16, 16)
    assert (second["optimizer_steps"], second["learning_rate"]) == (4, 1e-3)
    training = (out / "runs" / SECOND_STAGE / "train.log").read_text(errors="replace")
    model = out / "runs" / "sft_grpo-seed0-1-sft" / "global_step_1" / "actor" / "huggingface"
    assert f"'path': '{model}'" in training
    assert "Resuming from" in training
    assert "SFT -> GRPO" in (out / "results.md").read_text()
    assert (out / "curves.png").exists()
    for name in ("base-seed0", "sft_grpo-seed0"):
        results = json.loads((out / "evaluations" / name / "results" / "results.json").read_text())
        assert results["benchmarks"]["builtin/level_1"]["n"] == 2 and not results["incomplete"]
    (entry,) = [entry for entry in read_runs(out / "runs.yaml") if entry.method == "sft_grpo"]
    assert len(entry.training) == 2 and len(entry.evaluation) == 1
    assert "Table 2, small version" in (out / "report.html").read_text()
    assert (out / "figures" / "figure2_builtin.svg").exists()
