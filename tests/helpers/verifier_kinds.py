# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Kinds of answers whose verifiers never end, or want more memory than there is. Workers import them by name."""

import math

from hpt.verifier import Verdict, register_kind


@register_kind("test_endless")
def endless(response: str, gold: str) -> Verdict:
    """Loop in Python code."""
    while True:
        pass


@register_kind("test_endless_in_c")
def endless_in_c(response: str, gold: str) -> Verdict:
    """Stay inside a single call into C."""
    math.factorial(10**9)
    return Verdict("correct")


@register_kind("test_memory")
def memory(response: str, gold: str) -> Verdict:
    """Ask for 8 GiB."""
    bytearray(1 << 33)
    return Verdict("correct")
