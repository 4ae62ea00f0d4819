# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The hybrid loss: a weighted sum of surrogates over rollout rows and demonstration rows.

Which rows there are and what each weighs was decided before (:mod:`hpt.method.routing`), with denominators
counted over the whole optimizer step. So the loss of a micro-batch is a plain sum, and the sum over
micro-batches and ranks does not depend on how rows are packed. Shapes: (bs,) rows, (bs, T) tokens.
"""

from typing import NamedTuple

import torch

from hpt.method.estimator.composite import ON_ENTROPY_SCALE, SFT_ENTROPY_SCALE, Composite
from hpt.method.estimator.surrogate import token_surrogate
from hpt.method.routing import RowKind

HPT = Composite()


class HybridLoss(NamedTuple):
    """Scalars of one micro-batch; each is its part of the optimizer step's sum."""

    rl: torch.Tensor
    offline: torch.Tensor
    sft: torch.Tensor
    entropy: torch.Tensor
    kl: torch.Tensor

    @property
    def total(self) -> torch.Tensor:
        """The loss to run backward on."""
        return self.rl + self.offline + self.sft + self.entropy + self.kl


class Rows(NamedTuple):
    """A micro-batch.

    Attributes:
        log_prob: (bs, T) log pi_theta with gradient.
        old_log_prob: (bs, T) log pi_theta_old.
        advantages: (bs, T).
        mask: (bs, T) response tokens.
        kind: (bs,) of ``RowKind``.
        rl_weight, sft_weight: (bs,) see :mod:`hpt.method.routing`.
    """

    log_prob: torch.Tensor
    old_log_prob: torch.Tensor
    advantages: torch.Tensor
    mask: torch.Tensor
    kind: torch.Tensor
    rl_weight: torch.Tensor
    sft_weight: torch.Tensor

    def of(self, kind: RowKind) -> "Rows":
        """The rows of one kind."""
        return Rows(*(values[self.kind == kind] for values in self))


def hybrid_loss(
    rows: Rows,
    composite: Composite = HPT,
    *,
    entropy: torch.Tensor | None = None,
    entropy_coeff: float = 0.0,
    kl: torch.Tensor | None = None,
    kl_coef: float = 0.0,
) -> HybridLoss:
    """Sum of weight * surrogate over the response tokens of each kind of row.

    Rollouts: the composite's entry under their RL weight. Demonstrations: the composite's entry under
    their RL weight, and -log pi_theta under their SFT weight. Padding rows add nothing. A term
    without rows yields a zero that can still run backward. Entropy and KL act on rollouts only, per
    token under the RL weight, so that together they are the objective
    A * ratio + entropy_coeff * H - kl_coef * KL per token; under ``per_micro_batch`` the entropy term
    is the released code's mean over all response tokens.

    Args:
        rows: the micro-batch.
        composite: the method.
        entropy: (bs, T) policy entropy in nats, needed if entropy_coeff is not 0 and for SRFT.
        kl: (bs, T) estimate of KL(pi_theta || pi_ref) in nats, needed if kl_coef is not 0.

    Raises:
        ValueError: entropy or kl is missing where it is needed.
    """
    rollouts, demonstrations = rows.of(RowKind.ROLLOUT), rows.of(RowKind.DEMONSTRATION)
    rl_weight, sft_weight = rollouts.rl_weight, demonstrations.sft_weight
    if composite.entropy_weights:
        mean = _row_mean(_needed(entropy, "entropy", "SRFT's weighting"), rows.mask).detach()
        # Correct rollouts only: a is w_on if correct and -1 otherwise.
        on_weight = ON_ENTROPY_SCALE * mean[rows.kind == RowKind.ROLLOUT].exp()
        correct = (rollouts.advantages * rollouts.mask).sum(dim=-1) > 0
        rl_weight = rl_weight * torch.where(correct, on_weight, 1.0)
        on_demonstration = mean[rows.kind == RowKind.DEMONSTRATION]
        sft_weight = sft_weight * SFT_ENTROPY_SCALE * torch.exp(-on_demonstration)
    if composite.per_micro_batch:
        sft_weight = sft_weight / demonstrations.mask.sum().clamp(min=1)
    return HybridLoss(
        rl=_term(composite.rollouts, rollouts, rl_weight, composite.rollout_params),
        offline=_term(
            composite.demonstrations,
            demonstrations,
            demonstrations.rl_weight,
            composite.demonstration_params,
        ),
        sft=_term("sft", demonstrations, sft_weight, {}),
        entropy=_entropy_term(rows, composite, entropy, entropy_coeff),
        kl=_rollout_sum(rows, kl, kl_coef, "KL"),
    )


def _weighted_sum(per_token: torch.Tensor, mask: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    per_token = torch.where(mask.bool(), per_token, torch.zeros_like(per_token))
    # Sums over thousands of tokens, and weights that differ by orders of magnitude, are not for bfloat16.
    wide = torch.promote_types(per_token.dtype, torch.float32)
    return (per_token.to(wide).sum(dim=-1) * weight.to(wide)).sum()


def _row_mean(per_token: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """(bs,) mean over the response tokens of each row; 0 for a row without any."""
    ones = torch.ones_like(mask.sum(dim=-1), dtype=torch.float32)
    wide = torch.where(mask.bool(), per_token, 0.0).to(torch.promote_types(per_token.dtype, torch.float32))
    return wide.sum(dim=-1) / torch.maximum(mask.sum(dim=-1), ones)


def _term(name: str, rows: Rows, weight: torch.Tensor, params: dict) -> torch.Tensor:
    inputs = (rows.log_prob, rows.old_log_prob, rows.advantages, rows.mask)
    # A weight of 0 means that the term is off for the row: it must not even be evaluated there, since
    # 0 * inf is not 0.
    on = weight != 0
    surrogate = token_surrogate(name, *(x[on] for x in inputs), **params)
    return _weighted_sum(surrogate, rows.mask[on], weight[on])


def _needed(value: torch.Tensor | None, name: str, use: str) -> torch.Tensor:
    if value is None:
        raise ValueError(f"{use} needs the {name} per token")
    return value


def _rollout_sum(rows: Rows, per_token: torch.Tensor | None, coefficient: float, name: str) -> torch.Tensor:
    if coefficient == 0.0:
        return rows.log_prob.new_zeros(())
    values = _needed(per_token, name, f"a coefficient of {coefficient} for the {name} term")
    on = rows.kind == RowKind.ROLLOUT
    return coefficient * _weighted_sum(values[on], rows.mask[on], rows.rl_weight[on])


def _entropy_term(rows: Rows, composite: Composite, entropy: torch.Tensor | None, coefficient: float) -> torch.Tensor:
    if not composite.per_micro_batch or coefficient == 0.0:
        return -_rollout_sum(rows, entropy, coefficient, "entropy")
    values = _needed(entropy, "entropy", f"a coefficient of {coefficient} for the entropy term")
    tokens = rows.mask.sum().clamp(min=1)
    ones = torch.ones(len(values), device=values.device)
    return -coefficient * _weighted_sum(values, rows.mask, ones) / tokens
