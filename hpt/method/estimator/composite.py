# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Composite methods: which entry reinforces rollouts, which one demonstrations, and how they add up.

A method of the paper is a composite and a gate: HPT, LUFFY and SRFT are settings of one loss.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from hpt.common.errors import ConfigError
from hpt.common.settings import check_keys, one_of
from hpt.method.config import HPTConfig
from hpt.method.estimator.algorithms import ALGORITHMS, Algorithm, find
from hpt.method.estimator.credit import Length, centred, signs
from hpt.method.estimator.rows import REWEIGHTINGS
from hpt.method.estimator.surrogate import token_surrogate
from hpt.method.estimator.tokens import INPUTS
from hpt.method.normalization import Normalization, PromptNormalization
from hpt.method.plan import Imitated, RowKind, Term

TEACHER = "teacher_log_prob"
# What rows of a kind have beside log pi_old and advantages.
REINFORCED: Mapping[str, tuple[str, ...]] = {
    "rollout_algorithm": ("entropy", TEACHER, "mean_score"),
    "demonstration_algorithm": ("entropy", "initial_log_prob", "mean_score"),
}


@dataclass(frozen=True)
class Composite:
    """What the loss needs to know of a method; the same for all rows.

    Attributes:
        rollouts: entry of ``ALGORITHMS`` for the RL term of rollouts.
        demonstrations: entry for the RL term of demonstrations.
        rollout_params: settings of the first, e.g. ``clip_ratio``.
        demonstration_params: settings of the second, e.g. ``shaping``.
        sft: entry for the SFT term of demonstrations; one that reads a teacher acts on rollouts in their place.
        sft_params: its settings.
        prefixes: what the first tokens of a rollout are, where they are the demonstration's; one of
            ``hpt.method.strategies.PREFIXES``.
        reweighting: name in ``REWEIGHTINGS`` of the change of the rows' weights by entropy; None: none.
        normalization: what the terms are means over.
    """

    rollouts: str = "dr_grpo"
    demonstrations: str = "luffy_offline"
    rollout_params: dict[str, Any] = field(default_factory=lambda: {"clip_ratio": None})
    demonstration_params: dict[str, Any] = field(default_factory=dict)
    sft: str = "sft"
    sft_params: dict[str, Any] = field(default_factory=dict)
    prefixes: str = "alike"
    reweighting: str | None = None
    normalization: type[Normalization] = PromptNormalization

    @property
    def imitated(self) -> Imitated:
        """What the SFT term acts on; an entry that reads a teacher has rollouts scored."""
        if TEACHER in find(self.sft).inputs:
            return Imitated.ROLLOUTS
        return Imitated.PREFIXES if self.prefixes == "imitated" else Imitated.DEMONSTRATION

    def inputs(self, kind: RowKind) -> frozenset[str]:
        """What the terms of rows of one kind read: ``old_log_prob``, ``advantages`` and names of ``INPUTS``."""
        names = [self.demonstrations]
        if kind == RowKind.ROLLOUT:
            names = [self.rollouts, *([self.demonstrations] if self.prefixes == "reinforced" else [])]
        if (kind == RowKind.DEMONSTRATION) == (self.imitated == Imitated.DEMONSTRATION):
            names.append(self.sft)
        return frozenset().union(*(find(name).inputs for name in names))

    @property
    def reads_entropy(self) -> bool:
        """Whether the loss needs the policy's entropy."""
        every = [find(name).inputs for name in (self.rollouts, self.demonstrations, self.sft)]
        return self.reweighting is not None or any("entropy" in inputs for inputs in every)


def composite_of(settings: HPTConfig) -> Composite:
    """Build the composite that the settings describe.

    Raises:
        ConfigError: an unknown entry, reweighting or parameter (the message lists them), a parameter out of range, or
            an entry that cannot be trained with.
    """
    reweighting = settings.method.reweighting
    if reweighting is not None:
        one_of(f"reweighting of hpt.strategy={settings.strategy}:", reweighting, REWEIGHTINGS)
    if settings.normalization == "released":
        for setting in ("rollout_algorithm", "demonstration_algorithm"):
            _check_released_entry(setting, getattr(settings, setting))
    entries = (settings.rollout_entry, settings.demonstration_entry)
    for setting, name in zip(("rollout_algorithm", "demonstration_algorithm"), entries, strict=True):
        _trainable(name)
        _check_inputs(f"hpt.{setting}={name}", name, REINFORCED[setting])
    _check_sft_entry(settings.sft_entry)
    chosen = {"clip_ratio": settings.chosen_clip_ratio, "shaping": settings.shaping}

    def params(name: str, setting: str, defaults: Mapping[str, Any]) -> dict[str, Any]:
        own = {key: value for key, value in defaults.items() if key in find(name).settings}
        return own | _checked_params(name, setting, getattr(settings, setting))

    return Composite(
        rollouts=entries[0],
        demonstrations=entries[1],
        rollout_params=params(entries[0], "rollout_params", chosen),
        demonstration_params=params(entries[1], "demonstration_params", chosen),
        sft=settings.sft_entry,
        sft_params=params(settings.sft_entry, "sft_params", {}),
        prefixes=settings.method.prefixes,
        reweighting=reweighting,
        normalization=settings.normalization_class,
    )


def _checked_params(name: str, setting: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters that the user gives an entry, tried on a token."""
    params = {key: tuple(value) if isinstance(value, list) else value for key, value in given.items()}
    entry, one = find(name), torch.zeros(1, 1)
    check_keys(f"hpt.{setting}", params, entry.settings)
    try:
        token_surrogate(
            name, one, one, one, one == 0, **params, **{each: one for each in INPUTS if each in entry.inputs}
        )
    except ValueError as error:
        raise ConfigError(f"hpt.{setting}: {error}") from error
    return params


def _check_sft_entry(name: str) -> None:
    one_of("hpt.sft_algorithm", name, ALGORITHMS)
    fitting = [key for key, entry in ALGORITHMS.items() if "advantages" not in entry.inputs]
    if name not in fitting:
        raise ConfigError(
            f"got hpt.sft_algorithm={name}, which weighs tokens by an advantage; the SFT term has none: expected one "
            f"of {', '.join(sorted(fitting))}"
        )


def _check_inputs(got: str, name: str, available: Collection[str]) -> None:
    """Refuse an entry that reads what rows of its kind do not have."""
    if lacking := sorted(find(name).inputs - {"old_log_prob", "advantages"} - set(available)):
        raise ConfigError(f"got {got}, which reads {lacking[0]}; these rows have only {', '.join(available)}")


def reads_teacher(settings: HPTConfig) -> bool:
    """Whether a teacher scores every rollout, so that every question needs its demonstration."""
    return TEACHER in find(settings.rollout_entry).inputs


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
