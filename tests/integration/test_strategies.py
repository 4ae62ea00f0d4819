# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Every strategy trains on the real stack."""

import pytest

from hpt.method.strategies import STRATEGIES
from tests.helpers.strategies import assert_trained

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
    "luffy": (["trainer.n_gpus_per_node=2"], {"loss_off", "rows_rollout"}),
    "srft": (["+arithmetic=released"], {"loss_off", "loss_sft", "loss_rl"}),
}
# Those that other trainings need anyway: test_own_method.py, test_prefixes.py, test_launch_scripts.py.
ELSEWHERE = {"soft", "rl_only", "sft_only"}
# Those of test_methods.py.
IN_ONE_TRAINING = {
    "off_on", "mix_on", "rl_plus", "superrl", "mix", "chord", "sasr", "curriculum", "relift", "self_distill", "uft",
    "prefix_rft", "trapo", "bread", "ghpo", "scaf_grpo",
}  # fmt: skip


def test_every_strategy_has_a_case():
    assert {*CASES, *ELSEWHERE, *IN_ONE_TRAINING} == set(STRATEGIES)


@pytest.mark.parametrize("strategy", CASES)
def test_a_strategy_trains(launch, tmp_path, strategy):
    overrides, trained = CASES[strategy]
    run = launch(tmp_path / "run", *SHORT, f"hpt.strategy={strategy}", *overrides)
    assert run.wait(400) == 0, run.log[-3000:]
    steps = list(run.steps().values())
    assert len(steps) == STEPS
    assert_trained(steps, run.log, trained)
    for step in steps:
        if strategy == "switch":  # the guard skips all: two optimizer steps, twice over, but for those without a row
            assert step["hpt/steps_skipped"] + step["hpt/steps_idle"] == 4
            assert "exceeds hpt.skip_grad_norm=1e-09" in run.log
    if strategy in ("luffy", "srft"):  # n = 4: three rollouts and the demonstration
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
