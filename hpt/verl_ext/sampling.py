# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""How a sample is drawn: verl's settings and those of ``hpt.sampling`` as fields of vLLM's SamplingParams."""

from typing import Any, NamedTuple

from omegaconf import DictConfig, OmegaConf

from hpt.common.errors import ConfigError, RunError
from hpt.method.config import HPTConfig, Sampling

MANAGER = "hpt.verl_ext.rollouts.RolloutManager"
"""Value of ``rollout.agent.agent_loop_manager_class`` for rollouts of our own."""
SINGLE_TURN = "single_turn_agent"
"""verl's name of the agent loop that asks once."""

OUR_REWARD = "pkg://hpt.verifier.reward"

# What the manager's server has no part in. verl's own manager has.
_UNSUPPORTED = {
    "actor_rollout_ref.rollout.full_determinism": "every sample has a seed of its own",
    "actor_rollout_ref.rollout.disaggregation.enabled": "its servers generate whole batches",
    "actor_rollout_ref.rollout.enable_rollout_routing_replay": "it does not record which experts a token took",
    "actor_rollout_ref.rollout.over_sample_rate": "all samples of a batch are finished",
    "actor_rollout_ref.rollout.multi_turn.enable": "it asks once",
    "actor_rollout_ref.rollout.trace.backend": "it has no traces",
    "actor_rollout_ref.rollout.router_config_path": "it shares questions out by itself",
    "actor_rollout_ref.model.mtp.enable_rollout": "it keeps no statistics of speculative tokens",
}


class RolloutError(RunError):
    """Rollouts cannot go on."""


class SampleRequest(NamedTuple):
    """One sample: token ids to continue, the most tokens it may get, and its own seed."""

    prompt: list[int]
    max_tokens: int
    seed: int


class Sample(NamedTuple):
    """One generated continuation: token ids, log-probabilities (None unless asked for), and whether it was cut off."""

    tokens: list[int]
    log_probs: list[float] | None
    truncated: bool


def is_ours(config: DictConfig) -> bool:
    """Whether the run's rollouts come from :class:`hpt.verl_ext.rollouts.RolloutManager`."""
    return OmegaConf.select(config, "actor_rollout_ref.rollout.agent.agent_loop_manager_class") == MANAGER


def has_our_server(rollout: DictConfig) -> bool:
    """Whether this section ``rollout`` gets :class:`hpt.verl_ext.rollout_server.BatchServer` as its servers."""
    return rollout.name == "vllm" and not OmegaConf.select(rollout, "disaggregation.enabled")


def settings_of(config: DictConfig) -> Sampling:
    """The section ``hpt.sampling``, with texts and null as the lists that they stand for."""
    return HPTConfig.from_mapping(config.hpt).sampling


def uses_verifier(config: DictConfig) -> bool:
    """Whether the scores are the verifier's own, unchanged by a reward manager or a reward model."""
    reward = config.reward
    return (
        (reward.custom_reward_function.path, reward.custom_reward_function.name) == (OUR_REWARD, "compute_score")
        and (reward.reward_manager.source, reward.reward_manager.name) == ("register", "naive")
        and not reward.reward_model.enable
    )


def sampling_params(config: DictConfig, validate: bool) -> dict[str, Any]:
    """Fields that all samples of a batch share; ``max_tokens`` and ``seed`` come with each sample.

    Args:
        config: the run's.
        validate: whether the samples are validation's, under ``rollout.val_kwargs``.
    """
    rollout = config.actor_rollout_ref.rollout
    section = rollout.val_kwargs if validate else rollout
    params: dict[str, Any] = {name: section[name] for name in ("temperature", "top_p", "top_k")}
    if not section.do_sample:
        params = {"temperature": 0.0, "top_p": 1.0, "top_k": -1}
    params["repetition_penalty"] = rollout.get("repetition_penalty", 1.0)
    params["ignore_eos"] = rollout.get("ignore_eos", False)
    params["logprobs"] = 0 if rollout.calculate_log_probs else None
    further = settings_of(config)
    return {
        **params,
        "min_tokens": further.min_tokens,
        "stop": list(further.stop),
        "stop_token_ids": list(further.stop_token_ids),
    }


def response_limit(config: DictConfig) -> int:
    """The most tokens that a response may have, a prefix included."""
    return settings_of(config).max_tokens or int(config.data.max_response_length)


def room_for(prompt: int, limit: int, context: int | None) -> int:
    """The most tokens that a response to a prompt of this length may have, a prefix included.

    Args:
        prompt: its tokens.
        limit: :func:`response_limit`.
        context: ``rollout.max_model_len``; None: the model's, which is not known here.
    """
    return limit if context is None else min(limit, context - prompt)


def check_rollouts(config: DictConfig) -> None:
    """Refuse what the manager would not honour; where another one is set, only a missing context length is completed.

    ``rollout.max_model_len=null`` becomes the longest prompt with the longest response. verl would take all positions
    of the model, and vLLM would need memory for a sequence of that length.

    Raises:
        ConfigError: names the setting.
    """
    rollout = config.actor_rollout_ref.rollout
    if rollout.max_model_len is None:
        rollout.max_model_len = config.data.max_prompt_length + config.data.max_response_length
    if not is_ours(config):
        given = settings_of(config)
        if given != Sampling():
            raise ConfigError(
                f"got hpt.sampling={given.model_dump(exclude_defaults=True)} and actor_rollout_ref.rollout.agent."
                f"agent_loop_manager_class={rollout.agent.agent_loop_manager_class}; only {MANAGER} reads it"
            )
        return
    advice = "set actor_rollout_ref.rollout.agent.agent_loop_manager_class=null to use verl's own manager"
    if rollout.name != "vllm":
        raise ConfigError(f"got actor_rollout_ref.rollout.name={rollout.name}; {MANAGER} works with vllm: {advice}")
    for key, why in _UNSUPPORTED.items():
        if value := OmegaConf.select(config, key):
            raise ConfigError(f"got {key}={value}; {MANAGER} does not honour it ({why}): {advice}")
    limit, prompt, fewest = response_limit(config), config.data.max_prompt_length, settings_of(config).min_tokens
    if limit > config.data.max_response_length:
        raise ConfigError(
            f"got hpt.sampling.max_tokens={limit}; expected at most data.max_response_length="
            f"{config.data.max_response_length}"
        )
    if fewest > limit:
        raise ConfigError(f"got hpt.sampling.min_tokens={fewest}; expected at most {limit}, the longest response")
    if room_for(prompt, limit, rollout.max_model_len) < max(1, fewest):
        raise ConfigError(
            f"got actor_rollout_ref.rollout.max_model_len={rollout.max_model_len}; expected at least "
            f"{prompt + max(1, fewest)}: data.max_prompt_length={prompt} and room for a response"
        )
