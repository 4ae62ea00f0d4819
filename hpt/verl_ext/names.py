# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Names in a configuration that are unknown, or that earlier versions used: of settings and of modules."""

import os
import re
from dataclasses import fields
from typing import cast

from omegaconf import DictConfig, OmegaConf

from hpt.common.errors import ConfigError
from hpt.common.settings import check_keys, unknown
from hpt.method.config import RENAMED, HPTConfig, renamed
from hpt.verl_ext.sampling import uses_verifier

# Settings of the section `data` that HPT adds; verl's own configuration has all the others.
DATA_KEYS = ("target_key", "max_target_length", "target_overlong", "unverifiable", "prompt_template")
# Modules that have moved: old name -> new name. Configurations of earlier versions name them in MODULE_KEYS.
MOVED = {
    "hpt.data.dataset": "hpt.verl_ext.dataset",
    "hpt.verl_ext.cpu_worker_lib": "hpt.verl_ext.cpu.worker_lib",
    "hpt.verl_ext.cpu_rollout": "hpt.verl_ext.cpu.rollout",
}
MODULE_KEYS = (
    "data.custom_cls.path",
    "actor_rollout_ref.model.external_lib",
    "actor_rollout_ref.rollout.engine_kwargs.vllm.worker_extension_cls",
)

MAPPINGS = ("hpt.params", "hpt.rollout_params", "hpt.demonstration_params", "hpt.sft_params")
"""Sections whose keys the strategy and the entries decide."""


def check_modules(config: DictConfig) -> None:
    """Refuse the names of modules that have moved."""
    for key in MODULE_KEYS:
        value = OmegaConf.select(config, key)
        for old, new in MOVED.items():
            if re.fullmatch(rf"(pkg://)?{re.escape(old)}(\..+)?", str(value)):
                raise ConfigError(f"got {key}={value}, which has moved: set {key}={value.replace(old, new)}")


def verl_reference() -> DictConfig:
    """verl's own trainer configuration, with every key it reads."""
    import verl.trainer.config

    folder = os.path.dirname(verl.trainer.config.__file__)
    return cast(DictConfig, OmegaConf.load(os.path.join(folder, "_generated_ppo_trainer.yaml")))


def explain(message: str) -> str:
    """Turn Hydra's message on an unknown key into one that names the nearest known keys, or the key's new name."""
    found = re.match(r"Could not override '([^']+)'", message)
    if not found:
        return message
    section, _, key = found[1].rpartition(".")
    if section == "hpt" and key in RENAMED:
        return renamed(key)
    if section in MAPPINGS:
        return f"got {found[1]} without a +, which Hydra wants in front of a key that it adds: write +{found[1]}=..."
    ours = {"": ["hpt"], "hpt": HPTConfig.known(), "data": list(DATA_KEYS)}
    reference = verl_reference()
    while section and not (section in ours or isinstance(OmegaConf.select(reference, section), DictConfig)):
        section, _, key = section.rpartition(".")  # the section itself is unknown
    known = OmegaConf.select(reference, section) if section else reference
    keys = [*(known if isinstance(known, DictConfig) else []), *ours.get(section, [])]
    return unknown(section, key, keys)


def check_settings(config: DictConfig) -> None:
    """Refuse settings that nobody reads, which a ``+`` before an override lets through Hydra."""
    from verl.workers.config import HFModelConfig, RolloutConfig

    known = verl_reference()
    check_keys("", config, [*known, "model_engine", "hpt"])
    check_keys("actor_rollout_ref", config.actor_rollout_ref, list(known.actor_rollout_ref))
    for name, keys in (("model", HFModelConfig), ("rollout", RolloutConfig)):  # the actor's are checked by verl itself
        check_keys(f"actor_rollout_ref.{name}", config.actor_rollout_ref[name], [field.name for field in fields(keys)])
    if uses_verifier(config):  # other managers of rewards read keys that verl's configuration does not list
        check_keys("reward", config.reward, list(known.reward))
    check_keys("data", config.data, [*known.data, *DATA_KEYS])
    check_keys("trainer", config.trainer, list(known.trainer))
    check_keys("algorithm", config.algorithm, list(known.algorithm))


def changed_settings(config: DictConfig) -> DictConfig:
    """The section ``hpt``, and the settings that differ from verl's own: what makes this training what it is."""
    return OmegaConf.create({"hpt": config.hpt, **_changes(config, verl_reference())})


def _changes(config: DictConfig, reference: DictConfig) -> dict:
    found = {}
    for key in config:
        value, default = OmegaConf.select(config, str(key)), OmegaConf.select(reference, str(key))
        if isinstance(value, DictConfig) and isinstance(default, DictConfig):
            value = _changes(value, default)
            if not value:
                continue
        elif value == default:
            continue
        found[key] = value
    return found
