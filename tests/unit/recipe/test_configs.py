# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Configurations are composed, and one that does not exist is refused with the names that do."""

import pytest
from hydra.errors import HydraException, MissingConfigException

from recipe.hpt.configs import FOLDER, choices, compose, explain_group, explain_missing, training_names


def test_the_configuration_is_composed_and_hydras_own_settings_are_left_out():
    config = compose(["trainer.total_training_steps=7", "hydra.run.dir=somewhere"])
    assert config.trainer.total_training_steps == 7


def test_the_names_for_a_training_are_those_of_primary_configurations():
    names = training_names()
    assert {"hpt_trainer", "quickstart"} <= set(names)
    assert not {"hybrid", "eval", "eval_cpu"} & set(names)


def test_a_configuration_that_does_not_exist_is_one_line_with_the_names_that_do():
    with pytest.raises(MissingConfigException) as raised:
        compose([], name="quickstrat")
    message = explain_missing(raised.value, ["hpt_trainer", "quickstart"])
    assert message == "got --config-name quickstrat, which does not exist; expected one of: hpt_trainer, quickstart"


def test_a_choice_that_does_not_exist_is_one_line_with_those_of_its_group():
    with pytest.raises(MissingConfigException) as raised:
        compose(["actor@actor_rollout_ref.actor=dp_actr"])
    message = explain_missing(raised.value, [])
    assert "dp_actr" in message and "dp_actor" in message and len(message.splitlines()) == 1


def test_the_choices_of_a_group_are_its_files():
    assert {"qwen2.5_math_7b/hpt", "llama3.1_8b/sft_then_grpo/grpo"} <= set(choices("experiment"))
    assert len(choices("experiment")) == len([*(FOLDER / "experiment").rglob("*.yaml")])
    assert choices("no_such_group") == []


@pytest.mark.parametrize("name", ["qwen2.5_math_7b/htp", "qwen2.5_math_7b", "htp"])
def test_an_experiment_that_does_not_exist_is_one_line_with_those_that_do(name):
    with pytest.raises(MissingConfigException) as raised:
        compose([f"+experiment={name}"])
    message = explain_missing(raised.value, [])
    assert message.startswith(f"got experiment={name}, which does not exist; expected one of: llama3.1_8b/grpo, ")
    assert "qwen2.5_math_7b/hpt" in message and len(message.splitlines()) == 1


def test_an_experiment_without_a_plus_is_one_line_with_what_to_write():
    with pytest.raises(HydraException) as raised:
        compose(["experiment=qwen2.5_math_7b/hpt"])
    message = explain_group(str(raised.value))
    assert message.startswith("got experiment=...; expected +experiment=NAME, where NAME is one of: llama3.1_8b/grpo, ")
    assert explain_group("Could not override 'hpt.gama'.") is None
