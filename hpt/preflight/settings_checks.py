# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Checks of the configuration: those of :mod:`hpt.verl_ext.validation`, one line each, and the arithmetic of a batch."""

import contextlib
import io
from collections.abc import Callable

from omegaconf import DictConfig, OmegaConf

from hpt.method.config import HPTConfig
from hpt.preflight.context import Context
from hpt.preflight.memory import longest_row, micro_batch_tokens
from hpt.preflight.table import Check, failed, passed, warned
from hpt.verl_ext import validation as preflight
from hpt.verl_ext.cpu import platform as cpu_platform

Checker = Callable[[Context], list[Check]]


def section(context: Context) -> list[Check]:
    config = context.config
    if context.on_cpu:
        cpu_platform.select()
    settings = HPTConfig.from_mapping(config.hpt)
    preflight.check_strategy(config, settings)
    preflight.check_reward(config, settings)
    lines = [passed("section hpt", f"{settings.strategy}: {settings.method.summary}")]
    if settings.normalization == "released":
        lines.append(warned("section hpt", "hpt.normalization=released: the loss depends on the packing"))
    return lines


def validated(name: str, check: Callable[[DictConfig], None], what: str) -> Checker:
    """A check that raises, as one with a line."""

    def run(context: Context) -> list[Check]:
        check(context.config)
        return [passed(name, what)]

    return run


def verl(context: Context) -> list[Check]:
    with contextlib.redirect_stdout(io.StringIO()):  # it prints that all is well
        preflight.check_with_verl(context.config)
    return [passed("verl", "accepts the configuration")]


def batch(context: Context) -> list[Check]:
    """Questions, rows per rank, micro-batches and optimizer steps."""
    config = context.config
    preflight.check_batch(config)
    actor, rollout = config.actor_rollout_ref.actor, config.actor_rollout_ref.rollout
    method = HPTConfig.from_mapping(config.hpt).method
    questions, step, ranks = (
        config.data.train_batch_size,
        actor.ppo_mini_batch_size,
        preflight.ranks(config),
    )
    per_question = 1 if not method.generates else rollout.n + method.in_group
    rows = -(-step * per_question // ranks)
    sampled = questions * rollout.n if method.generates else 0
    longest, limit = longest_row(config), micro_batch_tokens(config)
    fitting = max(1, limit // longest)
    steps = questions // step * actor.ppo_epochs
    found = (
        f"{questions} questions, {sampled} rollouts per batch; {steps} optimizer steps of {step} questions; per rank at most "
        f"{rows} rows a step in {-(-rows // fitting)} micro-batches, if all have {longest} tokens"
    )
    return [passed("batch", found)]


def epochs(context: Context) -> list[Check]:
    """Steps per epoch, and how many epochs the run takes."""
    config = context.config
    limit = OmegaConf.select(config, "data.train_max_samples") or -1
    questions = min(context.questions, limit) if limit > 0 else context.questions
    size, trainer = config.data.train_batch_size, config.trainer
    per_epoch = questions // size
    if per_epoch == 0:
        return [
            failed(
                "epochs",
                f"{questions} questions for batches of {size}: no epoch has a batch",
                "lower data.train_batch_size, or give more questions",
            )
        ]
    total = trainer.total_training_steps or per_epoch * trainer.total_epochs
    found = (
        f"{questions} questions (before overlong ones leave): {per_epoch} steps per epoch; {total} steps are "
        f"{total / per_epoch:.2f} epochs"
    )
    possible = per_epoch * trainer.total_epochs
    if possible < total:
        advice = f"raise trainer.total_epochs to {-(-total // per_epoch)}"
        return [warned("epochs", f"{found}, but trainer.total_epochs ends at step {possible}", advice)]
    return [passed("epochs", found)]
