# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""What each ``trainer.v1.trainer_mode`` asks of the other settings. Imports no verl."""

from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from hpt.common.errors import ConfigError
from hpt.method.config import TRAINER_MODES, HPTConfig
from hpt.verl_ext.sampling import MANAGER, is_ours

SYNC, COLOCATE_ASYNC = TRAINER_MODES
PRESET = "+trainer_mode=colocate_async"
"""Hydra override with all that the mode ``hpt_colocate_async`` asks for."""
IN_FLIGHT = "transfer_queue"
"""Folder of a checkpoint in which verl keeps the questions in flight, in asynchronous modes alone."""
_INSTEAD = {
    "sync": f"set it to {SYNC}, its hybrid counterpart",
    "colocate_async": f"set it to {COLOCATE_ASYNC}, its hybrid counterpart ({PRESET})",
    "separate_async": f"it has no hybrid counterpart: {PRESET} samples ahead on the trainer's own devices",
}


def check_trainer_mode(config: DictConfig) -> None:
    """Check the mode, and what it asks of the other settings.

    Raises:
        ConfigError: names the setting, and what to set.
    """
    mode = config.trainer.v1.trainer_mode
    if mode not in TRAINER_MODES:
        advice = f"; {_INSTEAD[mode]}" if mode in _INSTEAD else ""
        raise ConfigError(f"got trainer.v1.trainer_mode={mode}; expected {' or '.join(TRAINER_MODES)}{advice}")
    if mode == COLOCATE_ASYNC:
        _check_colocate_async(config)


def _check_colocate_async(config: DictConfig) -> None:
    mode = f"trainer.v1.trainer_mode={COLOCATE_ASYNC}"
    settings = HPTConfig.from_mapping(config.hpt)
    if not settings.method.generates:
        raise ConfigError(
            f"got {mode} and hpt.strategy={settings.strategy}, which samples no rollouts to be ahead with: set "
            f"trainer.v1.trainer_mode={SYNC}"
        )
    if is_ours(config):
        raise ConfigError(
            f"got {mode} and actor_rollout_ref.rollout.agent.agent_loop_manager_class={MANAGER}, which returns when a "
            f"batch is finished and cannot sample ahead: set it to null, for verl's own manager ({PRESET} does)"
        )
    expected = {
        "actor_rollout_ref.rollout.calculate_log_probs": (
            (True,), "the correction of stale rollouts needs the probabilities with which they were sampled"
        ),
        "algorithm.rollout_correction.rollout_is": (
            ("token", "sequence"), "rollouts were sampled by other weights than those that train on them"
        ),
        "algorithm.rollout_correction.bypass_mode": (
            (False, None), "it takes the sampling weights for pi_old, and leaves the correction out"
        ),
        "trainer.v1.sampler.max_off_policy_strategy": (("drop", "wait"), "verl knows no other"),
    }  # fmt: skip
    for key, (values, why) in expected.items():
        if (got := OmegaConf.select(config, key)) not in values:
            raise ConfigError(f"got {key}={got} and {mode}; expected {' or '.join(map(str, values))}: {why} ({PRESET})")
    ahead = OmegaConf.select(config, "trainer.v1.colocate_async.num_warmup_batches")
    if isinstance(ahead, bool) or not isinstance(ahead, int | float) or ahead < 0:
        raise ConfigError(
            f"got trainer.v1.colocate_async.num_warmup_batches={ahead}; expected a number >= 0 of batches to be ahead"
        )
    spans = OmegaConf.select(config, "trainer.v1.sampler.max_off_policy_threshold")
    if spans is not None and (isinstance(spans, bool) or not isinstance(spans, int) or spans < 1):
        raise ConfigError(
            f"got trainer.v1.sampler.max_off_policy_threshold={spans}; expected a whole number >= 1 of steps from a "
            "question's draw to its training, or null for no limit"
        )


def mode_of(checkpoint: Path) -> str:
    """The mode that has written a checkpoint.

    No other mode can continue it: questions in flight would be lost, and the position in the data counts questions in
    one mode and batches in the other.
    """
    return COLOCATE_ASYNC if (checkpoint / IN_FLIGHT).is_dir() else SYNC
