# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""What is diagnosed: entries of ``ALGORITHMS`` with their advantages, and contrasts that change a single part.

Shapes: n rollouts in a group; (bs, T) rows by response tokens.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch

from hpt.method.estimator.advantage import group_advantages
from hpt.method.estimator.algorithms import ALGORITHMS, find
from hpt.method.estimator.tokens import INPUTS

DEMONSTRATION_SCORE = 1.0


class Group(NamedTuple):
    """What an advantage is computed from: scores (n,), and a critic's values (n, T) or None."""

    scores: torch.Tensor
    values: torch.Tensor | None


@dataclass(frozen=True)
class AdvantageRule:
    """How column A of Table 1 is computed here.

    Attributes:
        on_demonstrations: whether the entry's rows are demonstrations instead of rollouts.
        compute: Group -> (n, 1) or (n, T); (1, 1) for the demonstration.
        needs_values: whether a critic's values have to be given.
    """

    on_demonstrations: bool
    compute: Callable[[Group], torch.Tensor]
    needs_values: bool = False


def _group_relative(normalize: bool) -> Callable[[Group], torch.Tensor]:
    def compute(group: Group) -> torch.Tensor:
        labels = [0] * len(group.scores)
        return group_advantages(group.scores, labels, normalize=normalize).unsqueeze(-1)

    return compute


def _mixed_group(group: Group) -> torch.Tensor:
    """The demonstration's advantage among the rollouts, (1, 1); its own score is 1."""
    own = group.scores.new_tensor([DEMONSTRATION_SCORE])
    scores = torch.cat([group.scores, own])
    return group_advantages(scores, [0] * len(scores), normalize=True)[-1:].unsqueeze(-1)


def _generalised_advantage(group: Group) -> torch.Tensor:
    """GAE at gamma = lambda = 1, which is the return minus the value: R - V_t. (n, T)

    There is no whitening: it divides by a deviation of the whole batch and would tie questions together.
    """
    assert group.values is not None
    return group.scores.unsqueeze(-1) - group.values


PLUS_MINUS, RELATIVE, NORMALISED = "R = +-1", "R - mean", "(R - mean) / std"
GAE, UNIT, MIXED = "GAE", "1", "(R - mean_G) / std_G"
ADVANTAGES: Mapping[str, AdvantageRule] = {
    PLUS_MINUS: AdvantageRule(False, lambda group: (2 * group.scores - 1).unsqueeze(-1)),
    RELATIVE: AdvantageRule(False, _group_relative(normalize=False)),
    NORMALISED: AdvantageRule(False, _group_relative(normalize=True)),
    GAE: AdvantageRule(False, _generalised_advantage, needs_values=True),
    UNIT: AdvantageRule(True, lambda group: group.scores.new_ones(1, 1)),
    MIXED: AdvantageRule(True, _mixed_group),
}
"""The keys are the texts in the entries' advantages. R = +-1 is 2 R - 1 for scores R in [0, 1]."""


@dataclass(frozen=True)
class Variant:
    """One line of the diagnosis.

    Attributes:
        label: its unique name.
        entry: a key of ``ALGORITHMS``.
        advantage: a key of ``ADVANTAGES``; by default the entry's own.
        params: settings of the entry, as for ``token_surrogate``.
    """

    label: str
    entry: str
    advantage: str = ""
    params: Mapping = field(default_factory=dict)

    def __post_init__(self):
        if not self.advantage:
            object.__setattr__(self, "advantage", find(self.entry).advantage.text)

    @property
    def rule(self) -> AdvantageRule:
        return ADVANTAGES[self.advantage]

    @property
    def rows(self) -> str:
        """Which rows it acts on: `demonstrations` or `rollouts`."""
        return "demonstrations" if self.rule.on_demonstrations else "rollouts"


NO_CLIP: Mapping = {"clip_ratio": None}
PI_THETA = Variant("reinforce, A = R - mean", "reinforce", RELATIVE)
PI_OLD = Variant("dr_grpo, no clip", "dr_grpo", RELATIVE, NO_CLIP)
CLIPPED = Variant("dr_grpo", "dr_grpo")
GRPO, REINFORCE = Variant("grpo", "grpo"), Variant("reinforce", "reinforce")
STD = Variant("dr_grpo, no clip, A / std", "dr_grpo", NORMALISED, NO_CLIP)
PI_THETA_ON_DEMONSTRATIONS = Variant("reinforce on demonstrations", "reinforce", MIXED)
PI_ONE = Variant("srft_offline", "srft_offline")
CONTRASTS = (PI_THETA, PI_OLD, STD, PI_THETA_ON_DEMONSTRATIONS)
"""Variants besides the entries. With them, each pair that a claim of the paper compares differs in one part only."""


def choose(algorithms: Sequence[str | Variant] | None) -> list[Variant]:
    """The variants of a diagnosis.

    Args:
        algorithms: names of entries, or variants; None stands for every entry.

    Raises:
        ValueError: an unknown entry, or a label that occurs twice.
    """
    wanted = list(ALGORITHMS) if algorithms is None else algorithms
    variants = [each if isinstance(each, Variant) else Variant(each, each) for each in wanted]
    labels = [each.label for each in variants]
    for each in variants:
        find(each.entry)
        if labels.count(each.label) > 1:
            raise ValueError(f"got two variants labelled '{each.label}'; labels must differ")
    return variants


def applicable(
    variants: Sequence[Variant], has_demonstrations: bool, has_values: bool
) -> tuple[list[Variant], dict[str, str]]:
    """The variants that the data allow, and label -> reason for the others."""
    chosen: list[Variant] = []
    reasons: dict[str, str] = {}
    for each in variants:
        if each.advantage not in ADVANTAGES:
            # The entry was registered elsewhere.
            known = ", ".join(ADVANTAGES)
            reasons[each.label] = f"its advantage is '{each.advantage}'; known here: {known}"
        elif read := [name for name in INPUTS if name in find(each.entry).inputs]:
            reasons[each.label] = f"it reads {read[0]}, which is not given"
        elif each.rule.on_demonstrations and find(each.entry).reads_old_policy:
            reasons[each.label] = "it reads pi_old of demonstrations, which is not given"
        elif each.rule.needs_values and not has_values:
            reasons[each.label] = "its advantage is GAE, and no critic's values are given"
        elif each.rule.on_demonstrations and not has_demonstrations:
            reasons[each.label] = "it acts on demonstrations, and none are given"
        else:
            chosen.append(each)
    return chosen, reasons
