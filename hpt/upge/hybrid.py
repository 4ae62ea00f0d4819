# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The hybrid loss: a weighted sum of surrogates over rollout rows and demonstration rows.

Which rows there are and what each weighs was decided before (:mod:`hpt.routing`), with denominators
counted over the whole optimizer step. So the loss of a micro-batch is a plain sum, and the sum over
micro-batches and ranks does not depend on how rows are packed. Shapes: (bs,) rows, (bs, T) tokens.
"""

from typing import NamedTuple

import torch

from hpt.routing import RowKind
from hpt.upge.surrogate import token_surrogate


class HybridLoss(NamedTuple):
    """Scalars of one micro-batch; each is its part of the optimizer step's sum."""

    rl: torch.Tensor
    sft: torch.Tensor
    entropy: torch.Tensor
    kl: torch.Tensor

    @property
    def total(self) -> torch.Tensor:
        """The loss to run backward on."""
        return self.rl + self.sft + self.entropy + self.kl


def hybrid_loss(
    log_prob: torch.Tensor,
    old_log_prob: torch.Tensor,
    advantages: torch.Tensor,
    response_mask: torch.Tensor,
    row_kind: torch.Tensor,
    row_weight: torch.Tensor,
    *,
    clip_ratio: float | tuple[float, float] | None = None,
    entropy: torch.Tensor | None = None,
    entropy_coeff: float = 0.0,
    kl: torch.Tensor | None = None,
    kl_coef: float = 0.0,
) -> HybridLoss:
    """Sum of row_weight * surrogate over the response tokens of each kind of row.

    Rollout rows: -A * ratio (Dr. GRPO). Demonstration rows: -log pi_theta (SFT). Padding rows add
    nothing. A kind that is absent yields a zero that can still run backward. Entropy and KL act on
    rollout rows only, per token under the same weight as the RL term, so that together they are the
    objective A * ratio + entropy_coeff * H - kl_coef * KL per token.

    Args:
        log_prob: (bs, T) log pi_theta with gradient.
        old_log_prob: (bs, T) log pi_theta_old.
        advantages: (bs, T).
        response_mask: (bs, T).
        row_kind: (bs,) of ``RowKind``.
        row_weight: (bs,) see :mod:`hpt.routing`.
        clip_ratio: PPO clip on rollout rows; None is none (paper and released code).
        entropy: (bs, T) policy entropy in nats, needed if entropy_coeff is not 0.
        kl: (bs, T) estimate of KL(pi_theta || pi_ref) in nats, needed if kl_coef is not 0.
    """
    mask = response_mask.bool()
    rollouts = row_kind == RowKind.ROLLOUT
    demonstrations = row_kind == RowKind.DEMONSTRATION

    def weighted_sum(per_token: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        per_token = torch.where(mask[rows], per_token, torch.zeros_like(per_token))
        # Sums over thousands of tokens, and weights that differ by orders of magnitude, are not for bfloat16.
        wide = torch.promote_types(per_token.dtype, torch.float32)
        return (per_token.to(wide).sum(dim=-1) * row_weight[rows].to(wide)).sum()

    def term(name: str, rows: torch.Tensor, **params) -> torch.Tensor:
        inputs = (x[rows] for x in (log_prob, old_log_prob, advantages, mask))
        return weighted_sum(token_surrogate(name, *inputs, **params), rows)

    def rollout_sum(per_token: torch.Tensor | None, coefficient: float, name: str) -> torch.Tensor:
        if coefficient == 0.0:
            return log_prob.new_zeros(())
        if per_token is None:
            raise ValueError(
                f"a coefficient of {coefficient} for the {name} term needs the {name} per token"
            )
        return coefficient * weighted_sum(per_token[rollouts], rollouts)

    return HybridLoss(
        rl=term("dr_grpo", rollouts, clip_ratio=clip_ratio),
        sft=term("sft", demonstrations),
        entropy=-rollout_sum(entropy, entropy_coeff, "entropy"),
        kl=rollout_sum(kl, kl_coef, "KL"),
    )
