# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
import os

import pytest
from omegaconf import DictConfig, OmegaConf

from hpt.verl_ext.runner import ray_init_arguments
from recipe.hpt.configs import compose

DETERMINISM = {"VERL_FULL_DETERMINISM": "1", "VLLM_BATCH_INVARIANT": "1", "PYTHONHASHSEED": "7"}


@pytest.fixture(autouse=True)
def own_environment():
    before = dict(os.environ)
    for name in (*DETERMINISM, "VERL_RL_INSIGHT_ENABLE"):
        os.environ.pop(name, None)
    yield
    os.environ.clear()
    os.environ.update(before)


def variables(*overrides: str) -> dict[str, str]:
    config = compose(list(overrides))
    assert isinstance(config, DictConfig)
    OmegaConf.resolve(config)
    return ray_init_arguments(config)["runtime_env"]["env_vars"]


def test_full_determinism_reaches_every_process():
    assert not DETERMINISM.items() & variables().items()
    found = variables("actor_rollout_ref.rollout.full_determinism=true", "actor_rollout_ref.rollout.seed=7")
    assert {name: found[name] for name in DETERMINISM} == DETERMINISM


def test_a_logger_that_reads_the_environment_gets_its_variable():
    assert variables().get("VERL_RL_INSIGHT_ENABLE") != "1"
    assert variables("trainer.logger=[console,rl_insight]")["VERL_RL_INSIGHT_ENABLE"] == "1"
