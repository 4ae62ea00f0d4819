# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""A tiny task, a half-trained base model, and a way to launch real trainings on them."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Launch:
    """A training started as a user starts it, in a session of its own."""

    folder: Path
    process: subprocess.Popen
    overrides: list[str] = field(default_factory=list)

    @property
    def log(self) -> str:
        return (self.folder / "train.log").read_text(errors="replace")

    def steps(self) -> dict[int, dict]:
        from hpt.common.training_log import read_run

        return read_run(self.folder).steps

    def wait(self, timeout: float) -> int:
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            pytest.fail(f"no end after {timeout} s; the log's end:\n{self.log[-3000:]}")

    def wait_for_step(self, step: int, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        metrics = self.folder / "metrics.jsonl"
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                pytest.fail(f"the training ended early:\n{self.log[-3000:]}")
            lines = metrics.read_text().splitlines() if metrics.exists() else []
            if any(json.loads(line)["step"] >= step for line in lines if line.endswith("}")):
                return
            time.sleep(0.2)
        pytest.fail(f"step {step} not reached in {timeout} s:\n{self.log[-3000:]}")


@pytest.fixture(scope="session")
def task(tmp_path_factory) -> Path:
    """Questions of levels 1 to 3, and a base model that solves some of levels 1 and 2."""
    from recipe.hpt.reproduction.task.base_model import BaseModelSettings, train_base_model
    from recipe.hpt.reproduction.task.questions import write_task

    folder = tmp_path_factory.mktemp("task")
    write_task(folder, seed=0, train_size=96, val_per_level=8, train_levels=(1, 2, 3), val_levels=(1, 3))
    settings = BaseModelSettings(steps=120, eval_per_level=8, hidden_size=64, num_layers=2, num_heads=2)
    train_base_model(folder / "base_model", settings, progress=False)
    return folder


@pytest.fixture(scope="session")
def launch(task):
    """launch(folder, *overrides, extra_env) -> Launch; what still runs at the end is killed."""
    started: list[Launch] = []

    def start(folder: Path, *overrides: str, **environment: str) -> Launch:
        folder.mkdir(parents=True, exist_ok=True)
        command = [
            sys.executable, "-m", "recipe.hpt.main_hpt", "--config-name", "quickstart",
            f"data.train_files={task / 'train.parquet'}",
            f"data.val_files={task / 'val.parquet'}",
            f"actor_rollout_ref.model.path={task / 'base_model'}",
            f"trainer.default_local_dir={folder}",
            f"hydra.run.dir={folder / 'hydra'}",
            "data.train_batch_size=8",
            "actor_rollout_ref.actor.ppo_mini_batch_size=4",
            # Large steps from the first on: an update that went missing would show at once.
            "actor_rollout_ref.actor.optim.lr=2e-3",
            "actor_rollout_ref.actor.optim.lr_warmup_steps=0",
            *overrides,
        ]  # fmt: skip
        with open(folder / "train.log", "ab") as log:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
                start_new_session=True,
            )
        started.append(Launch(folder, process, list(overrides)))
        return started[-1]

    yield start
    for run in started:
        if run.process.poll() is None:
            os.killpg(run.process.pid, signal.SIGKILL)
