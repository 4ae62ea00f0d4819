# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Algorithms as entries of the unified estimator (arXiv 2509.04419, Table 1).

Each entry chooses the parts of

    grad_Uni = 1_stable * (1 / pi_ref) * A * grad pi_theta      (per token)

``token_coefficient`` is the number in front of grad pi_theta; ``token_surrogate`` is a function whose
gradient is minus that. Both work in log space: pi_theta -> 0 stays finite in the surrogate.
Shapes: (bs, T) rows by response tokens.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

# exp(20) is about 5e8: far beyond any ratio that trains, and still finite in float32 and bfloat16.
MAX_LOG_RATIO = 20.0


def probability_ratio(log_prob: torch.Tensor, old_log_prob: torch.Tensor) -> torch.Tensor:
    """pi_theta / pi_theta_old per token, its logarithm clamped to +-MAX_LOG_RATIO. (bs, T)"""
    return torch.exp(torch.clamp(log_prob - old_log_prob, -MAX_LOG_RATIO, MAX_LOG_RATIO))


def _sft_surrogate(log_prob, old_log_prob, advantages, **_):
    return -log_prob


def _sft_coefficient(log_prob, old_log_prob, advantages, **_):
    return torch.exp(-log_prob)


def _clip_range(clip_ratio: float | tuple[float, float]) -> tuple[float, float]:
    low, high = clip_ratio if isinstance(clip_ratio, tuple) else (clip_ratio, clip_ratio)
    return 1.0 - low, 1.0 + high


def _dr_grpo_surrogate(log_prob, old_log_prob, advantages, clip_ratio=0.2, **_):
    ratio = probability_ratio(log_prob, old_log_prob)
    if clip_ratio is None:
        return -advantages * ratio
    return -torch.minimum(
        advantages * ratio, advantages * torch.clamp(ratio, *_clip_range(clip_ratio))
    )


def _dr_grpo_coefficient(log_prob, old_log_prob, advantages, clip_ratio=0.2, **_):
    ratio = probability_ratio(log_prob, old_log_prob)
    stable = torch.ones_like(ratio)
    if clip_ratio is not None:
        low, high = _clip_range(clip_ratio)
        clipped = ((advantages > 0) & (ratio > high)) | ((advantages < 0) & (ratio < low))
        stable = (~clipped).to(ratio.dtype)
    return stable * advantages * torch.exp(-old_log_prob)


@dataclass(frozen=True)
class Algorithm:
    """One entry: its surrogate and its coefficient, both (bs, T) -> (bs, T)."""

    surrogate: Callable[..., torch.Tensor]
    coefficient: Callable[..., torch.Tensor]


ALGORITHMS: dict[str, Algorithm] = {
    # pi_ref = pi_theta, A = 1
    "sft": Algorithm(_sft_surrogate, _sft_coefficient),
    # pi_ref = pi_theta_old, A = R - mean(R), PPO's clip (clip_ratio=None: none, as the released code)
    "dr_grpo": Algorithm(_dr_grpo_surrogate, _dr_grpo_coefficient),
}


def _entry(name: str) -> Algorithm:
    if name not in ALGORITHMS:
        raise ValueError(f"Unknown algorithm '{name}'. Available: {', '.join(sorted(ALGORITHMS))}.")
    return ALGORITHMS[name]


def token_surrogate(
    name: str,
    log_prob: torch.Tensor,
    old_log_prob: torch.Tensor,
    advantages: torch.Tensor,
    response_mask: torch.Tensor,
    **params,
) -> torch.Tensor:
    """Differentiable surrogate per token; the gradient of its sum is -sum coefficient * grad pi_theta.

    Args:
        name: a key of ``ALGORITHMS``.
        log_prob: (bs, T) log pi_theta of the response tokens, with gradient.
        old_log_prob: (bs, T) log pi_theta_old, without gradient; unused by ``sft``.
        advantages: (bs, T); ignored by ``sft``, whose advantage is 1.
        response_mask: (bs, T) true on response tokens.
        params: the entry's own, e.g. ``clip_ratio`` (a number, (low, high), or None for no clip).

    Returns:
        (bs, T), zero outside the mask, whatever the inputs hold there.

    Raises:
        ValueError: unknown name.
    """
    mask = response_mask.bool()
    # Mask the inputs, not only the result: 0 * inf in the backward pass would be NaN.
    log_prob, old_log_prob, advantages = (
        torch.where(mask, x, torch.zeros_like(x)) for x in (log_prob, old_log_prob, advantages)
    )
    surrogate = _entry(name).surrogate(log_prob, old_log_prob, advantages, **params)
    return torch.where(mask, surrogate, torch.zeros_like(surrogate))


def token_coefficient(
    name: str,
    log_prob: torch.Tensor,
    old_log_prob: torch.Tensor,
    advantages: torch.Tensor,
    response_mask: torch.Tensor,
    **params,
) -> torch.Tensor:
    """1_stable * A / pi_ref per token, the number that multiplies grad pi_theta; see ``token_surrogate``."""
    mask = response_mask.bool()
    coefficient = _entry(name).coefficient(log_prob.detach(), old_log_prob, advantages, **params)
    return torch.where(mask, coefficient, torch.zeros_like(coefficient))
