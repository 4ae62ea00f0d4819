# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Check that every entry computes what it claims: compare its gradient with three others on random batches.

1. Autograd of ``token_surrogate`` against -coefficient * grad pi_theta: the parts fit together.
2. Against autograd of the published loss, written down independently (:mod:`hpt.method.proof.witnesses`):
   the parts are the right ones. The losses' values are compared as well.
3. Against another library's implementation, which the caller may pass as a further witness.

Everything is in float64. A deviation is relative per token; a gradient of 0 must be exactly 0.
Shapes: (bs, T) rows by response tokens.
"""

import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import torch

from hpt.method.estimator.advantage import group_advantages
from hpt.method.estimator.algorithms import ALGORITHMS, find
from hpt.method.estimator.surrogate import token_coefficient, token_stabilisation, token_surrogate
from hpt.method.estimator.tokens import MAX_LOG_RATIO
from hpt.method.proof.witnesses import PUBLISHED_LOSSES, Loss, group_advantage

# Rounding leaves some 1e-14 (an exponential of up to 20 or 50 multiplies it); a wrong part leaves 1e-3 and more.
TOLERANCE = 1e-9
# verl's deviation of a group of one is a float32 constant, so 1 + epsilon is rounded there.
ADVANTAGE_TOLERANCE = 1e-7
COEFFICIENT = "coefficient"
PUBLISHED = "published loss"
# The values that are tried of every parameter of that name; a parameter not named here keeps its default.
VALUES: Mapping[str, tuple] = {
    "clip_ratio": (0.2, None, (0.1, 0.4)),
    "clip_ratio_c": (None, 3.0),
    "shaping": (0.1, 0.02),
    "alpha": (0.1, 0.0, 1.0),
    "focal": (0.5, 2.0),
    "omega": (0.5, 0.0, 1.0),
    "max_weight": (16.0, 1.5),
    "max_ratio": (2.0, 1.1),
    "eps": (0.2, 1.0),
    "low_entropy_share": (0.8, 0.25),
    "lam": (0.5, 1.0),
}
# PPO's advantage (GAE) is one number per token, everyone else's one per row.
ADVANTAGE_PER_TOKEN = ("ppo",)
ADVANTAGES: Mapping[str, bool] = {"grpo": True, "dr_grpo": False}


class Batch(NamedTuple):
    """A random batch; each (bs, T), in the order of ``token_surrogate``'s arguments."""

    log_prob: torch.Tensor
    old_log_prob: torch.Tensor
    advantages: torch.Tensor
    response_mask: torch.Tensor


def random_batch(seed: int, rows: int, tokens: int, *, per_token: bool = False) -> Batch:
    """Rows from on-policy to far off, ragged, the last of several empty.

    Log-probabilities reach down to about -50, and ratios beyond both ends of e^+-MAX_LOG_RATIO. A
    shift per row moves the sequence ratio, a deviation per token the token's, outliers in every third
    row pass the clamp. Advantages are one number per row, or ``per_token``.
    """
    random = torch.Generator().manual_seed(seed)

    def uniform(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=random, dtype=torch.float64)

    row = torch.arange(rows).unsqueeze(-1)
    scale = torch.tensor([0.05, 0.3, 1.0, 6.0], dtype=torch.float64)[row % 4]
    shift = torch.tensor([0.0, 0.0, 0.4, -0.4, 4.0, 14.0, -14.0], dtype=torch.float64)[row % 7]
    log_ratio = shift + scale * (2 * uniform(rows, tokens) - 1)
    outlier = (MAX_LOG_RATIO + 2) * torch.sign(uniform(rows, tokens) - 0.5)
    stray = (uniform(rows, tokens) < 0.3) & (row % 3 == 2)
    log_ratio = torch.where(stray, outlier, log_ratio)
    # Neither policy's probability exceeds 1.
    larger = -28 * uniform(rows, tokens) ** 3 - 1e-3
    log_prob, old_log_prob = larger + log_ratio.clamp(max=0), larger - log_ratio.clamp(min=0)
    advantages = 2 * uniform(rows, tokens if per_token else 1)
    # Each shift meets both signs of the advantage within 14 rows.
    positive = uniform(*advantages.shape) < 0.5 if per_token else row // 7 % 2 == 0
    advantages = torch.where(positive, advantages, -advantages)
    length = torch.randint(1, tokens + 1, (rows, 1), generator=random)
    length[0], length[2:][-1:] = tokens, 0
    mask = torch.arange(tokens) < length
    return Batch(log_prob, old_log_prob, advantages.expand(rows, tokens).contiguous(), mask)


def random_inputs(name: str, batch: Batch, seed: int) -> dict[str, torch.Tensor]:
    """What the entry reads beside the batch: entropies, other policies' log-probabilities, a mean score per row."""
    random = torch.Generator().manual_seed(seed)
    shape = batch.log_prob.shape

    def uniform(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=random, dtype=torch.float64)

    # Rows of another policy are near, far below and far above, as in ``random_batch``.
    row = torch.arange(len(batch.log_prob)).unsqueeze(-1) % 5
    shift = torch.tensor([0.0, 0.5, -0.5, 6.0, -6.0], dtype=torch.float64)[row]
    score = torch.tensor([0.5, 0.0, 0.125, 1.0, 0.875], dtype=torch.float64)[row]
    elsewhere = (batch.log_prob.detach() + shift + uniform(*shape) - 0.5).clamp(max=-1e-3)
    every = {
        "entropy": 6 * uniform(*shape),
        "initial_log_prob": elsewhere,
        "teacher_log_prob": elsewhere.flip(0),
        "mean_score": score.expand(shape),
    }
    return {key: values for key, values in every.items() if key in find(name).inputs}


def _gradient(loss: torch.Tensor, by: torch.Tensor) -> torch.Tensor:
    return torch.autograd.grad(loss, by)[0]


def _largest(difference: torch.Tensor, scale: torch.Tensor) -> float:
    """Return the largest |difference| / scale; 0 / 0 counts as 0, and NaN as infinite."""
    ratio = torch.where(difference == 0, 0.0, difference.abs() / scale)
    return ratio.nan_to_num(math.inf, math.inf, math.inf).max().item() if ratio.numel() else 0.0


def coefficient_deviation(name: str, batch: Batch, params: Mapping) -> float:
    """Autograd of the surrogate against -coefficient * grad pi_theta, relative per token."""
    log_prob = batch.log_prob.clone().requires_grad_()
    inputs = (log_prob, *batch[1:])
    got = _gradient(token_surrogate(name, *inputs, **params).sum(), log_prob)
    coefficient = token_coefficient(name, *inputs, **params)
    expected = -_gradient((coefficient * log_prob.exp()).sum(), log_prob)
    return _largest(got - expected, expected.abs())


def loss_deviation(name: str, batch: Batch, params: Mapping, loss: Loss) -> float:
    """Value and gradient of the surrogate's sum against those of ``loss``.

    The gradient is relative per token, the value relative to the sum of the tokens' magnitudes.
    """
    ours, theirs = (batch.log_prob.clone().requires_grad_() for _ in range(2))
    surrogate = token_surrogate(name, ours, *batch[1:], **params)
    value = loss(theirs, *batch[1:], **params)
    expected = _gradient(value, theirs)
    return max(
        _largest(_gradient(surrogate.sum(), ours) - expected, expected.abs()),
        _largest((surrogate.sum() - value).detach(), surrogate.detach().abs().sum()),
    )


@dataclass(frozen=True)
class Result:
    """Largest deviations of one entry over all its settings.

    Attributes:
        name: the entry, or the advantage.
        settings: number of combinations of parameters that were tried.
        tokens: response tokens, summed over the settings; rows of scores for an advantage.
        stabilised: those whose 1_stable is not 1; None for an advantage.
        deviations: witness -> largest deviation; a witness that does not know the entry is absent.
    """

    name: str
    settings: int
    tokens: int
    stabilised: int | None
    deviations: dict[str, float]

    @property
    def largest(self) -> float:
        return max(self.deviations.values())

    @property
    def tolerance(self) -> float:
        return TOLERANCE if self.stabilised is not None else ADVANTAGE_TOLERANCE


class Witness(NamedTuple):
    """An independent implementation: losses by entry, and group advantages."""

    losses: Mapping[str, Loss]
    advantage: Callable[..., torch.Tensor]


PUBLISHED_WITNESS = Witness(PUBLISHED_LOSSES, group_advantage)


def settings(name: str) -> list[dict]:
    """Every combination of ``VALUES`` that the entry takes."""
    known = [key for key in find(name).settings if key in VALUES]
    return [dict(zip(known, values, strict=True)) for values in itertools.product(*(VALUES[key] for key in known))]


def check_entry(name: str, seed: int, rows: int, tokens: int, witnesses: Mapping[str, Witness]) -> Result:
    """All deviations of one entry; each of its settings meets a batch of its own."""
    tried = settings(name)
    found: dict[str, list[float]] = defaultdict(list)
    counted = stabilised = 0
    for number, params in enumerate(tried):
        per_token = name in ADVANTAGE_PER_TOKEN
        batch = random_batch(seed * len(tried) + number, rows, tokens, per_token=per_token)
        counted += int(batch.response_mask.sum())
        params = params | random_inputs(name, batch, seed + number)
        factor = token_stabilisation(name, *batch, **params)
        stabilised += int((factor[batch.response_mask] != 1).sum())
        found[COEFFICIENT].append(coefficient_deviation(name, batch, params))
        for label, witness in witnesses.items():
            if name in witness.losses:
                loss = witness.losses[name]
                found[label].append(loss_deviation(name, batch, params, loss))
    deviations = {label: max(values) for label, values in found.items()}
    return Result(name, len(tried), counted, stabilised, deviations)


def check_advantage(name: str, seed: int, rows: int, witnesses: Mapping[str, Witness]) -> Result:
    """``group_advantages`` for ``name`` of ``ADVANTAGES``; groups of one and of equal scores included.

    The deviation is relative to 1, the size of a score.
    """
    random = torch.Generator().manual_seed(seed)
    scores = torch.rand(rows, generator=random, dtype=torch.float64)
    groups = torch.randint(0, rows // 4 + 2, (rows,), generator=random).tolist()
    scores[[label == 0 for label in groups]] = 1.0
    scores = torch.cat([scores, scores[:1]])
    groups.append(-1)
    ours = group_advantages(scores, groups, normalize=ADVANTAGES[name])
    deviations = {
        label: _largest(
            ours - witness.advantage(scores, groups, normalize=ADVANTAGES[name]),
            torch.ones_like(ours),
        )
        for label, witness in witnesses.items()
    }
    return Result(f"advantage of {name}", 1, len(groups), None, deviations)


def check(
    seed: int = 0,
    rows: int = 16,
    tokens: int = 24,
    extra_witnesses: Mapping[str, Witness] = MappingProxyType({}),
) -> list[Result]:
    """The deviations of every entry of ``ALGORITHMS`` and of both group advantages.

    Args:
        seed: of the random batches.
        rows: rows of a batch (>= 1). From 15 on, every clip and clamp acts on some row.
        tokens: length of its longest row (>= 1).
        extra_witnesses: label -> witness, besides the published losses.

    Returns:
        A result per entry, in the order of ``ALGORITHMS``, then one per advantage.
    """
    witnesses = {PUBLISHED: PUBLISHED_WITNESS, **extra_witnesses}
    return [
        *(check_entry(name, seed, rows, tokens, witnesses) for name in ALGORITHMS),
        *(check_advantage(name, seed, rows, witnesses) for name in ADVANTAGES),
    ]
