# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""A tiny task, a half-trained base model, and a way to launch real trainings on them."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hpt.common.training_log import METRICS_FILE, read_run
from recipe.hpt.launch import LOG_FILE, finished_steps, preloaded
from recipe.hpt.reproduction.task.base_model import train_base_model
from recipe.hpt.reproduction.task.model import BaseModelSettings
from recipe.hpt.reproduction.task.questions import write_task
from tests.helpers.processes import Command, start


@dataclass
class Launch(Command):
    """A training that was started as a user starts it.

    Attributes:
        folder: the run's folder.
    """

    folder: Path

    def steps(self) -> dict[int, dict]:
        """Step -> metrics, those of earlier launches in the folder included."""
        return read_run(self.folder).steps

    def wait_for_step(self, step: int, timeout: float) -> None:
        """Wait until a training step is in the metrics."""
        self.wait_until(lambda: finished_steps(self.folder / METRICS_FILE) >= step, timeout)


@pytest.fixture(scope="session")
def task(tmp_path_factory) -> Path:
    """Questions of levels 1 to 3, and a base model that solves some of levels 1 and 2."""
    folder = tmp_path_factory.mktemp("task")
    write_task(folder, seed=0, train_size=96, val_per_level=8, train_levels=(1, 2, 3), val_levels=(1, 3))
    settings = BaseModelSettings(steps=120, eval_per_level=8, hidden_size=64, num_layers=2, num_heads=2)
    train_base_model(folder / "base_model", settings, progress=False)
    return folder


@pytest.fixture(scope="session")
def on_task(task) -> list[str]:
    """Overrides that train on the task in small batches."""
    return [
        f"data.train_files={task / 'train.parquet'}",
        f"data.val_files={task / 'val.parquet'}",
        f"actor_rollout_ref.model.path={task / 'base_model'}",
        "data.train_batch_size=8",
        "actor_rollout_ref.actor.ppo_mini_batch_size=4",
    ]


@pytest.fixture(scope="session")
def launch(on_task) -> Iterator[Callable[..., Launch]]:
    """launch(folder, *overrides, **environment) -> Launch; what still runs at the end is killed.

    An interpreter with the libraries imported runs it, or with ``own_interpreter`` a new one. Only then are all its
    processes the command's relatives, and does a signal to its group reach them.
    """
    started: list[Launch] = []

    def begin(folder: Path, *overrides: str, own_interpreter: bool = False, **environment: str) -> Launch:
        folder.mkdir(parents=True, exist_ok=True)
        arguments = [
            sys.executable if own_interpreter else preloaded(),
            "-m", "recipe.hpt.main_hpt", "--config-name", "quickstart", *on_task,
            f"trainer.default_local_dir={folder}",
            f"hydra.run.dir={folder / 'hydra'}",
            # Large steps from the first one on: an update that is lost shows at once.
            "actor_rollout_ref.actor.optim.lr=2e-3",
            "actor_rollout_ref.actor.optim.lr_warmup_steps=0",
            *overrides,
        ]  # fmt: skip
        command = start(arguments, folder / LOG_FILE, **environment)
        started.append(Launch(command.process, command.log_file, command.mark, folder))
        return started[-1]

    yield begin
    for run in started:
        run.kill()


@pytest.fixture(scope="module")
def queue():
    """The module of a real TransferQueue, in a Ray of the test's own."""
    import ray
    import transfer_queue as tq
    from omegaconf import OmegaConf

    ray.init("local", num_cpus=8, include_dashboard=False, log_to_driver=False)
    tq.init(OmegaConf.create({"backend": {"SimpleStorage": {"num_data_storage_units": 1, "total_storage_size": 4096}}}))
    yield tq
    tq.close()
    ray.shutdown()
