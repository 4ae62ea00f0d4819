# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""A seed for every sample. It does not depend on which engine generates the sample, or when."""

import hashlib
import json

# JSON readers keep whole numbers up to 2^53 exactly.
_BITS = 53


def sample_seed(run_seed: int, purpose: str | int, question: str, sample: int) -> int:
    """The sample's seed in [0, 2^53), a function of the arguments alone, equal on every machine.

    Args:
        run_seed: of the run.
        purpose: what the sample is for: a benchmark's name, or a training step.
        question: the question's id.
        sample: number of the sample, from 0.
    """
    text = json.dumps([run_seed, purpose, question, sample])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> (64 - _BITS)
