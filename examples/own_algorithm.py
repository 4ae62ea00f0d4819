# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""How to add your own algorithm: REINFORCE on tokens whose probability has not doubled since the rollout.

    python -m recipe.hpt.main_hpt ... hpt.plugins=[examples.own_algorithm] \
        hpt.rollout_algorithm=cautious_reinforce
"""

import math

from hpt.upge import Algorithm, credit, parts, register


@parts.part("1 if r < 2 else 0")
def not_doubled(tokens, max_ratio=2.0):
    return parts.log_mask(tokens.log_ratio < math.log(max_ratio), like=tokens.log_prob)


register(
    "cautious_reinforce",
    Algorithm(
        stabilisation=not_doubled,
        reference=parts.current_policy,
        advantage=parts.given_advantage("R - mean"),
        likelihood=parts.log_probability,
        credit=credit.centred,
    ),
)
