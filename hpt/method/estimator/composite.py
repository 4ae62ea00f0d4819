# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Composite methods: which entry reinforces rollouts, which one demonstrations, and how they add up.

A method of the paper is a composite and a gate: HPT, LUFFY and SRFT are settings of one loss.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import torch

from hpt.common.errors import ConfigError
from hpt.common.settings import one_of
from hpt.method.config import HPTConfig
from hpt.method.estimator.algorithms import ALGORITHMS, Algorithm, find
from hpt.method.estimator.credit import Length, centred, signs
from hpt.method.estimator.rows import REWEIGHTINGS
from hpt.method.normalization import Normalization, PromptNormalization
from hpt.method.routing import Term


@dataclass(frozen=True)
class Composite:
    """What the loss needs to know of a method; the same for all rows.

    Attributes:
        rollouts: entry of ``ALGORITHMS`` for the RL term of rollouts.
        demonstrations: entry for the RL term of demonstrations.
        rollout_params: settings of the first, e.g. ``clip_ratio``.
        demonstration_params: settings of the second, e.g. ``shaping``.
        reweighting: name in ``REWEIGHTINGS`` of the change of the rows' weights by entropy; None: none.
        normalization: what the terms are means over.
    """

    rollouts: str = "dr_grpo"
    demonstrations: str = "luffy_offline"
    rollout_params: dict[str, Any] = field(default_factory=lambda: {"clip_ratio": None})
    demonstration_params: dict[str, Any] = field(default_factory=dict)
    reweighting: str | None = None
    normalization: type[Normalization] = PromptNormalization


def composite_of(settings: HPTConfig) -> Composite:
    """Build the composite that the settings describe.

    Raises:
        ConfigError: an unknown entry or reweighting (the message lists them), or an entry that cannot be trained with.
    """
    reweighting = settings.method.reweighting
    if reweighting is not None:
        one_of(f"reweighting of hpt.strategy={settings.strategy}:", reweighting, REWEIGHTINGS)
    _check_demonstration_entry(settings.demonstration_entry)
    if settings.normalization == "released":
        for setting in ("rollout_algorithm", "demonstration_algorithm"):
            _check_released_entry(setting, getattr(settings, setting))
    chosen = {"clip_ratio": settings.clip_ratio, "shaping": settings.shaping}

    def params(name: str) -> dict[str, Any]:
        own = _trainable(name).settings
        return {key: value for key, value in chosen.items() if key in own}

    return Composite(
        rollouts=settings.rollout_entry,
        demonstrations=settings.demonstration_entry,
        rollout_params=params(settings.rollout_entry),
        demonstration_params=params(settings.demonstration_entry),
        reweighting=reweighting,
        normalization=settings.normalization_class,
    )


def terms_of(settings: HPTConfig) -> tuple[Term, Term]:
    """Return how routing credits rollouts and how it credits demonstrations."""
    return _term(settings.rollout_entry, settings), _term(settings.demonstration_entry, settings)


def _term(name: str, settings: HPTConfig) -> Term:
    entry = _trainable(name)
    if length := settings.length or settings.method.length:
        entry = replace(entry, length=Length(length))
    credit = entry.credit
    if not settings.normalization_class.standardizes and credit is not signs:
        credit = centred
    assert credit is not None

    def of_group(scores: list[float]) -> list[float]:
        return credit(torch.tensor(scores, dtype=torch.float64)).tolist()

    return Term(of_group, str(entry.length))


def _check_demonstration_entry(name: str) -> None:
    if find(name).reads_old_policy:
        fitting = sorted(key for key, entry in ALGORITHMS.items() if entry.credit and not entry.reads_old_policy)
        raise ConfigError(
            f"got hpt.demonstration_algorithm={name}, which weighs tokens by pi_old; a demonstration was not sampled "
            f"and has none: expected one of {', '.join(fitting)}"
        )


def _check_released_entry(setting: str, name: str | None) -> None:
    """The released arithmetic has one advantage, R - mean R, and one length, which an entry of the user's may not."""
    if name is None or (_trainable(name).credit in (centred, signs) and find(name).length == Length.CONSTANT):
        return
    raise ConfigError(
        f"got hpt.{setting}={name} and hpt.normalization=released; the released code divides advantages by no "
        "deviation and sums by L_max alone, which would make another algorithm of it: set hpt.normalization=prompt, or "
        f"leave hpt.{setting} null"
    )


def _trainable(name: str) -> Algorithm:
    entry = find(name)
    if entry.credit is None:
        raise ConfigError(
            f"got the algorithm '{name}', whose advantage is {entry.advantage.text}; rollouts and "
            "demonstrations are reinforced by an entry whose advantage follows from a group's scores"
        )
    return entry
