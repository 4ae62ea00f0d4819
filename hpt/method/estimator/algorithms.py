# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Algorithms as entries of the unified estimator (arXiv 2509.04419, Table 1): a choice of parts each."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch

from hpt.common.settings import one_of
from hpt.method.estimator import credit, hybrid_parts, parts
from hpt.method.estimator.credit import Credit, Length
from hpt.method.estimator.parts import Part
from hpt.method.estimator.tokens import INPUTS, Tokens


class _Watched(Tokens):
    """Tokens that remember what was asked for."""

    asked: frozenset[str] = frozenset()

    def __getattribute__(self, name: str) -> Any:
        if name in ("old_log_prob", "advantages", *INPUTS):
            object.__setattr__(self, "asked", self.asked | {name})
        return super().__getattribute__(name)


@dataclass(frozen=True)
class Algorithm:
    """One entry: its four parts, and what the last of them may need.

    Attributes:
        stabilisation: log 1_stable.
        reference: log pi_ref.
        advantage: A.
        likelihood: differentiable; its gradient is grad pi_theta * 1_stable / pi_ref * factor.
        factor: logarithm of the extra factor by which the likelihood's slope differs from 1.
        constant: value of the published loss, over -A, where 1_stable is 0; it has no gradient.
        source: where the loss is published.
        departs: where its public code departs from its publication, or this entry from either.
        credit: advantages from a group's scores, for training; None where scores alone do not decide
            them (GAE), or where there is nothing to decide (SFT).
        length: what the trainer divides the sum over a group's tokens by, besides its rows.
    """

    stabilisation: Part
    reference: Part
    advantage: Part
    likelihood: Part
    factor: Part = parts.unshaped
    constant: Part = parts.no_constant
    source: str = ""
    credit: Credit | None = None
    length: Length = Length.CONSTANT
    departs: str = ""

    @property
    def settings(self) -> tuple[str, ...]:
        """Names of the settings that any of the parts takes."""
        chosen = (self.stabilisation, self.reference, self.advantage, self.likelihood)
        every = (*chosen, self.factor, self.constant)
        return tuple(sorted({name for each in every for name in each.settings}))

    @cached_property
    def inputs(self) -> frozenset[str]:
        """What the parts look at beside log pi_theta: ``old_log_prob``, ``advantages`` and names of ``INPUTS``."""
        one = torch.zeros(1, 1)  # they are tried on a token
        tokens = _Watched(one, one, one, one == 0, dict.fromkeys(INPUTS, one))
        log_scale = self.stabilisation(tokens) - self.reference(tokens)
        self.likelihood(tokens, log_scale)
        for each in (self.advantage, self.factor, self.constant):
            each(tokens)
        return tokens.asked

    @property
    def reads_old_policy(self) -> bool:
        """Whether a part looks at log pi_old, which only sampled rows have."""
        return "old_log_prob" in self.inputs


def _policy_ratio(advantage: str, source: str, credit: Credit | None, length: Length) -> Algorithm:
    """PPO and what differs from it in the advantage and the length only."""
    return Algorithm(
        stabilisation=parts.token_clip,
        reference=parts.old_policy,
        advantage=parts.given_advantage(advantage),
        likelihood=parts.probability,
        constant=parts.clipped_token_ratio,
        source=source,
        credit=credit,
        length=length,
    )


ALGORITHMS: dict[str, Algorithm] = {
    "sft": Algorithm(
        stabilisation=parts.unstabilised,
        reference=parts.current_policy,
        advantage=parts.unit_advantage,
        likelihood=parts.log_probability,
        source="arXiv 2509.04419",
    ),
    "reinforce": Algorithm(
        stabilisation=parts.unstabilised,
        reference=parts.current_policy,
        advantage=parts.given_advantage("R = +-1"),
        likelihood=parts.log_probability,
        source="Williams 1992",
        credit=credit.signs,
    ),
    "ppo": _policy_ratio("GAE", "arXiv 1707.06347", None, Length.ROW),
    "grpo": _policy_ratio("(R - mean) / std", "arXiv 2402.03300", credit.standardized, Length.ROW),
    "dr_grpo": _policy_ratio("R - mean", "arXiv 2503.20783", credit.centred, Length.CONSTANT),
    "cispo": Algorithm(
        stabilisation=parts.clipped_weight,
        reference=parts.old_policy,
        advantage=parts.given_advantage("(R - mean) / std"),
        likelihood=parts.log_probability,
        source="arXiv 2506.13585",
        credit=credit.standardized,
        length=Length.GROUP,
    ),
    "gspo": Algorithm(
        stabilisation=parts.sequence_clip,
        reference=parts.sequence_policy,
        advantage=parts.given_advantage("(R - mean) / std"),
        likelihood=parts.probability,
        constant=parts.clipped_sequence_ratio,
        source="arXiv 2507.18071",
        credit=credit.standardized,
        length=Length.ROW,
    ),
    "luffy_offline": Algorithm(
        stabilisation=parts.unstabilised,
        reference=parts.no_reference,
        advantage=parts.given_advantage("(R - mean_G) / std_G"),
        likelihood=parts.shaped_probability,
        factor=parts.shaping_slope,
        source="arXiv 2504.14945",
        credit=credit.standardized,
    ),
    "srft_offline": Algorithm(
        stabilisation=parts.unstabilised,
        reference=parts.no_reference,
        advantage=parts.given_advantage("(R - mean_G) / std_G"),
        likelihood=parts.probability,
        source="arXiv 2506.19767",
        credit=credit.standardized,
    ),
}


def _weighted_likelihood(
    source: str, advantage: Part = parts.unit_advantage, reference: Part = parts.current_policy, **others: Any
) -> Algorithm:
    """-sg(weight) log pi_theta, where the weight is 1 unless the parts say otherwise."""
    chosen = {"stabilisation": parts.unstabilised, "likelihood": parts.log_probability, **others}
    return Algorithm(reference=reference, advantage=advantage, source=source, **chosen)


# ---- the published hybrids and their relatives: demonstrations ----
ALGORITHMS |= {
    "dft": _weighted_likelihood("arXiv 2508.05629", reference=parts.no_reference),
    "chord_phi": _weighted_likelihood("arXiv 2508.11408", hybrid_parts.doubt, parts.no_reference),
    "trsft": _weighted_likelihood(
        "arXiv 2512.17636", reference=hybrid_parts.bounded_policy, likelihood=parts.probability
    ),
    "eaft": _weighted_likelihood(
        "arXiv 2601.02151",
        hybrid_parts.entropy_weight,
        departs="code: entropy of the 20 likeliest tokens; here of the vocabulary, so the weight may exceed 1",
    ),
    "iw_sft": _weighted_likelihood(
        "arXiv 2507.12856",
        reference=hybrid_parts.initial_sequence_policy,
        stabilisation=hybrid_parts.bounded_initial_weight,
    ),
    "psft": _weighted_likelihood(
        "arXiv 2508.17784",
        reference=parts.old_policy,
        stabilisation=hybrid_parts.clip_above,
        likelihood=parts.probability,
        constant=hybrid_parts.clipped_above,
    ),
    "rl_plus_offline": Algorithm(
        stabilisation=parts.unstabilised,
        reference=hybrid_parts.mixture_policy,
        advantage=hybrid_parts.focused_advantage("(R - mean_G)"),
        likelihood=parts.probability,
        source="arXiv 2508.00222",
        credit=credit.centred,
        departs="code: omega and focal are literals; here the ratio stays below e^20",
    ),
    "prefix_rft": Algorithm(
        stabilisation=hybrid_parts.uncertain,
        reference=parts.old_policy,
        advantage=parts.given_advantage("(R - mean) / std"),
        likelihood=parts.probability,
        source="arXiv 2507.01679",
        credit=credit.standardized,
    ),
}

# ---- rollouts ----
ALGORITHMS |= {
    "raft": _weighted_likelihood(
        "arXiv 2304.06767",
        parts.given_advantage("R"),
        credit=credit.rewards,
        departs="paper: the best of n; public code and here: every correct rollout",
    ),
    "topr": _weighted_likelihood(
        "arXiv 2503.14286",
        parts.given_advantage("R = +-1"),
        hybrid_parts.tapered_policy,
        credit=credit.signs,
        departs="paper: r of the sequence; public code and here: of the token",
    ),
    "nft": Algorithm(
        stabilisation=hybrid_parts.not_far_if_wrong,
        reference=hybrid_parts.negative_aware_policy,
        advantage=hybrid_parts.negative_aware_advantage,
        likelihood=hybrid_parts.valueless_log_probability,
        constant=hybrid_parts.negative_aware_value,
        source="arXiv 2505.18116",
        credit=credit.centred,
        departs="code and here: weight 1 - P, P in [.02, .98]; here log r of a right token is not bounded",
    ),
    "max_rl": replace(
        _policy_ratio("(R - mean) / mean", "arXiv 2602.02710", credit.relative, Length.CONSTANT),
        departs="code: mean + 1e-6; here A = 0 where the mean is 0",
    ),
    "self_distill": _weighted_likelihood(
        "arXiv 2601.20802",
        hybrid_parts.teacher_advantage,
        hybrid_parts.truncated_policy,
        departs="code: the whole vocabulary by default; here: sampled tokens",
    ),
    "rlsd": replace(
        _policy_ratio("", "arXiv 2604.03128", credit.standardized, Length.ROW),
        advantage=hybrid_parts.teacher_weighted_advantage("(R - mean) / std"),
        departs="paper: lam falls to 0 in 50 steps; here it is constant",
    ),
}


def register(name: str, algorithm: Algorithm) -> Algorithm:
    """Add an entry to ``ALGORITHMS``; everything that takes a name accepts it from then on.

    A stabilisation of one's own, REINFORCE on tokens that the policy has not left far behind:

    >>> import math
    >>> from hpt.upge import Algorithm, credit, parts, register
    >>> @parts.part("1 if r < 2 else 0")
    ... def not_far_away(tokens, max_ratio=2.0):
    ...     return parts.log_mask(tokens.log_ratio < math.log(max_ratio), like=tokens.log_prob)
    >>> cautious = Algorithm(
    ...     stabilisation=not_far_away,
    ...     reference=parts.current_policy,
    ...     advantage=parts.given_advantage("R = +-1"),
    ...     likelihood=parts.log_probability,
    ...     credit=credit.signs,
    ... )
    >>> _ = register("cautious_reinforce", cautious)

    Args:
        name: the key of the new entry.
        algorithm: its parts.

    Returns:
        ``algorithm``.

    Raises:
        ValueError: a name that is taken.
    """
    if name in ALGORITHMS:
        raise ValueError(
            f"Algorithm '{name}' is registered already; choose another name than {', '.join(sorted(ALGORITHMS))}."
        )
    ALGORITHMS[name] = algorithm
    return algorithm


def find(name: str) -> Algorithm:
    """Return the entry of that name.

    Raises:
        ConfigError: there is none.
    """
    one_of("algorithm", name, ALGORITHMS)
    return ALGORITHMS[name]
