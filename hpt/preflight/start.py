# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""What a run itself refuses on top of :func:`hpt.verl_ext.validation.prepare`, before Ray."""

from typing import Any

from omegaconf import DictConfig

from hpt.common.errors import ConfigError
from hpt.preflight import machine_checks, memory
from hpt.preflight import model as models
from hpt.preflight.run_record import describe


def admit(config: DictConfig) -> dict[str, Any]:
    """Check tokenizer and memory; describe the run for :func:`hpt.preflight.run_lock.claimed`.

    A hub id that is not on this machine is left to verl, which downloads it.

    Args:
        config: as ``prepare`` leaves it.

    Raises:
        ConfigError: the tokenizer lacks what the template needs, or the memory is certainly too small.
    """
    folder = models.locate(config)
    if folder is not None:
        sizes = models.read_sizes(folder, bool(config.actor_rollout_ref.model.trust_remote_code))
        check_tokenizer(config, models.load_run_tokenizer(config, folder), sizes.vocabulary)
        check_memory(config, sizes)
    return describe(config, folder)


def check_tokenizer(config: DictConfig, tokenizer: Any, vocabulary: int) -> None:
    """Raise ConfigError on what the tokenizer lacks."""
    if problems := models.tokenizer_problems(config, tokenizer, vocabulary):
        path = config.actor_rollout_ref.model.path
        raise ConfigError(
            f"got actor_rollout_ref.model.path={path}, whose tokenizer cannot be trained with: {'; '.join(problems)}"
        )


def check_memory(config: DictConfig, sizes: models.ModelSizes) -> None:
    """Raise ConfigError if weights, gradients and Adam alone exceed the devices; only where they are this machine's."""
    if config.trainer.device != "cpu" and machine_checks.gpus_elsewhere(config):
        return
    device = machine_checks.device_of_rank(config)
    if device is None:
        return
    if problem := machine_checks.certain_problem(config, memory.estimate(sizes, config), device):
        raise ConfigError(f"too little memory: {problem}; expected {machine_checks.SMALLER}")
