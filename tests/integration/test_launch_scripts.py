# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""A launch script on the real stack: SFT, then GRPO from its checkpoint."""

import os
import subprocess
import sys

import pytest

from tests.helpers.processes import ROOT

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]


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
