# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Generalised advantage estimation (arXiv 1506.02438, Eq. 16), PPO's advantage, by verl's own function."""

import torch
from verl.trainer.ppo.core_algos import get_adv_estimator_fn


def gae_advantages(
    rewards: torch.Tensor,
    values: torch.Tensor,
    response_mask: torch.Tensor,
    *,
    gamma: float = 1.0,
    lam: float = 1.0,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Advantages for ``token_surrogate("ppo", ...)``, whitened over the batch as verl does.

    Args:
        rewards: (bs, T) reward per token, usually the score on the last token of a row.
        values: (bs, T) the critic's prediction before each token.
        response_mask: (bs, T) true on response tokens, of any dtype.
        gamma: discount per token, in [0, 1].
        lam: weight of longer returns, in [0, 1].

    Returns:
        advantages and returns, (bs, T) each, zero outside the mask. The advantages of the batch's
        response tokens have mean 0 and variance 1; the returns (the critic's targets) are not whitened.

    Raises:
        ValueError: unequal shapes, gamma or lam out of range, or (from verl, which whitens) fewer
            than two response tokens.
    """
    if rewards.dim() != 2 or not rewards.shape == values.shape == response_mask.shape:
        raise ValueError(
            f"got rewards {tuple(rewards.shape)}, values {tuple(values.shape)}, response_mask "
            f"{tuple(response_mask.shape)}; expected one shape (bs, T)"
        )
    for name, value in (("gamma", gamma), ("lam", lam)):
        if not 0 <= value <= 1:
            raise ValueError(f"got {name}={value}; expected a number in [0, 1]")
    mask = response_mask.bool()
    # verl multiplies by the mask, and a NaN in padding times zero would stay one.
    rewards, values = (torch.where(mask, x, 0.0) for x in (rewards, values))
    estimate = get_adv_estimator_fn("gae")(rewards, values, mask.to(values.dtype), gamma, lam)
    advantages, returns = (torch.where(mask, x, 0.0) for x in estimate)
    return advantages, returns
