# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""A launch script on the real stack: SFT, then GRPO from its checkpoint, both with LoRA."""

import os
import subprocess
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from hpt.common.training_log import read_run
from recipe.hpt.launch import preloaded
from tests.helpers.processes import ROOT
from tests.helpers.strategies import assert_trained

pytestmark = [pytest.mark.ray, pytest.mark.timeout(900)]

IDS = torch.arange(20).unsqueeze(0)


def start(task: Path, folder: Path, rl_steps: int) -> str:
    """Run both stages, as far as they are not there, and return what they print."""
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "PYTHON": preloaded(),
        "CONFIG": "quickstart",
        "GPUS_PER_NODE": "1",
        "MODEL_PATH": str(task / "base_model"),
        "TRAIN_FILE": str(task / "train.parquet"),
        "VAL_FILE": str(task / "val.parquet"),
        "OUTPUT_DIR": str(folder),
        # With LUFFY there is something to learn whatever is sampled.
        "RL_OVERRIDES": f"trainer.total_training_steps={rl_steps} trainer.save_freq=1 hpt.strategy=luffy "
        "hpt.rollout_algorithm=null actor_rollout_ref.rollout.calculate_log_probs=true "
        "actor_rollout_ref.actor.use_kl_loss=true",
        "SFT_OVERRIDES": "trainer.total_training_steps=2",
    }
    done = subprocess.run(
        [
            str(ROOT / "examples" / "run_qwen2.5_math_1.5b_sft_then_grpo.sh"),
            "data.train_batch_size=8",
            "actor_rollout_ref.actor.ppo_mini_batch_size=4",
            "actor_rollout_ref.model.lora_rank=4",
            "actor_rollout_ref.actor.optim.lr=2e-2",
            "actor_rollout_ref.actor.optim.lr_warmup_steps=0",
            "trainer.test_freq=-1",
            "trainer.val_before_train=false",
            f"hydra.run.dir={folder / 'hydra'}",
        ],
        env=environment,
        cwd="/",
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout + done.stderr


def logits(model) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(IDS).logits


def assert_merged(actor: Path, base: Path) -> None:
    """The checkpoint's copy is the base model with the checkpoint's adapters, which have changed it."""
    merged, wrong = AutoModelForCausalLM.from_pretrained(actor / "huggingface", output_loading_info=True)
    assert not any(wrong.values())
    before = AutoModelForCausalLM.from_pretrained(base)
    assert not torch.allclose(logits(merged), logits(before), atol=0.1)
    adapted = PeftModel.from_pretrained(before, actor / "lora_adapter")
    assert torch.allclose(logits(merged), logits(adapted), atol=1e-4)


def test_sft_then_grpo_is_a_chain_of_two_runs_whose_copies_are_merged(task, tmp_path):
    output = start(task, tmp_path, rl_steps=1)
    sft = tmp_path / "sft" / "global_step_2" / "actor"
    grpo = tmp_path / "grpo" / "global_step_1" / "actor"
    assert f"'path': '{sft / 'huggingface'}'" in output  # the second run's model
    assert_merged(sft, task / "base_model")
    assert_merged(grpo, sft / "huggingface")
    steps = list(read_run(tmp_path / "sft").steps.values())
    assert_trained(steps, output, {"loss_sft"})
    assert all("timing_s/gen" not in step for step in steps)
    before = read_run(tmp_path / "grpo").steps

    # Again, with another step: the first stage is finished, the second one resumes.
    output = start(task, tmp_path, rl_steps=2)
    assert "first stage: finished before" in output and "Resuming from" in output
    steps = read_run(tmp_path / "grpo").steps
    assert steps[1] == before[1]
    # vLLM has the weights of the actor, whose reference is the model without adapters.
    gaps = [steps[step]["training/rollout_probs_diff_max"] for step in (1, 2)]
    assert max(gaps) < 1e-3
    assert steps[2]["hpt/loss_kl"] > 0
