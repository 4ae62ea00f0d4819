# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The unified policy gradient estimator (arXiv 2509.04419, Section 3): pure functions on tensors."""

from hpt.upge.advantage import group_advantages
from hpt.upge.hybrid import HybridLoss, hybrid_loss
from hpt.upge.surrogate import ALGORITHMS, token_coefficient, token_surrogate

__all__ = [
    "ALGORITHMS",
    "HybridLoss",
    "group_advantages",
    "hybrid_loss",
    "token_coefficient",
    "token_surrogate",
]
