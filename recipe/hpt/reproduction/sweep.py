# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""How a sweep chooses a learning rate. Imports no torch.

Each stage has a sweep of its own, on a task and a base model of a seed that is not reported. Otherwise the best of the
swept runs would be reported as the result, with its luck.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SWEEP_SEED = 100
"""The seed of the task, the base model and the run of all sweeps."""
TIE = 1e-9
"""Accuracies closer than this are the same fraction of the same questions."""


@dataclass(frozen=True)
class Choice:
    """What a sweep decided.

    Attributes:
        learning_rate: the chosen one; None while runs are missing.
        missing: learning rates without a result.
        at_edge: whether it is the smallest or the largest of several, so that a better one may lie outside.
    """

    learning_rate: float | None
    missing: tuple[float, ...] = ()
    at_edge: bool = False


def choose(scores: Mapping[float, float], rates: Sequence[float]) -> Choice:
    """Choose the learning rate with the highest score; ties go to the smaller one.

    While a score is missing, nothing is chosen. A run that failed says nothing about its rate, and a choice that
    changes later would waste final runs.

    Args:
        scores: learning rate -> accuracy on the development set, mean over the training levels.
        rates: all learning rates of the sweep.
    """
    if len(rates) == 1:
        return Choice(rates[0])
    missing = tuple(rate for rate in rates if rate not in scores)
    if missing:
        return Choice(None, missing)
    best = max(scores[rate] for rate in rates)
    chosen = min(rate for rate in rates if scores[rate] >= best - TIE)
    return Choice(chosen, at_edge=chosen in (min(rates), max(rates)))
