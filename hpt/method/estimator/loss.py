# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The hybrid loss: a weighted sum of surrogates over rollout rows and demonstration rows.

Which rows there are and what each weighs was decided before (:mod:`hpt.method.routing`), with denominators
counted over the whole optimizer step. So the loss of a micro-batch is a plain sum, and the sum over
micro-batches and ranks does not depend on how rows are packed. Shapes: (bs,) rows, (bs, T) tokens.
"""

from typing import NamedTuple

import torch

from hpt.method.estimator.algorithms import find
from hpt.method.estimator.composite import Composite
from hpt.method.estimator.rows import REWEIGHTINGS, Rows
from hpt.method.estimator.surrogate import token_surrogate
from hpt.method.plan import Imitated, RowKind

HPT = Composite()


class HybridLoss(NamedTuple):
    """Scalars of one micro-batch; each is its part of the optimizer step's sum.

    Attributes:
        rl: RL term of the rollouts.
        off: RL term of the demonstrations (off-policy), also of those that are a rollout's prefix.
        sft: SFT term of the demonstrations, of rollouts that a teacher scores, or of rollouts' prefixes.
        entropy, kl: terms that act on rollouts.
    """

    rl: torch.Tensor
    off: torch.Tensor
    sft: torch.Tensor
    entropy: torch.Tensor
    kl: torch.Tensor

    @property
    def total(self) -> torch.Tensor:
        """The loss to run backward on."""
        return self.rl + self.off + self.sft + self.entropy + self.kl


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
    their RL weight, and its entry for the SFT term under their SFT weight. What the first tokens of a rollout count
    for, where they are a demonstration's, the composite says. Padding rows add nothing. A term
    without rows yields a zero that can still run backward. Entropy and KL act on rollouts only, per
    token under the RL weight, so that together they are the objective
    A * ratio + entropy_coeff * H - kl_coef * KL per token. A reweighting changes the weights of the RL and SFT
    terms alone. Under a normalization that averages the entropy, that term is a mean over all response tokens.

    Args:
        rows: the micro-batch.
        composite: the method.
        entropy: (bs, T) policy entropy in nats, needed if entropy_coeff is not 0 and by a
            reweighting.
        kl: (bs, T) estimate of KL(pi_theta || pi_ref) in nats, needed if kl_coef is not 0.

    Raises:
        ValueError: entropy or kl is missing where it is needed.
    """
    if entropy is not None:
        rows = rows._replace(inputs={**rows.inputs, "entropy": entropy})
    prefixes = rows
    if composite.prefixes != "alike":
        rows, prefixes = rows.split()
    weighted = rows
    if composite.reweighting is not None:
        needed = _needed(entropy, "entropy", f"the reweighting '{composite.reweighting}'")
        weighted = REWEIGHTINGS[composite.reweighting](rows, needed)
    rollouts, demonstrations = weighted.of(RowKind.ROLLOUT), weighted.of(RowKind.DEMONSTRATION)
    prefixes = prefixes.of(RowKind.ROLLOUT)
    imitated = {
        Imitated.DEMONSTRATION: demonstrations,
        Imitated.ROLLOUTS: rollouts,
        Imitated.PREFIXES: prefixes,
    }[composite.imitated]
    sft_weight = imitated.sft_weight / composite.normalization.sft_in_micro_batch(imitated.mask)
    off = _term(composite.demonstrations, demonstrations, demonstrations.rl_weight, composite.demonstration_params)
    if composite.prefixes == "reinforced":
        off = off + _term(composite.demonstrations, prefixes, prefixes.rl_weight, composite.demonstration_params)
    return HybridLoss(
        rl=_term(composite.rollouts, rollouts, rollouts.rl_weight, composite.rollout_params),
        off=off,
        sft=_term(composite.sft, imitated, sft_weight, composite.sft_params),
        entropy=_entropy_term(rows, composite, entropy, entropy_coeff),
        kl=_rollout_sum(rows, kl, kl_coef, "KL"),
    )


def _weighted_sum(per_token: torch.Tensor, mask: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    per_token = torch.where(mask.bool(), per_token, torch.zeros_like(per_token))
    # Sums over thousands of tokens, and weights that differ by orders of magnitude, are not for bfloat16.
    wide = torch.promote_types(per_token.dtype, torch.float32)
    return (per_token.to(wide).sum(dim=-1) * weight.to(wide)).sum()


def _term(name: str, rows: Rows, weight: torch.Tensor, params: dict) -> torch.Tensor:
    # A weight of 0 means that the term is off for the row: it must not even be evaluated there, since
    # 0 * inf is not 0.
    on = rows.where(weight != 0)
    inputs = {key: values for key, values in on.inputs.items() if key in find(name).inputs}
    surrogate = token_surrogate(name, on.log_prob, on.old_log_prob, on.advantages, on.mask, **params, **inputs)
    return _weighted_sum(surrogate, on.mask, weight[weight != 0])


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
    if not composite.normalization.averages_entropy or coefficient == 0.0:
        return -_rollout_sum(rows, entropy, coefficient, "entropy")
    values = _needed(entropy, "entropy", f"a coefficient of {coefficient} for the entropy term")
    tokens = rows.mask.sum().clamp(min=1)
    ones = torch.ones(len(values), device=values.device)
    return -coefficient * _weighted_sum(values, rows.mask, ones) / tokens
