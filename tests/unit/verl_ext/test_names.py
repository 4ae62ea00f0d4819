# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Unknown and former names of settings and modules; test_validation.py has all that follows."""

import pytest
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict

from hpt.common.errors import ConfigError
from hpt.method.config import HPTConfig
from hpt.verl_ext import names
from recipe.hpt.configs import compose

pytestmark = pytest.mark.slow

ACTOR = "actor_rollout_ref.actor"


@pytest.fixture(scope="module")
def quickstart() -> DictConfig:
    return compose([])


@pytest.fixture
def config(quickstart) -> DictConfig:
    return quickstart.copy()


def change(config: DictConfig, key: str, value) -> DictConfig:
    with open_dict(config):
        OmegaConf.update(config, key, value, force_add=True)
    return config


def refused(check, config: DictConfig) -> str:
    with pytest.raises(ConfigError) as error:
        check(config)
    return str(error.value)


@pytest.mark.parametrize(
    ("key", "old", "new"),
    [
        ("data.custom_cls.path", "pkg://hpt.data.dataset", "pkg://hpt.verl_ext.dataset"),
        ("actor_rollout_ref.model.external_lib", "hpt.verl_ext.cpu_worker_lib", "hpt.verl_ext.cpu.worker_lib"),
        (
            "actor_rollout_ref.rollout.engine_kwargs.vllm.worker_extension_cls",
            "hpt.verl_ext.cpu_rollout.CPUColocateWorkerExtension",
            "hpt.verl_ext.cpu.rollout.CPUColocateWorkerExtension",
        ),
    ],
)
def test_a_module_that_has_moved_is_refused_with_its_new_name(config, key, old, new):
    message = refused(names.check_modules, change(config, key, old))
    assert f"got {key}={old}" in message and f"set {key}={new}" in message
    names.check_modules(change(config, key, new))


def test_a_reward_manager_reads_keys_of_its_own():
    added = "+reward.reward_kwargs.max_resp_len=2048"
    assert "'reward.reward_kwargs'" in refused(names.check_settings, compose([added]))
    names.check_settings(compose([added, "reward.reward_manager.name=dapo"]))


def test_a_plus_does_not_smuggle_in_a_key_that_nobody_reads():
    config = compose(["+data.max_targt_length=5"])
    message = refused(names.check_settings, config)
    assert message.startswith(
        "Unknown setting 'data.max_targt_length'. Did you mean data.max_target_length? Available: "
    )
    assert "train_batch_size" in message


@pytest.mark.parametrize(
    ("key", "guess"),
    [
        ("trainer.total_training_step", "trainer.total_training_steps"),
        ("algorithm.adv_estimater", "algorithm.adv_estimator"),
        ("data.promt_template", "data.prompt_template"),
        ("trainr", "trainer"),
        ("actor_rollout_ref.rollout.top_kk", "actor_rollout_ref.rollout.top_k"),
        ("actor_rollout_ref.model.pth", "actor_rollout_ref.model.path"),
        ("actor_rollout_ref.actr", "actor_rollout_ref.actor"),
        ("reward.num_worker", "reward.num_workers"),
    ],
)
def test_misspelt_keys_are_named_with_their_section(config, key, guess):
    message = refused(names.check_settings, change(config, key, 1))
    assert f"Unknown setting '{key}'. Did you mean {guess}?" in message


@pytest.mark.parametrize(
    ("override", "key", "guess"),
    [
        ("data.max_targt_length=5", "data.max_targt_length", "data.max_target_length"),
        ("hpt.gama=0.5", "hpt.gama", "hpt.gamma"),
        (
            f"{ACTOR}.ppo_minibatch_size=8",
            f"{ACTOR}.ppo_minibatch_size",
            f"{ACTOR}.ppo_mini_batch_size",
        ),
        ("actor_rolout_ref.rollout.n=8", "actor_rolout_ref", "actor_rollout_ref"),
        ("actor_rollout_ref.rolout.n=8", "actor_rollout_ref.rolout", "actor_rollout_ref.rollout"),
        ("hppt.gamma=0", "hppt", "hpt"),
    ],
)
def test_hydras_own_refusal_of_an_unknown_key_is_explained(override, key, guess):
    with pytest.raises(HydraException) as error:
        compose([override])
    message = names.explain(str(error.value))
    assert message.startswith(f"Unknown setting '{key}'. Did you mean {guess}")
    assert "+" not in message  # Hydra's advice: to append it


def test_a_former_name_on_the_command_line_says_the_new_one():
    with pytest.raises(HydraException) as error:
        compose(["hpt.offline_algorithm=luffy"])
    message = names.explain(str(error.value))
    assert "hpt.offline_algorithm" in message and "hpt.demonstration_algorithm" in message


def test_a_message_on_something_else_stays_as_it_is():
    assert names.explain("Could not load 'x'") == "Could not load 'x'"


@pytest.mark.parametrize("name", ["hpt_trainer", "quickstart"])
def test_shipped_keys_and_our_own_are_known(name):
    names.check_settings(compose([], name))
    names.check_modules(compose([], name))


def test_the_settings_that_make_a_training_are_those_that_differ_from_verls():
    config = compose([f"{ACTOR}.optim.lr=3e-5", "trainer.total_training_steps=7"])
    changed = names.changed_settings(config)
    assert changed.hpt == config.hpt
    assert changed.trainer.total_training_steps == 7 and changed.actor_rollout_ref.actor.optim.lr == 3e-5
    assert "warmup_style" not in changed.actor_rollout_ref.actor.optim and "global_profiler" not in changed
    # With verl's own values for all others, it is the whole configuration again.
    whole = OmegaConf.to_container(OmegaConf.merge(names.verl_reference(), changed), resolve=True)
    composed = OmegaConf.to_container(config, resolve=True, throw_on_missing=False)
    assert {key: whole[key] for key in ("trainer", "algorithm", "hpt")} == {
        key: composed[key] for key in ("trainer", "algorithm", "hpt")
    }


@pytest.mark.parametrize("section", names.MAPPINGS)
def test_a_parameter_without_a_plus_says_where_it_goes(section):
    key = f"{section}.mu_peak"
    message = names.explain(f"Could not override '{key}'.\nTo append to your config use +{key}=0.5")
    assert message == f"got {key} without a +, which Hydra wants in front of a key that it adds: write +{key}=..."
    assert section.removeprefix("hpt.") in HPTConfig.known()
