# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Check whether the boxed answer of a response equals the gold answer.

Importing this package is cheap: it needs mpmath, and nothing larger.
"""

from hpt.verifier.extract import extract_answer, normalize_gold
from hpt.verifier.kinds import KINDS, register_kind
from hpt.verifier.pool import VerifierPool, shared_pool
from hpt.verifier.verdict import REASONS, GoldKind, Reason, Verdict

__all__ = [
    "KINDS",
    "REASONS",
    "GoldKind",
    "Reason",
    "Verdict",
    "VerifierPool",
    "extract_answer",
    "normalize_gold",
    "register_kind",
    "shared_pool",
    "verify",
]


def verify(response: str, answer: str, kind: str = "math") -> Verdict:
    """Check one response against the gold ``answer``, from any thread.

    This process's shared pool compares what the exact screen does not decide. So the call returns within the pool's
    time limit, whatever the response is. For many responses use ``VerifierPool.verify_many``.
    """
    return shared_pool().verify(response, answer, kind)
