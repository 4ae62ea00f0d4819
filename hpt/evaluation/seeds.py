# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""A seed for every sample, whoever generates it and whenever."""

import hashlib
import json

# JSON readers keep whole numbers up to 2^53 exactly.
_BITS = 53


def sample_seed(run_seed: int, benchmark: str, question: str, sample: int) -> int:
    """In [0, 2^53); a function of the arguments alone, the same on every machine."""
    text = json.dumps([run_seed, benchmark, question, sample])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> (64 - _BITS)
