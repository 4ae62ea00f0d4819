# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The estimator under the name that outside code imports; it is implemented in :mod:`hpt.method.estimator`."""

from hpt.method.estimator import credit, parts
from hpt.method.estimator.algorithms import ALGORITHMS, Algorithm, register
from hpt.method.estimator.surrogate import token_coefficient, token_stabilisation, token_surrogate

__all__ = [
    "ALGORITHMS",
    "Algorithm",
    "credit",
    "parts",
    "register",
    "token_coefficient",
    "token_stabilisation",
    "token_surrogate",
]
