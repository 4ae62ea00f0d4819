# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""What happens between the composed configuration and Ray: every check that needs no cluster."""

import difflib
import logging
import os
import re
from collections.abc import Iterable
from typing import Any, cast

from hydra.errors import InstantiationException
from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict

from hpt.common.errors import ConfigError, DataError
from hpt.common.prompts import as_chat_template
from hpt.common.settings import check_keys
from hpt.common.training_log import METRICS_FILE
from hpt.data import gold_answers
from hpt.data.checks import check_files
from hpt.method.config import RENAMED, TRAINER_MODES, HPTConfig, renamed
from hpt.method.estimator.composite import composite_of
from hpt.method.strategies import check_feedback, import_plugins
from hpt.models.checkpoints import local_checkpoint
from hpt.verl_ext import ray_cluster
from hpt.verl_ext.cpu import platform as cpu_platform

logger = logging.getLogger(__name__)

OUR_REWARD = "pkg://hpt.verifier.reward"
# Settings of the section `data` that are ours; verl's struct knows all the others.
DATA_KEYS = ("target_key", "max_target_length", "target_overlong", "prompt_template")


def prepare(config: DictConfig) -> None:
    """Validate ``config``, complete it in place, and set the environment that Ray will inherit.

    Writes nothing to disk.

    Raises:
        ConfigError: a setting that cannot work.
        hpt.common.errors.DataError: files with bad rows.
    """
    if config.trainer.device == "cpu":
        cpu_platform.select()
    settings = HPTConfig.from_mapping(config.hpt)
    check_verl_keys(config)
    check_pairing(config)
    check_strategy(config, settings)
    check_batch(config)
    check_reward(config, settings)
    check_model(config)
    apply_prompt_template(config)
    check_data(config)
    check_with_verl(config)


def check_strategy(config: DictConfig, settings: HPTConfig) -> None:
    """What a strategy asks of the configuration; completes it in place.

    A strategy whose demonstration takes the place of a rollout samples n - 1 of them, and one that
    weighs rows by their entropy has the entropy computed.
    """
    name, method = settings.strategy, settings.method
    actor, rollouts = config.actor_rollout_ref.actor, config.actor_rollout_ref.rollout
    try:
        import_plugins(settings.plugins)
        composite_of(settings)
        check_feedback(settings.feedback, _positive(config, "actor_rollout_ref.rollout.n"))
    except ConfigError:
        raise
    except ValueError as error:
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
            f"got actor.entropy_coeff={actor.entropy_coeff} and actor.use_kl_loss={actor.use_kl_loss}; these terms act on "
            f"rollouts, and hpt.strategy={name} has none: set them to 0 and false"
        )
    if method.reweighting and actor.calculate_entropy is False:
        raise ConfigError(
            f"got actor_rollout_ref.actor.calculate_entropy=False; hpt.strategy={name} reweights rows by their entropy: "
            "leave it null or set it to true"
        )
    if actor.calculate_entropy is None:
        actor.calculate_entropy = method.reweighting is not None
    if settings.normalization == "released":
        logger.warning(
            "hpt.normalization=released: the weight of SFT against RL depends on how rows are packed into "
            "micro-batches and ranks, as in the released code; hpt.normalization=prompt does not"
        )


def _verl_reference() -> DictConfig:
    """verl's own trainer configuration, with every key it reads."""
    import verl.trainer.config

    folder = os.path.dirname(verl.trainer.config.__file__)
    return cast(DictConfig, OmegaConf.load(os.path.join(folder, "_generated_ppo_trainer.yaml")))


def explain(message: str) -> str:
    """Hydra's message on an unknown key, with the nearest known keys in place of its advice to add it."""
    found = re.match(r"Could not override '([^']+)'", message)
    if not found:
        return message
    section, _, key = found[1].rpartition(".")
    if section == "hpt" and key in RENAMED:
        return renamed(key)
    ours = {"hpt": HPTConfig.known(), "data": list(DATA_KEYS)}
    known = OmegaConf.select(_verl_reference(), section) if section else _verl_reference()
    keys = [*(known if isinstance(known, DictConfig) else []), *ours.get(section, [])]
    near = [".".join(filter(None, (section, name))) for name in difflib.get_close_matches(key, keys)]
    advice = f"Did you mean {' or '.join(near)}?" if near else f"Available: {', '.join(sorted(map(str, keys)))}."
    return f"Unknown setting '{found[1]}'. {advice}"


def check_verl_keys(config: DictConfig) -> None:
    """Refuse settings that nobody reads, which a ``+`` before an override lets through Hydra."""
    known = _verl_reference()
    check_keys("", config, [*known, "model_engine", "hpt"])
    check_keys("data", config.data, [*known.data, *DATA_KEYS])
    check_keys("trainer", config.trainer, list(known.trainer))
    check_keys("algorithm", config.algorithm, list(known.algorithm))


def ranks(config: DictConfig) -> int:
    """Data-parallel ranks of the actor."""
    return config.trainer.n_gpus_per_node * config.trainer.nnodes


def _positive(config: DictConfig, key: str) -> int:
    value = OmegaConf.select(config, key)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ConfigError(f"got {key}={value!r}; expected a whole number >= 1")
    return value


def check_batch(config: DictConfig) -> None:
    """The arithmetic of questions, optimizer steps, rollouts and ranks."""
    batch = _positive(config, "data.train_batch_size")
    step = _positive(config, "actor_rollout_ref.actor.ppo_mini_batch_size")
    rollouts = _positive(config, "actor_rollout_ref.rollout.n")
    _positive(config, "trainer.n_gpus_per_node")
    _positive(config, "trainer.nnodes")
    _positive(config, "data.max_response_length")
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
    if OmegaConf.select(config, "data.gen_batch_size") is None:
        generated = batch
    else:
        generated = _positive(config, "data.gen_batch_size")
    if batch % generated:
        raise ConfigError(
            f"got data.gen_batch_size={generated} and data.train_batch_size={batch}; expected a divisor of it"
        )
    actor = config.actor_rollout_ref.actor
    longest = config.data.max_prompt_length + max(
        config.data.max_response_length, OmegaConf.select(config, "data.max_target_length") or 0
    )
    if actor.use_dynamic_bsz and actor.ppo_max_token_len_per_gpu < longest:
        raise ConfigError(
            f"got actor_rollout_ref.actor.ppo_max_token_len_per_gpu={actor.ppo_max_token_len_per_gpu}; expected at "
            f"least the longest row, {longest} tokens (prompt and response or gold solution)"
        )


def check_pairing(config: DictConfig) -> None:
    """Settings that only work together, or not at all with the hybrid trainer."""
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
    if config.hpt.old_log_probs != "always" and OmegaConf.select(config, "algorithm.rollout_correction") is not None:
        raise ConfigError(
            f"got hpt.old_log_probs={config.hpt.old_log_probs} and a section algorithm.rollout_correction, which compares "
            "with log pi_old: set hpt.old_log_probs=always or algorithm.rollout_correction=null"
        )
    if config.trainer.device != "cpu" and config.hpt.fork_workers:
        raise ConfigError(
            f"got hpt.fork_workers=True and trainer.device={config.trainer.device}; an accelerator's runtime does not "
            "survive a fork: set hpt.fork_workers=false"
        )
    ray_cluster.check_settings(config)


def check_reward(config: DictConfig, settings: HPTConfig) -> None:
    """Load the reward function as verl's reward workers will; give the verifier's the plugins. Completes in place."""
    from verl.trainer.ppo.reward import get_custom_reward_fn

    given = config.reward.custom_reward_function
    if given.path == OUR_REWARD:
        with open_dict(config):
            key = "reward.custom_reward_function.reward_kwargs.verifier_plugins"
            OmegaConf.update(config, key, list(settings.plugins), force_add=True)
    try:
        get_custom_reward_fn(config)
    except (OSError, ImportError, AttributeError, RuntimeError) as error:
        raise ConfigError(
            f"got reward.custom_reward_function.path={given.path} and name={given.name}, which cannot be loaded "
            f"({error.__cause__ or error}); expected a Python file, or pkg://package.module, with a function of that name"
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
            f"got data.prompt_template={template!r}; expected a text with {{prompt}} exactly once, in place of the question"
        )
    with open_dict(config):
        config.actor_rollout_ref.model.custom_chat_template = as_chat_template(template)


def local_files(value: Any) -> list[str]:
    """The files that a setting of one or several names."""
    values: Iterable[str] = value if isinstance(value, list | ListConfig) else [value]
    return [os.path.expanduser(str(item)) for item in values]


def check_data(config: DictConfig) -> None:
    """Open every training and validation file, look at every row, and ask the verifier about every gold answer.

    The latter only if the reward function is the verifier's: another one knows what its gold answers are.
    """
    target_key = config.data.target_key
    prompt_key = config.data.prompt_key
    for key in ("train_files", "val_files"):
        files = local_files(config.data[key])
        if not files:
            raise ConfigError(f"got data.{key}=[]; expected at least one parquet file")
        missing = [file for file in files if not os.path.exists(file)]
        if missing:
            raise ConfigError(
                f"got data.{key}={missing[0]}, which does not exist; expected a parquet file "
                "(for the built-in task: make quickstart, or python -m recipe.hpt.reproduction.task.base_model --out DIR)"
            )
    reports = check_files(local_files(config.data.train_files), prompt_key=prompt_key, target_key=target_key)
    rows = sum(report.rows for report in reports)
    lacking = rows - sum(report.with_target for report in reports)
    settings = HPTConfig.from_mapping(config.hpt)
    if settings.method.needs_demonstrations and lacking:
        raise ConfigError(
            f"got {lacking} of {rows} questions without a gold solution (column '{target_key}') in data.train_files; "
            f"hpt.strategy={settings.strategy} needs one for every question: leave these questions out"
        )
    check_files(local_files(config.data.val_files), prompt_key=prompt_key, target_key=target_key)
    if OmegaConf.select(config, "reward.custom_reward_function.path") != OUR_REWARD:
        return
    every = dict.fromkeys([*local_files(config.data.train_files), *local_files(config.data.val_files)])
    if problems := gold_answers.gold_answer_problems(list(every)):
        raise DataError(problems, gold_answers.ADVICE)


def check_with_verl(config: DictConfig) -> None:
    """verl's own validation, its assertions turned into messages."""
    from verl.trainer.ppo.utils import need_critic, need_reference_policy
    from verl.utils.config import validate_config

    try:
        validate_config(
            config=config,
            use_reference_policy=need_reference_policy(config),
            use_critic=need_critic(config),
        )
    except (AssertionError, ValueError, InstantiationException) as error:
        raise ConfigError(f"verl does not accept this configuration: {error}") from error


def direct_logs(config: DictConfig) -> None:
    """Let verl's file loggers write into the run's folder, and keep what an earlier launch wrote.

    verl opens its metrics file anew on each launch; a resumed run's earlier metrics move aside to
    ``metrics.1.jsonl``, ``metrics.2.jsonl``, ...
    """
    folder = os.path.abspath(os.path.expanduser(config.trainer.default_local_dir))
    os.makedirs(folder, exist_ok=True)
    metrics = os.environ.setdefault("VERL_FILE_LOGGER_PATH", os.path.join(folder, METRICS_FILE))
    os.environ.setdefault("TENSORBOARD_DIR", os.path.join(folder, "tensorboard"))
    if os.path.exists(metrics) and os.path.getsize(metrics):
        stem = metrics.removesuffix(".jsonl")
        pattern = re.compile(re.escape(os.path.basename(stem)) + r"\.(\d+)\.jsonl")
        kept = [int(found[1]) for name in os.listdir(os.path.dirname(stem)) if (found := pattern.fullmatch(name))]
        os.replace(metrics, f"{stem}.{1 + max(kept, default=0)}.jsonl")
