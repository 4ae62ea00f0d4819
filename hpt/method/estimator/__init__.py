# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The unified policy gradient estimator (arXiv 2509.04419, Section 3): pure functions on tensors."""

from hpt.method.estimator.advantage import group_advantages
from hpt.method.estimator.algorithms import ALGORITHMS, Algorithm, register
from hpt.method.estimator.composite import Composite
from hpt.method.estimator.loss import HybridLoss, hybrid_loss
from hpt.method.estimator.surrogate import token_coefficient, token_stabilisation, token_surrogate
from hpt.method.estimator.tokens import MAX_LOG_RATIO, probability_ratio

__all__ = [
    "ALGORITHMS",
    "MAX_LOG_RATIO",
    "Algorithm",
    "Composite",
    "HybridLoss",
    "group_advantages",
    "hybrid_loss",
    "probability_ratio",
    "register",
    "token_coefficient",
    "token_stabilisation",
    "token_surrogate",
]
