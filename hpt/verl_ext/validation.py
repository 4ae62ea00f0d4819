# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Refuse a configuration that cannot work, and complete one that can, before Ray.

:data:`CHECKS` is the only list of what a configuration must satisfy. A run goes through it in :func:`prepare`, and
``--check`` (:mod:`hpt.preflight`) shows a line for each. What depends on the machine, on the model's files or on the
run's folder is checked in :mod:`hpt.preflight`.
"""

import logging
import os
from collections.abc import Callable, Iterable
from typing import Any

from hydra.errors import InstantiationException
from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict

from hpt.common.errors import ConfigError, DataError
from hpt.common.prompts import as_chat_template
from hpt.common.settings import one_of
from hpt.data import gold_answers
from hpt.data.checks import check_files
from hpt.method.config import TRAINER_MODES, HPTConfig
from hpt.method.estimator.composite import composite_of
from hpt.method.strategies import check_feedback
from hpt.models.checkpoints import local_checkpoint
from hpt.verl_ext import names, ray_cluster
from hpt.verl_ext.cpu import platform as cpu_platform
from hpt.verl_ext.data_settings import check_choice_of_rows, demonstration_settings
from hpt.verl_ext.sampling import OUR_REWARD, check_rollouts, is_ours, uses_verifier

logger = logging.getLogger(__name__)

DEFAULT_REWARD_WORKERS = 8
"""verl's own number of reward workers."""
VERIFIER_WORKERS = min(8, os.cpu_count() or 1)
"""Processes that check answers in the trainer's process, where ``verifier_workers`` does not say."""


def select_platform(config: DictConfig) -> None:
    """Set the environment that verl reads and that Ray inherits; comes before every check."""
    if config.trainer.device == "cpu":
        cpu_platform.select()


def prepare(config: DictConfig) -> None:
    """Validate ``config`` with all of :data:`CHECKS`, complete it in place, and set the environment for Ray.

    Writes nothing to disk.

    Raises:
        ConfigError: a setting that cannot work.
        hpt.common.errors.DataError: files with bad rows.
    """
    select_platform(config)
    for check in CHECKS.values():
        check(config)


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
        composite_of(settings)
        check_feedback(settings.feedback, _positive(config, "actor_rollout_ref.rollout.n"))
    except ValueError as error:  # a plug-in's own
        raise ConfigError(str(error)) from error
    if method.in_group:
        if rollouts.n < 2:
            raise ConfigError(
                f"got actor_rollout_ref.rollout.n={rollouts.n}; hpt.strategy={name} compares a demonstration with "
                "n - 1 rollouts: expected n >= 2"
            )
        rollouts.n -= 1
    if not method.generates and settings.sft_coef == 0.0:
        raise ConfigError(f"got hpt.sft_coef={settings.sft_coef}; hpt.strategy={name} has no other term: expected > 0")
    if not method.generates and (actor.entropy_coeff or actor.use_kl_loss):
        raise ConfigError(
            f"got actor.entropy_coeff={actor.entropy_coeff} and actor.use_kl_loss={actor.use_kl_loss}; these terms act "
            f"on rollouts, and hpt.strategy={name} has none: set them to 0 and false"
        )
    if method.reweighting and actor.calculate_entropy is False:
        raise ConfigError(
            f"got actor_rollout_ref.actor.calculate_entropy=False; hpt.strategy={name} reweights rows by entropy: "
            "leave it null or set it to true"
        )
    if actor.calculate_entropy is None:
        actor.calculate_entropy = method.reweighting is not None
    if settings.normalization == "released":
        logger.warning(
            "hpt.normalization=released: the weight of SFT against RL depends on how rows are packed into "
            "micro-batches and ranks, as in the released code; hpt.normalization=prompt does not"
        )


def ranks(config: DictConfig) -> int:
    """Data-parallel ranks of the actor."""
    return config.trainer.n_gpus_per_node * config.trainer.nnodes


def _positive(config: DictConfig, key: str) -> int:
    value = OmegaConf.select(config, key)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ConfigError(f"got {key}={value!r}; expected a whole number >= 1")
    return value


def check_batch(config: DictConfig) -> None:
    """Check that questions, rollouts and rows divide into optimizer steps and ranks, and that the longest row fits."""
    batch = _positive(config, "data.train_batch_size")
    step = _positive(config, "actor_rollout_ref.actor.ppo_mini_batch_size")
    rollouts = _positive(config, "actor_rollout_ref.rollout.n")
    for key in ("trainer.n_gpus_per_node", "trainer.nnodes", "data.max_response_length"):
        _positive(config, key)
    if batch % step:
        raise ConfigError(
            f"got data.train_batch_size={batch} and actor_rollout_ref.actor.ppo_mini_batch_size={step}; expected "
            "whole optimizer steps per batch: choose a ppo_mini_batch_size that divides train_batch_size"
        )
    if (step * rollouts) % ranks(config):
        raise ConfigError(
            f"got {step} questions x {rollouts} rollouts per optimizer step on {ranks(config)} ranks; expected a "
            "number of rows that the ranks divide: change actor_rollout_ref.actor.ppo_mini_batch_size, "
            "actor_rollout_ref.rollout.n or trainer.n_gpus_per_node"
        )
    generates = OmegaConf.select(config, "data.gen_batch_size") is not None
    if generates and batch % (generated := _positive(config, "data.gen_batch_size")):
        raise ConfigError(
            f"got data.gen_batch_size={generated} and data.train_batch_size={batch}; expected a divisor of it"
        )
    limit, longest = config.actor_rollout_ref.actor.ppo_max_token_len_per_gpu, longest_row(config)
    if config.actor_rollout_ref.actor.use_dynamic_bsz and limit < longest:
        raise ConfigError(
            f"got actor_rollout_ref.actor.ppo_max_token_len_per_gpu={limit}; expected at least the longest row, "
            f"{longest} tokens (prompt and response or demonstration)"
        )


def check_demonstrations(config: DictConfig) -> None:
    """Check the settings on demonstrations; how long they are is known only once the dataset has tokenised them."""
    demonstration_settings(config.data)
    check_choice_of_rows(config.data, OmegaConf.select(config, "data.train_max_samples") or -1)


def longest_row(config: DictConfig) -> int:
    """Tokens of the longest row: a prompt with a response or a demonstration."""
    target = OmegaConf.select(config, "data.max_target_length") or 0
    return config.data.max_prompt_length + max(config.data.max_response_length, target)


def check_pairing(config: DictConfig) -> None:
    """Refuse settings that do not work together, or not at all with the hybrid trainer."""
    expected = {
        "actor_rollout_ref.actor.policy_loss.loss_mode": "hpt",
        "algorithm.adv_estimator": "hpt",
        "trainer.use_v1": True,
    }
    for key, value in expected.items():
        got = OmegaConf.select(config, key)
        if got != value:
            raise ConfigError(f"got {key}={got}; the hybrid trainer works with {key}={value} only")
    mode = config.trainer.v1.trainer_mode
    if mode not in TRAINER_MODES:
        raise ConfigError(f"got trainer.v1.trainer_mode={mode}; expected {' or '.join(TRAINER_MODES)}")
    if OmegaConf.select(config, "algorithm.use_kl_in_reward"):
        raise ConfigError(
            "got algorithm.use_kl_in_reward=True; advantages follow from the verifier's scores: set "
            "actor_rollout_ref.actor.use_kl_loss=true for a KL term"
        )
    if OmegaConf.select(config, "distillation.enabled"):
        raise ConfigError("got distillation.enabled=True; the hybrid loss has no distillation term: turn it off")
    if config.trainer.max_actor_ckpt_to_keep == 1:
        raise ConfigError(
            "got trainer.max_actor_ckpt_to_keep=1; verl removes the kept checkpoint before the new one is complete: "
            "set it to 2 or more, or null for all"
        )
    if OmegaConf.select(config, "actor_rollout_ref.actor.checkpoint.async_save"):
        raise ConfigError(
            "got actor_rollout_ref.actor.checkpoint.async_save=True; half a checkpoint would look like a whole one: "
            "set it to false"
        )
    if config.trainer.device != "cpu" and config.hpt.fork_workers:
        raise ConfigError(
            f"got hpt.fork_workers=True and trainer.device={config.trainer.device}; an accelerator's runtime does not "
            "survive a fork: set hpt.fork_workers=false"
        )
    ray_cluster.check_settings(config)


def check_reward(config: DictConfig, settings: HPTConfig) -> None:
    """Load the reward function as verl's reward workers will; if it is the verifier's, hand it the plugins."""
    from verl.trainer.ppo.reward import get_custom_reward_fn

    given = config.reward.custom_reward_function
    alone = is_ours(config) and uses_verifier(config)
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


def local_files(value: Any) -> list[str]:
    """The files that a setting names, be it one or several."""
    values: Iterable[str] = value if isinstance(value, list | ListConfig) else [value]
    return [os.path.expanduser(str(item)) for item in values]


def check_data(config: DictConfig) -> None:
    """Open every training and validation file, look at every row, and ask the verifier about every gold answer.

    Gold answers are checked only if the reward function is the verifier's; another one has its own kind of them.
    """
    columns = {"prompt_key": config.data.prompt_key, "target_key": config.data.target_key}
    files = {key: local_files(config.data[key]) for key in ("train_files", "val_files")}
    for key, paths in files.items():
        if not paths:
            raise ConfigError(f"got data.{key}=[]; expected at least one parquet file")
        if missing := [path for path in paths if not os.path.exists(path)]:
            raise ConfigError(
                f"got data.{key}={missing[0]}, which does not exist; expected a parquet file (for the built-in task: "
                "make quickstart, or python -m recipe.hpt.reproduction.task.base_model --out DIR)"
            )
    reports = check_files(files["train_files"], **columns)
    rows = sum(report.rows for report in reports)
    lacking = rows - sum(report.with_target for report in reports)
    settings = HPTConfig.from_mapping(config.hpt)
    if settings.method.needs_demonstrations and lacking:
        raise ConfigError(
            f"got {lacking} of {rows} questions without a demonstration (column '{config.data.target_key}') in "
            f"data.train_files; hpt.strategy={settings.strategy} needs one for every question: leave these questions "
            "out"
        )
    check_files(files["val_files"], **columns)
    policy = unverifiable_policy(config)
    if not _is_our_reward(config):
        return
    paths = list(dict.fromkeys([*files["train_files"], *files["val_files"]]))
    if problems := gold_answers.gold_answer_problems(paths, gold=policy == "fail"):
        raise DataError(problems, gold_answers.ADVICE)


def _is_our_reward(config: DictConfig) -> bool:
    return OmegaConf.select(config, "reward.custom_reward_function.path") == OUR_REWARD


def unverifiable_policy(config: DictConfig) -> str:
    """What happens to questions whose gold answer is not understood: fail, keep or drop."""
    policy = config.data.get("unverifiable") or "fail"
    one_of("data.unverifiable", policy, gold_answers.POLICIES)
    return policy


def describe_gold_answers(config: DictConfig) -> str:
    """How the gold answers of training and validation are compared, with their counts, for the start of a run."""
    if not _is_our_reward(config):
        return "gold answers: for the reward function alone"
    lines = []
    for name, key in (("training", "train_files"), ("validation", "val_files")):
        found = gold_answers.by_comparison(
            each
            for path in dict.fromkeys(local_files(config.data[key]))
            for each in gold_answers.iter_gold_answers(path)
        )
        lines.append(f"{name} {gold_answers.described(found)}")
    policy = {"drop": ", unverifiable ones dropped", "keep": ", unverifiable ones compared as they are written"}
    return f"gold answers: {'; '.join(lines)}{policy.get(unverifiable_policy(config), '')}"


def check_with_verl(config: DictConfig) -> None:
    """Run verl's own validation; its assertions become messages."""
    from verl.trainer.ppo.utils import need_critic, need_reference_policy
    from verl.utils.config import validate_config

    try:
        validate_config(
            config=config, use_reference_policy=need_reference_policy(config), use_critic=need_critic(config)
        )
    except (AssertionError, ValueError, InstantiationException) as error:
        raise ConfigError(f"verl does not accept this configuration: {error}") from error


CHECKS: dict[str, Callable[[DictConfig], None]] = {
    "modules": names.check_modules,
    "section hpt": check_section,
    "settings": names.check_settings,
    "trainer": check_pairing,
    "demonstrations": check_demonstrations,
    "batch": check_batch,
    "rollouts": check_rollouts,
    "prompt template": apply_prompt_template,
    "model": check_model,
    "data": check_data,
    "verl": check_with_verl,
}
"""What a configuration must satisfy, in this order: name of the line that ``--check`` shows -> check."""
