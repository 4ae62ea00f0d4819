# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
import math
import subprocess
import sys

import pytest

from hpt.common.errors import ConfigError
from hpt.method import config as module
from hpt.method import gate
from hpt.method.config import HPTConfig

# CHORD-mu at the first of its 200 steps from 0.9 to 0.05.
MU_1 = 0.05 + 0.85 * (1 + math.cos(math.pi / 200)) / 2


def test_the_defaults_are_the_papers_settings():
    assert HPTConfig().model_dump() == {
        "strategy": "switch",
        "gamma": 0.0,
        "gamma_off": None,
        "sft_coef": 1.0,
        "off_coef": 1.0,
        "schedule": "type_0",
        "rollout_algorithm": None,
        "demonstration_algorithm": None,
        "sft_algorithm": None,
        "rollout_params": {},
        "demonstration_params": {},
        "sft_params": {},
        "params": {},
        "teacher_prompt": module.TEACHER_PROMPT,
        "clip_ratio": None,
        "shaping": 0.1,
        "plugins": (),
        "length": None,
        "demonstration_score": "one",
        "normalization": "prompt",
        "skip_grad_norm": None,
        "old_log_probs": "when_off_policy",
        "sampling": {"max_tokens": None, "min_tokens": 0, "stop": (), "stop_token_ids": ()},
        "stall_timeout": 1800.0,
        "poll_interval": 0.1,
        "fork_workers": False,
    }


def test_a_mapping_overrides_the_defaults_and_nothing_else():
    settings = HPTConfig.from_mapping({"gamma": 0.25, "sft_coef": 2})
    assert settings == HPTConfig(gamma=0.25, sft_coef=2)
    assert HPTConfig.from_mapping({}) == HPTConfig()


def test_settings_are_frozen():
    with pytest.raises(ValueError, match="frozen"):
        HPTConfig().gamma = 0.5


def test_the_feedback_is_the_switch_at_gamma():
    feedback = HPTConfig(gamma=0.5).feedback
    assert [feedback(mean) for mean in (0.5, 0.75)] == [gate.SFT, gate.RL]


@pytest.mark.parametrize(
    ("name", "value", "options"),
    [
        ("strategy", "swich", sorted(module.STRATEGIES)),
        ("strategy", None, sorted(module.STRATEGIES)),
        ("normalization", "token", sorted(module.NORMALIZATIONS)),
        ("old_log_probs", True, ["always", "when_off_policy"]),
    ],
)
def test_an_unknown_choice_lists_the_options(name, value, options):
    with pytest.raises(ConfigError) as error:
        HPTConfig(**{name: value})
    assert str(error.value) == f"Unknown hpt.{name} '{value}'. Available: {', '.join(options)}."


def test_every_choice_on_offer_is_accepted():
    for name, options in (
        ("strategy", module.STRATEGIES),
        ("normalization", module.NORMALIZATIONS),
        ("old_log_probs", ["always", "when_off_policy"]),
    ):
        for option in options:
            assert getattr(HPTConfig(**{name: option}), name) == option


@pytest.mark.parametrize(
    ("name", "accepted", "refused"),
    [
        ("gamma", (0, 0.0, 0.5, 1, 1.0), (-0.1, 1.1, float("nan"), "0.5", None, True, [0.5])),
        ("sft_coef", (0, 1, 7.5), (-1e-9, float("inf"), float("nan"), "1", None, False)),
        ("off_coef", (0, 0.5), (-1, float("inf"), None)),
        ("gamma_off", (None, 0, 0.5, 1.0), (-0.1, 1.1, "x", True)),
        ("shaping", (0.1, 3), (0, -1, None, float("nan"))),
        ("skip_grad_norm", (None, 80, 0.5), (0, -1, "80", True, float("inf"))),
        ("clip_ratio", (None, 0, 0.2, (0.1, 0.3)), (-0.1, "0.2", (0.1,), (0.1, -1), True)),
        ("poll_interval", (1e-3, 2), (0, 0.0, -1, float("inf"), float("nan"), None, True)),
    ],
)
def test_numbers_are_checked_for_type_and_range(name, accepted, refused):
    for value in accepted:
        assert getattr(HPTConfig(**{name: value}), name) == value
    for value in refused:
        with pytest.raises(ConfigError) as error:
            HPTConfig(**{name: value})
        assert str(error.value).startswith(f"got hpt.{name}={value!r}; expected ")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gamma", "a number in [0, 1]. hpt.gamma: Mean rollout accuracy"),
        ("sft_coef", "a number >= 0"),
        ("poll_interval", "a number > 0. hpt.poll_interval: Seconds"),
    ],
)
def test_the_message_names_range_and_unit(name, expected):
    with pytest.raises(ConfigError) as error:
        HPTConfig(**{name: -1})
    assert expected in str(error.value)


def test_a_misspelt_key_is_named_with_the_nearest_known_one():
    with pytest.raises(ConfigError) as error:
        HPTConfig.from_mapping({"gama": 0.5})
    assert str(error.value) == (
        "Unknown setting 'hpt.gama'. Did you mean hpt.gamma? Available: "
        "clip_ratio, demonstration_algorithm, demonstration_params, demonstration_score, fork_workers, gamma, "
        "gamma_off, length, normalization, off_coef, old_log_probs, params, plugins, poll_interval, "
        "rollout_algorithm, rollout_params, sampling, schedule, sft_algorithm, sft_coef, sft_params, shaping, "
        "skip_grad_norm, stall_timeout, strategy, teacher_prompt."
    )


def test_a_config_error_is_a_value_error():
    assert issubclass(ConfigError, ValueError)


def test_gate_routing_metrics_and_config_import_no_torch_ray_or_verl():
    code = (
        "import sys, hpt.method.config, hpt.method.gate, hpt.method.routing, hpt.method.metrics\n"
        "print(sorted({'torch', 'ray', 'verl', 'transfer_queue'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (result.stdout, result.stderr) == ("[]\n", "")


def test_a_former_name_says_the_new_one():
    with pytest.raises(ConfigError, match=r"hpt.offline_algorithm, which is now hpt.demonstration_algorithm"):
        HPTConfig.from_mapping({"offline_algorithm": None})


@pytest.mark.parametrize("plugins", ["no_such_module", ["no_such_module"]])
def test_a_plugin_that_cannot_be_imported_is_named(plugins):
    with pytest.raises(ConfigError, match=r"got hpt.plugins with 'no_such_module'"):
        HPTConfig.from_mapping({"plugins": plugins})


@pytest.mark.parametrize("name", [".relative", 1])
def test_a_plugin_that_is_no_absolute_name_is_refused(name):
    with pytest.raises(ConfigError, match=rf"got hpt.plugins with '{name}'.*no absolute name"):
        HPTConfig.from_mapping({"plugins": [name]})


def test_every_setting_says_what_it_means():
    assert all(len(each.meaning) > 10 for each in HPTConfig.reference())


# ---- strategies ----


def test_gamma_off_is_not_below_gamma():
    with pytest.raises(ConfigError, match=r"got hpt.gamma_off=0.25; expected null or .*\[0.5, 1\]"):
        HPTConfig(gamma=0.5, gamma_off=0.25)


@pytest.mark.parametrize(
    ("strategy", "coefficients"),
    [
        ("switch", [gate.SFT, gate.RL, gate.RL]),
        ("rl_only", [gate.RL] * 3),
        ("sft_only", [gate.SFT] * 3),
        ("luffy", [(1, 1, 0)] * 3),
        ("srft", [(1, 1, 1)] * 3),
        ("off_on", [gate.OFF_POLICY, gate.RL, gate.RL]),
        ("mix_on", [(0, 1, 1), gate.RL, gate.RL]),
        ("soft", [(0, 0, 1), (0.5, 0.5, 0.125), (1, 0, 0)]),
        ("superrl", [gate.SFT, gate.RL, gate.RL]),
        ("mix", [(0.9, 0, 0.1)] * 3),
        ("chord", [(1 - MU_1, 0, MU_1)] * 3),
        ("sasr", [gate.SFT] * 3),
        ("curriculum", [gate.SFT, gate.RL, gate.RL]),
        ("relift", [(1, 0, 1), gate.RL, gate.RL]),
        ("rl_plus", [(1, 1, 0)] * 3),
        ("self_distill", [gate.SFT, gate.RL, gate.RL]),
        ("uft", [(1, 0, 0.001)] * 3),
        ("trapo", [(1, 0, 1)] * 3),
        *((name, [gate.RL] * 3) for name in ("prefix_rft", "bread", "ghpo", "scaf_grpo")),
    ],
)
def test_each_strategys_coefficients_at_none_half_and_all_solved(strategy, coefficients):
    asked = gate.gate_of(HPTConfig(strategy=strategy).feedback)
    found = [asked(gate.Context(mean, question=str(mean))) for mean in (0.0, 0.5, 1.0)]
    assert found == [pytest.approx(each) for each in coefficients]


def test_there_is_a_case_above_for_every_strategy():
    marks = test_each_strategys_coefficients_at_none_half_and_all_solved.pytestmark
    assert {case[0] for mark in marks for case in mark.args[1]} == set(module.STRATEGIES)


def test_a_users_own_table_and_function():
    table = HPTConfig.from_mapping({"strategy": "soft", "schedule": [[0, 0, 0, 1], [1, 1, 0, 0]]})
    assert table.feedback(0.25) == pytest.approx((0.25, 0, 0.75))
    function = HPTConfig(strategy="soft", schedule="tests.helpers.schedules:halves")
    assert function.feedback(0.25) == (0.125, 0.0, 0.5)


@pytest.mark.parametrize(
    ("schedule", "part"),
    [
        ("type_3", "Unknown schedule 'type_3'. Available: type_0, type_1, type_2"),
        (7, "Unknown schedule '7'"),
        ("no_such_module:f", "cannot be imported"),
        (".no_such_module:f", "cannot be imported"),
        ([5], "expected rows"),
        ([[0, 1, None, 0], [1, 1, 1, 1]], "expected rows"),
        ("tests.helpers.schedules:missing", "cannot be imported"),
        ([[0, 0, 0, 1], [0.5, 1, 0, 0]], "without a gap"),
    ],
)
def test_a_bad_schedule_is_refused_at_construction(schedule, part):
    with pytest.raises(ConfigError, match=r"hpt\.schedule: ") as error:
        HPTConfig(strategy="soft", schedule=schedule)
    assert part in str(error.value)
    HPTConfig(strategy="switch", schedule=schedule)  # nobody reads it


def test_the_released_code_shapes_demonstrations_of_srft_as_luffys():
    assert HPTConfig(strategy="srft").demonstration_entry == "srft_offline"
    assert HPTConfig(strategy="srft", normalization="released").demonstration_entry == "luffy_offline"
    assert HPTConfig(rollout_algorithm="cispo").rollout_entry == "cispo"
