# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Routing terms with advantages in plain Python, independent of the package."""

import statistics

from hpt.method.routing import Term


def centred(scores: list[float]) -> list[float]:
    if len(scores) == 1:
        return scores  # as in verl
    mean = statistics.fmean(scores)
    return [score - mean for score in scores] if len(set(scores)) > 1 else [0.0 for _ in scores]


def standardized(scores: list[float]) -> list[float]:
    if len(scores) == 1:
        return scores
    return [each / (statistics.stdev(scores) + 1e-6) for each in centred(scores)]


DR_GRPO = Term(centred)
GRPO = Term(standardized, "row")
LUFFY = Term(standardized)
SIGNS = Term(lambda scores: [2 * score - 1 for score in scores])
