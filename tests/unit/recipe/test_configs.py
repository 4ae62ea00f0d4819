# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Configurations are composed, and one that does not exist is refused with the names that do."""

import pytest
from hydra.errors import MissingConfigException

from recipe.hpt.configs import compose, explain_missing, training_names


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
