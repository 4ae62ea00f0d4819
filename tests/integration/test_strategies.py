# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Every strategy trains on the real stack."""

import math

import pytest

from hpt.method.strategies import STRATEGIES

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]

STEPS = 2
SHORT = (
    f"trainer.total_training_steps={STEPS}",
    "trainer.save_freq=-1",
    "trainer.test_freq=-1",
    "trainer.val_before_train=false",
)
# What each strategy must have trained on in these steps, whatever the rollouts were.
CASES = {
    "switch": (["hpt.gamma=0.25", "hpt.skip_grad_norm=1e-9"], {"rows_demonstration"}),
    "soft": (["hpt.schedule=type_1"], {"loss_off", "loss_sft"}),
    "rl_only": (
        # Enough questions that some are solved by some of their rollouts only.
        ["hpt.rollout_algorithm=grpo", "hpt.clip_ratio=[0.2,0.3]", "data.train_batch_size=32"],
        {"rows_rollout", "loss_rl"},
    ),
    "sft_only": ([], {"loss_sft"}),
    "luffy": (["trainer.n_gpus_per_node=2"], {"loss_off", "rows_rollout"}),
    "srft": (["+arithmetic=released"], {"loss_off", "loss_sft", "loss_rl"}),
    "rl_plus": ([], {"loss_off", "rows_rollout"}),
    "off_on": (["hpt.gamma=0.25", "hpt.gamma_off=0.75"], {"loss_off"}),
    "mix_on": (["hpt.gamma=0.5", "hpt.sft_coef=0.1"], {"loss_off", "loss_sft"}),
}

IN_ONE_TRAINING = {
    "superrl", "mix", "chord", "sasr", "curriculum", "relift", "self_distill", "uft", "prefix_rft", "trapo", "bread",
    "ghpo", "scaf_grpo",
}  # fmt: skip


def test_every_strategy_has_a_case():
    """Those of test_methods.py take their steps in one training."""
    assert set(CASES) | IN_ONE_TRAINING == set(STRATEGIES)


@pytest.mark.parametrize("strategy", CASES)
def test_a_strategy_trains(launch, tmp_path, strategy):
    overrides, trained = CASES[strategy]
    run = launch(tmp_path / "run", *SHORT, f"hpt.strategy={strategy}", *overrides)
    assert run.wait(400) == 0, run.log[-3000:]
    steps = list(run.steps().values())
    assert len(steps) == STEPS
    for name in trained:
        assert any(step[f"hpt/{name}"] != 0 for step in steps), name
    for step in steps:
        assert math.isfinite(step["hpt/grad_norm"])
        assert step["hpt/leftover_rows"] == 0
        if strategy == "switch":  # the guard skips all: two optimizer steps, twice over, but for those without a row
            assert step["hpt/steps_skipped"] + step["hpt/steps_idle"] == 4
            assert "exceeds hpt.skip_grad_norm=1e-09" in run.log
    assert any(step["hpt/grad_norm"] > 0 for step in steps)
    assert "TransferQueue is empty" in run.log
    if strategy == "sft_only":
        assert all("timing_s/gen" not in step for step in steps)
    if strategy in ("luffy", "srft", "rl_plus"):  # n = 4: three rollouts and the demonstration
        assert all(step["hpt/demonstration_share_rows"] == 0.25 for step in steps)


def test_a_batch_without_a_single_row_makes_steps_of_zero_gradient(launch, tmp_path):
    """Every question is gated, and the weight of its demonstration is 0."""
    run = launch(tmp_path / "run", *SHORT, "hpt.gamma=1.0", "hpt.sft_coef=0.0")
    assert run.wait(400) == 0, run.log[-3000:]
    steps = list(run.steps().values())
    assert [step["hpt/steps_idle"] for step in steps] == [4] * STEPS
    assert [step["hpt/steps_skipped"] for step in steps] == [step["hpt/grad_norm"] for step in steps] == [0] * STEPS
    assert [step["hpt/rows_rollout"] + step["hpt/rows_demonstration"] for step in steps] == [0, 0]
    assert all(step["hpt/rollout_accuracy"] >= 0 for step in steps)
    assert "TransferQueue is empty" in run.log
