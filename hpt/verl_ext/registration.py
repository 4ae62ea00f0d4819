# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The advantage estimator and the policy loss ``hpt``, in verl's registries."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any

import torch
from verl.trainer.ppo.core_algos import register_adv_est, register_policy_loss

from hpt.method.estimator.composite import Composite
from hpt.method.estimator.loss import HybridLoss, hybrid_loss
from hpt.method.estimator.rows import Rows
from hpt.method.routing import RowKind

NAME = "hpt"

_row_advantages: ContextVar[Sequence[float] | None] = ContextVar("row_advantages", default=None)


@contextlib.contextmanager
def row_advantages(values: Sequence[float]) -> Iterator[None]:
    """Give the estimator the advantages of the rows for which verl is about to ask it.

    verl hands an estimator scores and group labels. Routing has turned both into advantages already, because it drops
    the rows that have none.

    Args:
        values: one per row, in the order of verl's batch.
    """
    token = _row_advantages.set(values)
    try:
        yield
    finally:
        _row_advantages.reset(token)


@register_adv_est(NAME)
def hpt_advantage(
    token_level_rewards: torch.Tensor, response_mask: torch.Tensor, **_: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    """The advantages that routing gave the rows, on each of their response tokens.

    Args:
        token_level_rewards: (bs, T), for its dtype and device.
        response_mask: (bs, T), without the tokens that verl's rejection sampling has taken out.

    Returns:
        advantages and returns, both (bs, T) and equal, zero outside the mask.

    Raises:
        ValueError: called outside an ``hpt_*`` trainer, or for other rows than it routed.
    """
    values = _row_advantages.get()
    if values is None or len(values) != len(response_mask):
        raise ValueError(
            f"the advantage estimator 'hpt' was called for {len(response_mask)} rows and has the advantages of "
            f"{len(values or ())}; it needs trainer.v1.trainer_mode=hpt_sync, or set algorithm.adv_estimator to one of "
            "verl's own"
        )
    per_row = torch.tensor(values, dtype=token_level_rewards.dtype, device=token_level_rewards.device)
    advantages = per_row.unsqueeze(-1) * response_mask
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
    row_kind: torch.Tensor,
    rl_weight: torch.Tensor,
    sft_weight: torch.Tensor,
    composite: Composite,
    prefix: torch.Tensor | None = None,
    inputs: Mapping[str, torch.Tensor] = MappingProxyType({}),
    entropy: torch.Tensor | None = None,
    entropy_coeff: float = 0.0,
    kl: torch.Tensor | None = None,
    kl_coef: float = 0.0,
) -> HybridLoss:
    """:func:`hpt.method.estimator.loss.hybrid_loss` under verl's argument names.

    verl passes ``loss_agg_mode`` and ``config`` to every loss. This one reads neither: the denominators are in the
    weights. Importance weights of the rollout engine multiply the rollouts' advantages, as in verl's own losses.
    """
    if rollout_is_weights is not None:
        is_rollout = (row_kind == RowKind.ROLLOUT).unsqueeze(-1)
        advantages = torch.where(is_rollout, advantages * rollout_is_weights, advantages)
    rows = Rows(log_prob, old_log_prob, advantages, response_mask, row_kind, rl_weight, sft_weight, prefix, inputs)
    return hybrid_loss(rows, composite, entropy=entropy, entropy_coeff=entropy_coeff, kl=kl, kl_coef=kl_coef)
