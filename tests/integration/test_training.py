# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The real stack end to end: verl, Ray, FSDP2 over gloo, TransferQueue and vLLM on this CPU."""

import json
import os
import signal
import time
from pathlib import Path

import psutil
import pytest
import torch
from transformers import AutoModelForCausalLM

from hpt.method import question_log
from hpt.method.metrics import DEFINITIONS
from recipe.hpt.reproduction.task.base_model import BaseModelSettings, train_base_model

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]

TWO_RANKS = ("trainer.n_gpus_per_node=2",)
# verl then compares the probabilities that vLLM and the actor give to the same sampled tokens.
COMPARE = ("actor_rollout_ref.rollout.calculate_log_probs=true",)
PROBABILITY_GAP = "training/rollout_probs_diff_mean"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A base model that solves some of level 1 whatever is sampled: both kinds of rows come up in two steps."""
    folder = tmp_path_factory.mktemp("model") / "base_model"
    settings = BaseModelSettings(steps=240, eval_per_level=8, hidden_size=64, num_layers=2, num_heads=2)
    train_base_model(folder, settings, progress=False)
    return folder


@pytest.fixture(scope="module")
def first_half(launch, model, tmp_path_factory):
    """Two ranks, two steps, a checkpoint."""
    folder = tmp_path_factory.mktemp("two_ranks")
    run = launch(
        folder,
        f"actor_rollout_ref.model.path={model}",
        *TWO_RANKS,
        *COMPARE,
        "trainer.total_training_steps=2",
        "trainer.save_freq=2",
        "trainer.test_freq=2",
    )
    assert run.wait(400) == 0, run.log[-3000:]
    return run, dict(run.steps())


@pytest.fixture(scope="module")
def second_half(launch, model, first_half):
    """The same command with more steps: resumes."""
    run, _ = first_half
    resumed = launch(
        run.folder,
        f"actor_rollout_ref.model.path={model}",
        *TWO_RANKS,
        *COMPARE,
        "trainer.total_training_steps=4",
        "trainer.save_freq=4",
        "trainer.test_freq=-1",
    )
    assert resumed.wait(400) == 0, resumed.log[-3000:]
    return resumed


def parameters(folder: Path) -> dict[str, torch.Tensor]:
    return dict(AutoModelForCausalLM.from_pretrained(folder).state_dict())


def test_both_kinds_of_rows_are_trained_and_the_weights_change(first_half, model):
    run, steps = first_half
    assert all(steps[step]["hpt/rows_rollout"] + steps[step]["hpt/rows_demonstration"] > 0 for step in (1, 2))
    assert sum(steps[step]["hpt/rows_rollout"] for step in (1, 2)) > 0
    assert sum(steps[step]["hpt/rows_demonstration"] for step in (1, 2)) > 0
    before = parameters(model)
    after = parameters(run.folder / "global_step_2" / "actor" / "huggingface")
    changed = [name for name in before if not torch.equal(before[name], after[name])]
    assert len(changed) == len(before)


def test_vllm_answers_with_the_actors_weights(first_half, second_half):
    """After updates with a large learning rate, and after a resume, both engines agree."""
    steps = second_half.steps()
    gaps = {step: steps[step][PROBABILITY_GAP] for step in steps if PROBABILITY_GAP in steps[step]}
    assert gaps
    assert max(gaps.values()) < 1e-3


def test_a_lost_weight_update_is_seen(launch, tmp_path):
    """The check above has the power to fail: a rollout engine that throws updates away."""
    run = launch(
        tmp_path / "lost",
        *COMPARE,
        "data.train_batch_size=16",
        "trainer.total_training_steps=4",
        "trainer.save_freq=-1",
        "trainer.test_freq=-1",
        "trainer.val_before_train=false",
        "actor_rollout_ref.rollout.engine_kwargs.vllm.worker_extension_cls=lost_updates.LosesUpdates",
        PYTHONPATH=os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]),
    )
    assert run.wait(300) == 0, run.log[-3000:]
    steps = run.steps()
    gaps = [steps[step][PROBABILITY_GAP] for step in (2, 3, 4) if PROBABILITY_GAP in steps[step]]
    assert gaps and max(gaps) > 1e-3


def test_nothing_is_left_in_transfer_queue(first_half, second_half):
    steps = second_half.steps()
    assert [steps[step]["hpt/leftover_rows"] for step in (1, 2, 3, 4)] == [0, 0, 0, 0]
    assert "TransferQueue is empty" in second_half.log


def test_a_checkpoint_resumes_and_no_metric_is_lost(first_half, second_half):
    _, before = first_half
    assert "Resuming from" in second_half.log and "global_step_2" in second_half.log
    steps = second_half.steps()
    assert sorted(steps) == [0, 1, 2, 3, 4]
    assert steps[1] == before[1]
    # Validation is greedy: the resumed weights are the saved ones only if it gives the same again.
    accuracies = {name: value for name, value in before[2].items() if name.startswith("val-core/")}
    assert accuracies
    assert {name: steps[2][name] for name in accuracies} == accuracies


def test_every_question_is_logged(second_half):
    steps, log = second_half.steps(), question_log.read(second_half.folder)
    assert sorted(log) == [1, 2, 3, 4]
    for step, line in log.items():
        assert len(set(line["id"])) == len(line["n"]) == len(line["route"])
        assert all(name.startswith("builtin/level_") for name in line["id"])
        accuracy = sum(line["correct"]) / sum(line["n"])
        assert accuracy == pytest.approx(steps[step]["hpt/rollout_accuracy"])
        share = line["route"].count("sft") / len(line["route"])
        assert share == pytest.approx(steps[step]["hpt/sft_share_questions"])


def test_every_metric_of_ours_is_defined(second_half):
    names = {name for row in second_half.steps().values() for name in row if name.startswith("hpt/")}
    assert names <= set(DEFINITIONS)
    assert {
        "hpt/sft_share_questions",
        "hpt/rollout_accuracy",
        "hpt/grad_norm",
        "hpt/entropy_rollout",
    } <= names


def relatives(marker: str) -> list[psutil.Process]:
    """Processes of a run: they inherit an environment variable of its launch."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get("HPT_TEST_RUN") == marker:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


@pytest.mark.parametrize("whole_group", [True, False], ids=["terminal", "kill"])
def test_ctrl_c_leaves_no_process_and_no_half_checkpoint(launch, tmp_path, whole_group):
    marker = str(tmp_path)
    run = launch(
        tmp_path / "interrupted",
        "trainer.total_training_steps=50",
        "trainer.save_freq=1",
        "trainer.test_freq=-1",
        "trainer.val_before_train=false",
        HPT_TEST_RUN=marker,
    )
    run.wait_for_step(1, 300)
    if whole_group:  # a terminal sends the signal to every process of the foreground group
        os.killpg(run.process.pid, signal.SIGINT)
    else:
        run.process.send_signal(signal.SIGINT)
    assert run.wait(90) == 130, run.log[-3000:]
    deadline = time.monotonic() + 20
    while relatives(marker) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert [process.cmdline() for process in relatives(marker)] == []
    tracker = run.folder / "latest_checkpointed_iteration.txt"
    if tracker.exists():  # what it names is complete
        folder = run.folder / f"global_step_{tracker.read_text().strip()}"
        assert (folder / "data.pt").exists()
        assert json.loads((folder / "actor" / "fsdp_config.json").read_text())["world_size"] == 1
        assert parameters(folder / "actor" / "huggingface")
