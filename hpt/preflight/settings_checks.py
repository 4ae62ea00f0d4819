# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Lines for what :mod:`hpt.verl_ext.validation` checks, and the arithmetic of a batch and of the epochs."""

from collections.abc import Callable, Sequence

from omegaconf import OmegaConf

from hpt.method.config import HPTConfig
from hpt.preflight.table import Check, Context, failed, passed, warned
from hpt.verl_ext import batch_sizes, supported, validation
from hpt.verl_ext.data_settings import demonstration_settings
from hpt.verl_ext.sampling import is_ours, response_limit


def validated(name: str, describe: str | Callable[[Context], Sequence[Check]]) -> Callable[[Context], Sequence[Check]]:
    """Make a step of one of the validation's checks, which raises.

    Args:
        name: of the check.
        describe: what the line says if the check passes, or a function that makes the lines.
    """

    def run(context: Context) -> Sequence[Check]:
        validation.CHECKS[name](context.config)
        return [passed(name, describe)] if isinstance(describe, str) else describe(context)

    return run


def section(context: Context) -> list[Check]:
    settings = HPTConfig.from_mapping(context.config.hpt)
    return [passed("section hpt", f"{settings.strategy}: {settings.method.summary}")]


def trainer(context: Context) -> list[Check]:
    """That the settings fit together, and which of them have no effect or surprise."""
    notes = [warned("trainer", each) for each in supported.warnings(context.config)]
    return [passed("trainer", "settings fit together"), *notes]


def demonstrations(context: Context) -> list[Check]:
    """Where demonstrations are, and what becomes of one that is too long."""
    settings = demonstration_settings(context.config.data)
    found = f"column {settings.target_key}, at most {settings.max_target_length} tokens with EOS"
    return [passed("demonstrations", f"{found}; longer ones: {settings.target_overlong}")]


def batch(context: Context) -> list[Check]:
    """Count questions, rows per rank, micro-batches and optimizer steps."""
    config = context.config
    actor, rollout = config.actor_rollout_ref.actor, config.actor_rollout_ref.rollout
    method = HPTConfig.from_mapping(config.hpt).method
    questions, step = config.data.train_batch_size, actor.ppo_mini_batch_size
    per_question = 1 if not method.generates else rollout.n + method.in_group
    rows = -(-step * per_question // batch_sizes.data_ranks(config))
    longest = batch_sizes.longest_row(config)
    if actor.use_dynamic_bsz:
        fitting = max(1, actor.ppo_max_token_len_per_gpu // longest)
    else:
        fitting = actor.ppo_micro_batch_size_per_gpu or 1
    found = (
        f"{questions} questions, {questions * rollout.n if method.generates else 0} rollouts per batch; "
        f"{questions // step * actor.ppo_epochs} optimizer steps of {step} questions; per rank at most "
        f"{rows} rows a step in {-(-rows // fitting)} micro-batches, if all have {longest} tokens"
    )
    return [passed("batch", found)]


def rollouts(context: Context) -> list[Check]:
    """Who makes the rollouts, how they are drawn, and who scores them."""
    config = context.config
    rollout, ours = config.actor_rollout_ref.rollout, is_ours(config)
    manager = "whole batches, a seed per sample" if ours else "verl's manager, or one of your own"
    workers = config.reward.num_workers
    scores = f"{workers} reward workers" if workers else "the verifier in the trainer's process"
    found = f"{manager}; temperature {rollout.temperature}, at most {response_limit(config)} tokens; scored by {scores}"
    return [passed("rollouts", found)]


def adapters(context: Context) -> list[Check]:
    """What LoRA trains, and how it reaches vLLM."""
    model = context.config.actor_rollout_ref.model
    if not model.lora_rank:
        return [passed("adapters", "none: all parameters are trained")]
    sent = "vLLM gets the merged weights" if model.lora.merge else "vLLM gets the adapters"
    return [passed("adapters", f"LoRA of rank {model.lora_rank} on {model.target_modules}; {sent}")]


def epochs(context: Context) -> list[Check]:
    """Count the steps of an epoch, and the epochs that the run takes."""
    config, trainer = context.config, context.config.trainer
    limit = OmegaConf.select(config, "data.train_max_samples") or -1
    questions = min(context.questions, limit) if limit > 0 else context.questions
    size = config.data.train_batch_size
    per_epoch = questions // size
    if per_epoch == 0:
        found = f"{questions} questions for batches of {size}: no epoch has a batch"
        return [failed("epochs", found, "lower data.train_batch_size, or give more questions")]
    possible = per_epoch * trainer.total_epochs
    total = trainer.total_training_steps or possible
    found = f"{questions} questions: {per_epoch} steps per epoch; {total} steps are {total / per_epoch:.2f} epochs"
    if possible < total:
        advice = f"raise trainer.total_epochs to {-(-total // per_epoch)}"
        return [warned("epochs", f"{found}, but trainer.total_epochs ends at step {possible}", advice)]
    return [passed("epochs", found)]
