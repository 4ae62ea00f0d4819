# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The real stack end to end: verl, Ray, FSDP2 over gloo, TransferQueue and vLLM on this CPU."""

import pytest
import torch

from hpt.method import question_log
from hpt.method.metrics import DEFINITIONS
from recipe.hpt.reproduction.task.base_model import train_base_model
from recipe.hpt.reproduction.task.model import BaseModelSettings
from tests.helpers.checkpoints import parameters
from tests.helpers.processes import ROOT, python_path

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]

TWO_RANKS = ("trainer.n_gpus_per_node=2",)
# With it, verl compares the probabilities that vLLM and the actor give to the same sampled tokens.
COMPARE = ("actor_rollout_ref.rollout.calculate_log_probs=true",)
PROBABILITY_GAP = "training/rollout_probs_diff_mean"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A base model that solves some of level 1, whatever is sampled. So two steps have both kinds of rows."""
    folder = tmp_path_factory.mktemp("model") / "base_model"
    settings = BaseModelSettings(steps=240, eval_per_level=8, hidden_size=64, num_layers=2, num_heads=2)
    train_base_model(folder, settings, progress=False)
    return folder


@pytest.fixture(scope="module")
def first_half(launch, model, tmp_path_factory):
    """A run on two ranks: two steps, then a checkpoint."""
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
    """The same command with more steps, which resumes."""
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
    """Both engines agree after updates with a large learning rate, and after a resume."""
    steps = second_half.steps()
    gaps = {step: steps[step][PROBABILITY_GAP] for step in steps if PROBABILITY_GAP in steps[step]}
    assert gaps
    assert max(gaps.values()) < 1e-3


def test_a_lost_weight_update_is_seen(launch, tmp_path):
    """The check above can fail: it does with a rollout engine that throws updates away."""
    run = launch(
        tmp_path / "lost",
        *COMPARE,
        "data.train_batch_size=16",
        "trainer.total_training_steps=4",
        "trainer.save_freq=-1",
        "trainer.test_freq=-1",
        "trainer.val_before_train=false",
        "actor_rollout_ref.rollout.engine_kwargs.vllm.worker_extension_cls=lost_updates.LosesUpdates",
        PYTHONPATH=python_path(ROOT / "tests" / "helpers"),
    )
    assert run.wait(300) == 0, run.log[-3000:]
    steps = run.steps()
    gaps = [steps[step][PROBABILITY_GAP] for step in (2, 3, 4) if PROBABILITY_GAP in steps[step]]
    assert gaps and max(gaps) > 1e-3


def test_nothing_is_left_in_transfer_queue(first_half, second_half):
    steps = second_half.steps()
    assert [steps[step]["hpt/leftover_rows"] for step in (1, 2, 3, 4)] == [0, 0, 0, 0]
    assert "TransferQueue is empty" in second_half.log


def test_no_update_of_the_weights_is_followed_by_a_warning(second_half):
    assert "Failed to load weights" not in second_half.log


def test_a_checkpoint_resumes_and_no_metric_is_lost(first_half, second_half):
    _, before = first_half
    assert "Resuming from" in second_half.log and "global_step_2" in second_half.log
    steps = second_half.steps()
    assert sorted(steps) == [0, 1, 2, 3, 4]
    assert steps[1] == before[1]
    # Validation is greedy, so it repeats its result only if the resumed weights are the saved ones.
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


def test_lengths_and_times_are_those_of_all_rollouts(first_half):
    run, steps = first_half
    log = question_log.read(run.folder)
    for step in (1, 2):
        found = steps[step]
        assert found["response_length/mean"] == pytest.approx(found["hpt/response_length_rollout"])
        tokens = found["response_length/mean"] * sum(log[step]["n"])
        assert found["timing_per_token_ms/gen"] == pytest.approx(1000 * found["timing_s/gen"] / tokens)
        # A response that ends with the last token that it may have was not cut.
        assert 0 <= found["hpt/truncated_share"] <= found["response_length/clip_ratio"] <= 1


def test_every_metric_of_ours_is_defined(second_half):
    names = {name for row in second_half.steps().values() for name in row if name.startswith("hpt/")}
    assert names <= set(DEFINITIONS)
    assert {
        "hpt/sft_share_questions",
        "hpt/rollout_accuracy",
        "hpt/grad_norm",
        "hpt/entropy_rollout",
    } <= names
