# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The published losses and advantages, written a second time from the papers, as plain loops.

Nothing here is shared with the estimator: probabilities instead of log-probabilities, cases instead
of masks, one token or one sequence at a time. Slow, and meant for float64. Every loss takes
(bs, T) log pi_theta, log pi_theta_old, advantages and mask, and returns the sum over tokens of the
loss that is published, to run backward on.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType

import torch

Loss = Callable[..., torch.Tensor]
# What bounds a ratio from without: verl's clamps of a token's and of a sequence's log-ratio.
LARGEST_TOKEN_RATIO = math.exp(20)
LARGEST_SEQUENCE_RATIO = math.exp(10)


def _each_token(
    log_prob: torch.Tensor, old: torch.Tensor, advantages: torch.Tensor, mask: torch.Tensor
) -> Iterator[tuple[torch.Tensor, float, float]]:
    """(log pi_theta with gradient, log pi_theta_old, A) of every response token."""
    for i, t in mask.nonzero().tolist():
        yield log_prob[i, t], old[i, t].item(), advantages[i, t].item()


def _clip_sides(clip_ratio) -> tuple[float, float]:
    """(smallest, largest) ratio inside the clip."""
    if clip_ratio is None:
        return -math.inf, math.inf
    if isinstance(clip_ratio, tuple):
        return 1 - clip_ratio[0], 1 + clip_ratio[1]
    return 1 - clip_ratio, 1 + clip_ratio


def _pessimistic(ratio: torch.Tensor, advantage: float, clip_ratio, dual: float | None = None) -> torch.Tensor | float:
    """min(A r, A clip(r)), for A < 0 not below c A; the cases of PPO's figure 1 one by one."""
    smallest, largest = _clip_sides(clip_ratio)
    if advantage >= 0:
        return advantage * (largest if ratio > largest else ratio)
    if ratio < smallest:
        return advantage * smallest
    return advantage * (dual if dual is not None and ratio > dual else ratio)


def sft(log_prob, old, advantages, mask) -> torch.Tensor:
    """Negative log-likelihood."""
    return -log_prob[mask].sum()


def reinforce(log_prob, old, advantages, mask) -> torch.Tensor:
    """-R log pi_theta."""
    loss = log_prob.sum() * 0
    for token, _, advantage in _each_token(log_prob, old, advantages, mask):
        loss = loss - advantage * token
    return loss


def ppo(log_prob, old, advantages, mask, clip_ratio=0.2, clip_ratio_c=None) -> torch.Tensor:
    """arXiv 1707.06347, Eq. 7. GRPO and Dr. GRPO differ in the advantage and in the denominators."""
    loss = log_prob.sum() * 0
    for token, old_token, advantage in _each_token(log_prob, old, advantages, mask):
        ratio = token.exp() / math.exp(old_token)
        if ratio > LARGEST_TOKEN_RATIO:
            ratio = torch.tensor(LARGEST_TOKEN_RATIO, dtype=log_prob.dtype)
        elif ratio < 1 / LARGEST_TOKEN_RATIO:
            ratio = torch.tensor(1 / LARGEST_TOKEN_RATIO, dtype=log_prob.dtype)
        loss = loss - _pessimistic(ratio, advantage, clip_ratio, clip_ratio_c)
    return loss


def cispo(log_prob, old, advantages, mask, clip_ratio=0.2) -> torch.Tensor:
    """arXiv 2506.13585: a clipped weight, without gradient, on A log pi_theta."""
    smallest, largest = _clip_sides(clip_ratio)
    loss = log_prob.sum() * 0
    for token, old_token, advantage in _each_token(log_prob, old, advantages, mask):
        weight = math.exp(token.item()) / math.exp(old_token)
        weight = min(max(weight, 1 / LARGEST_TOKEN_RATIO), LARGEST_TOKEN_RATIO)
        loss = loss - min(max(weight, smallest), largest) * advantage * token
    return loss


def gspo(log_prob, old, advantages, mask, clip_ratio=0.2) -> torch.Tensor:
    """arXiv 2507.18071: one ratio and one loss per sequence; here times its length.

    The paper takes the mean over a sequence's tokens and this module sums them. Token weights, as
    in its GSPO-token and in verl, give the same gradient as long as a row has one advantage.
    """
    loss = log_prob.sum() * 0
    for row, old_row, advantage_row, mask_row in zip(log_prob, old, advantages, mask, strict=True):
        length = int(mask_row.sum())
        if length == 0:
            continue
        ratio = torch.exp(row[mask_row].mean() - old_row[mask_row].mean())
        if ratio > LARGEST_SEQUENCE_RATIO:
            ratio = torch.tensor(LARGEST_SEQUENCE_RATIO, dtype=log_prob.dtype)
        loss = loss - length * _pessimistic(ratio, advantage_row[mask_row][0].item(), clip_ratio)
    return loss


def luffy_offline(log_prob, old, advantages, mask, shaping=0.1) -> torch.Tensor:
    """arXiv 2504.14945, policy shaping: f(x) = x / (x + c) of the probability."""
    loss = log_prob.sum() * 0
    for token, _, advantage in _each_token(log_prob, old, advantages, mask):
        probability = token.exp()
        loss = loss - advantage * probability / (probability + shaping)
    return loss


def srft_offline(log_prob, old, advantages, mask) -> torch.Tensor:
    """arXiv 2506.19767, the RL term on demonstrations: the probability itself."""
    loss = log_prob.sum() * 0
    for token, _, advantage in _each_token(log_prob, old, advantages, mask):
        loss = loss - advantage * token.exp()
    return loss


PUBLISHED_LOSSES: Mapping[str, Loss] = MappingProxyType(
    {
        "sft": sft,
        "reinforce": reinforce,
        "ppo": ppo,
        "grpo": ppo,
        "dr_grpo": ppo,
        "cispo": cispo,
        "gspo": gspo,
        "luffy_offline": luffy_offline,
        "srft_offline": srft_offline,
    }
)


def group_advantage(scores: torch.Tensor, groups: Sequence, *, normalize: bool = False) -> torch.Tensor:
    """(bs,) GRPO's (``normalize``) and Dr. GRPO's advantage, group by group in Python's numbers."""
    values = scores.tolist()
    result = []
    for value, label in zip(values, groups, strict=True):
        members = [other for other, its in zip(values, groups, strict=True) if its == label]
        mean, std = 0.0, 1.0
        if len(members) > 1:
            mean = math.fsum(members) / len(members)
            std = math.sqrt(math.fsum((x - mean) ** 2 for x in members) / (len(members) - 1))
        result.append((value - mean) / (std + 1e-6) if normalize else value - mean)
    return torch.tensor(result, dtype=scores.dtype)
