# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The advantage estimator and the policy loss ``hpt``, in verl's registries."""

from typing import Any

import torch
from verl.trainer.ppo.core_algos import register_adv_est, register_policy_loss

from hpt.method.estimator import Composite, HybridLoss, group_advantages, hybrid_loss
from hpt.method.estimator.loss import HPT, Rows
from hpt.method.routing import RowKind

NAME = "hpt"


@register_adv_est(NAME)
def hpt_advantage(
    token_level_rewards: torch.Tensor,
    response_mask: torch.Tensor,
    index: Any,
    config: Any = None,
    **_: Any,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Dr. GRPO's outcome advantage per token, over groups of equal ``index`` (verl's uid).

    Args:
        token_level_rewards: (bs, T), the verifier score on one token of each row.
        response_mask: (bs, T).
        index: (bs,) group labels.

    Returns:
        advantages and returns, both (bs, T) and equal, zero outside the mask.
    """
    scores = token_level_rewards.sum(dim=-1)
    advantages = group_advantages(scores, list(index)).unsqueeze(-1) * response_mask
    return advantages, advantages


@register_policy_loss(NAME)
def hpt_policy_loss(
    old_log_prob: torch.Tensor,
    log_prob: torch.Tensor,
    advantages: torch.Tensor,
    response_mask: torch.Tensor,
    loss_agg_mode: str = "token-mean",
    config: Any = None,
    rollout_is_weights: torch.Tensor | None = None,
    *,
    row_kind: torch.Tensor | None = None,
    rl_weight: torch.Tensor | None = None,
    sft_weight: torch.Tensor | None = None,
    composite: Composite = HPT,
    **terms: Any,
) -> HybridLoss:
    """:func:`hpt.upge.hybrid_loss` under verl's argument names.

    ``loss_agg_mode`` has no say here: the denominators are in the weights. Importance weights of the
    rollout engine, if there are any, multiply the rollouts' advantages, as in verl's own losses.

    Raises:
        ValueError: called without kinds and weights, which only an ``hpt_*`` trainer provides.
    """
    if row_kind is None or rl_weight is None or sft_weight is None:
        raise ValueError(
            "the policy loss 'hpt' was called without row_kind, rl_weight and sft_weight; it needs "
            "trainer.v1.trainer_mode=hpt_sync, or set actor_rollout_ref.actor.policy_loss.loss_mode=vanilla"
        )
    if rollout_is_weights is not None:
        is_rollout = (row_kind == RowKind.ROLLOUT).unsqueeze(-1)
        advantages = torch.where(is_rollout, advantages * rollout_is_weights, advantages)
    rows = Rows(log_prob, old_log_prob, advantages, response_mask, row_kind, rl_weight, sft_weight)
    return hybrid_loss(rows, composite, **terms)
