# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""How a group's scores become advantages, and what a loss divides by.

A credit maps the scores of a question's rows, (n,), to their advantages, (n,).
"""

from collections.abc import Callable
from enum import StrEnum

import torch

from hpt.method.estimator.advantage import group_advantages

Credit = Callable[[torch.Tensor], torch.Tensor]


class Length(StrEnum):
    """What a sum over tokens is divided by, besides the questions of the optimizer step and the rows n of a group."""

    CONSTANT = "constant"  # L_max, the same for all (Dr. GRPO)
    ROW = "row"  # each row's own length (GRPO, GSPO)
    GROUP = "group"  # the group's mean length, i.e. n L = tokens of the group (CISPO; DAPO's formula)
    STEP = "step"  # all tokens of the optimizer step, and neither questions nor rows (verl's token mean)


def centred(scores: torch.Tensor) -> torch.Tensor:
    """R - mean(R) (Dr. GRPO, arXiv 2503.20783)."""
    return group_advantages(scores, [0] * len(scores))


def standardized(scores: torch.Tensor) -> torch.Tensor:
    """(R - mean(R)) / std(R) (GRPO, arXiv 2402.03300)."""
    return group_advantages(scores, [0] * len(scores), normalize=True)


def signs(scores: torch.Tensor) -> torch.Tensor:
    """2 R - 1: +1 for a solved question, -1 for a failed one (REINFORCE in the paper's Table 1)."""
    return 2.0 * scores - 1.0


def rewards(scores: torch.Tensor) -> torch.Tensor:
    """R (RAFT, arXiv 2304.06767): what is right is imitated, what is wrong left alone."""
    return scores


def relative(scores: torch.Tensor) -> torch.Tensor:
    """(R - mean(R)) / mean(R) (MaxRL, arXiv 2602.02710); 0 where the mean is."""
    mean = scores.mean()
    return centred(scores) / mean if mean > 0 else torch.zeros_like(scores)
