# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of sampling: what is refused before Ray, who scores, and the first error in a log."""

import pytest

from hpt.common.errors import ConfigError
from hpt.verl_ext.logs import first_error
from hpt.verl_ext.sampling import check_rollouts, response_limit, sampling_params
from tests.helpers.settings import prepare

MANAGER = "actor_rollout_ref__rollout__agent__agent_loop_manager_class"


def refused(config) -> str:
    with pytest.raises(ConfigError) as error:
        check_rollouts(config)
    return str(error.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"actor_rollout_ref__rollout__name": "sglang"}, "got actor_rollout_ref.rollout.name=sglang"),
        ({"actor_rollout_ref__rollout__full_determinism": True}, "rollout.full_determinism=True"),
        ({"actor_rollout_ref__rollout__over_sample_rate": 0.1}, "rollout.over_sample_rate=0.1"),
        ({"actor_rollout_ref__rollout__disaggregation__enabled": True}, "rollout.disaggregation.enabled=True"),
        ({"actor_rollout_ref__rollout__enable_rollout_routing_replay": True}, "enable_rollout_routing_replay=True"),
        ({"actor_rollout_ref__rollout__trace__backend": "weave"}, "rollout.trace.backend=weave"),
    ],
)
def test_what_the_manager_does_not_honour_is_refused_by_name(configure, changes, message):
    found = refused(configure(**changes))
    assert message in found and "agent_loop_manager_class=null to use verl's own manager" in found
    check_rollouts(configure(**changes, **{MANAGER: None}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hpt__sampling__max_tokens": 10_000}, "got hpt.sampling.max_tokens=10000; expected at most"),
        ({"hpt__sampling__max_tokens": 8, "hpt__sampling__min_tokens": 9}, "got hpt.sampling.min_tokens=9"),
        ({"actor_rollout_ref__rollout__max_model_len": 16}, "got actor_rollout_ref.rollout.max_model_len=16"),
        ({"actor_rollout_ref__rollout__max_model_len": 40, "hpt__sampling__min_tokens": 9}, "expected at least 41"),
    ],
)
def test_limits_that_cannot_hold_are_refused(configure, changes, message):
    assert message in refused(configure(**changes))


def test_stop_conditions_need_the_manager_that_reads_them(configure):
    message = refused(configure(**{"hpt__sampling__stop": ["###"], MANAGER: None}))
    assert "got hpt.sampling={'stop': ('###',)}" in message


def test_stop_conditions_reach_the_server(configure):
    config = configure(hpt__sampling__stop=["###"], hpt__sampling__stop_token_ids=[3], hpt__sampling__max_tokens=8)
    found = sampling_params(config, validate=False)
    assert (found["stop"], found["stop_token_ids"], response_limit(config)) == (["###"], [3], 8)


def test_a_text_stands_for_a_list_of_one_and_null_for_none(configure):
    found = sampling_params(configure(hpt__sampling__stop="###", hpt__sampling__stop_token_ids=None), validate=False)
    assert (found["stop"], found["stop_token_ids"]) == (["###"], [])


def test_greedy_sampling(configure):
    config = configure(actor_rollout_ref__rollout__do_sample=False)
    assert sampling_params(config, validate=False)["temperature"] == 0.0


def test_the_verifier_needs_no_reward_worker(configure, tmp_path):
    config = configure()
    prepare(config)
    assert config.reward.num_workers == 0
    assert config.reward.custom_reward_function.reward_kwargs.verifier_workers >= 1
    (tmp_path / "mine.py").write_text("def compute_score(**_):\n    return 0.0\n")
    mine = {"reward__custom_reward_function__path": str(tmp_path / "mine.py")}
    config = configure(**mine)
    prepare(config)
    assert config.reward.num_workers == 8
    # A function of one's own gets no argument that it does not know.
    assert not config.reward.custom_reward_function.get("reward_kwargs")
    config = configure(**mine, reward__num_workers=3)
    prepare(config)
    assert config.reward.num_workers == 3
    with pytest.raises(ConfigError, match=r"got reward\.num_workers=0; expected at least 1"):
        prepare(configure(**mine, reward__num_workers=0))


LOG = """
INFO started
(EngineCore pid=1) ERROR Traceback (most recent call last):
(EngineCore pid=1) ERROR   File "x.py", line 1, in f
(EngineCore pid=1) ERROR NotImplementedError: Unsupported CPU attention configuration: head_dim=24
vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue. See stack trace (above) for the root cause.
"""


def test_the_first_error_of_a_log_is_the_cause_and_no_echo():
    assert first_error(LOG) == "NotImplementedError: Unsupported CPU attention configuration: head_dim=24"
    assert first_error(LOG.splitlines()[-1]) is None
    assert first_error("all is well") is None
