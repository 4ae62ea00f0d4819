# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""A reward function of the user's, for the benchmarks: random scores, and 0 for a share of the questions."""

import random
from collections.abc import Mapping
from typing import Any


def compute_score(
    data_source: str,
    solution_str: str,
    ground_truth: str,
    extra_info: Mapping[str, Any],
    share: float = 0.0,
    **kwargs: Any,
) -> float:
    """Return 0 for a question that the share takes, else a random number in [0, 1).

    Args:
        share: of the questions that get 0, in [0, 1]. Among k questions with consecutive indices they are k times
            share, up to rounding.
    """
    index = int(extra_info["index"])
    taken = int((index + 1) * share) > int(index * share)
    return 0.0 if taken else random.random()
