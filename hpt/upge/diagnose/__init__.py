# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Estimator diagnostics: what an entry of ``hpt.upge.ALGORITHMS`` does to the gradient, measured.

    reference = reference_gradient(model, on_policy_questions, group_size=8)
    diagnosis = diagnose(model, questions, group_size=8, max_response_length=64, reference=reference)

``python -m hpt.upge diagnose`` does it on the built-in task; :mod:`hpt.upge.diagnose.estimate` says what
is estimated, :mod:`hpt.upge.diagnose.claims` compares it with what the paper argues.
"""

from hpt.upge.diagnose.claims import Claim, claims
from hpt.upge.diagnose.estimate import Reference, diagnose, policy_gap, reference_gradient
from hpt.upge.diagnose.questions import Question, Rollouts
from hpt.upge.diagnose.results import Diagnosis, Entry, PolicyGap
from hpt.upge.diagnose.variants import ADVANTAGES, CONTRASTS, Variant

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
