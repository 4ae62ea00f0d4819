# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The estimator under the name that code outside this project imports; its home is :mod:`hpt.method.estimator`."""

from hpt.method.estimator import (
    ALGORITHMS,
    Algorithm,
    credit,
    parts,
    register,
    token_coefficient,
    token_stabilisation,
    token_surrogate,
)

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
