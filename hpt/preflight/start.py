# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""What a run does after :func:`hpt.verl_ext.validation.prepare` and before Ray: check the model, claim its folder."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from omegaconf import DictConfig

from hpt.common.errors import ConfigError
from hpt.preflight import machine_checks, memory
from hpt.preflight import model as models
from hpt.preflight.run_folder import claimed, direct_logs
from hpt.preflight.run_record import describe, finished
from hpt.verl_ext.cpu.platform import supported_head_sizes


@contextlib.contextmanager
def admitted(config: DictConfig) -> Iterator[str | None]:
    """Check model and memory, lock the run's folder, write its record, and direct the logs there.

    Yields:
        None, or why there is nothing to do: the run is finished.

    Args:
        config: as ``prepare`` leaves it.

    Raises:
        ConfigError: the tokenizer lacks something, the memory is certainly too small, or the folder belongs to another
            run or process. Nothing in the folder was changed.
    """
    folder = check_model(config)
    with claimed(config, describe(config, folder)) as found:
        nothing_to_do = finished(config, found.checkpoint)
        if nothing_to_do is None:
            direct_logs(config)
        yield nothing_to_do


def check_model(config: DictConfig) -> Path | None:
    """Check tokenizer and memory; returns the model's folder.

    A hub id that is not on this machine is left to verl, which downloads it: then there is nothing to check, and the
    folder is None.

    Raises:
        ConfigError: the tokenizer lacks what the template needs, or the memory is certainly too small.
    """
    folder = models.locate(config)
    if folder is not None:
        settings = config.actor_rollout_ref.model
        sizes = models.read_sizes(folder, bool(settings.trust_remote_code))
        tokenizer = models.load_run_tokenizer(config, folder)
        if problems := models.tokenizer_problems(config, tokenizer, sizes.vocabulary):
            raise ConfigError(
                f"got actor_rollout_ref.model.path={settings.path}, whose tokenizer cannot be trained with: "
                f"{'; '.join(problems)}"
            )
        check_memory(config, sizes)
        if problem := engine_problem(config, sizes):
            raise ConfigError(f"got actor_rollout_ref.model.path={settings.path}, {problem}")
    return folder


def engine_problem(config: DictConfig, sizes: models.ModelSizes) -> str | None:
    """What keeps vLLM from computing the model on a CPU; None: nothing that is known."""
    if config.trainer.device != "cpu" or sizes.head in (supported := supported_head_sizes()):
        return None
    return (
        f"whose attention heads have {sizes.head} dimensions; vLLM computes {', '.join(map(str, supported))} on a CPU: "
        "train it on a GPU, or take a model with such heads"
    )


def check_memory(config: DictConfig, sizes: models.ModelSizes) -> None:
    """Raise ConfigError if weights, gradients and Adam alone exceed the devices; only where they are this machine's."""
    if config.trainer.device != "cpu" and machine_checks.gpus_elsewhere(config):
        return
    room = machine_checks.room_of_rank(config)
    if room is None:
        return
    if problem := machine_checks.memory_problem(config, memory.needed(sizes, config), room):
        raise ConfigError(f"too little memory: {problem}; expected {machine_checks.SMALLER}")
