# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Verifiers of one's own that never end, or want more memory than there is. Workers import them by name."""

import math

from hpt.verifier import Verdict


def endless(response: str, gold: str) -> Verdict:
    """Loop in Python code."""
    while True:
        pass


def endless_in_c(response: str, gold: str) -> Verdict:
    """Stay inside a single call into C."""
    math.factorial(10**9)
    return Verdict("correct")


def memory(response: str, gold: str) -> Verdict:
    """Ask for 8 GiB."""
    bytearray(1 << 33)
    return Verdict("correct")
