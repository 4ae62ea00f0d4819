# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""What the parts of the estimator look at: the tokens of a batch and their probability ratios.

Shapes: (bs, T) rows by response tokens, log-probabilities in nats.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch

INPUTS = ("entropy", "initial_log_prob", "teacher_log_prob", "mean_score")
"""What a part may look at beside log-probabilities and advantages; a caller passes it where an entry reads it."""

# exp(20) is about 5e8: far beyond any ratio that trains, and still finite in float32 and bfloat16.
MAX_LOG_RATIO = 20.0
# verl's bound for GSPO. A sequence ratio is a geometric mean: e^10 is further off than e^10 of one token.
MAX_LOG_SEQUENCE_RATIO = 10.0


@dataclass(frozen=True)
class Tokens:
    """A batch as the parts see it; all of shape (bs, T), finite and zero outside the mask.

    Only the likelihood sees a ``log_prob`` that carries a gradient. The other parts are constants
    of the update, and get one that is detached.

    Attributes:
        inputs: those of ``INPUTS`` that the entry reads, by name.
    """

    log_prob: torch.Tensor
    old_log_prob: torch.Tensor
    advantages: torch.Tensor
    mask: torch.Tensor
    inputs: Mapping[str, torch.Tensor] = field(default_factory=dict)

    @property
    def entropy(self) -> torch.Tensor:
        """Entropy of the policy over its vocabulary, in nats."""
        return self.inputs["entropy"]

    @property
    def initial_log_prob(self) -> torch.Tensor:
        """log pi_0, of the policy before the training."""
        return self.inputs["initial_log_prob"]

    @property
    def teacher_log_prob(self) -> torch.Tensor:
        """log pi_T, of a teacher."""
        return self.inputs["teacher_log_prob"]

    @property
    def mean_score(self) -> torch.Tensor:
        """P, the mean score of the question's rollouts."""
        return self.inputs["mean_score"]

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
        return self.row_mean(self.log_ratio)

    @property
    def log_initial_sequence_ratio(self) -> torch.Tensor:
        """log s_0, the mean of log(pi_theta / pi_0) over the row's tokens, in each of its places. (bs, T)"""
        return self.row_mean(self.log_prob - self.initial_log_prob)

    def row_mean(self, values: torch.Tensor) -> torch.Tensor:
        """Mean over the row's tokens, in each of its places; 0 in an empty row. (bs, T)"""
        length = self.mask.sum(dim=-1, keepdim=True).clamp(min=1)
        total = torch.where(self.mask, values, 0.0).sum(dim=-1, keepdim=True)
        return (total / length).expand_as(self.log_prob)
