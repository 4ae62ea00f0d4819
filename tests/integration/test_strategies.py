# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Every strategy trains on the real stack, and a method of a user's own does, too."""

import math
import os
import subprocess
import sys

import pyarrow
import pyarrow.parquet
import pytest

from hpt.method.strategies import STRATEGIES
from tests.integration.conftest import ROOT

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
    "srft": (["hpt.normalization=released"], {"loss_off", "loss_sft", "loss_rl"}),
    "off_on": (["hpt.gamma=0.25", "hpt.gamma_off=0.75"], {"loss_off"}),
    "mix_on": (["hpt.gamma=0.5", "hpt.sft_coef=0.1"], {"loss_off", "loss_sft"}),
}


def test_every_strategy_has_a_case():
    assert set(CASES) == set(STRATEGIES)


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
        assert math.isfinite(step.get("hpt/grad_norm", 0.0))  # none where every optimizer step is idle
        assert step["hpt/leftover_rows"] == 0
        if strategy == "switch":  # the guard skips all: two optimizer steps, twice over
            assert step["hpt/steps_skipped"] == 4
            assert "exceeds hpt.skip_grad_norm=1e-09" in run.log
    assert any(step.get("hpt/grad_norm", 0.0) > 0 for step in steps)
    assert "TransferQueue is empty" in run.log
    if strategy == "sft_only":
        assert all("timing_s/gen" not in step for step in steps)
    if strategy in ("luffy", "srft"):  # n = 4: three rollouts and the demonstration
        assert all(step["hpt/demonstration_share_rows"] == 0.25 for step in steps)


def test_a_batch_without_a_single_row_is_skipped_and_said_so(launch, tmp_path):
    """Every question is gated, and the weight of its gold solution is 0."""
    run = launch(tmp_path / "run", *SHORT, "hpt.gamma=1.0", "hpt.sft_coef=0.0")
    assert run.wait(400) == 0, run.log[-3000:]
    steps = list(run.steps().values())
    assert [step["hpt/steps_skipped"] for step in steps] == [4] * STEPS
    assert [step["hpt/rows_rollout"] + step["hpt/rows_demonstration"] for step in steps] == [0, 0]
    assert all(step["hpt/rollout_accuracy"] >= 0 for step in steps)
    assert "no row to train on, the optimizer steps are skipped" in run.log
    assert "TransferQueue is empty" in run.log


OWN = """
from hpt.verifier import Verdict, register_kind

@register_kind("one_more")
def one_more(response, gold):
    answer = response.rpartition("{")[2].rstrip("}")
    return Verdict("correct" if answer.isdigit() and int(answer) + 1 == int(gold) else "wrong", answer)

def fading(mean):
    return mean, 0, 1 - mean
"""


def test_algorithm_gate_and_verifier_of_ones_own(launch, task, tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    rows = pyarrow.parquet.read_table(task / "train.parquet").to_pylist()
    for row in rows:
        gold = int(row["reward_model"]["ground_truth"])
        row["reward_model"]["ground_truth"] = str(gold + 1)  # right for the own verifier only
        row["extra_info"]["verifier_kind"] = "one_more"
    train = tmp_path / "train.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), train)
    run = launch(
        tmp_path / "run",
        *SHORT,
        f"data.train_files={train}",
        "hpt.plugins=[examples.own_algorithm,own]",
        "hpt.rollout_algorithm=cautious_reinforce",
        "hpt.strategy=soft",
        "hpt.schedule=own:fading",
        "data.train_batch_size=32",
        PYTHONPATH=os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]),
    )
    assert run.wait(400) == 0, run.log[-3000:]
    steps = run.steps().values()
    assert any(step["hpt/rollout_accuracy"] > 0 for step in steps)
    assert any(step["hpt/loss_rl"] != 0 for step in steps)
    assert all(0 < step["hpt/coefficient_sft"] < 1 for step in steps)


def test_sft_then_grpo_is_a_chain_of_two_runs(task, tmp_path):
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "PYTHON": sys.executable,
        "CONFIG": "quickstart",
        "GPUS_PER_NODE": "1",
        "MODEL_PATH": str(task / "base_model"),
        "TRAIN_FILE": str(task / "train.parquet"),
        "VAL_FILE": str(task / "val.parquet"),
        "OUTPUT_DIR": str(tmp_path),
        "RL_OVERRIDES": "trainer.total_training_steps=1",
        "SFT_OVERRIDES": "trainer.total_training_steps=2",
    }
    done = subprocess.run(
        [
            str(ROOT / "examples" / "run_qwen2.5_math_1.5b_sft_then_grpo.sh"),
            "data.train_batch_size=8",
            "actor_rollout_ref.actor.ppo_mini_batch_size=4",
            "trainer.test_freq=-1",
            "trainer.val_before_train=false",
            f"hydra.run.dir={tmp_path / 'hydra'}",
        ],
        env=environment,
        cwd="/",
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    sft = tmp_path / "sft" / "global_step_2" / "actor" / "huggingface"
    assert (sft / "config.json").exists()
    assert f"'path': '{sft}'" in done.stdout  # the second run's model
    assert (tmp_path / "grpo" / "global_step_1" / "actor" / "huggingface" / "config.json").exists()
