# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""What the parts of the estimator look at: the tokens of a batch and their probability ratios.

Shapes: (bs, T) rows by response tokens, log-probabilities in nats.
"""

from dataclasses import dataclass, replace

import torch

# exp(20) is about 5e8: far beyond any ratio that trains, and still finite in float32 and bfloat16.
MAX_LOG_RATIO = 20.0
# verl's bound for GSPO. A sequence ratio is a geometric mean: e^10 is further off than e^10 of one token.
MAX_LOG_SEQUENCE_RATIO = 10.0


@dataclass(frozen=True)
class Tokens:
    """A batch as the parts see it; all of shape (bs, T), finite and zero outside the mask.

    Only the likelihood sees a ``log_prob`` that carries a gradient. The other parts are constants
    of the update, and get one that is detached.
    """

    log_prob: torch.Tensor
    old_log_prob: torch.Tensor
    advantages: torch.Tensor
    mask: torch.Tensor

    def detached(self) -> "Tokens":
        return replace(self, log_prob=self.log_prob.detach())

    @property
    def log_ratio(self) -> torch.Tensor:
        """log r = log pi_theta - log pi_theta_old, not clamped. (bs, T)"""
        return self.log_prob - self.old_log_prob

    @property
    def log_sequence_ratio(self) -> torch.Tensor:
        """log s, the mean of log r over the row's tokens, in each of its places. (bs, T)

        GSPO, arXiv 2507.18071: s = (pi_theta(y) / pi_theta_old(y))^(1/|y|). 0 in an empty row.
        """
        length = self.mask.sum(dim=-1, keepdim=True).clamp(min=1)
        total = torch.where(self.mask, self.log_ratio, 0.0).sum(dim=-1, keepdim=True)
        return (total / length).expand_as(self.log_prob)
