# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""What each trainer mode asks of the other settings."""

import pytest

from hpt.common.errors import ConfigError
from hpt.verl_ext.trainer_modes import PRESET, check_trainer_mode, mode_of
from tests.helpers.settings import prepare
from tests.unit.verl_ext.test_validation import change, compose, files, own_environment, with_files  # noqa: F401

MODE = "trainer.v1.trainer_mode=hpt_colocate_async"
CORRECTION = "algorithm.rollout_correction"


@pytest.fixture(scope="module")
def preset():
    return compose("quickstart", PRESET)


@pytest.fixture
def ahead(preset):
    return preset.copy()


def refused(config) -> str:
    with pytest.raises(ConfigError) as error:
        check_trainer_mode(config)
    return str(error.value)


@pytest.mark.parametrize("name", ["quickstart", "hpt_trainer"])
def test_the_preset_has_all_that_the_mode_asks_for(name, files, tmp_path):  # noqa: F811
    config = with_files(compose(name, PRESET), files, tmp_path / "run")
    prepare(config)
    assert config.trainer.v1.trainer_mode == "hpt_colocate_async" and config.reward.num_workers > 0


@pytest.mark.parametrize(
    ("mode", "instead"),
    [
        ("sync", "set it to hpt_sync"),
        ("colocate_async", "set it to hpt_colocate_async"),
        ("separate_async", f"it has no hybrid counterpart: {PRESET}"),
        (None, None),
    ],
)
def test_verls_own_modes_are_refused_with_what_to_set_instead(ahead, mode, instead):
    message = refused(change(ahead, trainer__v1__trainer_mode=mode))
    assert message.startswith(f"got trainer.v1.trainer_mode={mode}; expected hpt_sync or hpt_colocate_async")
    assert message.endswith("async") if instead is None else instead in message


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("actor_rollout_ref.rollout.agent.agent_loop_manager_class", "hpt.verl_ext.rollouts.RolloutManager"),
        ("actor_rollout_ref.rollout.calculate_log_probs", False),
        (f"{CORRECTION}.rollout_is", None),
        (f"{CORRECTION}.rollout_is", "sentence"),
        (f"{CORRECTION}.bypass_mode", True),
        ("trainer.v1.sampler.max_off_policy_strategy", "keep"),
        ("trainer.v1.sampler.max_off_policy_threshold", 0),
        ("trainer.v1.sampler.max_off_policy_threshold", 1.5),
        ("trainer.v1.colocate_async.num_warmup_batches", -1),
        ("trainer.v1.colocate_async.num_warmup_batches", None),
        ("hpt.strategy", "sft_only"),
    ],
)
def test_what_the_mode_cannot_work_with_is_refused_there_alone(ahead, key, value):
    config = change(ahead, **{key.replace(".", "__"): value})
    message = refused(config)
    assert f"{key}={value}" in message and (MODE in message or "expected" in message)
    config.trainer.v1.trainer_mode = "hpt_sync"
    check_trainer_mode(config)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (f"{CORRECTION}.rollout_is", "sequence"),
        ("trainer.v1.sampler.max_off_policy_threshold", None),
        ("trainer.v1.sampler.max_off_policy_strategy", "wait"),
        ("trainer.v1.colocate_async.num_warmup_batches", 0),
        ("trainer.v1.colocate_async.num_warmup_batches", 0.5),
        ("hpt.strategy", "luffy"),
    ],
)
def test_what_the_mode_leaves_open_is_accepted(ahead, key, value):
    check_trainer_mode(change(ahead, **{key.replace(".", "__"): value}))


def test_a_checkpoint_tells_the_mode_that_has_written_it(tmp_path):
    assert mode_of(tmp_path) == "hpt_sync"
    (tmp_path / "transfer_queue").mkdir()
    assert mode_of(tmp_path) == "hpt_colocate_async"
