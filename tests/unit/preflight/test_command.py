# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The command as a user starts it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hpt.common.digests import model_parts
from hpt.preflight.run_record import FORMAT_VERSION

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]


def main_hpt(python: str, inputs: Path, run: Path, *arguments: str, **environment: str):
    command = [
        python, "-m", "recipe.hpt.main_hpt", *arguments,
        f"data.train_files={inputs / 'train.parquet'}",
        f"data.val_files={inputs / 'val.parquet'}",
        f"actor_rollout_ref.model.path={inputs / 'model'}",
        f"trainer.default_local_dir={run}",
    ]  # fmt: skip
    variables = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(command, cwd=run.parent, env=variables, capture_output=True, text=True, timeout=200)


def test_check_shows_every_line_and_writes_nothing(inputs, tmp_path):
    run = tmp_path / "run"
    # As from a launch script: the option among overrides, one of which is Hydra's folder.
    done = main_hpt(
        sys.executable, inputs, run, "--config-name", "quickstart", f"hydra.run.dir={tmp_path}/hydra", "--check",
        "hydra/job_logging=none",
        "trainer.total_training_steps=2", "data.train_batch_size=128",
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert "pre-flight: " in done.stdout and "1 fail" in done.stdout
    assert "96 questions for batches of 128: no epoch has a batch" in done.stdout
    assert "demonstration, " in done.stdout and "<|im_end|>" in done.stdout
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []


def test_a_run_in_the_folder_of_another_is_refused_before_ray(interpreter, inputs, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    record = {"format_version": FORMAT_VERSION, "model": model_parts(inputs / "model"), "strategy": "sft_only"}
    (run / "run.json").write_text(json.dumps(record))
    (run / "metrics.jsonl").write_text('{"step": 1, "data": {}}\n')
    done = main_hpt(
        interpreter, inputs, run, "--config-name", "quickstart", f"hydra.run.dir={run}/hydra",
        "hpt.fork_workers=false", RAY_ADDRESS="127.0.0.1:1",
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    message = done.stderr.strip().splitlines()[-1]
    assert message.startswith(
        f"error: got trainer.default_local_dir={run}, but hpt.strategy is switch and was sft_only"
    )
    assert (run / "metrics.jsonl").exists() and not (run / "metrics.1.jsonl").exists()
    assert json.loads((run / "run.json").read_text()) == record
