# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Composite methods: which entry reinforces rollouts, which one demonstrations, and how they add up.

A method of the paper is a composite and a gate: HPT, LUFFY and SRFT are settings of one loss.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import torch

from hpt.common.errors import ConfigError
from hpt.method.config import HPTConfig
from hpt.method.estimator.algorithms import Algorithm, find
from hpt.method.estimator.credit import Length, centred, signs
from hpt.method.routing import Term

# SRFT (arXiv 2506.19767): w_sft = 0.5 exp(-H) on demonstrations, w_on = 0.1 exp(H) on correct rollouts.
SFT_ENTROPY_SCALE, ON_ENTROPY_SCALE = 0.5, 0.1


@dataclass(frozen=True)
class Composite:
    """What the loss needs to know of a method; the same for all rows.

    Attributes:
        rollouts: entry of ``ALGORITHMS`` for the RL term of rollouts.
        demonstrations: entry for the RL term of demonstrations.
        rollout_params: settings of the first, e.g. ``clip_ratio``.
        demonstration_params: settings of the second, e.g. ``shaping``.
        entropy_weights: SRFT's weights by a row's mean entropy H.
        per_micro_batch: the released code's denominators: SFT is a mean over the micro-batch's
            demonstration tokens, the entropy term a mean over all its response tokens.
    """

    rollouts: str = "dr_grpo"
    demonstrations: str = "luffy_offline"
    rollout_params: dict[str, Any] = field(default_factory=lambda: {"clip_ratio": None})
    demonstration_params: dict[str, Any] = field(default_factory=dict)
    entropy_weights: bool = False
    per_micro_batch: bool = False


def composite_of(settings: HPTConfig) -> Composite:
    """The settings' composite.

    Raises:
        ConfigError: an unknown entry (the message lists them), or one that cannot be trained with.
    """
    chosen = {"clip_ratio": settings.clip_ratio, "shaping": settings.shaping}

    def params(name: str) -> dict[str, Any]:
        own = _trainable(name).settings
        return {key: value for key, value in chosen.items() if key in own}

    return Composite(
        rollouts=settings.rollout_entry,
        demonstrations=settings.offline_entry,
        rollout_params=params(settings.rollout_entry),
        demonstration_params=params(settings.offline_entry),
        entropy_weights=settings.method.entropy_weights,
        per_micro_batch=settings.normalization == "released",
    )


def terms_of(settings: HPTConfig) -> tuple[Term, Term]:
    """How routing credits rollouts and demonstrations."""
    return _term(settings.rollout_entry, settings), _term(settings.offline_entry, settings)


def _term(name: str, settings: HPTConfig) -> Term:
    entry = _trainable(name)
    if settings.method.length is not None:
        entry = replace(entry, length=Length(settings.method.length))
    if settings.normalization == "released" and entry.credit is not signs:
        entry = replace(entry, credit=centred)  # no entry divides by the deviation there
    credit = entry.credit
    assert credit is not None

    def of_group(scores: list[float]) -> list[float]:
        return credit(torch.tensor(scores, dtype=torch.float64)).tolist()

    return Term(of_group, str(entry.length))


def _trainable(name: str) -> Algorithm:
    try:
        entry = find(name)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    if entry.credit is None:
        raise ConfigError(
            f"got the algorithm '{name}', whose advantage is {entry.advantage.text}; rollouts and "
            "demonstrations are reinforced by an entry whose advantage follows from a group's scores"
        )
    return entry
