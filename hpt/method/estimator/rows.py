# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""A micro-batch as the loss sees it, and a change of its weights that a strategy may name.

Shapes: (bs,) rows, (bs, T) response tokens.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch

from hpt.method.routing import RowKind


class Rows(NamedTuple):
    """A micro-batch.

    Attributes:
        log_prob: (bs, T) log pi_theta with gradient.
        old_log_prob: (bs, T) log pi_theta_old.
        advantages: (bs, T).
        mask: (bs, T) response tokens.
        kind: (bs,) of ``RowKind``.
        rl_weight, sft_weight: (bs,) see :mod:`hpt.method.routing`.
        prefix: (bs,) first tokens of a rollout that are the demonstration's; None: of no row.
        inputs: what entries read beside these, by its name in ``hpt.method.estimator.tokens.INPUTS``; (bs, T).
    """

    log_prob: torch.Tensor
    old_log_prob: torch.Tensor
    advantages: torch.Tensor
    mask: torch.Tensor
    kind: torch.Tensor
    rl_weight: torch.Tensor
    sft_weight: torch.Tensor
    prefix: torch.Tensor | None = None
    inputs: Mapping[str, torch.Tensor] = {}

    def of(self, kind: RowKind) -> "Rows":
        """The rows of one kind."""
        return self.where(self.kind == kind)

    def where(self, chosen: torch.Tensor) -> "Rows":
        """The rows for which ``chosen``, (bs,), is true."""
        inputs = {name: values[chosen] for name, values in self.inputs.items()}
        kept = {name: values[chosen] for name, values in self._asdict().items() if isinstance(values, torch.Tensor)}
        return self._replace(**kept, inputs=inputs)

    def split(self) -> tuple["Rows", "Rows"]:
        """The same rows with the tokens behind the prefix alone, and with those of the prefix alone."""
        if self.prefix is None:
            return self, self._replace(mask=torch.zeros_like(self.mask))
        given = torch.arange(self.mask.shape[1], device=self.mask.device) < self.prefix.unsqueeze(-1)
        mask = self.mask.bool()
        return self._replace(mask=mask & ~given), self._replace(mask=mask & given)


Reweighting = Callable[[Rows, torch.Tensor], Rows]
"""From a micro-batch and its (bs, T) policy entropy in nats to the same rows with other weights."""

# SRFT (arXiv 2506.19767): w_sft = 0.5 exp(-H) on demonstrations, w_on = 0.1 exp(H) on correct rollouts.
SFT_ENTROPY_SCALE, ON_ENTROPY_SCALE = 0.5, 0.1


def srft_weights(rows: Rows, entropy: torch.Tensor) -> Rows:
    """SRFT's weights by a row's mean entropy H, which has no gradient (arXiv 2506.19767).

    An incorrect rollout keeps its weight: only correct ones have w_on.
    """
    mean = _row_mean(entropy, rows.mask).detach()
    is_rollout, is_demonstration = rows.kind == RowKind.ROLLOUT, rows.kind == RowKind.DEMONSTRATION
    correct = is_rollout & ((rows.advantages * rows.mask).sum(dim=-1) > 0)
    rl_weight = rows.rl_weight * torch.where(correct, ON_ENTROPY_SCALE * mean.exp(), 1.0)
    sft_weight = rows.sft_weight * torch.where(is_demonstration, SFT_ENTROPY_SCALE * torch.exp(-mean), 1.0)
    return rows._replace(rl_weight=rl_weight, sft_weight=sft_weight)


REWEIGHTINGS: dict[str, Reweighting] = {"srft": srft_weights}


def register_reweighting(name: str, function: Reweighting) -> None:
    """Add a reweighting, for strategies to name.

    Raises:
        ValueError: the name is taken.
    """
    if name in REWEIGHTINGS:
        raise ValueError(f"Reweighting '{name}' is registered already; choose another name.")
    REWEIGHTINGS[name] = function


def _row_mean(per_token: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return (bs,) means over the response tokens of each row; 0 for a row without any."""
    ones = torch.ones_like(mask.sum(dim=-1), dtype=torch.float32)
    wide = torch.where(mask.bool(), per_token, 0.0).to(torch.promote_types(per_token.dtype, torch.float32))
    return wide.sum(dim=-1) / torch.maximum(mask.sum(dim=-1), ones)
