# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Estimator diagnostics: measure what an entry of ``hpt.upge.ALGORITHMS`` does to the gradient.

    reference = reference_gradient(model, on_policy_questions, group_size=8)
    diagnosis = diagnose(model, questions, group_size=8, max_response_length=64, reference=reference)

``python -m recipe.hpt.reproduction.diagnose`` does this on the built-in task. The module ``estimate`` defines what is
estimated, and ``claims`` compares it with what the paper argues.
"""

from recipe.hpt.reproduction.diagnose.claims import Claim, claims
from recipe.hpt.reproduction.diagnose.estimate import (
    Reference,
    diagnose,
    policy_gap,
    reference_gradient,
)
from recipe.hpt.reproduction.diagnose.questions import Question, Rollouts
from recipe.hpt.reproduction.diagnose.results import Diagnosis, Entry, PolicyGap
from recipe.hpt.reproduction.diagnose.variants import ADVANTAGES, CONTRASTS, Variant

__all__ = [
    "ADVANTAGES",
    "CONTRASTS",
    "Claim",
    "Diagnosis",
    "Entry",
    "PolicyGap",
    "Question",
    "Reference",
    "Rollouts",
    "Variant",
    "claims",
    "diagnose",
    "policy_gap",
    "reference_gradient",
]
